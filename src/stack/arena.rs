//! The arena: one per runtime, shared by its workers.
//!
//! Everything here is the cold path and takes one lock; a worker's [`Pool`](super::Pool) stands
//! in front of it. Only [`Arena::slot_of`] takes none, because a signal handler asks it.

use std::io;

use parking_lot::Mutex;

use super::chunk::{Chunk, Chunks, Growth};
use super::class::{ClassId, StackConfig};
use super::error::StackError;
use super::guard::{GuardMethod, Guards};
use super::mapping::{discard, page_size};
use super::slot::{Slot, SlotInfo};

/// Slots of every size for one runtime.
///
/// Dropping it releases all address space of chunks whose slots have all come back. A chunk with a
/// slot that is still live, or was leaked, stays mapped for the rest of the process, less the
/// memory of its free slots: a stack somebody may still refer to never vanishes.
#[derive(Debug)]
pub(crate) struct Arena {
    config: StackConfig,
    class: ClassId,
    guards: Guards,
    chunks: Chunks,
    books: Mutex<Books>,
}

/// What the lock protects.
#[derive(Debug)]
struct Books {
    classes: [Shelf; ClassId::COUNT],
    leaked: usize,
}

/// The free slots of one class, and how its next chunk is sized.
#[derive(Debug)]
struct Shelf {
    /// Slots with whatever memory their last task touched.
    free: Vec<Slot>,
    /// Slots with no memory below the top page.
    cold: Vec<Slot>,
    growth: Growth,
}

/// Slots one call of [`Arena::trim`] treats at most, about a microsecond each.
const TRIM_AT_ONCE: usize = 64;

/// What an arena holds at one moment.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct ArenaCounts {
    /// Bytes of address space reserved; memory is used only where tasks have been.
    pub mapped_bytes: usize,
    /// Slots handed out at least once. Those not free and not leaked are live or in pools.
    pub slots_cut: usize,
    /// Slots on the shared free lists.
    pub slots_free: usize,
    /// Slots given up for ever.
    pub leaked: usize,
    /// The most mappings this arena can have in the kernel; adjacent ones may have merged.
    pub mappings: usize,
}

impl Arena {
    /// An empty arena; it reserves nothing yet. Sizes out of range are clamped, see
    /// [`StackConfig::rounded`]; [`StackConfig::new`] refuses them instead.
    pub(crate) fn new(config: StackConfig) -> Arena {
        Arena::with_guards(config, GuardMethod::Auto)
    }

    /// An empty arena that sets its guards in the given way.
    pub(crate) fn with_guards(config: StackConfig, method: GuardMethod) -> Arena {
        let config = config.rounded();
        let class = ClassId::holding(config.slot_size).expect("a rounded size has a class");
        let classes = ClassId::all().map(|class| Shelf {
            free: Vec::new(),
            cold: Vec::new(),
            growth: Growth::of(class),
        });
        Arena {
            config,
            class,
            guards: Guards::new(method),
            chunks: Chunks::default(),
            books: Mutex::new(Books { classes, leaked: 0 }),
        }
    }

    /// The class of ordinary tasks.
    pub(crate) fn default_class(&self) -> ClassId {
        self.class
    }

    /// The class for a task that asks for `size` bytes of stack, guard included.
    ///
    /// # Errors
    ///
    /// `InvalidInput` above 64 MiB.
    pub(crate) fn class(&self, size: usize) -> io::Result<ClassId> {
        Ok(ClassId::holding(size.max(2 * self.config.guard_size))?)
    }

    /// A slot for an ordinary task: the last one given back, or a new one.
    ///
    /// # Errors
    ///
    /// `OutOfMemory`, as a [`StackError`] that names the limit which was met.
    pub(crate) fn alloc(&self) -> io::Result<Slot> {
        self.alloc_in(self.class)
    }

    /// As [`Arena::alloc`], of another size.
    pub(crate) fn alloc_in(&self, class: ClassId) -> io::Result<Slot> {
        let mut books = self.books.lock();
        let shelf = &mut books.classes[class.index()];
        match shelf.free.pop().or_else(|| shelf.cold.pop()) {
            Some(slot) => Ok(slot),
            None => Ok(self.cut(class, &mut shelf.growth)?),
        }
    }

    /// Appends up to `n` ordinary slots to `out` and says how many: at least one, unless `n` is 0.
    /// Free slots come first; the warmest, the one given back last, is appended last.
    ///
    /// # Errors
    ///
    /// As [`Arena::alloc`], when not even one slot could be had.
    pub(crate) fn alloc_batch(&self, n: usize, out: &mut Vec<Slot>) -> io::Result<usize> {
        let mut books = self.books.lock();
        let Shelf { free, cold, growth } = &mut books.classes[self.class.index()];
        let warm = n.min(free.len());
        let reused = n.min(warm + cold.len());
        let mut new = Vec::new();
        while reused + new.len() < n {
            match self.cut(self.class, growth) {
                Ok(slot) => new.push(slot),
                Err(error) if reused + new.len() == 0 => return Err(error.into()),
                // The next call, which gets nothing at all, reports it.
                Err(_) => break,
            }
        }
        // A pool pops from the end, and in a new chunk the lowest address is to go first.
        out.extend(new.iter().rev());
        out.extend(cold.drain(cold.len() - (reused - warm)..));
        out.extend(free.drain(free.len() - warm..));
        Ok(reused + new.len())
    }

