//! Sizes: what a program may ask for, and the power of two it gets.

#![forbid(unsafe_code)]

use std::io;

use super::error::StackError;
use super::mapping::page_size;

/// The smallest slot: less leaves no room for a panic message.
pub(crate) const MIN_SLOT: usize = 16 << 10;
/// The largest slot, and so the largest stack a task can ask for.
pub(crate) const MAX_SLOT: usize = 64 << 20;

/// How big the slots of a runtime's ordinary tasks are.
///
/// Both sizes are in bytes. [`Arena::new`](super::Arena::new) rounds them as
/// [`StackConfig::rounded`] says.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct StackConfig {
    /// The whole slot, guard included.
    pub slot_size: usize,
    /// The inaccessible part at the low end of each slot. One page catches every Rust frame,
    /// since those are probed page by page; C code without stack-clash protection wants more.
    pub guard_size: usize,
}

impl Default for StackConfig {
    /// 64 KiB slots, 256 KiB where debug assertions are on: unoptimised frames are several times
    /// larger. The guard is 4 KiB.
    fn default() -> StackConfig {
        let slot_size = if cfg!(debug_assertions) {
            256 << 10
        } else {
            64 << 10
        };
        StackConfig {
            slot_size,
            guard_size: 4 << 10,
        }
    }
}

impl StackConfig {
    /// The checked way in for sizes that a program or an environment variable supplied.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when either size is above what a slot can be; sizes that are too small are
    /// rounded up instead.
    pub(crate) fn new(slot_size: usize, guard_size: usize) -> io::Result<StackConfig> {
        if slot_size > MAX_SLOT {
            return Err(StackError::TooLarge {
                asked: slot_size,
                largest: MAX_SLOT,
            }
            .into());
        }
        if guard_size > MAX_SLOT / 2 {
            return Err(StackError::TooLarge {
                asked: guard_size,
                largest: MAX_SLOT / 2,
            }
            .into());
        }
        Ok(StackConfig {
            slot_size,
            guard_size,
        }
        .rounded())
    }

    /// The guard in whole pages, at least one; the slot a power of two, at least twice the guard,
    /// between [`MIN_SLOT`] and [`MAX_SLOT`].
    pub(crate) fn rounded(self) -> StackConfig {
        let guard_size = self
            .guard_size
            .clamp(1, MAX_SLOT / 2)
            .next_multiple_of(page_size());
        let least = MIN_SLOT.max((2 * guard_size).next_power_of_two());
        let slot_size = self.slot_size.clamp(least, MAX_SLOT).next_power_of_two();
        StackConfig {
            slot_size,
            guard_size,
        }
    }
}

/// One slot size out of the powers of two from [`MIN_SLOT`] to [`MAX_SLOT`].
///
/// Slots do not lie a power of two apart, though: a processor finds the page of an address in a table
/// that is indexed by the low bits of the page's number, and these would be the same for the tops of
/// all stacks. A thousand parked tasks would have a sixteenth of that table to themselves, or less,
/// and each switch to the next task would walk the page tables. So there is one page more to each
/// slot, [`ClassId::stride`], and the tops spread over the whole table.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct ClassId(u8);

impl ClassId {
    const MIN_SHIFT: u32 = MIN_SLOT.trailing_zeros();
    /// How many classes there are.
    pub(super) const COUNT: usize = (MAX_SLOT.trailing_zeros() - Self::MIN_SHIFT) as usize + 1;

    /// The smallest class whose slots have at least `size` bytes, guard included.
    pub(super) fn holding(size: usize) -> Result<ClassId, StackError> {
        if size > MAX_SLOT {
            return Err(StackError::TooLarge {
                asked: size,
                largest: MAX_SLOT,
            });
        }
        let shift = size.max(MIN_SLOT).next_power_of_two().trailing_zeros();
        Ok(ClassId((shift - Self::MIN_SHIFT) as u8))
    }

    /// Bytes that a slot of this class has at least, guard included.
    pub(crate) const fn slot_size(self) -> usize {
        MIN_SLOT << self.0
    }

    /// Bytes from one slot of this class to the next: an odd number of pages.
    pub(super) fn stride(self) -> usize {
        self.slot_size() | page_size()
    }

    /// The classes, smallest first.
    pub(super) fn all() -> [ClassId; Self::COUNT] {
        std::array::from_fn(|index| ClassId(index as u8))
    }

    /// Position in a table of [`ClassId::COUNT`] entries.
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}
