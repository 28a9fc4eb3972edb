//! The switch: new, resume, suspend, a call on the other stack, and nothing else.
//!
//! Everything that depends on how stacks are swapped is in this file. corosensei does the swapping:
//! a few nanoseconds, unwinding works, backtraces go through to the worker.
//!
//! ```text
//!   worker's stack                     the task's stack
//!   ┌──────────────────┐   resume()    ┌──────────────────┐
//!   │ run loop         │ ────────────► │ entry(header)    │
//!   │  resume()        │               │  user's closure  │
//!   │                  │ ◄──────────── │   conn.read()    │
//!   └──────────────────┘   suspend()   │    suspend()     │
//!                                      └──────────────────┘
//! ```

use super::header::Header;
use crate::stack::Slot;
use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::Cell;
use std::ptr::NonNull;

/// The part of a slot that is a stack.
#[derive(Debug)]
struct TaskStack {
    base: StackPointer,
    limit: StackPointer,
}

// SAFETY: the range lies in one slot of the arena, which installed a guard below it, has more than
// the minimum size (the smallest slot has 16 KiB), and stays mapped for as long as the task exists.
unsafe impl Stack for TaskStack {
    fn base(&self) -> StackPointer {
        self.base
    }
    fn limit(&self) -> StackPointer {
        self.limit
    }
}

type Yield = Yielder<(), ()>;

/// A stack with something to run on it.
pub(crate) struct Switch {
    coroutine: Coroutine<(), (), (), TaskStack>,
}

/// Where the running task finds the way back to its worker. Set at the task's first instruction.
#[derive(Debug, Default)]
pub(crate) struct WayBack(Cell<Option<NonNull<Yield>>>);

impl Switch {
    /// A stack of `slot` below `base` that will run `entry(header)`.
    ///
    /// # Safety
    /// `header` lives in `slot` above `base`, the memory below `base` is unused, and both stay so
    /// until the switch has finished. `entry` does not unwind.
    #[inline]
    pub(crate) unsafe fn new(
        slot: Slot,
        base: usize,
        header: NonNull<Header>,
        entry: unsafe fn(NonNull<Header>),
    ) -> Switch {
        let stack = TaskStack {
            base: StackPointer::new(base).expect("a stack is not at address zero"),
            limit: StackPointer::new(slot.guard().start).expect("a stack is not at address zero"),
        };
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
    #[inline(always)]
    pub(crate) fn resume(&mut self) -> bool {
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
