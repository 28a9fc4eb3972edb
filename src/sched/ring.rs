//! The ring of unstarted tasks: one worker pushes and pops, others steal.
//!
//! Go's `runq`: a fixed ring with two counters that only grow. A task that has not started is only
//! a `Send` closure, so any worker may take it; started tasks never come here.
//!
//! | who          | does                                                                     |
//! |--------------|--------------------------------------------------------------------------|
//! | owner, push  | writes the place at `tail`, then `tail + 1` (release)                     |
//! | owner, pop   | reads the place at `head`, then claims it by moving `head` one on (CAS)   |
//! | thief        | reads half of what is there, then claims it by moving `head` on (CAS)     |
//!
//! A place is overwritten only when `head` has passed it, and then the CAS of whoever read the old
//! content fails.
//!
//! Go: `runtime/proc.go`, `runqput`, `runqget`, `runqgrab`.

use crate::sync::{AtomicPtr, AtomicU32, Ordering};
use std::ptr::NonNull;

/// How many places there are. Loom explores every one of them, so few suffice there.
#[cfg(not(loom))]
pub(crate) const PLACES: usize = 256;
#[cfg(loom)]
pub(crate) const PLACES: usize = 4;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Ring<T> {
    head: AtomicU32,
    tail: AtomicU32,
    places: Box<[AtomicPtr<T>]>,
}

impl<T> Ring<T> {
    pub(crate) fn new() -> Self {
        Ring {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            places: (0..PLACES)
                .map(|_| AtomicPtr::new(std::ptr::null_mut()))
                .collect(),
        }
    }

    fn place(&self, at: u32) -> &AtomicPtr<T> {
        &self.places[at as usize % PLACES]
    }

    /// How many there are, more or less.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        // Head first: it never passes a tail that is read later.
        let head = self.head.load(Ordering::Acquire);
        let there = self.tail.load(Ordering::Relaxed).wrapping_sub(head);
        (there as usize).min(PLACES)
    }

    /// Adds one at the end; gives it back if the ring is full. The owner's.
    #[inline]
    pub(crate) fn push(&self, item: NonNull<T>) -> Result<(), NonNull<T>> {
        let tail = self.tail.load(Ordering::Relaxed);
        // Acquire: a place freed by a thief was read before we overwrite it.
        let head = self.head.load(Ordering::Acquire);
        if tail.wrapping_sub(head) as usize >= PLACES {
            return Err(item);
        }
        self.place(tail).store(item.as_ptr(), Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Takes the oldest. The owner's.
    #[inline]
    pub(crate) fn pop(&self) -> Option<NonNull<T>> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head == self.tail.load(Ordering::Relaxed) {
                return None;
            }
            let item = self.place(head).load(Ordering::Relaxed);
            let next = head.wrapping_add(1);
            match self
                .head
                .compare_exchange(head, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return NonNull::new(item),
                Err(now) => head = now,
            }
        }
    }

    /// Appends the older half, at least one if there is any, but not more than `most`, to `into`.
    /// Anybody's.
    pub(crate) fn steal(&self, most: usize, into: &mut Vec<NonNull<T>>) -> usize {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            let there = tail.wrapping_sub(head);
            if there == 0 || most == 0 {
                return 0;
            }
            if there as usize > PLACES {
                continue; // head moved between the two reads
            }
            let n = (there - there / 2).min(u32::try_from(most).unwrap_or(u32::MAX));
            let before = into.len();
            for i in 0..n {
                let item = self.place(head.wrapping_add(i)).load(Ordering::Relaxed);
                into.extend(NonNull::new(item));
            }
            let next = head.wrapping_add(n);
            if self
                .head
                .compare_exchange(head, next, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                return n as usize;
            }
            into.truncate(before); // somebody was faster
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;

    /// Items are small numbers dressed as pointers: nothing follows them.
    fn item(n: usize) -> NonNull<u8> {
        NonNull::new(std::ptr::without_provenance_mut(n)).unwrap()
    }

    fn numbers(items: Vec<NonNull<u8>>) -> Vec<usize> {
        items.into_iter().map(|it| it.addr().get()).collect()
    }

    /// An owner that pushes and pops against thieves: everything comes out exactly once.
    fn nothing_is_lost_or_doubled(thieves: usize, pushes: usize, before: usize) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let ring = Arc::new(Ring::new());
            // Starts the counters away from zero, so that places are used again.
            for _ in 0..before {
                ring.push(item(99)).unwrap();
                ring.pop().unwrap();
            }
            ring.push(item(1)).unwrap();
            ring.push(item(2)).unwrap();
            let thieves: Vec<_> = (0..thieves)
                .map(|_| {
                    let ring = ring.clone();
                    loom::thread::spawn(move || {
                        let mut mine = Vec::new();
                        let n = ring.steal(usize::MAX, &mut mine);
                        assert_eq!(n, mine.len());
                        numbers(mine)
                    })
                })
                .collect();
            let mut out = Vec::new();
            let mut kept = Vec::new();
            for n in 3..3 + pushes {
                if let Err(full) = ring.push(item(n)) {
                    kept.push(full);
                }
                out.extend(ring.pop());
            }
            let stolen = thieves.into_iter().flat_map(|t| t.join().unwrap());
            let mut all: Vec<_> = stolen.collect();
            while let Some(it) = ring.pop() {
                out.push(it);
            }
            all.extend(numbers(out));
            all.extend(numbers(kept));
            all.sort_unstable();
            assert_eq!(all, (1..3 + pushes).collect::<Vec<_>>());
        });
    }

    #[test]
    fn one_thief_against_the_owner() {
        nothing_is_lost_or_doubled(1, 2, 0);
    }

    #[test]
    fn two_thieves_against_the_owner() {
        nothing_is_lost_or_doubled(2, 1, 0);
    }

    #[test]
    fn places_that_are_used_again_while_a_thief_reads() {
        nothing_is_lost_or_doubled(1, 3, 3);
    }
}
