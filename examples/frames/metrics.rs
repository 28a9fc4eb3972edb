//! What a server counts.

#![forbid(unsafe_code)]

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that any task may add to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Relaxed);
    }

    /// Counts one less.
    pub fn less(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counts of a server since it started.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections that are open.
    pub open: Counter,
    /// Frames received.
    pub frames: Counter,
    /// Bytes of their bodies.
    pub bytes: Counter,
    /// Answers sent.
    pub acks: Counter,
    /// Writes that sent them: fewer, when answers leave together.
    pub writes: Counter,
    /// Requests under way: received, and not answered.
    pub in_flight: Counter,
    /// Connections closed because of what they sent.
    pub bad: Counter,
    /// Connections cut because they were too slow, or silent for too long.
    pub slow: Counter,
    /// Connections that failed, a reset for instance.
    pub failed: Counter,
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "open {} of {} | frames {} ({} bytes) | acks {} in {} writes | in flight {} | \
             bad {} slow {} failed {}",
            self.open.get(),
            self.accepted.get(),
            self.frames.get(),
            self.bytes.get(),
            self.acks.get(),
            self.writes.get(),
            self.in_flight.get(),
            self.bad.get(),
            self.slow.get(),
            self.failed.get()
        )
    }
}
