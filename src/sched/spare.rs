//! Spare workers: more threads while tasks hold the ones there are.
//!
//! A started task cannot be moved away from behind one that computes. What can be had is that the next
//! tasks start on threads with fewer neighbours, between which the kernel divides the processors. So a
//! runtime that has seen its workers held while others waited there spreads what comes after over more
//! workers than it has processors.
//!
//! The watchdog's thread does all of it. Now and then, while something runs, it looks twice in a short
//! time ([`CLOSE`]). A **sighting** is a worker that
//!
//! * has not switched between the two looks, but has used the processor: it is held by a task, and not
//!   merely waiting for its own turn;
//! * has something else to do: in its inbox, among its unstarted tasks, or in its epoll;
//! * and has switched since its last sighting, so that one long hold counts once.
//!
//! | when                                                        | then                                                        |
//! |-------------------------------------------------------------|-------------------------------------------------------------|
//! | [`ENOUGH`] sightings within [`WINDOW`]                      | as many are started as have tasks, unless [`AHEAD`] times as many have none |
//! | every worker is held by a reported hog, and something waits | the same                                                    |
//! | any of these                                                | those that are leaving stay                                 |
//! | none of these for as long as spare workers stay             | every spare one is asked to leave                           |
//! | one that was asked has nothing left that needs its thread   | its thread ends                                             |
//!
//! What needs its thread: tasks that have started there, and waits without a task in its poller. The
//! poller is kept for the next thread of that number, because descriptors may be at home in it.
//! [`super::presence`] has the states.
//!
//! Go starts a thread for each one that blocks in a system call (`runtime/proc.go`, `handoffp`), and
//! interrupts goroutines that compute (`preemptone`).

use super::runtime::Shared;
use super::urgency;
use super::worker::{Worker, WorkerShared};
use crate::sync::Mutex;
use netpoll::Poller;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long a close look takes.
const CLOSE: Duration = Duration::from_micros(300);
/// The pause between two close looks.
const BETWEEN: Duration = Duration::from_millis(20);
/// So many sightings within so long start others.
const ENOUGH: u32 = 3;
const WINDOW: Duration = Duration::from_secs(1);
/// How often one that leaves is woken to look whether it can.
const LEAVE_LOOK: Duration = Duration::from_secs(1);
/// How long spare workers stay by default after the last sighting.
pub(crate) const STAY: Duration = Duration::from_secs(60);

/// So many workers without tasks for each one with.
const AHEAD: usize = 3;

/// How many there may be by default beside so many of the start. None beside a single one. Where the
/// processors are few, more for each: the fewer workers, the more neighbours a heavy task has.
pub(crate) fn by_default(workers: usize) -> usize {
    match workers {
        1 => 0,
        n => (3 * n).clamp(30, 1024),
    }
}

/// What a runtime keeps for its spare workers.
#[derive(Debug)]
pub(crate) struct Spares {
    stay: Duration,
    /// The pollers of those that are away, by number.
    pollers: Mutex<Vec<(usize, Poller)>>,
    pub(crate) started: AtomicU64,
    pub(crate) retired: AtomicU64,
}

impl Spares {
    pub(crate) fn new(stay: Duration) -> Spares {
        Spares {
            stay,
            pollers: Mutex::default(),
            started: AtomicU64::new(0),
            retired: AtomicU64::new(0),
        }
    }

    /// Advice: one that comes or goes at this moment may or may not count.
    #[inline]
    pub(super) fn any_is_here(&self) -> bool {
        self.started.load(Relaxed) != self.retired.load(Relaxed)
    }

    fn put(&self, index: usize, poller: Poller) {
        self.pollers.lock().push((index, poller));
    }

    fn take(&self, index: usize) -> Option<Poller> {
        let mut pollers = self.pollers.lock();
        let at = pollers.iter().position(|(of, _)| *of == index)?;
        Some(pollers.swap_remove(at).1)
    }
}

/// What the watchdog remembers from look to look.
#[derive(Debug)]
pub(super) struct Pressure {
    looked: Instant,
    window: Instant,
    sightings: u32,
    /// The number of switches at each worker's last sighting.
    counted: Vec<u64>,
    last: Option<Instant>,
    /// When spare workers were last asked to leave, for as long as one of them may be leaving.
    asked: Option<Instant>,
}

impl Pressure {
    pub(super) fn new(runtime: &Shared, now: Instant) -> Pressure {
        Pressure {
            counted: vec![u64::MAX; runtime.workers.most()],
            looked: now,
            window: now,
            sightings: 0,
            last: None,
            asked: None,
        }
    }

    /// The watchdog's round. `active` says that some worker does not sleep; `stuck`, that each is held by
    /// a task that has been reported.
    pub(super) fn round(&mut self, runtime: &Arc<Shared>, active: bool, stuck: bool) {
        if runtime.workers.most() == runtime.permanent {
            return;
        }
        let mut seen = 0;
        if stuck && runtime.workers.iter().any(|worker| waits(worker)) {
            seen = ENOUGH;
        } else if active && self.looked.elapsed() >= BETWEEN {
            seen = self.look_closely(runtime);
            self.looked = Instant::now();
        }
        let now = Instant::now();
        if seen > 0 {
            self.noted(runtime, now, seen);
        } else if self.last.is_some() {
            self.quiet(runtime, now);
        }
    }

