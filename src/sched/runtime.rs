//! A runtime: its builder, its handle, and what its workers share.

use super::blocking::BlockingPool;
use super::crew::Crew;
use super::idle::Idlers;
use super::metrics::{Metrics, WorkerMetrics};
use super::shutdown::{Ending, ShutdownReport};
use super::spare::{self, Spares};
use super::watchdog::{Hog, Report, Watchdog};
use super::worker::{self, WorkerShared};
use crate::stack::{Arena, StackConfig};
use crate::sync::Mutex;
use crate::task::header::{Attributes, Header};
use crate::task::{self, JoinHandle};
use netpoll::Poller;
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
    pub(crate) workers_first: bool,
    pub(crate) arena: Arc<Arena>,
    pub(crate) blocking: BlockingPool,
    pub(crate) idlers: Idlers,
    /// Unstarted tasks that fit in no ring.
    injector: Mutex<VecDeque<Unstarted>>,
    injected: AtomicUsize,
    spawned_outside: AtomicU64,
    next_worker: AtomicUsize,
    pub(crate) ending: Ending,
    pub(crate) watchdog: Watchdog,
}

/// A task that has not started: a `Send` closure, whoever holds it.
#[derive(Debug)]
struct Unstarted(NonNull<Header>);

// SAFETY: an unstarted task that is not pinned is a `Send` closure and plain data; pinned ones are
// never put into a queue that others take from.
unsafe impl Send for Unstarted {}

impl Shared {
    pub(crate) fn inject(&self, task: NonNull<Header>) {
        self.injector.lock().push_back(Unstarted(task));
        self.injected.fetch_add(1, Ordering::Release);
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
        self.spawned_outside.fetch_add(1, Ordering::SeqCst);
        let first = self.next_worker.fetch_add(1, Ordering::Relaxed);
        let n = self.workers.len();
        let in_turn = || (0..n).map(|i| &self.workers[(first + i) % n]);
        let least = in_turn()
            .filter(|w| w.presence.is_open())
            .min_by_key(|w| (w.held.load(Ordering::Relaxed), w.load()))
            .expect("the workers of the start are open");
        for worker in std::iter::once(least).chain(in_turn()) {
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

/// Settings for a [`Runtime`].
///
/// ```
/// let runtime = gopark::Runtime::builder().workers(2).name("doc").build()?;
/// assert_eq!(runtime.run(|| 6 * 7), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Builder {
    workers: Option<usize>,
    stack_size: Option<usize>,
    blocking_threads: usize,
    name: String,
    hog_threshold: Duration,
    on_hog: Option<Report>,
    spare_workers: Option<usize>,
    spare_stay: Duration,
    workers_first: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            workers: None,
            stack_size: None,
            blocking_threads: 512,
            name: "gopark".to_owned(),
            hog_threshold: Duration::from_millis(10),
            on_hog: None,
            spare_workers: None,
            spare_stay: spare::STAY,
            workers_first: false,
        }
    }
}

/// An environment variable that must be a positive number if it is set.
fn number_from(variable: &str) -> io::Result<Option<usize>> {
    let Some(text) = std::env::var_os(variable) else {
        return Ok(None);
    };
    match text.to_str().and_then(|t| t.trim().parse::<usize>().ok()) {
        Some(n) if n > 0 => Ok(Some(n)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{variable} is {text:?}; it must be a whole number above zero"),
        )),
    }
}

impl Builder {
    /// The default settings.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// How many workers run tasks. By default what `GOPARK_WORKERS` says, or else as many as
    /// cores that this process may use. More than there are cores is allowed.
    ///
    /// Go: `GOMAXPROCS`.
    pub fn workers(mut self, n: usize) -> Builder {
        self.workers = Some(n);
        self
    }

