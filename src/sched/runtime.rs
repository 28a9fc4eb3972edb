//! A runtime: its handle, and what its workers share.

use super::blocking::BlockingPool;
use super::builder::Builder;
use super::crew::Crew;
use super::idle::Idlers;
use super::metrics::{Metrics, WorkerMetrics};
use super::shutdown::{Ending, ShutdownReport};
use super::spare::Spares;
use super::watchdog::Watchdog;
use super::worker::{self, WorkerShared};
use crate::stack::Arena;
use crate::sync::Mutex;
use crate::task::header::{Attributes, Header};
use crate::task::{self, JoinHandle};
use std::collections::VecDeque;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How long the drop of a runtime waits for its tasks to end.
const DROP_BOUND: Duration = Duration::from_secs(5);

static NEXT_TASK_ID: AtomicU64 = AtomicU64::new(1);

/// What the workers of one runtime share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) workers: Crew,
    /// How many of them were there from the start. The others are spare.
    pub(crate) permanent: usize,
    pub(crate) spares: Spares,
    pub(crate) arena: Arc<Arena>,
    pub(crate) blocking: BlockingPool,
    /// Do workers ask for short turns? See [`super::urgency`].
    pub(super) short_turns: bool,
    pub(crate) idlers: Idlers,
    /// Unstarted tasks that fit in no ring.
    pub(super) injector: Mutex<VecDeque<Unstarted>>,
    pub(super) injected: AtomicUsize,
    pub(super) spawned_outside: AtomicU64,
    pub(super) next_worker: AtomicUsize,
    pub(crate) ending: Ending,
    pub(crate) watchdog: Watchdog,
}

/// A task that has not started: a `Send` closure, whoever holds it.
#[derive(Debug)]
pub(super) struct Unstarted(NonNull<Header>);

// SAFETY: an unstarted task that is not pinned is a `Send` closure and plain data; pinned ones are
// never put into a queue that others take from.
unsafe impl Send for Unstarted {}

impl Shared {
    pub(crate) fn inject(&self, task: NonNull<Header>) {
        let mut queue = self.injector.lock();
        queue.push_back(Unstarted(task));
        // Under the lock, as where it is taken off: who took the task first would count below nothing.
        self.injected.fetch_add(1, Ordering::Release);
        drop(queue);
        self.call_searcher();
    }

    pub(crate) fn injector_is_empty(&self) -> bool {
        self.injected() == 0
    }

    /// How many tasks are in the common queue.
    #[inline]
    pub(crate) fn injected(&self) -> usize {
        self.injected.load(Ordering::Acquire)
    }

    /// Takes tasks from the common queue, `most` of them or as many as half a ring holds.
    pub(crate) fn take_injected(&self, most: usize, into: &mut Vec<NonNull<Header>>) -> bool {
        if self.injector_is_empty() || most == 0 {
            return false;
        }
        let mut queue = self.injector.lock();
        let n = most.min(super::ring::PLACES / 2).min(queue.len());
        into.extend(queue.drain(..n).map(|task| task.0));
        self.injected.fetch_sub(n, Ordering::Release);
        n > 0
    }

    /// Is there an unstarted task that an idle worker could take?
    pub(crate) fn has_unstarted(&self) -> bool {
        !self.injector_is_empty() || self.workers.iter().any(|w| w.unstarted.len() > 1)
    }

    /// Wakes one sleeping worker to look for unstarted tasks, unless one is on its way already.
    pub(crate) fn call_searcher(&self) {
        let called = self.idlers.call(|| self.has_unstarted());
        if let Some(worker) = called {
            self.workers[worker].poller.wake();
        }
    }

    pub(crate) fn search_is_over(&self) {
        let called = self.idlers.search_is_over(|| self.has_unstarted());
        if let Some(worker) = called {
            self.workers[worker].poller.wake();
        }
    }

    pub(crate) fn take_ids(&self, n: u64) -> u64 {
        NEXT_TASK_ID.fetch_add(n, Ordering::Relaxed)
    }

    /// Queues a task that was spawned outside the workers. Gives it back if they have left.
    pub(crate) fn place_from_outside(&self, task: NonNull<Header>) -> Result<(), NonNull<Header>> {
        self.place_from_outside_at(None, task)
    }

