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
    /// # Panics
    /// If somebody else waits in this slot: the caller must hold the lock of this direction.
    #[inline]
    pub fn block<P: Park + ?Sized>(
        &self,
        park: &P,
        why: Reason,
        last_look: impl FnOnce() -> bool,
    ) -> bool {
        if self.0.compare_exchange(NIL, WAIT, SeqCst, SeqCst).is_err() {
            // Only the caller consumes READY, so this exchange fails only on a double wait.
            if self.0.compare_exchange(READY, NIL, SeqCst, SeqCst).is_ok() {
                return true;
            }
            double_wait();
        }
        if last_look() {
            let waiter = park.waiter().as_ptr() as usize;
            if self
                .0
                .compare_exchange(WAIT, waiter, SeqCst, SeqCst)
                .is_ok()
            {
                park.park(self, why);
            }
        }
        let old = self.0.swap(NIL, SeqCst);
        assert!(
            old <= WAIT,
            "corrupted slot: woken while the waiter was still in it"
        );
        old == READY
    }

    /// [`Slot::block`] for a caller with nothing to look at: the slot itself is all that it waits for.
    /// So the slot need not be marked first, which saves a locked instruction.
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
        let old = self.0.swap(NIL, SeqCst);
        assert!(
            old <= WAIT,
            "corrupted slot: woken while the waiter was still in it"
        );
        old == READY
    }

    /// [`Slot::block`] for a waiter that has no thread to give up: puts it into the slot and returns.
    ///
    /// After [`Settled::Parked`] the waiter is anybody's: it may have been made ready before this
    /// returns. Once it was, the slot is free again, and whatever `block` says after its park is found
    /// out by looking at the world.
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
            if self.0.compare_exchange(READY, NIL, SeqCst, SeqCst).is_ok() {
                return Settled::Ready;
            }
            double_wait();
        }
        let waiter = waiter.as_ptr() as usize;
        if last_look()
            && self
                .0
                .compare_exchange(WAIT, waiter, SeqCst, SeqCst)
                .is_ok()
        {
            return Settled::Parked;
        }
        if self.0.swap(NIL, SeqCst) == READY {
            Settled::Ready
        } else {
            Settled::Interrupted
        }
    }

    /// Makes the slot ready (`true`) or only interrupts its waiter (`false`), and returns the
    /// waiter that left the slot through this call, if any. The caller owes it one
    /// [`Waiter::ready`].
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
