//! What a poller counts.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

/// What a poller has done so far. Written by its thread, readable from any.
///
/// ```
/// use std::sync::atomic::Ordering::Relaxed;
/// let poller = netpoll::Poller::new()?;
/// poller.poll(Some(std::time::Duration::ZERO))?;
/// let counters = poller.counters();
/// assert_eq!((counters.polls.load(Relaxed), counters.sleeps.load(Relaxed)), (1, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls of `epoll_wait`.
    pub polls: AtomicU64,
    /// Calls of `epoll_wait` that were allowed to block.
    pub sleeps: AtomicU64,
    /// Events that belonged to a registered descriptor.
    pub events: AtomicU64,
    /// Events dropped because their descriptor was gone.
    pub stale_events: AtomicU64,
    /// Descriptors registered so far.
    pub registrations: AtomicU64,
    /// Descriptors registered now.
    pub descriptors: AtomicU64,
    /// Timers that came.
    pub timers_fired: AtomicU64,
    /// Wake-ups by other threads that cost a write.
    pub wakes: AtomicU64,
    /// Reads that went straight to park because the last one had emptied the socket.
    pub skipped_reads: AtomicU64,
    /// System calls that met EAGAIN.
    pub eagains: AtomicU64,
}

/// Adds one to a counter that only this thread writes: a load and a store, no locked instruction.
#[inline]
pub(crate) fn bump(counter: &AtomicU64, by: u64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(by),
        Ordering::Relaxed,
    );
}
