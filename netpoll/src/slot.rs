//! One waiting place: the `rg`/`wg` word of Go's `pollDesc`.
//!
//! A slot holds at most one waiter. It is a word with four kinds of value:
//!
//! | word    | meaning                                                        |
//! |---------|----------------------------------------------------------------|
//! | `NIL`   | nobody waits, nothing happened                                 |
//! | `READY` | something happened and nobody has taken note of it yet         |
//! | `WAIT`  | a waiter without a thread to give up is about to settle here   |
//! | pointer | the [`Waiter`] that waits here: parked, or about to look and park |
//!
//! Who may move which to which:
//!
//! | by                        | `NIL`         | `READY`                 | `WAIT`                  | pointer             |
//! |---------------------------|---------------|-------------------------|-------------------------|---------------------|
//! | [`Slot::block`] and [`Slot::wait`], entering | to pointer | to `NIL`, returns true | panics: two waiters | panics: two waiters |
//! | `block`, if the last look forbids the park: retracts | was taken out: parks | the same | cannot be | to `NIL`, returns false |
//! | [`Slot::unblock`] true    | to `READY`    | stays                   | to `READY`              | to `NIL`, wakes it  |
//! | [`Slot::unblock`] false   | stays         | stays                   | to `NIL`                | to `NIL`, wakes it  |
//! | [`Slot::notify`]          | to `READY`    | to `READY` (written)    | to `READY`              | to `NIL`, wakes it  |
//! | [`Slot::reset`], by who may wait here | stays | to `NIL`              | cannot be               | cannot be           |
//! | `block` and `wait`, after the park | stays, returns the word | to `NIL`, returns true | cannot be | cannot be     |
//! | [`Slot::settle`], mark    | to `WAIT`     | to `NIL`: `Ready`       | panics: two waiters     | panics: two waiters |
//! | `settle`, commit          | `Interrupted` | to `NIL`: `Ready`       | to pointer: `Parked`; to `NIL`: `Interrupted`, if the last look forbids it | cannot be |
//! | `block`, if the last look panics | aborts the process | the same       | cannot be               | to `NIL`            |
//! | `settle`, if the last look panics | stays         | stays                   | to `NIL`                | cannot be           |
//!
//! Whoever takes a waiter out of its slot leaves word in the waiter whether that was a readiness or
//! only an interrupt. So the slot is empty when the waiter runs again, which saves it a locked
//! instruction; and what has happened in between is in the slot.
//!
//! The last look at the world ("closed? expired?") comes after the slot says that somebody is coming:
//! whoever changes the world first publishes the change and then looks at the slot, so one of the two
//! sees the other. Whoever swaps the pointer out owns the wake-up, so a waiter that leaves its slot
//! that way is woken exactly once. That may be before it has parked: then the park returns at once. So
//! whoever enters must be one that may park, whatever its last look will say. A
//! waiter that settles has no park that could wait for the last look to be over, and may belong to
//! somebody else as soon as its pointer can be seen; so it looks under the mark `WAIT` instead.
//!
//! Go: `runtime/netpoll.go`, `netpollblock` and `netpollunblock`.

use crate::park::{Park, Reason, Waiter};
use crate::sync::{AtomicUsize, Ordering::SeqCst};
use std::ptr::NonNull;

const NIL: usize = 0;
const READY: usize = 1;
const WAIT: usize = 2;

/// What became of [`Slot::settle`].
///
/// ```
/// use netpoll::{Slot, Waiter, slot::Settled};
/// use std::ptr::NonNull;
/// unsafe fn nobody(_: NonNull<Waiter>) {}
/// let (slot, waiter) = (Slot::new(), Waiter::new(nobody));
/// // SAFETY: the waiter outlives its stay in the slot.
/// let settle = |last_look: bool| unsafe { slot.settle(NonNull::from(&waiter), || last_look) };
/// assert_eq!(settle(false), Settled::Interrupted);
/// slot.wake(true);
/// assert_eq!(settle(true), Settled::Ready);
/// assert_eq!(settle(true), Settled::Parked);
/// # slot.wake(false);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The waiter is in the slot.
    Parked,
    /// The slot was ready; that is consumed.
    Ready,
    /// Look at the world again.
    Interrupted,
}

