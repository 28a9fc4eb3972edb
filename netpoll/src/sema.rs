//! The semaphore behind the descriptor lock: Go's `runtime_Semacquire` and `runtime_Semrelease`.
//!
//! A count and a first-in-first-out queue of waiters. A release without a waiter is banked for the
//! next acquire. Nothing is allocated until somebody has to wait.

use crate::park::{Park, Reason, Refusal};
use crate::slot::Slot;
use crate::sync::Mutex;
use std::collections::VecDeque;
use std::ptr::NonNull;

/// A counting semaphore on which tasks and threads wait.
#[derive(Debug, Default)]
pub struct Sema(Mutex<Option<Box<State>>>);

#[derive(Debug, Default)]
struct State {
    banked: u32,
    queue: VecDeque<Queued>,
}

/// The slot of a queued waiter, on the waiter's own stack.
#[derive(Debug, PartialEq)]
struct Queued(NonNull<Slot>);

// SAFETY: a `Slot` is made of atomics and may be used from any thread; the pointer is followed only
// under the lock and while it is in the queue, and its owner takes it out before the slot dies.
unsafe impl Send for Queued {}

impl Sema {
    /// Nothing banked, nobody waiting.
    pub fn new() -> Sema {
        Sema::default()
    }

    /// Waits for one release.
    ///
    /// # Errors
    /// When the caller must not park (any more); it has then taken nothing.
    pub fn acquire(&self, park: &dyn Park) -> Result<(), Refusal> {
        let slot = Slot::new();
        let mine = Queued(NonNull::from(&slot));
        {
            let mut state = self.0.lock();
            let state = state.get_or_insert_default();
            if state.banked > 0 {
                state.banked -= 1;
                return Ok(());
            }
            state.queue.push_back(Queued(mine.0));
        }
        loop {
            let Err(refusal) = park.may_park() else {
                if slot.wait(park, Reason::FdLock) {
                    return Ok(());
                }
                continue;
            };
            let mut state = self.0.lock();
            let queue = &mut state.get_or_insert_default().queue;
            let Some(at) = queue.iter().position(|q| *q == mine) else {
                // Released to us before we gave up: the slot was made ready under the lock.
                return Ok(());
            };
            queue.remove(at);
            return Err(refusal);
        }
    }

    /// Lets one waiter go on, or banks the release.
    pub fn release(&self) {
        let waiter = {
            let mut state = self.0.lock();
            let state = state.get_or_insert_default();
            let Some(next) = state.queue.pop_front() else {
                state.banked += 1;
                return;
            };
            // SAFETY: it was in the queue and the lock is held, so its owner has not left
            // `acquire`, in whose frame the slot lives. After the unlock the owner may leave, so
            // the slot is not touched again.
            unsafe { next.0.as_ref() }.unblock(true)
        };
        if let Some(waiter) = waiter {
            // SAFETY: just taken out of its slot, and made ready once.
            unsafe { crate::park::Waiter::ready(waiter) };
        }
    }
}