    fn noted(&mut self, runtime: &Arc<Shared>, now: Instant, seen: u32) {
        self.last = Some(now);
        if self.asked.is_some() && call_back(runtime) {
            self.asked = None;
        }
        if now.saturating_duration_since(self.window) > WINDOW {
            (self.window, self.sightings) = (now, 0);
        }
        self.sightings += seen;
        if self.sightings >= ENOUGH {
            self.sightings = 0;
            for _ in 0..wanted(runtime) {
                runtime.start_spare();
            }
        }
    }

    /// How many workers are seen to be held now that were not when last seen.
    fn look_closely(&mut self, runtime: &Shared) -> u32 {
        let begun = Instant::now();
        let before: Vec<_> = runtime.workers.iter().map(|w| Look::at(w)).collect();
        runtime.ending.pause(CLOSE);
        let passed = begun.elapsed();
        let mut seen = 0;
        for (worker, before) in runtime.workers.iter().zip(before) {
            let counted = &mut self.counted[worker.index];
            if let Some(before) = before
                && before.switches != *counted
                && before.is_held(worker, passed)
                && waits(worker)
            {
                *counted = before.switches;
                seen += 1;
            }
        }
        seen
    }

    /// Asks the spare workers to leave when there has been no sighting for long enough.
    fn quiet(&mut self, runtime: &Shared, now: Instant) {
        let since = |then: Option<Instant>| then.map(|then| now.saturating_duration_since(then));
        if since(self.last).is_none_or(|quiet| quiet < runtime.spares.stay)
            || since(self.asked).is_some_and(|asked| asked < LEAVE_LOOK)
        {
            return;
        }
        self.asked = Some(now);
        let mut any = false;
        for worker in runtime.workers.iter().skip(runtime.permanent) {
            worker.presence.asks_to_leave();
            if worker.presence.is_here() {
                worker.poller.wake();
            }
            any |= !worker.presence.is_away(); // one that is about to come is asked later
        }
        if !any {
            (self.last, self.asked) = (None, None);
        }
    }
}

/// The first of two looks at a worker.
#[derive(Debug)]
struct Look {
    switches: u64,
    used: Duration,
}

impl Look {
    /// Nothing, if it has no task at the moment.
    fn at(worker: &WorkerShared) -> Option<Look> {
        if worker.is_at_rest() {
            return None;
        }
        worker.runs()?;
        Some(Look {
            switches: worker.counts.switches.load(Relaxed),
            used: worker.cpu.time()?,
        })
    }

    /// Has the same task run all the time since?
    fn is_held(&self, worker: &WorkerShared, passed: Duration) -> bool {
        Look::at(worker).is_some_and(|now| {
            now.switches == self.switches && now.used.saturating_sub(self.used) >= passed / 2
        })
    }
}

/// Has those that are leaving stay. False if one was about to end, which may still go back to leaving.
fn call_back(runtime: &Shared) -> bool {
    let mut all = true;
    for worker in runtime.workers.iter().skip(runtime.permanent) {
        if worker.presence.calls_back() {
            worker.poller.wake(); // it sleeps as one that is not to be called for work
        }
        all &= worker.presence.is_coming() || worker.presence.is_away();
    }
    all
}

/// How many more workers are of use. They help the tasks that come next, so more of them only as long as
/// those that have none yet are not enough for these: with each wave of new tasks the number can grow
/// fourfold, and without one no further.
fn wanted(runtime: &Shared) -> usize {
    let (mut with, mut without) = (0_usize, 0);
    for worker in runtime.workers.iter().filter(|w| w.presence.is_coming()) {
        if worker.load() > 0 {
            with += 1;
        } else {
            without += 1;
        }
    }
    (AHEAD * with).saturating_sub(without).min(with)
}

/// Is there something for this worker to do besides what it does?
fn waits(worker: &WorkerShared) -> bool {
    !worker.inbox.is_empty() || worker.unstarted.len() > 0 || worker.poller.has_events()
}

impl Shared {
    /// Starts a spare worker: one that is away, or a new one. Only the watchdog does so.
    fn start_spare(self: &Arc<Self>) {
        let away = self.workers.iter().find(|worker| worker.presence.starts());
        let worker = match away {
            Some(worker) => worker.clone(),
            None => match self.new_spare() {
                Some(worker) => worker,
                None => return,
            },
        };
        let index = worker.index;
        if !self.ending.thread_may_start() {
            return worker.presence.did_not_start();
        }
        let runtime = self.clone();
        let started = std::thread::Builder::new()
            .name(format!("{}-{index}", self.name))
            .spawn(move || {
                let poller = runtime.spares.take(index);
                let poller = poller.expect("it is there while the worker is away");
                run_thread(runtime, index, poller);
            });
        if started.is_err() {
            // It was only to help: without it everything goes on as before.
            self.ending.thread_ends();
            worker.presence.did_not_start();
        }
    }

