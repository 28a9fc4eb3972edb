//! Who drops the result of a task, and who gives its slot back.
//!
//! Two parties hold a task: the worker that runs it, and its [`JoinHandle`](super::JoinHandle). One
//! word decides between them.
//!
//! | bit        | set by            | when                                                         |
//! |------------|-------------------|--------------------------------------------------------------|
//! | `WRITTEN`  | the task          | the result is in its place                                   |
//! | `DETACHED` | the handle's drop | before `WRITTEN`, together with `RELEASED`: the task drops it |
//! | `DONE`     | the worker        | the task has left its stack; the worker's last touch         |
//! | `RELEASED` | the handle        | joined or dropped; the handle's last touch before `DONE`     |
//! | `LEAKED`   | the worker        | instead of `DONE`: the runtime ended before the task         |
//!
//! * Of `WRITTEN` and `DETACHED` only the first can be set alone. Whoever comes second drops the
//!   result: the task finds `DETACHED`, or the handle finds `WRITTEN`.
//! * Of `DONE` and `RELEASED`, whoever sets the second gives the slot back. A handle that already
//!   sees `DONE` need not set anything: nobody will look any more.
//!
//! Once a party has made its last touch, the other may free the memory that the word is in. So the
//! methods that make it touch nothing afterwards.

use crate::sync::{AtomicU32, Ordering};

const WRITTEN: u32 = 1 << 0;
const DETACHED: u32 = 1 << 1;
const DONE: u32 = 1 << 2;
const RELEASED: u32 = 1 << 3;
const LEAKED: u32 = 1 << 4;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct JoinBits(AtomicU32);

/// What is left to do for a handle that is dropped without a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detached {
    /// Nothing, not even a look: the task drops its result, the worker gives the slot back.
    Left,
    /// The result is there: drop it, then [`JoinBits::release`].
    DropResult,
}

impl JoinBits {
    pub(crate) fn new() -> JoinBits {
        JoinBits(AtomicU32::new(0))
    }

    /// The task has put its result in its place. True if it must drop it itself.
    #[inline]
    #[must_use]
    pub(crate) fn written(&self) -> bool {
        self.0.fetch_or(WRITTEN, Ordering::AcqRel) & DETACHED != 0
    }

    /// The worker's last touch. True if it gives the slot back.
    #[inline]
    #[must_use]
    pub(crate) fn done(&self) -> bool {
        self.0.fetch_or(DONE, Ordering::AcqRel) & RELEASED != 0
    }

    /// The worker gives the task up: it will never be done.
    pub(crate) fn leak(&self) {
        self.0.fetch_or(LEAKED, Ordering::AcqRel);
    }

    /// Has the task ended?
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Was it given up?
    #[inline]
    pub(crate) fn is_leaked(&self) -> bool {
        self.0.load(Ordering::Acquire) & LEAKED != 0
    }

    /// The handle is dropped without a join.
    #[inline]
    #[must_use]
    pub(crate) fn detach(&self) -> Detached {
        let mut now = self.0.load(Ordering::Acquire);
        while now & WRITTEN == 0 {
            match self.0.compare_exchange(
                now,
                now | DETACHED | RELEASED,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Detached::Left,
                Err(other) => now = other,
            }
        }
        Detached::DropResult
    }

    /// The handle has taken or dropped the result; its last touch. True if it gives the slot back.
    #[inline]
    #[must_use]
    pub(crate) fn release(&self) -> bool {
        self.is_done() || self.0.fetch_or(RELEASED, Ordering::AcqRel) & DONE != 0
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;

    /// One task: its word, its result, and what became of both.
    #[derive(Default)]
    struct Model {
        bits: Option<JoinBits>,
        result: UnsafeCell<u32>,
        dropped: AtomicUsize,
        freed: AtomicUsize,
    }

    impl Model {
        fn new() -> Arc<Model> {
            Arc::new(Model {
                bits: Some(JoinBits::new()),
                ..Model::default()
            })
        }
        fn bits(&self) -> &JoinBits {
            self.bits.as_ref().unwrap()
        }
        /// Reads the result, as a write, so that loom sees whoever else is at it.
        fn drop_result(&self) {
            self.result.with_mut(|r| {
                // SAFETY: loom reports any concurrent access.
                let r = unsafe { &mut *r };
                assert_eq!(*r, 7, "dropped before it was written");
                *r = 0;
            });
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        fn free(&self) {
            // Nobody may be looking at the result any more.
            self.result.with_mut(|_| ());
            self.freed.fetch_add(1, Ordering::Relaxed);
        }
        /// The life of the task and its worker's last touch.
        fn task(&self) {
            // SAFETY: loom reports any concurrent access.
            self.result.with_mut(|r| unsafe { *r = 7 });
            if self.bits().written() {
                self.drop_result();
            }
            if self.bits().done() {
                self.free();
            }
        }
        fn check(&self) {
            assert_eq!(self.dropped.load(Ordering::Relaxed), 1, "results dropped");
            assert_eq!(self.freed.load(Ordering::Relaxed), 1, "slots given back");
        }
    }

    #[test]
    fn a_dropped_handle_and_the_task_drop_the_result_once_and_free_the_slot_once() {
        loom::model(|| {
            let model = Model::new();
            let theirs = model.clone();
            let worker = loom::thread::spawn(move || theirs.task());
            if model.bits().detach() == Detached::DropResult {
                model.drop_result();
                if model.bits().release() {
                    model.free();
                }
            }
            worker.join().unwrap();
            model.check();
        });
    }

    #[test]
    fn a_joined_task_gives_its_result_once_and_its_slot_once() {
        loom::model(|| {
            let model = Model::new();
            let theirs = model.clone();
            let worker = loom::thread::spawn(move || theirs.task());
            while !model.bits().is_done() {
                loom::thread::yield_now();
            }
            model.drop_result(); // taken: whoever joins owns it now
            if model.bits().release() {
                model.free();
            }
            worker.join().unwrap();
            model.check();
        });
    }

    #[test]
    fn a_leaked_task_is_never_freed_but_its_result_is_dropped_once() {
        loom::model(|| {
            let model = Model::new();
            let theirs = model.clone();
            let worker = loom::thread::spawn(move || {
                // SAFETY: loom reports any concurrent access.
                theirs.result.with_mut(|r| unsafe { *r = 7 });
                if theirs.bits().written() {
                    theirs.drop_result();
                }
                theirs.bits().leak(); // parked in the drop of a task-local, say
            });
            if model.bits().detach() == Detached::DropResult {
                model.drop_result();
                assert!(!model.bits().release());
            }
            worker.join().unwrap();
            assert!(model.bits().is_leaked());
            assert_eq!(model.dropped.load(Ordering::Relaxed), 1);
            assert_eq!(model.freed.load(Ordering::Relaxed), 0);
        });
    }
}
