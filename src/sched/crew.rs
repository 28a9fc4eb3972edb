//! The workers of a runtime, in the order of their numbers.
//!
//! Those it was built with are there from the start. A spare one is added when it is first started,
//! and stays in the list when its thread ends: its counters are still part of the sum, and its number
//! comes back with it. So the list only grows, and a worker in it is never replaced.

use super::worker::WorkerShared;
use std::ops::Index;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Crew {
    places: Box<[OnceLock<Arc<WorkerShared>>]>,
    known: AtomicUsize,
}

impl Crew {
    /// The workers of the start, and room for so many spare ones.
    pub(crate) fn new(workers: impl Iterator<Item = Arc<WorkerShared>>, spare: usize) -> Crew {
        let mut places: Vec<_> = workers.map(OnceLock::from).collect();
        let known = AtomicUsize::new(places.len());
        places.extend((0..spare).map(|_| OnceLock::new()));
        Crew {
            places: places.into(),
            known,
        }
    }

    /// How many there are, those counted that are away.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.known.load(Ordering::Acquire)
    }

    /// How many there can be.
    pub(crate) fn most(&self) -> usize {
        self.places.len()
    }

    /// All of them.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<WorkerShared>> {
        self.places[..self.len()].iter().filter_map(OnceLock::get)
    }

    /// Adds one, which has the next number. Only the watchdog does so.
    pub(crate) fn add(&self, worker: Arc<WorkerShared>) {
        let place = self.len();
        debug_assert_eq!(worker.index, place);
        let added = self.places[place].set(worker);
        debug_assert!(added.is_ok(), "the next place is free");
        self.known.store(place + 1, Ordering::Release);
    }
}

impl Index<usize> for Crew {
    type Output = Arc<WorkerShared>;

    #[inline]
    fn index(&self, index: usize) -> &Arc<WorkerShared> {
        self.places[index].get().expect("a worker below `len`")
    }
}
