//! The switch: new, resume, suspend, a call on the other stack, and nothing else.
//!
//! Everything that depends on how stacks are swapped is below this file.
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
//!
//! | file       | where           | how                                                            |
//! |------------|-----------------|----------------------------------------------------------------|
//! | `x86_64`   | Unix on x86-64  | a few instructions of our own, which leave returns predictable |
//! | `portable` | everywhere else | corosensei's coroutine, which has seven architectures          |
//!
//! Both unwind as far as the entry and no further, and have backtraces that go through to the worker.
//! `--cfg gopark_portable_switch` takes the portable one on x86-64, too, to test or to compare.

#[cfg(not(all(target_arch = "x86_64", unix, not(gopark_portable_switch))))]
mod portable;
#[cfg(all(target_arch = "x86_64", unix, not(gopark_portable_switch)))]
mod x86_64;

#[cfg(not(all(target_arch = "x86_64", unix, not(gopark_portable_switch))))]
use portable as chosen;
#[cfg(all(target_arch = "x86_64", unix, not(gopark_portable_switch)))]
use x86_64 as chosen;

pub(super) use chosen::Switch;
pub(crate) use chosen::WayBack;

use super::header::Header;
use corosensei::stack::{Stack, StackPointer};
use std::ptr::NonNull;

/// What a task runs. It must not unwind; should it all the same, the ABI ends the process.
pub(super) type Entry = unsafe extern "C" fn(NonNull<Header>);

/// A stack, for corosensei.
#[derive(Debug)]
struct StackRange {
    base: StackPointer,
    limit: StackPointer,
}

impl StackRange {
    #[inline]
    fn new(base: usize, limit: usize) -> StackRange {
        let at = |address| StackPointer::new(address).expect("a stack is not at address zero");
        StackRange {
            base: at(base),
            limit: at(limit),
        }
    }
}

// SAFETY: the range is that of a slot of the arena, which installed a guard below it, has more than
// the minimum size (the smallest slot has 16 KiB), and stays mapped for as long as the task exists; or
// it is what is left of the stack of a worker's thread, which waits in `resume` meanwhile.
unsafe impl Stack for StackRange {
    fn base(&self) -> StackPointer {
        self.base
    }
    fn limit(&self) -> StackPointer {
        self.limit
    }
}
