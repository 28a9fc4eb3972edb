//! The pool: a worker's own stock of slots, last in, first out.
//!
//! The last stack to be given back is the one whose lines are still in the cache and whose pages
//! are present: reusing it costs nanoseconds, a stack whose pages went back to the kernel costs
//! microseconds. So nothing is given back while there is work, and an idle worker calls
//! [`Pool::trim`].
//!
//! ```text
//!   get ◀──┐                      ┌──▶ at HIGH_WATER, the older half goes to the arena
//!          warm (newest at the end)
//!   put ───┘   │ trim: all but the newest KEEP_WARM
//!              ▼
//!             cold (top page only) ──▶ get, when warm is empty; then the arena
//! ```

use std::io;

use super::arena::Arena;
use super::class::ClassId;
use super::mapping::{discard, page_size};
use super::slot::Slot;

/// Slots fetched from the arena at a time.
const REFILL: usize = 32;
/// Warm slots beyond this are shared with the other workers.
const HIGH_WATER: usize = 512;
/// Slots that [`Pool::trim`] leaves as they are.
const KEEP_WARM: usize = 16;
/// Slots one call of [`Pool::trim`] gives back at most: a microsecond each, and the worker may be
/// needed again at any time.
const TRIM_AT_ONCE: usize = 64;

/// One worker's stock of slots of the arena's default class.
///
/// It is emptied with [`Pool::drain`] when the worker ends: slots that are forgotten here count as
/// live for their arena, which then keeps their address space.
#[derive(Debug)]
pub(crate) struct Pool {
    class: ClassId,
    warm: Vec<Slot>,
    /// Slots of which only the top page has memory, or, if new, none.
    cold: Vec<Slot>,
}

impl Pool {
    /// An empty pool for this arena's default class.
    pub(crate) fn new(arena: &Arena) -> Pool {
        let warm = Vec::with_capacity(HIGH_WATER);
        Pool {
            class: arena.default_class(),
            warm,
            cold: Vec::new(),
        }
    }

    /// A slot of the default class.
    ///
    /// # Errors
    ///
    /// As [`Arena::alloc`].
    #[inline]
    pub(crate) fn get(&mut self, arena: &Arena) -> io::Result<Slot> {
        match self.warm.pop() {
            Some(slot) => Ok(slot),
            None => self.refill(arena),
        }
    }

    #[cold]
    fn refill(&mut self, arena: &Arena) -> io::Result<Slot> {
        if self.cold.is_empty() {
            arena.alloc_batch(REFILL, &mut self.cold)?;
        }
        Ok(self
            .cold
            .pop()
            .expect("a batch that is no error has a slot"))
    }

    /// Takes a slot back, of whatever class.
    ///
    /// # Safety
    ///
    /// As for [`Arena::free`], and `arena` is the one the slot came from.
    #[inline]
    pub(crate) unsafe fn put(&mut self, arena: &Arena, slot: Slot) {
        if slot.class() != self.class || self.warm.len() == HIGH_WATER {
            // SAFETY: this function has the same contract.
            unsafe { self.spill(arena, slot) }
        } else {
            self.warm.push(slot);
        }
    }

    /// Makes room for the slot, or passes it on if it is not of our class.
    ///
    /// # Safety
    ///
    /// As for [`Pool::put`].
    #[cold]
    unsafe fn spill(&mut self, arena: &Arena, slot: Slot) {
        if slot.class() != self.class {
            // SAFETY: by the contract above.
            return unsafe { arena.free(slot) };
        }
        // SAFETY: whoever put these slots here promised the same for each of them.
        unsafe { arena.free_batch(self.warm.drain(..HIGH_WATER / 2)) };
        self.warm.push(slot);
    }

    /// Gives memory back while the worker has nothing to do, and returns whether there is more to
    /// give back with another call. Of warm slots beyond the newest 16 it discards everything below
    /// the top page, where the task header was and will be again; when the pool has none left, it
    /// goes on with the arena's free slots.
    ///
    /// A page that is needed again costs a fault, so this is for a worker that has been idle for
    /// many milliseconds, not for every wait.
    pub(crate) fn trim(&mut self, arena: &Arena) -> bool {
        let excess = self.warm.len().saturating_sub(KEEP_WARM);
        if excess == 0 {
            return arena.trim();
        }
        for slot in self.warm.drain(..excess.min(TRIM_AT_ONCE)) {
            // SAFETY: a slot in the pool belongs to nobody else, by the contract of `put`; both
            // bounds are page-aligned.
            unsafe { discard(slot.lo(), slot.hi() - page_size()) };
            self.cold.push(slot);
        }
        if self.cold.len() > HIGH_WATER {
            // SAFETY: as above; and the arena is the one they came from, as for `drain`.
            unsafe { arena.free_cold(self.cold.drain(..HIGH_WATER / 2)) };
        }
        true
    }

    /// Gives every slot back to the arena, as the worker's last act.
    pub(crate) fn drain(&mut self, arena: &Arena) {
        // SAFETY: slots in the pool belong to nobody else, by the contract of `put`. They came
        // from this arena: the pool is made for one, and `Arena::free_batch` checks it in debug
        // builds.
        unsafe { arena.free_batch(self.cold.drain(..).chain(self.warm.drain(..))) };
    }

    /// Slots in stock.
    pub(crate) fn len(&self) -> usize {
        self.warm.len() + self.cold.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        debug_assert!(
            self.len() == 0 || std::thread::panicking(),
            "a worker ended without Pool::drain"
        );
    }
}
