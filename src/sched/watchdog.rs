//! The watchdog: who holds a worker too long.
//!
//! Tasks give way only when they wait. One that computes, or calls something that blocks the thread,
//! delays everybody on its worker. A thread of its own looks now and then whether each worker has
//! switched since the last look. A worker that has no task at the moment is held by none, however long it
//! has not switched: one that was woken may wait for a processor. Workers do nothing for the watchdog but
//! note which task they run. It
//!
//! * counts and reports a task that has held its worker longer than the threshold,
//! * marks the worker meanwhile, so that no new tasks are placed there,
//! * has an idle worker fetch the unstarted tasks that are stuck behind the held one,
//! * and starts more workers where that happens again and again ([`super::spare`]).
//!
//! Each look takes the processor away from somebody, most likely a worker. So it looks often only
//! while a task has held its worker since the last look:
//!
//! | what it saw                       | the next look comes after                               |
//! |-----------------------------------|---------------------------------------------------------|
//! | a task that has held its worker   | a quarter of the threshold                              |
//! | workers that switch, or have none | twice as long as last time, at most the threshold       |
//! | workers that sleep                | twice as long as last time                              |
//!
//! Never more than [`LONGEST_PAUSE`], whatever the threshold, nor less than [`SHORTEST_PAUSE`].
//!
//! A task that holds its worker is thus reported when that has lasted for one to two thresholds and a
//! quarter; one that begins when all workers have been asleep for a while, by [`LONGEST_PAUSE`] later.
//!
//! Go: `runtime/proc.go`, `sysmon`, whose looks at busy processors are up to 10 ms apart, too.

use super::metrics::add;
use super::runtime::Shared;
use super::spare::Pressure;
use super::worker::WorkerShared;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// The longest pause between two looks, when nothing runs.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// The shortest, however low the threshold is: without a pause it would itself be what holds a processor.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);

/// A task that holds its worker.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
/// let hogs = Arc::new(Mutex::new(Vec::new()));
/// let seen = hogs.clone();
/// let runtime = gopark::Runtime::builder()
///     .hog_threshold(Duration::from_millis(1))
///     .on_hog(move |hog| seen.lock().unwrap().push(*hog))
///     .build()?;
/// runtime.run(|| std::thread::sleep(Duration::from_millis(100)));
/// for hog in hogs.lock().unwrap().iter() {
///     println!("{hog}");
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hog {
    /// The worker's number.
    pub worker: usize,
    /// The task's number.
    pub task: u64,
    /// Where the task was spawned.
    pub spawned_at: &'static Location<'static>,
    /// How long it has held the worker so far.
    pub held: Duration,
}

impl std::fmt::Display for Hog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "task {} spawned at {} has held worker {} for {:?}; let it give way with \
             gopark::yield_now, or run the work in gopark::blocking",
            self.task, self.spawned_at, self.worker, self.held
        )
    }
}

/// What to do about a hog.
pub(crate) struct Report(pub(crate) Box<dyn Fn(&Hog) + Send + Sync>);

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Report")
    }
}

/// Its settings.
#[derive(Debug)]
pub(crate) struct Watchdog {
    threshold: Duration,
    report: Option<Report>,
}

struct Watched {
    switches: u64,
    since: Instant,
    reported: bool,
}

impl Watchdog {
    pub(crate) fn new(threshold: Duration, report: Option<Report>) -> Watchdog {
        Watchdog { threshold, report }
    }

    pub(crate) fn start(runtime: &Arc<Shared>) -> io::Result<()> {
        if runtime.watchdog.threshold.is_zero() {
            return Ok(());
        }
        runtime.ending.thread_starts();
        let mine = runtime.clone();
        let started = std::thread::Builder::new()
            .name(format!("{}-watchdog", runtime.name))
            .spawn(move || {
                let _end = mine.clone().end_guard();
                watch(&mine);
            });
        if let Err(err) = started {
            runtime.ending.thread_ends();
            return Err(err);
        }
        Ok(())
    }
}

fn watch(runtime: &Arc<Shared>) {
    let now = Instant::now();
    let mut seen: Vec<Watched> = (0..runtime.workers.most())
        .map(|_| Watched {
            switches: u64::MAX, // the first look, which may be much later, only takes note
            since: now,
            reported: false,
        })
        .collect();
    let mut pressure = Pressure::new(runtime, now);
    let threshold = runtime.watchdog.threshold;
    let mut pause = pause_after(Seen::Held, Duration::ZERO, threshold);
    while !runtime.ending.is_stopping() {
        runtime.ending.pause(pause);
        let (mut busiest, mut stuck) = (Seen::AtRest, true);
        for (worker, seen) in runtime.workers.iter().zip(&mut seen) {
            busiest = busiest.max(look(runtime, worker, seen));
            stuck &= seen.reported || !worker.presence.is_open();
        }
        pressure.round(runtime, busiest > Seen::AtRest, stuck);
        pause = pause_after(busiest, pause, threshold);
    }
}

