//! A slot: the addresses of one stack.

#![forbid(unsafe_code)]

use std::ops::Range;

use super::class::{ClassId, MAX_SLOT};

/// Colours differ by one cache line each.
const COLOUR_STEP: usize = 64;
/// 16 colours take at most 960 bytes from the top page.
const COLOURS: usize = 16;

/// Guards are whole pages, and no page is smaller.
const GUARD_UNIT: usize = 4 << 10;
const _: () = assert!(MAX_SLOT / 2 / GUARD_UNIT <= u16::MAX as usize);

/// The addresses of one stack. It is a name, not an owner: copying it copies nothing, and giving
/// it back is an unsafe call of [`Arena::free`](super::Arena::free) or
/// [`Pool::put`](super::Pool::put).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    base: usize,
    hi: usize,
    index: u32,
    /// The size of the guard, in units of [`GUARD_UNIT`].
    guard: u16,
    class: ClassId,
}

impl Slot {
    pub(super) fn new(base: usize, guard_size: usize, index: u32, class: ClassId) -> Slot {
        Slot {
            base,
            hi: base + class.stride(),
            index,
            guard: (guard_size / GUARD_UNIT) as u16,
            class,
        }
    }

    /// Lowest usable address: the byte above the guard.
    pub(crate) fn lo(&self) -> usize {
        self.base + self.guard as usize * GUARD_UNIT
    }

    /// The address after the highest usable byte; a multiple of the page size.
    pub(crate) fn hi(&self) -> usize {
        self.hi
    }

    /// A number that no other slot of this arena has. Numbers of one class follow each other in
    /// the order of cutting, chunk by chunk.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// The size class this slot was cut for.
    pub(crate) fn class(&self) -> ClassId {
        self.class
    }

    /// Bytes a task can use: the slot without its guard.
    #[cfg(test)]
    pub(crate) fn usable(&self) -> usize {
        self.hi - self.lo()
    }

    /// The addresses no task may touch.
    pub(crate) fn guard(&self) -> Range<usize> {
        self.base..self.lo()
    }

    /// Bytes, a multiple of 64 and below 1 KiB, that the task layer leaves free at the top.
    ///
    /// Slots are whole pages, so without it the tops of all tasks, which are their hottest lines,
    /// would compete for the same few sets of the first-level cache.
    pub(crate) fn colour(&self) -> usize {
        self.index as usize % COLOURS * COLOUR_STEP
    }
}

/// The answer to "what is at this address?", see [`Arena::slot_of`](super::Arena::slot_of).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SlotInfo {
    /// The slot that contains the address.
    pub slot: Slot,
    /// Whether the address is in that slot's guard.
    pub in_guard: bool,
}
