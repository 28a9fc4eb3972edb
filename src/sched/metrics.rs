//! What the runtime has done and is doing, readable at any time from any thread.
//!
//! Each worker counts for itself in words that only it writes, so counting costs a load and a
//! store. A snapshot reads them all without stopping anybody: each number is right for some moment
//! of the reading, not all of them for the same.

use netpoll::Reason;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One worker's counters.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) spawned: AtomicU64,
    pub(crate) started: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) panicked: AtomicU64,
    pub(crate) switches: AtomicU64,
    pub(crate) parks: AtomicU64,
    pub(crate) yields: AtomicU64,
    pub(crate) steals: AtomicU64,
    pub(crate) stolen: AtomicU64,
    pub(crate) inbox: AtomicU64,
    pub(crate) placed_elsewhere: AtomicU64,
    pub(crate) ready: AtomicU64,
    pub(crate) alive_max: AtomicU64,
    pub(crate) stacks_cached: AtomicU64,
    pub(crate) hogs: AtomicU64,
    pub(crate) parked: [AtomicU64; Reason::COUNT],
}

/// Adds to a counter that only this thread writes.
#[inline]
pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

/// Sets a counter that only this thread writes.
#[inline]
pub(crate) fn set(counter: &AtomicU64, to: u64) {
    counter.store(to, Relaxed);
}

/// What one worker has done, or all of them together.
///
/// ```
/// let runtime = gopark::Runtime::builder().workers(1).build()?;
/// runtime.run(|| gopark::yield_now());
/// let worker = &runtime.metrics().workers[0];
/// assert_eq!((worker.started, worker.yields), (1, 1));
/// assert_eq!(worker.parked_for(gopark::Reason::Sleep), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Numbers that end in a plural verb count from the start; the others say how it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Tasks that have started here and not ended.
    pub alive: u64,
    /// The most there have been at once.
    pub alive_max: u64,
    /// Tasks that could run now, as of the worker's last round.
    pub ready: u64,
    /// Tasks parked now, by reason, in the order of [`Reason::ALL`].
    pub parked: [u64; Reason::COUNT],
    /// Tasks spawned by tasks of this worker.
    pub spawned: u64,
    /// Tasks started here.
    pub started: u64,
    /// Tasks that ended here.
    pub finished: u64,
    /// Those of them that ended by a panic.
    pub panicked: u64,
    /// Switches into a task.
    pub switches: u64,
    /// Parks.
    pub parks: u64,
    /// Yields.
    pub yields: u64,
    /// Times this worker took unstarted tasks from another.
    pub steals: u64,
    /// Tasks it took so.
    pub stolen: u64,
    /// Tasks that came through the inbox: woken or handed over by other threads.
    pub inbox: u64,
    /// Tasks spawned here and handed to a less busy worker.
    pub placed_elsewhere: u64,
    /// Times a task held the worker longer than the watchdog's threshold; 0 where there is none.
    pub hogs: u64,
    /// Calls of `epoll_wait`.
    pub polls: u64,
    /// Those of them that could block.
    pub sleeps: u64,
    /// Events they brought.
    pub events: u64,
    /// Events dropped because their descriptor was gone.
    pub stale_events: u64,
    /// Descriptors registered now.
    pub descriptors: u64,
    /// Registrations made.
    pub registrations: u64,
    /// Timers that came.
    pub timers_fired: u64,
    /// Wake-ups by other threads that cost a system call.
    pub wakes: u64,
    /// Reads that were skipped because they could only have met EAGAIN.
    pub skipped_reads: u64,
    /// System calls that met EAGAIN.
    pub eagains: u64,
    /// Warm stacks kept for the next task.
    pub stacks_cached: u64,
}

