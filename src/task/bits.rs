//! Who drops the result of a task, who gives its slot back, and where its joiner waits.
//!
//! Two parties hold a task: the worker that runs it, and its [`JoinHandle`](super::JoinHandle). One
//! word decides between them. Its three lowest bits are the worker's:
//!
//! | bit       | set by     | when                                                    |
//! |-----------|------------|---------------------------------------------------------|
//! | `WRITTEN` | the task   | the result is in its place                              |
//! | `DONE`    | the worker | the task has left its stack; the worker's last touch    |
//! | `LEAKED`  | the worker | instead of `DONE`: the runtime ended before the task    |
//!
//! The rest of it is the handle's:
//!
//! | rest    | set by               | when                                                        |
//! |---------|----------------------|-------------------------------------------------------------|
//! | `HELD`  |                      | at first: the handle is somewhere, and may be used any moment |
//! | pointer | the handle's join    | before `DONE` and `LEAKED`: this waiter waits for one of them |
//! | `HELD`  | the worker           | from pointer, together with `DONE` or `LEAKED`; it wakes the waiter |
//! | `GONE`  | the handle           | from `HELD`: joined or dropped; the handle's last touch before `DONE` |
//! |         | whoever made the task | from `HELD`, where there is to be no handle |
//!
//! * Of `WRITTEN` and `GONE`, whoever comes second drops the result: the task finds `GONE`, or the
//!   handle that is dropped finds `WRITTEN`.
//! * Of `DONE` and `GONE`, whoever comes second gives the slot back. A handle that already sees
//!   `DONE` need not set anything: nobody will look any more.
//! * While the handle waits, and when it is gone, nobody but the worker writes the word. So the
//!   worker needs a locked instruction only where it finds `HELD`.
//!
//! The last point is why a joiner does not wait in a [`netpoll::Slot`]: whoever waits there may be
//! interrupted from anywhere. A join ends with its task, whatever happens.
//!
//! Once a party has made its last touch, the other may free the memory that the word is in. So the
//! methods that make it touch nothing afterwards.

use crate::sync::{AtomicUsize, Ordering};
use netpoll::Waiter;
use std::ptr::NonNull;

const WRITTEN: usize = 1 << 0;
const DONE: usize = 1 << 1;
const LEAKED: usize = 1 << 2;
/// All of the worker's. A waiter's address has none of them.
const WORKERS: usize = WRITTEN | DONE | LEAKED;
const _: () = assert!(align_of::<Waiter>() > WORKERS);

const HELD: usize = 0;
/// No waiter's address: there is no memory so low.
const GONE: usize = 1 << 3;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct JoinBits(AtomicUsize);

/// What is left to do for a handle that is dropped without a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detached {
    /// Nothing, not even a look: the task drops its result, the worker gives the slot back.
    Left,
    /// The result is there: drop it, then [`JoinBits::release`].
    DropResult,
}

/// What is left to do for a worker whose task is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Nothing, not even a look: the handle does the rest.
    Left,
    /// Nothing but to make the joiner ready, who does the rest.
    Wake(NonNull<Waiter>),
    /// The handle is gone: give the slot back.
    Free,
}

impl JoinBits {
    pub(crate) fn new() -> JoinBits {
        JoinBits(AtomicUsize::new(HELD))
    }

    /// There is no handle. For a task that nobody else knows yet.
    #[inline]
    pub(crate) fn never_joined(&self) {
        self.0.store(GONE, Ordering::Relaxed);
    }

    /// The task has put its result in its place. True if it must drop it itself.
    #[inline]
    #[must_use]
    pub(crate) fn written(&self) -> bool {
        let mut now = self.0.load(Ordering::Acquire);
        if now == HELD {
            now = self.0.fetch_or(WRITTEN, Ordering::AcqRel);
        } else {
            self.0.store(now | WRITTEN, Ordering::Release);
        }
        now == GONE
    }

    /// The worker's last touch.
    #[inline]
    #[must_use]
    pub(crate) fn done(&self) -> Done {
        let mut now = self.0.load(Ordering::Acquire);
        if now & !WORKERS == HELD {
            now = self.0.fetch_or(DONE, Ordering::AcqRel);
        }
        // Where it was a waiter or nobody that this has met, the word is ours alone.
        match now & !WORKERS {
            HELD => Done::Left,
            GONE => Done::Free,
            waiter => {
                self.0.store(WRITTEN | DONE, Ordering::Release);
                Done::Wake(waiter_at(waiter))
            }
        }
    }

    /// The worker gives the task up: it will never be done. Returns the joiner, to be made ready.
    #[must_use]
    pub(crate) fn leak(&self) -> Option<NonNull<Waiter>> {
        let now = self.0.fetch_or(LEAKED, Ordering::AcqRel);
        match now & !WORKERS {
            HELD | GONE => None,
            waiter => {
                self.0.store((now & WORKERS) | LEAKED, Ordering::Release);
                Some(waiter_at(waiter))
            }
        }
    }