/// A place where one task or thread can wait for one thing.
///
/// ```
/// use netpoll::{Reason, Slot, park};
/// let slot = Slot::new();
/// std::thread::scope(|s| {
///     s.spawn(|| slot.wake(true));
///     let ready = park::with_current(|p| slot.block(p, Reason::Sync, || true));
///     assert!(ready && !slot.is_ready()); // consumed
/// });
/// ```
#[derive(Debug)]
pub struct Slot(AtomicUsize);

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

impl Slot {
    /// An empty slot.
    #[cfg(not(loom))]
    pub const fn new() -> Slot {
        Slot(AtomicUsize::new(NIL))
    }

    /// An empty slot.
    #[cfg(loom)]
    pub fn new() -> Slot {
        Slot(AtomicUsize::new(NIL))
    }

    /// Waits until the slot is made ready, or until someone calls `unblock(false)`.
    ///
    /// `last_look` runs after the waiter has entered the slot and before the caller gives up its thread;
    /// when it returns false the waiter leaves. Returns true if the slot was ready (a readiness that
    /// came before the call counts, and is consumed). False says only "look at the world again".
    ///
    /// The caller must be one that may park ([`Park::may_park`]), whatever the last look says: if
    /// somebody has taken the waiter out meanwhile, it parks until that wake-up has come.
    ///
    /// A readiness is kept until somebody comes for it; what the last look finds ends the wait before it
    /// begins:
    ///
    /// ```
    /// use netpoll::{Reason, Slot, park};
    /// let slot = Slot::new();
    /// let block = |last_look| park::with_current(|p| slot.block(p, Reason::Sync, || last_look));
    /// slot.notify();
    /// assert!(block(true));
    /// assert!(!block(false)); // not ready: look at the world again
    /// ```
    ///
    /// # Panics
    /// If somebody else waits in this slot: the caller must hold the lock of this direction.
    ///
    /// If `last_look` panics after somebody has taken the waiter out of its slot, the process is
    /// aborted: a wake-up is on its way that could not be waited for.
    ///
    /// Go: `runtime.netpollblock`.
    #[inline]
    pub fn block<P: Park + ?Sized>(
        &self,
        park: &P,
        why: Reason,
        last_look: impl FnOnce() -> bool,
    ) -> bool {
        let waiter = park.waiter();
        if !self.enter(waiter) {
            return true;
        }
        let entered = Entered(self, waiter);
        let stays = last_look();
        std::mem::forget(entered);
        if !stays && self.retract(waiter) {
            return false;
        }
        park.park(self, why);
        self.leave(waiter)
    }

    /// [`Slot::block`] for a caller with nothing to look at: the slot itself is all that it waits for.
    ///
    /// ```
    /// use netpoll::{Reason, Slot, park};
    /// let slot = Slot::new();
    /// let wait = || park::with_current(|p| slot.wait(p, Reason::Sync));
    /// slot.wake(true);
    /// assert!(wait()); // came before the call, and is consumed
    /// std::thread::scope(|s| {
    ///     s.spawn(|| {
    ///         while !slot.is_waited() { std::thread::yield_now() }
    ///         slot.wake(false);
    ///     });
    ///     assert!(!wait()); // only interrupted
    /// });
    /// ```
    ///
    /// # Panics
    /// If somebody else waits in this slot.
    #[inline(always)]
    pub fn wait<P: Park + ?Sized>(&self, park: &P, why: Reason) -> bool {
        let waiter = park.waiter();
        if !self.enter(waiter) {
            return true;
        }
        park.park(self, why);
        self.leave(waiter)
    }