impl WorkerMetrics {
    pub(crate) fn read(counts: &Counts, poller: &netpoll::poller::Counters) -> WorkerMetrics {
        let get = |c: &AtomicU64| c.load(Relaxed);
        // Finished first: a task that ends between the two reads is then counted as alive.
        let finished = get(&counts.finished);
        let started = get(&counts.started);
        WorkerMetrics {
            alive: started.saturating_sub(finished),
            alive_max: get(&counts.alive_max),
            ready: get(&counts.ready),
            parked: std::array::from_fn(|i| get(&counts.parked[i])),
            spawned: get(&counts.spawned),
            started,
            finished,
            panicked: get(&counts.panicked),
            switches: get(&counts.switches),
            parks: get(&counts.parks),
            yields: get(&counts.yields),
            steals: get(&counts.steals),
            stolen: get(&counts.stolen),
            inbox: get(&counts.inbox),
            placed_elsewhere: get(&counts.placed_elsewhere),
            hogs: get(&counts.hogs),
            polls: get(&poller.polls),
            sleeps: get(&poller.sleeps),
            events: get(&poller.events),
            stale_events: get(&poller.stale_events),
            descriptors: get(&poller.descriptors),
            registrations: get(&poller.registrations),
            timers_fired: get(&poller.timers_fired),
            wakes: get(&poller.wakes),
            skipped_reads: get(&poller.skipped_reads),
            eagains: get(&poller.eagains),
            stacks_cached: get(&counts.stacks_cached),
        }
    }

    /// Tasks parked now for one reason.
    pub fn parked_for(&self, reason: Reason) -> u64 {
        self.parked[reason as usize]
    }

    fn add(&mut self, other: &WorkerMetrics) {
        macro_rules! sum {
            ($($field:ident),*) => { $(self.$field += other.$field;)* };
        }
        sum!(
            alive, alive_max, ready, spawned, started, finished, panicked, switches, parks
        );
        sum!(
            yields,
            steals,
            stolen,
            inbox,
            placed_elsewhere,
            hogs,
            polls,
            sleeps,
            events
        );
        sum!(
            stale_events,
            descriptors,
            registrations,
            timers_fired,
            wakes,
            skipped_reads
        );
        sum!(eagains, stacks_cached);
        for (mine, theirs) in self.parked.iter_mut().zip(other.parked) {
            *mine += theirs;
        }
    }
}

/// A snapshot of a runtime. See [`crate::Runtime::metrics`].
///
/// ```
/// let runtime = gopark::Runtime::builder().workers(2).build()?;
/// runtime.run(|| gopark::spawn(|| ()).join().unwrap());
/// let metrics = runtime.metrics();
/// assert_eq!((metrics.workers.len(), metrics.total.started), (2, 2));
/// assert_eq!((metrics.total.spawned, metrics.spawned_outside), (1, 1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// All workers together. (`alive_max` is the sum of the workers' own maxima.)
    pub total: WorkerMetrics,
    /// Each worker; after those of the start the spare ones that have ever been started.
    pub workers: Vec<WorkerMetrics>,
    /// Tasks spawned from outside the workers.
    pub spawned_outside: u64,
    /// Stacks in use by tasks, unstarted and unjoined ones included.
    pub stacks_live: u64,
    /// Stacks ready for reuse, those the workers keep warm included.
    pub stacks_cached: u64,
    /// The most stacks there have been at once.
    pub stacks_max: u64,
    /// Stacks given up at a shutdown because their tasks did not end.
    pub stacks_leaked: u64,
    /// Address space reserved for stacks, in bytes.
    pub stack_bytes_reserved: u64,
    /// Threads of the blocking pool.
    pub blocking_threads: u64,
    /// Spare workers now: see [`crate::Builder::spare_workers`].
    pub spare_workers: u64,
    /// Times a spare worker was started.
    pub spare_workers_started: u64,
    /// Times one has left.
    pub spare_workers_retired: u64,
}

impl Metrics {
    pub(crate) fn sum(workers: Vec<WorkerMetrics>) -> Metrics {
        let mut total = WorkerMetrics::default();
        for worker in &workers {
            total.add(worker);
        }
        Metrics {
            total,
            workers,
            ..Metrics::default()
        }
    }
}
