//! The timers of one poller: a heap of moments, owned by one thread.
//!
//! Entries are never taken out of the middle. An entry carries enough to tell, when its moment
//! comes, whether anybody still wants it; the owner says how many have gone stale, and when they
//! are the majority the heap is rebuilt without them. So arming costs a push, disarming a count.

use crate::desc::{Mode, PollDesc};
use crate::slot::Slot;
use crate::sync::Arc;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What a timer does when its moment comes.
#[derive(Debug)]
pub(crate) enum Target {
    /// Look at the deadline of one direction of a descriptor.
    Desc(Arc<PollDesc>, Mode),
    /// Make a sleeper ready.
    Sleep(Arc<Sleep>),
}

/// One sleep: a slot and the moment it ends.
#[derive(Debug, Default)]
pub struct Sleep {
    pub(crate) slot: Slot,
    pub(crate) done: crate::sync::AtomicBool,
}

#[derive(Debug)]
struct Entry {
    when: u64,
    target: Target,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.when == other.when
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    /// Reversed: `BinaryHeap` keeps the greatest on top, we want the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.when.cmp(&self.when)
    }
}

/// The heap.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Entry>,
}

/// Below this many entries a rebuild is not worth its walk.
const REBUILD_FROM: usize = 64;

impl Timers {
    /// The next moment at which there may be something to do.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|e| e.when)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn push(&mut self, when: u64, target: Target) {
        self.heap.push(Entry { when, target });
    }

    /// Takes out one entry whose moment has come.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<(u64, Target)> {
        if self.heap.peek()?.when > now {
            return None;
        }
        self.heap.pop().map(|e| (e.when, e.target))
    }

    /// Drops the entries nobody wants if there are `stale` of them and that is most of the heap.
    /// Returns true if it did.
    pub(crate) fn rebuild_if_stale(&mut self, stale: usize, poller: u32) -> bool {
        if self.heap.len() < REBUILD_FROM || stale * 2 < self.heap.len() {
            return false;
        }
        self.heap.retain(|e| match &e.target {
            Target::Desc(desc, mode) => desc.wants_timer(*mode, poller, e.when),
            Target::Sleep(sleep) => !sleep.done.load(crate::sync::Ordering::Relaxed),
        });
        true
    }
}