    /// The same, if possible on the worker of this number.
    pub(crate) fn place_from_outside_at(
        &self,
        home: Option<usize>,
        task: NonNull<Header>,
    ) -> Result<(), NonNull<Header>> {
        self.spawned_outside.fetch_add(1, Ordering::SeqCst);
        let first = self.next_worker.fetch_add(1, Ordering::Relaxed);
        let n = self.workers.len();
        let in_turn = || (0..n).map(|i| &self.workers[(first + i) % n]);
        let least = || {
            in_turn()
                .filter(|w| w.presence.is_open())
                .min_by_key(|w| (w.held.load(Ordering::Relaxed), w.load()))
                .expect("the workers of the start are open")
        };
        let best = home.map_or_else(least, |home| &self.workers[home]);
        for worker in std::iter::once(best).chain(in_turn()) {
            // SAFETY: the task is new: alive, unstarted, in no queue.
            if unsafe { worker.hand_over_new(task) }.is_ok() {
                return Ok(());
            }
        }
        self.spawned_outside.fetch_sub(1, Ordering::SeqCst);
        Err(task)
    }

    /// Tasks spawned so far, and tasks that have ended. Everything finished is read before anything
    /// spawned, and finishing releases, so a live task never looks ended.
    pub(crate) fn spawned_and_finished(&self) -> (u64, u64) {
        let sum = |f: fn(&WorkerShared) -> &AtomicU64| -> u64 {
            self.workers
                .iter()
                .map(|w| f(w).load(Ordering::SeqCst))
                .sum()
        };
        let finished = sum(|w| &w.counts.finished);
        let spawned = sum(|w| &w.counts.spawned) + self.spawned_outside.load(Ordering::SeqCst);
        (spawned, finished)
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let workers: Vec<_> = self
            .workers
            .iter()
            .map(|w| WorkerMetrics::read(&w.counts, w.poller.counters()))
            .collect();
        let stacks = self.arena.counts();
        let mut metrics = Metrics::sum(workers);
        let (cut, leaked) = (stacks.slots_cut as u64, stacks.leaked as u64);
        metrics.stacks_cached = metrics.total.stacks_cached + stacks.slots_free as u64;
        metrics.stacks_live = cut.saturating_sub(metrics.stacks_cached + leaked);
        metrics.stacks_max = cut;
        metrics.stacks_leaked = leaked;
        metrics.stack_bytes_reserved = stacks.mapped_bytes as u64;
        metrics.spawned_outside = self.spawned_outside.load(Ordering::Relaxed);
        metrics.blocking_threads = self.blocking.threads();
        let here = self.workers.iter().filter(|w| w.presence.is_here()).count();
        metrics.spare_workers = here.saturating_sub(self.permanent) as u64;
        metrics.spare_workers_started = self.spares.started.load(Ordering::Relaxed);
        metrics.spare_workers_retired = self.spares.retired.load(Ordering::Relaxed);
        metrics
    }
}

/// Workers, their tasks, and everything that belongs to them.
///
/// ```
/// let runtime = gopark::Runtime::new()?;
/// let task = runtime.handle().spawn(|| 20);
/// assert_eq!(runtime.run(|| 1) + task.join().unwrap(), 21);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Several can live in one process. Dropping one ends its tasks (every blocked call returns an
/// error) and its threads, waiting up to five seconds; [`Runtime::shutdown_timeout`] lets you choose
/// and tells what did not end.
#[derive(Debug)]
pub struct Runtime {
    pub(super) shared: Arc<Shared>,
}