    /// [`Slot::block`] for a waiter that has no thread to give up: puts it into the slot and returns.
    ///
    /// After [`Settled::Parked`] the waiter is anybody's: it may have been made ready before this
    /// returns. Once it was, the slot is free again, and whatever `block` says after its park is found
    /// out by looking at the world.
    ///
    /// ```
    /// use netpoll::{Slot, Waiter, slot::Settled};
    /// use std::{ptr::NonNull, sync::atomic::{AtomicBool, Ordering::SeqCst}};
    /// #[repr(C)]
    /// struct Job { waiter: Waiter, ran: AtomicBool }
    /// unsafe fn run(waiter: NonNull<Waiter>) {
    ///     // SAFETY: the waiter is the first field of a `Job`, which is alive until it was made ready.
    ///     unsafe { waiter.cast::<Job>().as_ref() }.ran.store(true, SeqCst);
    /// }
    /// let job = Job { waiter: Waiter::new(run), ran: AtomicBool::new(false) };
    /// let slot = Slot::new();
    /// // SAFETY: `job` lives until the end of this example.
    /// let settled = unsafe { slot.settle(NonNull::from(&job).cast(), || true) };
    /// assert_eq!(settled, Settled::Parked);
    /// slot.wake(true);
    /// assert!(job.ran.load(SeqCst));
    /// ```
    ///
    /// # Safety
    /// As for [`Park`]: the waiter stays valid until it is made ready.
    ///
    /// # Panics
    /// If somebody else waits in this slot.
    pub unsafe fn settle(
        &self,
        waiter: NonNull<Waiter>,
        last_look: impl FnOnce() -> bool,
    ) -> Settled {
        if self.0.compare_exchange(NIL, WAIT, SeqCst, SeqCst).is_err() {
            self.consume();
            return Settled::Ready;
        }
        let marked = Marked(self);
        let stays = last_look();
        std::mem::forget(marked);
        let new = if stays { waiter.as_ptr() as usize } else { NIL };
        match self.0.compare_exchange(WAIT, new, SeqCst, SeqCst) {
            Ok(_) if new != NIL => Settled::Parked,
            Ok(_) | Err(NIL) => Settled::Interrupted,
            Err(_) => {
                self.consume();
                Settled::Ready
            }
        }
    }

    /// Nil to pointer. False if the slot was ready instead, which is consumed.
    #[inline(always)]
    fn enter(&self, waiter: NonNull<Waiter>) -> bool {
        let waiter = waiter.as_ptr() as usize;
        let entered = self.0.compare_exchange(NIL, waiter, SeqCst, SeqCst);
        if entered.is_err() {
            self.consume();
        }
        entered.is_ok()
    }

    /// Ready to nil, for the only one who may wait here.
    fn consume(&self) {
        // Only the caller consumes READY, so this exchange fails only on a double wait.
        if self.0.compare_exchange(READY, NIL, SeqCst, SeqCst).is_err() {
            double_wait();
        }
    }

    /// Pointer to nil, by the waiter itself. False if somebody has taken it out, who owes a wake-up.
    fn retract(&self, waiter: NonNull<Waiter>) -> bool {
        let waiter = waiter.as_ptr() as usize;
        let retracted = self.0.compare_exchange(waiter, NIL, SeqCst, SeqCst);
        retracted.is_ok()
    }

    /// The end of a park. True if it was a readiness that ended it, or one has come since.
    #[inline(always)]
    fn leave(&self, waiter: NonNull<Waiter>) -> bool {
        // SAFETY: the caller is the waiter.
        let woken = unsafe { waiter.as_ref() }.was_readiness();
        if self.0.load(SeqCst) == NIL {
            return woken;
        }
        self.consume();
        true
    }