    /// Bytes of address space for each task's stack, guard included; rounded up to a power of two
    /// from 16 KiB on. Memory is used only where a task has been. By default what
    /// `GOPARK_STACK_SIZE` says, or else 64 KiB, and 256 KiB in builds with debug assertions.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// How many threads [`crate::blocking`] may use at once; 512 by default. They are started when
    /// needed and end when idle.
    ///
    /// ```
    /// let runtime = gopark::Runtime::builder().blocking_threads(2).build()?;
    /// // The third waits until one of the two threads is free.
    /// runtime.run(|| gopark::scope(|s| {
    ///     for _ in 0..3 {
    ///         s.spawn(|| gopark::blocking(|| ()));
    ///     }
    /// }));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn blocking_threads(mut self, n: usize) -> Builder {
        self.blocking_threads = n;
        self
    }

    /// The name of the runtime, with which the names of its threads begin.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = name.into();
        self
    }

    /// A task that holds its worker longer than this is reported and counted; 10 ms by default.
    /// Zero turns the watchdog off.
    ///
    /// ```
    /// use std::{sync::mpsc, time::Duration};
    /// let (tell, told) = mpsc::channel();
    /// let runtime = gopark::Runtime::builder()
    ///     .hog_threshold(Duration::from_millis(5))
    ///     .on_hog(move |hog| { let _ = tell.send(*hog); })
    ///     .build()?;
    /// let hog = runtime.run(move || told.recv()).unwrap(); // holds its worker until reported
    /// println!("{hog}");
    /// assert_eq!(runtime.metrics().total.hogs, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn hog_threshold(mut self, threshold: Duration) -> Builder {
        self.hog_threshold = threshold;
        self
    }

    /// What to do about a task that holds its worker too long. Called on the watchdog's thread,
    /// once for each time, while the task still holds it. By default it is only counted.
    pub fn on_hog(mut self, report: impl Fn(&Hog) + Send + Sync + 'static) -> Builder {
        self.on_hog = Some(Report(Box::new(report)));
        self
    }

    /// How many more workers may be started while tasks hold the ones there are. By default three
    /// for each worker, and none where there is only one, because whoever asks for one worker may want
    /// one task to run at a time. Zero turns it off; so does [`Builder::hog_threshold`] zero.
    ///
    /// A task that computes delays all others that have started on its worker, for none of them can
    /// leave. When the watchdog sees that happen several times in a second, it starts another worker,
    /// up to this number, and what is spawned afterwards is spread over them all, too. The kernel
    /// divides the processors between them. Spare workers help new tasks, not those that already
    /// share a worker with a heavy one; and they are no substitute for [`crate::blocking`], which
    /// takes the heavy piece of work away from where others wait.
    ///
    /// ```
    /// let runtime = gopark::Runtime::builder().workers(2).spare_workers(6).build()?;
    /// assert_eq!(runtime.metrics().spare_workers, 0); // until they are needed
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Go starts more threads when goroutines block in system calls, and interrupts those that compute.
    pub fn spare_workers(mut self, most: usize) -> Builder {
        self.spare_workers = Some(most);
        self
    }

    /// How long spare workers stay when no task has held a worker; one minute by default. After that
    /// each ends as soon as no task is left on it.
    pub fn spare_workers_stay(mut self, time: Duration) -> Builder {
        self.spare_stay = time;
        self
    }

    /// Has the kernel run workers before the threads of [`crate::blocking`] where both want a processor;
    /// off by default. For programs whose blocking closures compute, and whose other tasks should not
    /// wait until a processor is free again.
    ///
    /// The threads of the pool are given the nice value 5, about a third of a worker's weight, and the
    /// workers ask for short time slices, which the kernel takes as being in a hurry (Linux 6.12;
    /// earlier ones ignore it). Threads and processes that a blocking closure starts inherit the
    /// nice value: that is why it is not the default.
    ///
    /// ```
    /// let runtime = gopark::Runtime::builder().workers_first(true).build()?;
    /// assert_eq!(runtime.run(|| gopark::blocking(|| (1..=4).sum::<u32>())), 10);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn workers_first(mut self, yes: bool) -> Builder {
        self.workers_first = yes;
        self
    }

    /// Starts the workers.
    ///
    /// ```
    /// let runtime = gopark::Builder::new().workers(1).stack_size(1 << 17).build()?;
    /// assert_eq!(runtime.run(|| 1 + 1), 2);
    /// assert!(gopark::Runtime::builder().workers(0).build().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// A setting out of range; no more threads or descriptors.
    pub fn build(self) -> io::Result<Runtime> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let workers = match self.workers {
            Some(n) => n,
            None => match number_from("GOPARK_WORKERS")? {
                Some(n) => n,
                None => std::thread::available_parallelism().map_or(1, usize::from),
            },
        };
        if workers == 0 || workers > 1024 {
            return Err(invalid(format!("{workers} workers; it must be 1 to 1024")));
        }
        let spare = match self.spare_workers {
            _ if self.hog_threshold.is_zero() => 0,
            Some(n) if n > 1024 => {
                return Err(invalid(format!("{n} spare workers; it must be 0 to 1024")));
            }
            Some(n) => n,
            None if workers == 1 => 0,
            None => workers * spare::FOR_EACH,
        };
        if self.blocking_threads == 0 {
            return Err(invalid(
                "0 blocking threads; it must be at least 1".to_owned(),
            ));
        }
        if self.name.contains('\0') {
            return Err(invalid(format!("{:?} cannot name a thread", self.name)));
        }
        let mut stacks = StackConfig::default();
        let size = match self.stack_size {
            Some(bytes) => Some(bytes),
            None => number_from("GOPARK_STACK_SIZE")?,
        };
        if let Some(bytes) = size {
            stacks = StackConfig::new(bytes, stacks.guard_size)?;
        }
        super::overflow::install();
        let pollers = (0..workers)
            .map(|_| Poller::new())
            .collect::<io::Result<Vec<_>>>()?;
        let shared = Arc::new(Shared {
            workers: Crew::new(
                pollers
                    .iter()
                    .enumerate()
                    .map(|(i, p)| Arc::new(WorkerShared::new(i, p.handle().clone()))),
                spare,
            ),
            permanent: workers,
            spares: Spares::new(self.spare_stay),
            workers_first: self.workers_first,
            arena: Arc::new(Arena::new(stacks)),
            blocking: BlockingPool::new(self.blocking_threads, &self.name, self.workers_first),
            idlers: Idlers::new(workers + spare),
            injector: Mutex::new(VecDeque::new()),
            injected: AtomicUsize::new(0),
            spawned_outside: AtomicU64::new(0),
            next_worker: AtomicUsize::new(0),
            ending: Ending::default(),
            watchdog: Watchdog::new(self.hog_threshold, self.on_hog),
            name: self.name,
        });
        let runtime = Runtime {
            shared: shared.clone(),
        };
        for (i, poller) in pollers.into_iter().enumerate() {
            let mine = shared.clone();
            shared.ending.thread_starts();
            let started = std::thread::Builder::new()
                .name(format!("{}-{i}", shared.name))
                .spawn(move || spare::run_worker(mine, i, poller));
            if let Err(err) = started {
                shared.ending.thread_ends();
                return Err(err); // the drop of `runtime` ends those that did start
            }
        }
        Watchdog::start(&shared)?;
        Ok(runtime)
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
    shared: Arc<Shared>,
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
