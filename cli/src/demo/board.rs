//! Where the clients of a half write down what happened to them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::load::tally::{Tally, Trouble};

/// Clients that share a tally. A tally each would take more memory than the connections.
const SHARDS: usize = 16;

/// The counts of all clients, and the flag that ends them.
#[derive(Debug)]
pub struct Board {
    shards: Vec<Mutex<Tally>>,
    stop: AtomicBool,
}

impl Board {
    /// Nothing yet.
    pub fn new() -> Board {
        let shards = (0..SHARDS).map(|_| Mutex::new(Tally::new())).collect();
        Board {
            shards,
            stop: AtomicBool::new(false),
        }
    }

    /// Client `client` has received an answer.
    pub fn answered(&self, client: usize, after: Duration) {
        self.with(client, |tally| tally.answered(after));
    }

    /// Client `client` has failed.
    pub fn failed(&self, client: usize, error: &std::io::Error) {
        self.with(client, |tally| tally.trouble(Trouble::from(error)));
    }

    /// The clients should end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the clients should end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Everything so far.
    pub fn sum(&self) -> Tally {
        let mut sum = Tally::new();
        (0..SHARDS).for_each(|shard| self.with(shard, |tally| sum.add(tally)));
        sum
    }

    /// Answers so far.
    pub fn requests(&self) -> u64 {
        let mut requests = 0;
        (0..SHARDS).for_each(|shard| self.with(shard, |tally| requests += tally.requests));
        requests
    }

    /// Nothing blocks while the lock is held, so a task that holds it is never parked.
    fn with(&self, client: usize, f: impl FnOnce(&mut Tally)) {
        let shard = &self.shards[client % SHARDS];
        f(&mut shard.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
