//! The switch, by corosensei.

use super::{Entry, StackRange};
use crate::stack::Slot;
use crate::task::header::Header;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::Cell;
use std::ptr::NonNull;

type Yield = Yielder<(), ()>;

/// A stack with something to run on it.
pub(in crate::task) struct Switch {
    coroutine: Coroutine<(), (), (), StackRange>,
}

/// Where the running task finds the way back to its worker. Set at the task's first instruction.
#[derive(Debug, Default)]
pub(crate) struct WayBack(Cell<Option<NonNull<Yield>>>);

impl Switch {
    /// A stack of `slot` below `base` that will run `entry(header)`.
    ///
    /// # Safety
    /// `header` lives in `slot` above `base`, the memory below `base` is unused, and both stay so
    /// until the switch has finished. `base` is aligned as a stack is.
    #[inline]
    pub(in crate::task) unsafe fn new(
        slot: Slot,
        base: usize,
        header: NonNull<Header>,
        entry: Entry,
    ) -> Switch {
        let stack = StackRange::new(base, slot.guard().start);
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yield, ()| {
            // SAFETY: the header outlives the run of its task (contract of `new`).
            unsafe { header.as_ref() }
                .way_back
                .0
                .set(Some(NonNull::from(yielder)));
            // SAFETY: contract of `new`.
            unsafe { entry(header) }
        });
        Switch { coroutine }
    }

    /// Runs the task until it suspends (false) or has ended (true).
    ///
    /// # Safety
    /// It has not ended, and `_back` is the way back of this task.
    #[inline(always)]
    pub(in crate::task) unsafe fn resume(&mut self, _back: &WayBack) -> bool {
        matches!(self.coroutine.resume(()), CoroutineResult::Return(()))
    }
}

impl WayBack {
    /// Goes back to the worker; returns when the worker resumes the task.
    ///
    /// # Safety
    /// Called on the stack of the task that this belongs to, not while it unwinds.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self) {
        let yielder = self.0.get().expect("a task that runs has begun");
        // SAFETY: the yielder lives at the foot of the task's own stack, on which we are.
        unsafe { yielder.as_ref() }.suspend(());
    }

    /// Calls `f` on the worker's stack, above what is in use there.
    ///
    /// # Safety
    /// Called on the stack of the task that this belongs to. `f` does not suspend the task.
    #[inline(always)]
    pub(crate) unsafe fn on_worker_stack<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Here<F>(F);
        // SAFETY: corosensei wants `Send` so that no yielder gets into `f`. It stays on this thread,
        // and ours cannot be reached from outside this module.
        unsafe impl<F> Send for Here<F> {}
        impl<R, F: FnOnce() -> R> Here<F> {
            fn call(self) -> R {
                (self.0)()
            }
        }
        let yielder = self.0.get().expect("a task that runs has begun");
        let f = Here(f);
        // SAFETY: as in `suspend`.
        unsafe { yielder.as_ref() }.on_parent_stack(|| f.call())
    }
}