    /// Has the task ended?
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Has it ended, or was it given up?
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) & (DONE | LEAKED) != 0
    }

    /// The handle is about to park with this waiter, which is made ready once. False if there is
    /// nothing to wait for, because it is over.
    #[inline]
    #[must_use]
    pub(crate) fn wait(&self, waiter: NonNull<Waiter>) -> bool {
        let mut now = self.0.load(Ordering::Acquire);
        while now & (DONE | LEAKED) == 0 {
            let waits = now | waiter.as_ptr() as usize;
            match self
                .0
                .compare_exchange(now, waits, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// The handle is dropped without a join.
    #[inline]
    #[must_use]
    pub(crate) fn detach(&self) -> Detached {
        let mut now = self.0.load(Ordering::Acquire);
        while now & WRITTEN == 0 {
            match self
                .0
                .compare_exchange(now, now | GONE, Ordering::AcqRel, Ordering::Acquire)
            {
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
        self.is_done() || self.0.fetch_or(GONE, Ordering::AcqRel) & DONE != 0
    }
}

/// The waiter that [`JoinBits::wait`] put into the word.
#[inline]
fn waiter_at(address: usize) -> NonNull<Waiter> {
    NonNull::new(address as *mut Waiter).expect("nobody waits at address zero")
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, AtomicUsize};

    /// One task: its word, its result, and what became of both.
    #[derive(Default)]
    struct Model {
        bits: Option<JoinBits>,
        result: UnsafeCell<u32>,
        dropped: AtomicUsize,
        freed: AtomicUsize,
        /// The joiner was made ready.
        woken: AtomicBool,
    }

    /// The joiner's waiter: nobody follows the pointer.
    fn joiner() -> NonNull<Waiter> {
        waiter_at(64)
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
        fn write(&self) {
            // SAFETY: loom reports any concurrent access.
            self.result.with_mut(|r| unsafe { *r = 7 });
            if self.bits().written() {
                self.drop_result();
            }
        }
        /// The life of the task and its worker's last touch.
        fn task(&self) {
            self.write();
            match self.bits().done() {
                Done::Left => {}
                Done::Wake(waiter) => self.wake(waiter),
                Done::Free => self.free(),
            }
        }
        fn wake(&self, waiter: NonNull<Waiter>) {
            assert_eq!(waiter, joiner());
            let before = self.woken.swap(true, Ordering::AcqRel);
            assert!(!before, "woken twice");
        }
        /// Waits as a joiner does, who parks until it is made ready.
        fn wait(&self) {
            if self.bits().wait(joiner()) {
                while !self.woken.load(Ordering::Acquire) {
                    loom::thread::yield_now();
                }
            }
            assert!(self.bits().is_over());
        }
        /// The handle's drop.
        fn drop_handle(&self) {
            if self.bits().detach() == Detached::DropResult {
                self.drop_result();
                if self.bits().release() {
                    self.free();
                }
            }
        }
        /// The end of a join: whoever joins owns the result now.
        fn take_result(&self) {
            self.drop_result();
            if self.bits().release() {
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
            model.drop_handle();
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
            model.wait();
            assert!(model.bits().is_done());
            model.take_result();
            worker.join().unwrap();
            model.check();
        });
    }

    #[test]
    fn a_task_found_done_without_waiting_gives_its_result_once_and_its_slot_once() {
        loom::model(|| {
            let model = Model::new();
            let theirs = model.clone();
            let worker = loom::thread::spawn(move || theirs.task());
            while !model.bits().is_done() {
                loom::thread::yield_now();
            }
            model.take_result();
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
                theirs.write();
                // Parked in the drop of a task-local, say.
                assert!(theirs.bits().leak().is_none());
            });
            model.drop_handle();
            worker.join().unwrap();
            assert!(model.bits().is_over() && !model.bits().is_done());
            assert_eq!(model.dropped.load(Ordering::Relaxed), 1);
            assert_eq!(model.freed.load(Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn a_joiner_hears_that_its_task_was_given_up() {
        loom::model(|| {
            let model = Model::new();
            let theirs = model.clone();
            let worker = loom::thread::spawn(move || {
                theirs.write();
                if let Some(waiter) = theirs.bits().leak() {
                    theirs.wake(waiter);
                }
            });
            model.wait();
            assert!(!model.bits().is_done());
            model.drop_handle();
            worker.join().unwrap();
            assert_eq!(model.dropped.load(Ordering::Relaxed), 1);
            assert_eq!(model.freed.load(Ordering::Relaxed), 0);
        });
    }
}