    /// Adds a worker to the list that has no thread yet, if there is room and a poller to be had.
    fn new_spare(&self) -> Option<Arc<WorkerShared>> {
        let index = self.workers.len();
        if index == self.workers.most() {
            return None;
        }
        // It was only to help, as above.
        let poller = Poller::new().ok()?;
        let worker = Arc::new(WorkerShared::spare(index, poller.handle().clone()));
        let starts = worker.presence.starts();
        debug_assert!(starts, "nobody else knows it");
        self.spares.put(index, poller);
        self.workers.add(worker.clone());
        Some(worker)
    }
}

/// The life of a thread that is there to be a worker.
pub(super) fn run_thread(runtime: Arc<Shared>, index: usize, poller: Poller) {
    if runtime.short_turns {
        urgency::ask_for(urgency::SHORT);
    }
    run_worker(runtime, index, poller);
}

/// The life of a worker, on whichever thread.
pub(super) fn run_worker(runtime: Arc<Shared>, index: usize, poller: Poller) {
    let end = runtime.clone().end_guard();
    let mine = runtime.workers[index].clone();
    if index >= runtime.permanent {
        runtime.spares.started.fetch_add(1, Relaxed);
        mine.presence.begins(&mine.inbox);
    }
    let (poller, keep) = Worker::new(mine.clone(), runtime.clone(), poller).main();
    if index < runtime.permanent {
        drop(poller);
    } else if mine.presence.is_ending() {
        runtime.spares.put(index, poller);
        runtime.spares.retired.fetch_add(1, Relaxed);
        let ended = mine.presence.has_ended();
        debug_assert!(ended, "nobody else moves it");
    } else {
        // The runtime ends: no other thread will want it.
        drop(poller);
        mine.presence.has_ended_for_good();
    }
    drop((mine, runtime));
    drop(end);
    if keep {
        loop {
            std::thread::park();
        }
    }
}

impl Worker {
    /// A spare worker that was asked to leave does so when nothing needs its thread any more. True
    /// if the worker must return.
    #[inline]
    pub(super) fn leaves(&self) -> bool {
        self.shared.presence.is_leaving() && self.tries_to_leave()
    }

    #[cold]
    fn tries_to_leave(&self) -> bool {
        !self.is_stopping()
            && !self.has_tasks()
            && !self.poller.is_waited_for()
            && self.shared.presence.tries_to_end(&self.shared.inbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;

    #[test]
    fn by_default_there_may_be_three_for_each_or_thirty_and_no_more_than_may_be_asked_for() {
        let most = [1, 2, 10, 11, 400].map(by_default);
        assert_eq!(most, [0, 30, 30, 33, 1024]);
    }

    #[test]
    fn as_many_are_started_as_have_tasks_until_enough_are_there_for_the_next_ones() {
        // Its watchdog sees nothing: here is what another one would do.
        let whole = Runtime::builder().workers(2).build().unwrap();
        let runtime = &whole.shared;
        // From outside they go to whoever has least; one that is on its way may look like none.
        let parked = [1, 2].map(|tasks| {
            let task = whole.handle().spawn(crate::park);
            let end = Instant::now() + Duration::from_secs(60);
            while whole.metrics().total.parked_for(crate::Reason::Park) < tasks {
                assert!(Instant::now() < end, "it does not park");
                std::thread::yield_now();
            }
            task
        });
        let now = Instant::now();
        let mut pressure = Pressure::new(runtime, now);
        for there in [4, 6, 8, 8] {
            pressure.noted(runtime, now, ENOUGH);
            assert_eq!(runtime.workers.len(), there);
        }
        for task in parked {
            task.task().unpark();
            task.join().unwrap();
        }
    }

    #[test]
    fn one_that_was_about_to_end_when_others_were_called_back_is_called_back_later() {
        // Its watchdog sees nothing: here is what another one would do.
        let builder = Runtime::builder().workers(1).spare_workers(1);
        let whole = builder.build().unwrap();
        let runtime = &whole.shared;
        let now = Instant::now();
        let mut pressure = Pressure::new(runtime, now);
        let worker = runtime.new_spare().unwrap();
        let leaving = || {
            worker.presence.begins(&worker.inbox);
            assert!(worker.presence.asks_to_leave());
        };
        leaving();
        pressure.asked = Some(now);
        assert!(worker.presence.tries_to_end(&worker.inbox));
        pressure.noted(runtime, now, 1);
        assert!(pressure.asked.is_some());
        // As if something had come at that very moment.
        assert!(worker.presence.has_ended() && worker.presence.starts());
        leaving();
        pressure.noted(runtime, now, 1);
        assert!(worker.presence.is_open());
        assert_eq!(pressure.asked, None);
    }
}