    /// Makes the slot ready (`true`) or only interrupts its waiter (`false`), and returns the
    /// waiter that left the slot through this call, if any. The caller owes it one
    /// [`Waiter::ready`].
    ///
    /// ```
    /// let slot = netpoll::Slot::new();
    /// assert!(slot.unblock(false).is_none() && !slot.is_ready()); // nobody to interrupt
    /// assert!(slot.unblock(true).is_none() && slot.is_ready()); // kept for whoever comes
    /// slot.reset(); // who may wait is about to look for itself
    /// assert!(!slot.is_ready() && !slot.is_waited());
    /// ```
    ///
    /// Go: `runtime.netpollunblock`.
    #[inline]
    #[must_use = "a waiter taken out of its slot must be made ready, or it sleeps for ever"]
    pub fn unblock(&self, ready: bool) -> Option<NonNull<Waiter>> {
        let mut old = self.0.load(SeqCst);
        loop {
            if old == READY || (old == NIL && !ready) {
                return None;
            }
            let new = if ready && old <= WAIT { READY } else { NIL };
            match self.0.compare_exchange(old, new, SeqCst, SeqCst) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        taken(old, ready)
    }

    /// [`Slot::unblock`], then makes the waiter ready.
    ///
    /// ```
    /// let slot = netpoll::Slot::new();
    /// slot.wake(false); // nobody to interrupt
    /// assert!(!slot.is_ready());
    /// slot.wake(true); // kept for whoever comes
    /// assert!(slot.is_ready());
    /// ```
    #[inline]
    pub fn wake(&self, ready: bool) {
        let old = self.0.load(SeqCst);
        if old == READY {
            return;
        }
        // As a rule somebody is parked here, and nobody else wakes it.
        let parked = old > WAIT && self.0.compare_exchange(old, NIL, SeqCst, SeqCst).is_ok();
        let waiter = if parked {
            taken(old, ready)
        } else {
            self.unblock_again(ready)
        };
        if let Some(waiter) = waiter {
            // SAFETY: taken out of its slot just now, and made ready once.
            unsafe { Waiter::ready(waiter) };
        }
    }

    #[cold]
    #[inline(never)]
    fn unblock_again(&self, ready: bool) -> Option<NonNull<Waiter>> {
        self.unblock(ready)
    }

    /// Makes the slot ready and its waiter too, if somebody is parked here; for users who publish what
    /// they announce with an ordinary store.
    ///
    /// [`Slot::unblock`] leaves a slot that is ready already untouched. That is enough when what it
    /// announces lies in the kernel, or was published with `SeqCst`, but an ordinary store before it
    /// could still be on its way when the waiter, who consumes the earlier readiness at that moment,
    /// looks for it and finds nothing. This one always writes, so whoever consumes the readiness sees
    /// everything that came before the last call.
    ///
    /// ```
    /// use netpoll::{Reason, Slot, park};
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    /// let (slot, value) = (Slot::new(), AtomicU32::new(0));
    /// std::thread::scope(|s| {
    ///     s.spawn(|| {
    ///         value.store(7, Relaxed); // an ordinary store
    ///         slot.notify();
    ///     });
    ///     while !park::with_current(|p| slot.block(p, Reason::Sync, || true)) {}
    ///     assert_eq!(value.load(Relaxed), 7);
    /// });
    /// ```
    #[inline]
    pub fn notify(&self) {
        let mut old = self.0.load(SeqCst);
        loop {
            let new = if old > WAIT { NIL } else { READY };
            match self.0.compare_exchange(old, new, SeqCst, SeqCst) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        if let Some(waiter) = taken(old, true) {
            // SAFETY: taken out of its slot just now, and made ready once.
            unsafe { Waiter::ready(waiter) };
        }
    }

    /// Where the waiter is, if somebody is parked here. It may be gone by now: an address, no more.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn waiting(&self) -> Option<*const Waiter> {
        let word = self.0.load(crate::sync::Ordering::Relaxed);
        (word > WAIT).then_some(word as *const Waiter)
    }

    /// Forgets a readiness that was noted. Only the one who may wait here may call it, and it must
    /// look at the thing itself afterwards.
    #[inline]
    pub fn reset(&self) {
        if self.0.load(SeqCst) != NIL {
            self.0.store(NIL, SeqCst);
        }
    }

    /// Was a readiness noted and not yet consumed?
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.0.load(SeqCst) == READY
    }

    /// Is somebody parked here, or about to be?
    #[inline]
    pub fn is_waited(&self) -> bool {
        self.0.load(SeqCst) >= WAIT
    }
}

/// The waiter, if one was in a slot that held `old` and was emptied by the caller; it is told why.
#[inline(always)]
fn taken(old: usize, ready: bool) -> Option<NonNull<Waiter>> {
    if old <= WAIT {
        return None;
    }
    let waiter = NonNull::new(old as *mut Waiter)?;
    // SAFETY: a waiter's pointer is in a slot only while it waits there, and the exchange handed it to
    // one caller only; it goes on waiting, so it stays alive, until that one makes it ready.
    unsafe { waiter.as_ref() }.leave_word(ready);
    Some(waiter)
}

/// In a slot by pointer, and not parked yet.
struct Entered<'a>(&'a Slot, NonNull<Waiter>);

/// Only where the last look panics.
impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if !self.0.retract(self.1) {
            std::process::abort();
        }
    }
}

/// Marked with `WAIT`.
struct Marked<'a>(&'a Slot);

/// Only where the last look panics. What has taken the mark away meanwhile stays.
impl Drop for Marked<'_> {
    fn drop(&mut self) {
        let _ = self.0.0.compare_exchange(WAIT, NIL, SeqCst, SeqCst);
    }
}

#[cold]
fn double_wait() -> ! {
    panic!("double wait: two waiters in one slot");
}