/// How long until the next look, after one that came `pause` after the one before.
fn pause_after(seen: Seen, pause: Duration, threshold: Duration) -> Duration {
    let most = match seen {
        Seen::AtRest => return (pause * 2).min(LONGEST_PAUSE),
        Seen::Switching => threshold.min(pause * 2),
        Seen::Held => threshold / 4,
    };
    most.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

/// What one look at one worker shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// It sleeps or is away.
    AtRest,
    /// It has switched since the last look, or has no task.
    Switching,
    /// The same task has run since the last look.
    Held,
}

fn look(runtime: &Shared, worker: &WorkerShared, seen: &mut Watched) -> Seen {
    let now = Instant::now();
    let asleep = worker.is_at_rest();
    let running = worker.runs().filter(|_| !asleep);
    let switches = worker.counts.switches.load(Relaxed);
    let Some((task, spawned_at)) = running.filter(|_| switches == seen.switches) else {
        *seen = Watched {
            switches,
            since: now,
            reported: false,
        };
        if worker.held.load(Relaxed) {
            worker.held.store(false, Relaxed);
        }
        return if asleep {
            Seen::AtRest
        } else {
            Seen::Switching
        };
    };
    worker.held.store(true, Relaxed);
    if worker.unstarted.len() > 0 && runtime.idlers.any() {
        runtime.call_searcher();
    }
    let held = now.saturating_duration_since(seen.since);
    if held >= runtime.watchdog.threshold && !seen.reported {
        seen.reported = true;
        add(&worker.counts.hogs, 1);
        let hog = Hog {
            worker: worker.index,
            task,
            spawned_at,
            held,
        };
        if let Some(Report(report)) = &runtime.watchdog.report {
            // The hook has told of a panic in there; the watch goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| report(&hog)));
        }
    }
    Seen::Held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;
    use netpoll::Poller;

    #[test]
    fn a_worker_that_was_woken_and_waits_for_a_processor_is_held_by_no_task() {
        let whole = Runtime::builder().workers(1).build().unwrap();
        let runtime = &whole.shared;
        // One that no thread runs: here is what that would do.
        let poller = Poller::new().unwrap();
        let worker = WorkerShared::new(1, poller.handle().clone());
        let mut seen = Watched {
            switches: u64::MAX,
            since: Instant::now(),
            reported: false,
        };
        let mut is_held = || look(runtime, &worker, &mut seen) == Seen::Held;
        worker.poller.wake();
        for _ in 0..3 {
            assert!(!is_held() && worker.takes_more());
        }
        let site = std::ptr::from_ref(Location::caller()).cast_mut();
        add(&worker.counts.switches, 1);
        worker.running_site.store(site, Relaxed);
        assert!(
            !is_held() && worker.takes_more(),
            "it has just begun a task"
        );
        assert!(is_held() && !worker.takes_more());
        worker.runs_nothing();
        assert!(!is_held() && worker.takes_more(), "the task has given way");
    }

    #[test]
    fn a_worker_that_polls_says_that_it_runs_nothing() {
        let whole = Runtime::builder().workers(1).build().unwrap();
        let worker = whole.shared.workers[0].clone();
        let begun = Instant::now();
        let comes_to = |runs: bool| {
            while worker.runs().is_some() != runs {
                assert!(begun.elapsed() < Duration::from_secs(60));
                std::thread::yield_now();
            }
        };
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = stop.clone();
        let task = whole.handle().spawn(move || {
            while !seen.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        comes_to(true);
        stop.store(true, Relaxed);
        task.join().unwrap();
        comes_to(false);
    }

    #[test]
    fn it_looks_often_only_while_somebody_is_held_and_never_without_a_pause() {
        let ms = Duration::from_millis;
        let default = |seen, pause| pause_after(seen, pause, ms(10));
        assert_eq!(default(Seen::Held, ms(100)), ms(10) / 4);
        let ups = |seen| {
            let mut pause = default(Seen::Held, ms(100));
            std::iter::repeat_with(move || {
                pause = default(seen, pause);
                pause
            })
        };
        let busy: Vec<_> = ups(Seen::Switching).take(4).collect();
        assert_eq!(busy, [ms(5), ms(10), ms(10), ms(10)]);
        assert_eq!(ups(Seen::AtRest).nth(10), Some(LONGEST_PAUSE));
        for seen in [Seen::AtRest, Seen::Switching, Seen::Held] {
            for threshold in [Duration::from_nanos(1), Duration::MAX] {
                let first = pause_after(Seen::Held, Duration::ZERO, threshold);
                let next = pause_after(seen, first, threshold);
                assert!((SHORTEST_PAUSE..=LONGEST_PAUSE).contains(&next), "{next:?}");
            }
        }
    }
}
