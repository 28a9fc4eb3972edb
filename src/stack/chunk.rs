//! Chunks: large reservations that slots are cut from, in a list a signal handler can walk.
//!
//! The list only grows. A chunk is published by the `OnceLock` of its predecessor and stays until
//! the arena is dropped, so a reader needs neither a lock nor a count.

#![forbid(unsafe_code)]

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::class::ClassId;
use super::error::StackError;
use super::mapping::Mapping;
use super::slot::{Slot, SlotInfo};

/// The first reservation of a class, if its slots are not large.
const FIRST: usize = 64 << 20;
/// No reservation is larger.
const LARGEST: usize = 8 << 30;
/// When the kernel refuses even this much (or one slot), the allocation fails.
const SMALLEST: usize = 1 << 20;

/// One reservation.
#[derive(Debug)]
pub(super) struct Chunk {
    mapping: Mapping,
    class: ClassId,
    guard_size: usize,
    first_index: u32,
    /// How many of the slots, from the low end, have been handed out at least once.
    cut: AtomicU32,
    next: OnceLock<Box<Chunk>>,
}

impl Chunk {
    fn slots(&self) -> u32 {
        (self.mapping.len() / self.class.stride()) as u32
    }

    fn slot(&self, nth: u32) -> Slot {
        let base = self.mapping.base() + nth as usize * self.class.stride();
        Slot::new(base, self.guard_size, self.first_index + nth, self.class)
    }

    /// The slot that would be cut next, if one is left.
    pub(super) fn uncut(&self) -> Option<Slot> {
        let nth = self.cut.load(Ordering::Relaxed);
        (nth < self.slots()).then(|| self.slot(nth))
    }

    /// Counts the slot that [`Chunk::uncut`] named as cut. The arena's lock serialises callers.
    pub(super) fn advance(&self) {
        self.cut
            .store(self.cut.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// How many slots have been cut.
    pub(super) fn cut(&self) -> u32 {
        self.cut.load(Ordering::Acquire)
    }

    /// The addresses from the chunk's first byte to its last plus one.
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.mapping.base()..self.mapping.base() + self.mapping.len()
    }

    /// Ends the chunk's life: its address space is released, or kept for ever.
    pub(super) fn end(self, release: bool) {
        if release {
            drop(self.mapping)
        } else {
            self.mapping.leak()
        }
    }
}

/// How much the next chunk of a class reserves.
#[derive(Debug)]
pub(super) struct Growth {
    next: usize,
    doubling: bool,
}

impl Growth {
    pub(super) fn of(class: ClassId) -> Growth {
        Growth {
            next: FIRST.max(64 * class.stride()).min(LARGEST),
            doubling: true,
        }
    }

    /// Reserves what is next, or the largest half of a half of it that the kernel grants.
    fn reserve(&mut self, stride: usize) -> io::Result<Mapping> {
        loop {
            match Mapping::reserve(self.next) {
                Ok(mapping) => {
                    if self.doubling {
                        self.next = (self.next * 2).min(LARGEST);
                    }
                    return Ok(mapping);
                }
                // EAGAIN is what mlockall(MCL_FUTURE) makes of its limit.
                Err(error)
                    if matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::EAGAIN))
                        && self.next / 2 >= SMALLEST.max(stride) =>
                {
                    // From here on near the limit: ask for this much again, not for more.
                    self.next /= 2;
                    self.doubling = false;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// All chunks of an arena, oldest first.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    first: OnceLock<Box<Chunk>>,
}

impl Chunks {
    /// Walks the list. Async-signal-safe: atomic loads only.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Chunk> {
        std::iter::successors(self.first.get(), |chunk| chunk.next.get()).map(|chunk| &**chunk)
    }

    /// The chunk of this class that has slots left to cut.
    pub(super) fn open(&self, class: ClassId) -> Option<&Chunk> {
        self.iter()
            .find(|chunk| chunk.class == class && chunk.uncut().is_some())
    }

    /// Appends a chunk. The arena's lock serialises callers.
    ///
    /// # Errors
    ///
    /// [`StackError::Reserve`], with the limit that applies.
    pub(super) fn grow(
        &self,
        class: ClassId,
        guard_size: usize,
        growth: &mut Growth,
    ) -> Result<&Chunk, StackError> {
        let last = self.iter().last();
        let first_index = last.map_or(0, |chunk| chunk.first_index + chunk.slots());
        let mapping = growth
            .reserve(class.stride())
            .map_err(|error| StackError::reserve(growth.next, class.slot_size(), &error))?;
        let cut = AtomicU32::new(0);
        let next = OnceLock::new();
        let chunk = Chunk {
            mapping,
            class,
            guard_size,
            first_index,
            cut,
            next,
        };
        let place = last.map_or(&self.first, |chunk| &chunk.next);
        Ok(place.get_or_init(|| Box::new(chunk)))
    }

    /// The cut slot that contains `addr`. Async-signal-safe.
    pub(super) fn slot_of(&self, addr: usize) -> Option<SlotInfo> {
        let chunk = self.iter().find(|chunk| chunk.range().contains(&addr))?;
        let nth = ((addr - chunk.mapping.base()) / chunk.class.stride()) as u32;
        (nth < chunk.cut()).then(|| {
            let slot = chunk.slot(nth);
            SlotInfo {
                slot,
                in_guard: slot.guard().contains(&addr),
            }
        })
    }

    /// Takes the list apart, oldest chunk first.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Chunk> + use<> {
        let mut next = self.first.take();
        std::iter::from_fn(move || {
            let mut chunk = next.take()?;
            next = chunk.next.take();
            Some(*chunk)
        })
    }
}
