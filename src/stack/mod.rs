//! Stacks for green tasks: one arena per runtime, one pool per worker.
//!
//! # A slot
//!
//! A slot is a power-of-two piece of address space and one page more, so that the slots lie an odd
//! number of pages apart (the reason is at [`ClassId`]). Stacks grow down, so the guard is at the low
//! end, and the task layer keeps its header at the top, where the first touched page is.
//!
//! ```text
//!   hi (top) ─▶ ┌──────────────────────────┐  = the next slot's base
//!               │ colour (0..960 bytes)    │  spreads the tops over cache sets
//!               │ task header, closure     │  written by the task layer
//!               │ frames, growing down     │  ← the top page: kept by `Pool::trim`
//!               ├ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─┤
//!               │ deeper frames            │  ← given back by `Pool::trim`
//!               │ never touched: no memory │
//!   lo ───────▶ ├──────────────────────────┤
//!               │ guard: any access faults │
//!    slot base ▶└──────────────────────────┘  a page boundary
//! ```
//!
//! # Where a slot is
//!
//! | state  | held by                            | memory                       | next                  |
//! |--------|------------------------------------|------------------------------|-----------------------|
//! | uncut  | a chunk, above its `cut` mark      | none, no guard               | live, by `alloc`      |
//! | live   | a task                             | what the task touched        | warm, shared, leaked  |
//! | warm   | a worker's [`Pool`]                | what its last task touched   | live, cold, shared    |
//! | cold   | a worker's [`Pool`], after `trim`  | the top page                 | live, shared          |
//! | shared | the [`Arena`]'s free list          | either of the two            | live, warm            |
//! | leaked | nobody                             | whatever it had, for ever    | none                  |
//!
//! Only the move out of *live* can hurt: the next owner overwrites the stack, or its pages go back
//! to the kernel. Hence `free` and `put` are unsafe functions, and everything else here is safe.
//!
//! # Mappings
//!
//! Chunks are reserved in doubling sizes, so a million slots need about a dozen `mmap` calls, and
//! the kernel merges neighbours. `MADV_GUARD_INSTALL` (Linux 6.13) puts a guard into a mapping
//! without splitting it; the fallback, `mprotect`, makes two mappings of every slot, which
//! `vm.max_map_count` stops at about 30,000 tasks. No huge page may land under the stacks: one
//! touched page per task would become 2 MiB.

mod altstack;
mod arena;
mod chunk;
mod class;
mod error;
mod guard;
mod mapping;
pub(crate) mod overflow;
mod pool;
mod report;
mod slot;
#[cfg(test)]
mod tests;

#[allow(unused_imports, reason = "the task layer is the user of this list")]
pub(crate) use self::{
    arena::{Arena, ArenaCounts},
    class::{ClassId, StackConfig},
    error::StackError,
    guard::GuardMethod,
    pool::Pool,
    slot::{Slot, SlotInfo},
};