    /// Cuts the next slot of a class. The caller holds the lock.
    fn cut(&self, class: ClassId, growth: &mut Growth) -> Result<Slot, StackError> {
        let chunk = match self.chunks.open(class) {
            Some(chunk) => chunk,
            None => self.chunks.grow(class, self.config.guard_size, growth)?,
        };
        let slot = chunk.uncut().expect("an open or new chunk has a slot left");
        let guard = slot.guard();
        // SAFETY: the guard is whole pages of a chunk, since all sizes are rounded, and the slot
        // is uncut. It is counted as cut only when its guard is set.
        unsafe { self.guards.install(guard.start, guard.end)? };
        chunk.advance();
        Ok(slot)
    }

    /// Takes a slot back.
    ///
    /// # Safety
    ///
    /// The slot came from this arena, is given back once, and from now on nothing runs on it or
    /// refers to its contents: its task has finished or has been unwound.
    pub(crate) unsafe fn free(&self, slot: Slot) {
        self.check(slot);
        self.books.lock().classes[slot.class().index()]
            .free
            .push(slot);
    }

    /// Takes many slots back, of any classes.
    ///
    /// # Safety
    ///
    /// As for [`Arena::free`], for each of them.
    pub(crate) unsafe fn free_batch(&self, slots: impl IntoIterator<Item = Slot>) {
        let mut books = self.books.lock();
        for slot in slots {
            self.check(slot);
            books.classes[slot.class().index()].free.push(slot);
        }
    }

    /// As [`Arena::free_batch`], for slots of the default class without memory below the top page.
    ///
    /// # Safety
    ///
    /// As for [`Arena::free`], for each of them.
    pub(super) unsafe fn free_cold(&self, slots: impl IntoIterator<Item = Slot>) {
        self.books.lock().classes[self.class.index()]
            .cold
            .extend(slots);
    }

    /// Gives the memory of some free slots back to the kernel, all but their top pages, and
    /// returns whether there is more to give. For a worker that has been idle for a while.
    pub(crate) fn trim(&self) -> bool {
        let mut more = false;
        for index in 0..ClassId::COUNT {
            let some = {
                let free = &mut self.books.lock().classes[index].free;
                more |= free.len() > TRIM_AT_ONCE;
                free.split_off(free.len().saturating_sub(TRIM_AT_ONCE))
            };
            // Without the lock: a worker that needs a slot meanwhile cuts a new one.
            for slot in &some {
                // SAFETY: a slot that was on a free list belongs to nobody, by the contract of
                // `free`, and these are on no list; both bounds are page-aligned.
                unsafe { discard(slot.lo(), slot.hi() - page_size()) };
            }
            self.books.lock().classes[index].cold.extend(some);
        }
        more
    }

    /// A slot of another arena on our lists would be handed out after that arena has unmapped it.
    fn check(&self, slot: Slot) {
        debug_assert_eq!(
            self.slot_of(slot.lo()).map(|info| info.slot),
            Some(slot),
            "a slot of another arena came back to this one"
        );
    }

    /// Gives a slot up for ever: it is neither reused nor unmapped, so whatever refers to it stays
    /// valid. This is what becomes of a task that is still parked when its runtime ends.
    pub(crate) fn leak(&self, slot: Slot) {
        self.check(slot);
        self.books.lock().leaked += 1;
    }

    /// What the arena holds now.
    pub(crate) fn counts(&self) -> ArenaCounts {
        let books = self.books.lock();
        let mut counts = ArenaCounts {
            mapped_bytes: 0,
            slots_cut: 0,
            slots_free: books
                .classes
                .iter()
                .map(|shelf| shelf.free.len() + shelf.cold.len())
                .sum(),
            leaked: books.leaked,
            mappings: 2 * self.guards.split(),
        };
        for chunk in self.chunks.iter() {
            counts.mapped_bytes += chunk.range().len();
            counts.slots_cut += chunk.cut() as usize;
            counts.mappings += 1;
        }
        counts
    }

    /// Which slot contains this address, if any. Async-signal-safe: no lock, no allocation.
    pub(crate) fn slot_of(&self, addr: usize) -> Option<SlotInfo> {
        self.chunks.slot_of(addr)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let shelves = &mut self.books.get_mut().classes;
        let mut free: Vec<Slot> = Vec::new();
        for shelf in shelves {
            free.append(&mut shelf.free);
            free.append(&mut shelf.cold);
        }
        free.sort_unstable_by_key(Slot::lo);
        for chunk in self.chunks.take() {
            let range = chunk.range();
            let start = free.partition_point(|slot| slot.lo() < range.start);
            let end = free.partition_point(|slot| slot.lo() < range.end);
            let all_back = end - start == chunk.cut() as usize;
            if all_back {
                self.guards.released(chunk.cut() as usize);
            } else {
                discard_free(&free[start..end]);
            }
            Chunk::end(chunk, all_back);
        }
    }
}

/// Returns the memory of free slots, sorted by address, neighbours in one call.
fn discard_free(free: &[Slot]) {
    for run in free.chunk_by(|a, b| a.hi() == b.guard().start) {
        let (first, last) = (run[0], run[run.len() - 1]);
        // SAFETY: a free slot's contents belong to nobody, by the contract of `free`; the guards
        // between neighbours survive, and all bounds are page-aligned.
        unsafe { discard(first.lo(), last.hi()) };
    }
}
