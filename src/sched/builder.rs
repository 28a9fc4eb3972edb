//! Settings of a runtime, and its start.

use super::blocking::BlockingPool;
use super::crew::Crew;
use super::idle::Idlers;
use super::runtime::{Runtime, Shared};
use super::shutdown::Ending;
use super::spare::{self, Spares};
use super::urgency;
use super::watchdog::{Hog, Report, Watchdog};
use super::worker::WorkerShared;
use crate::stack::{Arena, StackConfig};
use crate::sync::Mutex;
use netpoll::Poller;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

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
    short_turns: bool,
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
            short_turns: true,
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
    /// from 16 KiB on, and a page more. Memory is used only where a task has been. By default what
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
    /// Zero turns the watchdog off, and [`Builder::run_here`] has one only for [`Builder::on_hog`]. It looks
    /// seldom while all is well, so that a hold of less than two and a quarter thresholds may go unseen; and
    /// one of up to 100 ms more, after a time without work.
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
    /// for each worker and at least 30, but none where there is only one, because whoever asks for one
    /// worker may want one task to run at a time. Zero turns it off; so does [`Builder::hog_threshold`]
    /// zero.
    ///
    /// A task that computes delays all others that have started on its worker, for none of them can
    /// leave. When the watchdog sees that happen several times in a second, it starts others, until
    /// three are without tasks for each one with, up to this number; what is spawned afterwards is spread
    /// over all of them. The kernel divides the processors between them. Spare workers help new tasks, not
    /// those that already share a worker with a heavy one; and they are no substitute for
    /// [`crate::blocking`], which takes the heavy piece of work away from where others wait.
    ///
    /// Each has descriptors of its own, three as a rule, and keeps them for the next one when it has left;
    /// and a thread's memory, of which it touches some 150 KB.
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
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = gopark::Runtime::builder().workers(2).spare_workers(2);
    /// let runtime = builder.spare_workers_stay(Duration::from_secs(5)).build()?;
    /// assert_eq!(runtime.metrics().spare_workers, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spare_workers_stay(mut self, time: Duration) -> Builder {
        self.spare_stay = time;
        self
    }

    /// Has the kernel run workers before the threads of [`crate::blocking`] where both want a processor;
    /// off by default. For programs whose blocking closures compute, and whose other tasks should not
    /// wait until a processor is free again.
    ///
    /// The threads of the pool run under `SCHED_IDLE`: behind the ordinary threads of their control group,
    /// those of other programs in it too. Where these keep all processors busy, a closure takes several
    /// hundred times as long, one that resolves a name too. So does whoever waits for a lock that such a
    /// thread holds, its own or the pool's; and the threads and processes that a closure starts inherit the
    /// policy. That is why it is not the default.
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

    /// Has the workers ask the kernel for turns of 0.1 ms (`sched_setattr`, since Linux 6.12); on by
    /// default. Where threads compete for a processor, one that wakes then waits less for one that
    /// computes; none gets more of a processor by it. Needs no privileges, and a refusal changes nothing.
    ///
    /// Threads and processes that a task starts inherit the wish; those of [`crate::blocking`] do not.
    /// False makes none of these calls, for a process whose system call filter ends it for them (systemd
    /// counts them as `@resources`). [`Builder::run_here`] never makes them, as the thread is the caller's.
    ///
    /// ```
    /// let runtime = gopark::Runtime::builder().short_turns(false).build()?;
    /// assert_eq!(runtime.run(|| 1 + 1), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn short_turns(mut self, yes: bool) -> Builder {
        self.short_turns = yes;
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
        let (shared, pollers) = self.prepare()?;
        let runtime = Runtime {
            shared: shared.clone(),
        };
        for (i, poller) in pollers.into_iter().enumerate() {
            let mine = shared.clone();
            shared.ending.thread_starts();
            let started = std::thread::Builder::new()
                .name(format!("{}-{i}", shared.name))
                .spawn(move || spare::run_thread(mine, i, poller));
            if let Err(err) = started {
                shared.ending.thread_ends();
                return Err(err); // the drop of `runtime` ends those that did start
            }
        }
        Watchdog::start(&shared)?;
        Ok(runtime)
    }

    /// One worker, and no other to come.
    pub(super) fn for_one_thread(&mut self) -> io::Result<()> {
        let others =
            self.workers.is_some_and(|n| n != 1) || self.spare_workers.is_some_and(|n| n != 0);
        if others {
            let what = "a runtime on one thread has one worker and no spare ones";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        (self.workers, self.spare_workers) = (Some(1), Some(0));
        self.short_turns = false;
        Ok(())
    }

    pub(super) fn reports_hogs(&self) -> bool {
        self.on_hog.is_some()
    }

    /// All that a runtime is but its threads; and a poller for each worker.
    pub(super) fn prepare(self) -> io::Result<(Arc<Shared>, Vec<Poller>)> {
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
            None => spare::by_default(workers),
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
            arena: Arc::new(Arena::new(stacks)),
            blocking: BlockingPool::new(
                self.blocking_threads,
                &self.name,
                self.workers_first,
                self.short_turns.then(urgency::turn).flatten(),
            ),
            short_turns: self.short_turns,
            idlers: Idlers::new(workers + spare),
            injector: Mutex::new(VecDeque::new()),
            injected: AtomicUsize::new(0),
            spawned_outside: AtomicU64::new(0),
            next_worker: AtomicUsize::new(0),
            ending: Ending::default(),
            watchdog: Watchdog::new(self.hog_threshold, self.on_hog),
            name: self.name,
        });
        Ok((shared, pollers))
    }
}