/// A way to spawn into a runtime from any thread. Cheap to clone; does not keep the runtime running:
/// spawning into one that has ended panics, or fails with [`task::Builder::spawn_in`].
///
/// ```
/// let runtime = gopark::Runtime::new()?;
/// let handle = runtime.handle();
/// let thread = std::thread::spawn(move || handle.spawn(|| 1).join().unwrap());
/// assert_eq!(thread.join().unwrap(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Runtime {
    /// A runtime with the default settings.
    ///
    /// # Errors
    /// Those of [`Builder::build`].
    pub fn new() -> io::Result<Runtime> {
        Builder::new().build()
    }

    /// Settings to choose from.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Runs `main` as a task and waits for it. Other tasks go on after it, until the runtime is
    /// dropped. A task may call it, too; one of this runtime that unwinds runs `main` in place.
    ///
    /// ```
    /// let runtime = gopark::Runtime::new()?;
    /// let text = String::from("borrowed");
    /// assert_eq!(runtime.run(|| text.len()), 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    /// With the panic of `main`.
    #[track_caller]
    pub fn run<F, T>(&self, main: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        let own = worker::current().is_some_and(|w| Arc::ptr_eq(&w.runtime, &self.shared));
        if own && std::thread::panicking() {
            // The caller must neither switch nor hold the worker that `main` may need.
            return main();
        }
        let attributes = Attributes {
            id: self.shared.take_ids(1),
            site: std::panic::Location::caller(),
            name: Some("main".into()),
            pinned: false,
        };
        let task = task::create_outside(&self.shared, None, attributes, main)
            .unwrap_or_else(|err| panic!("gopark: no stack for the main task: {err}"));
        // SAFETY: the only handle. What `main` borrows outlives this call, which does not return
        // before the task has ended: joining waits for it whatever happens, nothing below unwinds
        // first, and nobody can end a runtime that is borrowed here.
        let handle: JoinHandle<T> = unsafe { JoinHandle::new(task, self.shared.arena.clone()) };
        if self.shared.place_from_outside(task).is_err() {
            unreachable!("the workers stay for as long as the runtime does");
        }
        match handle.join_whatever_happens() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// A way to spawn into this runtime from any thread.
    pub fn handle(&self) -> Handle {
        Handle {
            shared: self.shared.clone(),
        }
    }

    /// What it has done and is doing.
    ///
    /// ```
    /// let runtime = gopark::Runtime::builder().workers(2).build()?;
    /// runtime.run(|| ());
    /// assert_eq!((runtime.metrics().workers.len(), runtime.metrics().total.finished), (2, 1));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Ends the runtime: every blocked call returns an error, so that tasks end by themselves, and
    /// the threads end. Waits up to `bound` and reports what had not ended by then. The stacks of
    /// such tasks are leaked, never freed or reused.
    ///
    /// ```
    /// use std::time::Duration;
    /// let runtime = gopark::Runtime::new()?;
    /// let sleeper = runtime.handle().spawn(|| gopark::sleep(Duration::from_secs(3600)));
    /// let report = runtime.shutdown_timeout(Duration::from_secs(10));
    /// assert!(report.is_clean());
    /// sleeper.join().unwrap(); // the sleep ended early
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_timeout(self, bound: Duration) -> ShutdownReport {
        self.shared.shut_down(bound)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let report = self.shared.shut_down(DROP_BOUND);
        if !report.is_clean() && !report.in_background {
            eprintln!("gopark: {report}");
        }
    }
}

impl Handle {
    /// The runtime of the calling task, or of the blocking closure that runs.
    ///
    /// ```
    /// use gopark::Handle;
    /// assert!(Handle::current().is_none()); // a plain thread
    /// gopark::run(|| {
    ///     let handle = Handle::current().unwrap();
    ///     // Also for a thread that the task starts:
    ///     std::thread::spawn(move || handle.spawn(|| 1).join().unwrap()).join().unwrap();
    /// });
    /// ```
    pub fn current() -> Option<Handle> {
        match worker::current() {
            Some(worker) => Some(Handle {
                shared: worker.runtime.clone(),
            }),
            None => super::blocking::runtime_of_this_thread().map(|shared| Handle { shared }),
        }
    }

    /// Spawns a task from wherever the caller is. See [`crate::spawn`].
    ///
    /// # Panics
    /// If there is no memory for a stack, or the runtime has ended or is about to.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        task::Builder::new()
            .spawn_in(self, f)
            .unwrap_or_else(|err| panic!("gopark: cannot spawn: {err}"))
    }

    /// What the runtime has done and is doing.
    ///
    /// ```
    /// let alive = gopark::run(|| gopark::Handle::current().unwrap().metrics().total.alive);
    /// assert_eq!(alive, 1); // the one that asks
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }
}

/// Runs `main` as a task on a runtime of its own, with the default settings, and ends the runtime
/// when `main` returns: tasks that still run then find their blocked calls ended.
///
/// ```
/// let answer = gopark::run(|| {
///     let half = gopark::spawn(|| 21);
///     2 * half.join().unwrap()
/// });
/// assert_eq!(answer, 42);
/// ```
///
/// # Panics
/// With the panic of `main`; or if the runtime cannot be built (see [`Builder::build`]).
#[track_caller]
pub fn run<F, T>(main: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    match Runtime::new() {
        Ok(runtime) => runtime.run(main),
        Err(err) => panic!("gopark: cannot start a runtime: {err}"),
    }
}
