//! One waiting place: the `rg`/`wg` word of Go's `pollDesc`.
//!
//! A slot holds at most one waiter. It is a word with four kinds of value:
//!
//! | word    | meaning                                                    |
//! |---------|------------------------------------------------------------|
//! | `NIL`   | nobody waits, nothing happened                             |
//! | `READY` | something happened and nobody has taken note of it yet     |
//! | `WAIT`  | somebody is about to park, and has not given up its thread |
//! | pointer | the [`Waiter`] that is parked                              |
//!
//! Who may move which to which:
//!
//! | by                     | `NIL`         | `READY`                 | `WAIT`                  | pointer              |
//! |------------------------|---------------|-------------------------|-------------------------|----------------------|
//! | [`Slot::block`]        | to `WAIT`     | to `NIL`, returns true  | panics: two waiters     | panics: two waiters  |
//! | commit, inside `block` | no park       | no park                 | to pointer, then parks  | cannot be            |
//! | [`Slot::unblock`] true | to `READY`    | stays                   | to `READY`, wakes nobody| to `READY`, wakes it |
//! | [`Slot::unblock`] false| stays         | stays                   | to `NIL`, wakes nobody  | to `NIL`, wakes it   |
//! | [`Slot::notify`]       | to `READY`    | to `READY` (written)    | to `READY`, wakes nobody| to `READY`, wakes it |
//! | [`Slot::wait`]         | to pointer, then parks | to `NIL`, returns true | panics: two waiters | panics: two waiters  |
//! | after the park         | swapped to `NIL`; true if it was `READY`          |                         |                      |
//! | [`Slot::settle`]       | as `block`, but returns after the commit; who was woken then calls [`Slot::reset`]         ||||
//!
//! `WAIT` exists so that the last look at the world ("closed? expired?") happens after the slot
//! says that somebody is coming: whoever changes the world first publishes the change and then
//! looks at the slot, so one of the two sees the other. It is also why every waiter that leaves the
//! slot by pointer is woken exactly once: whoever swaps the pointer out owns the wake-up.
//!
//! Go: `runtime/netpoll.go`, `netpollblock` and `netpollunblock`.

use crate::park::{Park, Reason, Waiter};
use crate::sync::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
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
    /// `last_look` runs after the slot has been marked and before the caller gives up its thread;
    /// when it returns false there is no park. Returns true if the slot was ready (a readiness that
    /// came before the call counts, and is consumed). False says only "look at the world again".
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
    /// Go: `runtime.netpollblock`.
    #[inline]
    pub fn block<P: Park + ?Sized>(
        &self,
        park: &P,
        why: Reason,
        last_look: impl FnOnce() -> bool,
    ) -> bool {
        if self.mark() {
            return true;
        }
        if last_look() && self.commit(park.waiter()) {
            park.park(self, why);
        }
        self.leave()
    }

    /// [`Slot::block`] for a caller with nothing to look at: the slot itself is all that it waits for.
    /// So the slot need not be marked first, which saves a locked instruction.
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
        let waiter = park.waiter().as_ptr() as usize;
        match self.0.compare_exchange(NIL, waiter, SeqCst, SeqCst) {
            Ok(_) => park.park(self, why),
            Err(READY) => {}
            Err(_) => double_wait(),
        }
        self.leave()
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
        if self.mark() {
            return Settled::Ready;
        }
        if last_look() && self.commit(waiter) {
            return Settled::Parked;
        }
        if self.leave() {
            Settled::Ready
        } else {
            Settled::Interrupted
        }
    }

    /// Nil to wait. True if the slot was ready instead, which is consumed.
    #[inline(always)]
    fn mark(&self) -> bool {
        if self.0.compare_exchange(NIL, WAIT, SeqCst, SeqCst).is_ok() {
            return false;
        }
        // Only the caller consumes READY, so this exchange fails only on a double wait.
        if self.0.compare_exchange(READY, NIL, SeqCst, SeqCst).is_err() {
            double_wait();
        }
        true
    }

    /// Wait to pointer, unless something has come since the mark.
    #[inline(always)]
    fn commit(&self, waiter: NonNull<Waiter>) -> bool {
        let waiter = waiter.as_ptr() as usize;
        let marked = self.0.compare_exchange(WAIT, waiter, SeqCst, SeqCst);
        marked.is_ok()
    }

    /// The end of a wait: to nil. True if the slot was ready.
    #[inline(always)]
    fn leave(&self) -> bool {
        let old = self.0.swap(NIL, SeqCst);
        assert!(
            old <= WAIT,
            "corrupted slot: woken while the waiter was still in it"
        );
        old == READY
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
        let new = if ready { READY } else { NIL };
        let mut old = self.0.load(SeqCst);
        loop {
            if old == READY || (old == NIL && !ready) {
                return None;
            }
            match self.0.compare_exchange(old, new, SeqCst, SeqCst) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        if old > WAIT {
            NonNull::new(old as *mut Waiter)
        } else {
            None
        }
    }

    /// [`Slot::unblock`], then makes the waiter ready.
    #[inline]
    pub fn wake(&self, ready: bool) {
        if let Some(waiter) = self.unblock(ready) {
            // SAFETY: a waiter's pointer is in a slot only while it is parked there, and `unblock`
            // hands it to one caller only; it stays parked, so alive, until this call.
            unsafe { Waiter::ready(waiter) };
        }
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
        let old = self.0.swap(READY, SeqCst);
        if old > WAIT
            && let Some(waiter) = NonNull::new(old as *mut Waiter)
        {
            // SAFETY: a waiter's pointer is in a slot only while it is parked there, and the swap
            // hands it to one caller only; it stays parked, so alive, until this call.
            unsafe { Waiter::ready(waiter) };
        }
    }

    /// Asks the processor for the waiter's memory, if somebody is parked here.
    #[inline]
    pub(crate) fn prefetch(&self) {
        let word = self.0.load(Relaxed);
        if word > WAIT {
            crate::prefetch::prefetch(word as *const Waiter);
        }
    }

    /// Forgets a readiness that was noted. Only the one who may wait here may call it, and it must
    /// look at the thing itself afterwards.
    #[inline]
    pub fn reset(&self) {
        self.0.store(NIL, SeqCst);
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

#[cold]
fn double_wait() -> ! {
    panic!("double wait: two waiters in one slot");
}
