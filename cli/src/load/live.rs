//! What the generator's threads let others see while they run.

use std::sync::atomic::{AtomicU64, Ordering};

use super::tally::Tally;

/// Counters that one thread writes and another one reads. They are for display: the result of a
/// run comes from the tallies.
#[derive(Debug, Default)]
pub struct Live {
    conns: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
}

impl Live {
    /// A connection is open.
    pub fn opened(&self) {
        self.conns.fetch_add(1, Ordering::Relaxed);
    }

    /// An open connection is no more.
    pub fn closed(&self) {
        self.conns.fetch_sub(1, Ordering::Relaxed);
    }

    /// The thread has come this far.
    pub fn progress(&self, tally: &Tally) {
        self.requests.store(tally.requests, Ordering::Relaxed);
        self.errors.store(tally.errors(), Ordering::Relaxed);
    }

    /// Open connections, answers and errors of all the threads.
    pub fn sum(all: &[Live]) -> (u64, u64, u64) {
        let sum = |pick: fn(&Live) -> &AtomicU64| {
            all.iter()
                .map(|live| pick(live).load(Ordering::Relaxed))
                .sum()
        };
        (
            sum(|live| &live.conns),
            sum(|live| &live.requests),
            sum(|live| &live.errors),
        )
    }
}
