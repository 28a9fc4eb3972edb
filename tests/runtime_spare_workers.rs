//! Spare workers: started while a task holds a worker on which others wait, gone when that is over.

mod support;

use gopark::net::{TcpConn, TcpListener};
use gopark::{Builder, Handle, JoinHandle, Metrics, Reason, Runtime, park, spawn, yield_now};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use support::{BOUND, eventually, eventually_in_task, stays, threads_named, within};

/// One worker of the start, so that it is clear who is spare.
fn builder() -> Builder {
    Runtime::builder().workers(1).spare_workers(3)
}

/// A task that holds its worker again and again, and a thread that sees to it that something waits.
struct Heavy {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
    thread: thread::JoinHandle<usize>,
    ran: Arc<AtomicUsize>,
}

impl Heavy {
    fn start(handle: &Handle) -> Heavy {
        let stop = Arc::new(AtomicBool::new(false));
        let ran = Arc::new(AtomicUsize::new(0));
        let theirs = stop.clone();
        let task = handle.spawn(move || {
            while !theirs.load(SeqCst) {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(4) {
                    std::hint::spin_loop();
                }
                yield_now();
            }
        });
        let (theirs, counter, handle) = (stop.clone(), ran.clone(), handle.clone());
        let thread = thread::spawn(move || {
            let mut spawned = 0;
            while !theirs.load(SeqCst) {
                let counter = counter.clone();
                drop(handle.spawn(move || counter.fetch_add(1, SeqCst)));
                spawned += 1;
                // The pace of the load.
                thread::sleep(Duration::from_micros(200));
            }
            spawned
        });
        Heavy {
            stop,
            task,
            thread,
            ran,
        }
    }

    /// Ends both. Every task that was spawned meanwhile runs, once.
    fn end(self) {
        self.stop.store(true, SeqCst);
        let spawned = self.thread.join().unwrap();
        self.task.join().unwrap();
        eventually("every task has run", || self.ran.load(SeqCst) >= spawned);
        assert_eq!(self.ran.load(SeqCst), spawned);
    }
}

/// Runs one test after the other, each with the processors for itself: a worker that gets none is not
/// held by its task. Within a bound larger than that of each step.
fn alone(test: impl FnOnce() + Send + 'static) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    within(BOUND * 4, test);
}

fn number(thread: &str) -> usize {
    thread.rsplit('-').next().unwrap().parse().unwrap()
}

/// Spawns tasks that park, until one has started on a spare worker: that one.
fn parked_on_a_spare_worker(handle: &Handle) -> (JoinHandle<()>, usize) {
    let end = Instant::now() + BOUND;
    loop {
        let (says, hears) = mpsc::channel();
        let task = handle.spawn(move || {
            says.send(thread::current().name().unwrap().to_owned())
                .unwrap();
            park();
        });
        let worker = number(&hears.recv().unwrap());
        if worker > 0 {
            return (task, worker);
        }
        task.task().unpark();
        task.join().unwrap();
        assert!(Instant::now() < end, "none starts on a spare worker");
    }
}

fn some_are_here(metrics: &Metrics) -> bool {
    metrics.spare_workers > 0
}

#[test]
fn tasks_that_come_while_a_worker_is_held_start_on_spare_ones() {
    alone(|| {
        let runtime = builder().build().unwrap();
        let handle = runtime.handle();
        let heavy = Heavy::start(&handle);
        let (parked, worker) = parked_on_a_spare_worker(&handle);
        let metrics = runtime.metrics();
        assert!((1..=3).contains(&metrics.spare_workers));
        assert!((2..=4).contains(&metrics.workers.len()));
        assert!(metrics.spare_workers_started >= 1);
        assert!(metrics.workers[worker].alive >= 1);
        parked.task().unpark();
        parked.join().unwrap();
        heavy.end();
    });
}

#[test]
fn what_a_task_spawns_one_by_one_is_spread_over_spare_ones_too() {
    alone(|| {
        let runtime = builder().build().unwrap();
        let handle = runtime.handle();
        let heavy = Heavy::start(&handle);
        let (parked, _) = parked_on_a_spare_worker(&handle);
        heavy.end();
        let theirs = handle.clone();
        let (tasks, spread) = runtime.run(move || {
            let parked = || theirs.metrics().total.parked_for(Reason::Park);
            let before = parked();
            let mut tasks = Vec::new();
            while tasks.len() < 64 {
                tasks.push(spawn(park));
                eventually_in_task("it is parked", || parked() == before + tasks.len() as u64);
            }
            let here = number(thread::current().name().unwrap());
            let workers = theirs.metrics().workers;
            let elsewhere = workers.iter().enumerate().filter(|(i, _)| *i != here);
            let most = elsewhere.map(|(_, w)| w.parked_for(Reason::Park));
            (tasks, most.max().unwrap())
        });
        // With two workers in all, half of them; with four, a quarter.
        assert!(spread >= 8, "only {spread} of 64 on any other worker");
        for task in tasks.into_iter().chain([parked]) {
            task.task().unpark();
            task.join().unwrap();
        }
    });
}

#[test]
fn they_leave_when_it_is_quiet_but_not_before_their_tasks_have_ended() {
    alone(|| {
        let stay = Duration::from_millis(20);
        let builder = builder().name("leaves").spare_workers_stay(stay);
        let runtime = builder.build().unwrap();
        let handle = runtime.handle();
        let heavy = Heavy::start(&handle);
        let (parked, worker) = parked_on_a_spare_worker(&handle);
        // A second one, which has nothing to stay for.
        eventually("there are two", || runtime.metrics().spare_workers >= 2);
        heavy.end();
        eventually("one is left", || runtime.metrics().spare_workers == 1);
        assert_eq!(runtime.metrics().workers[worker].alive, 1);
        parked.task().unpark();
        parked.join().unwrap();
        eventually("none is left", || runtime.metrics().spare_workers == 0);
        eventually("all have retired", || {
            let metrics = runtime.metrics();
            metrics.spare_workers_retired == metrics.spare_workers_started
        });
        eventually("their threads are gone", || {
            threads_named("leaves-1") + threads_named("leaves-2") + threads_named("leaves-3") == 0
        });
        let metrics = runtime.metrics();
        assert_eq!(metrics.total.finished, metrics.total.started);
    });
}

#[test]
fn one_that_left_comes_back_under_its_number_with_its_counters() {
    alone(|| {
        let stay = Duration::from_millis(1);
        let runtime = Runtime::builder()
            .workers(1)
            .spare_workers(1)
            .spare_workers_stay(stay)
            .build()
            .unwrap();
        let handle = runtime.handle();
        let mut started = 0;
        for round in 1..=3 {
            let heavy = Heavy::start(&handle);
            let (parked, worker) = parked_on_a_spare_worker(&handle);
            assert_eq!(worker, 1);
            parked.task().unpark();
            parked.join().unwrap();
            heavy.end();
            eventually("it has left", || {
                let metrics = runtime.metrics();
                metrics.spare_workers_retired == metrics.spare_workers_started
            });
            let metrics = runtime.metrics();
            assert!(metrics.spare_workers_started >= round);
            assert_eq!((metrics.workers.len(), metrics.spare_workers), (2, 0));
            assert!(metrics.workers[1].started > started);
            started = metrics.workers[1].started;
        }
    });
}

#[test]
fn a_wait_without_a_task_keeps_its_worker() {
    alone(|| {
        let stay = Duration::from_millis(1);
        let runtime = builder().spare_workers_stay(stay).build().unwrap();
        let handle = runtime.handle();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let peer = thread::spawn(move || std::net::TcpStream::connect(addr).unwrap());
        let (conn, _) = listener.accept().unwrap();
        let mut peer = peer.join().unwrap();
        let heavy = Heavy::start(&handle);
        let (says, hears) = mpsc::channel();
        // The task ends, and what it waits for stays behind, at home on its worker.
        watch_on_a_spare_worker(&handle, &conn, &says);
        heavy.end();
        let is_left = || runtime.metrics().spare_workers == 1;
        eventually("only that one is left", is_left);
        // Not merely the last of them to leave.
        assert!(stays(Duration::from_millis(200), is_left), "it has left");
        peer.write_all(b"x").unwrap();
        hears.recv().unwrap().unwrap();
        eventually("none is left", || runtime.metrics().spare_workers == 0);
    });
}

/// Waits for `conn` without a task, asked for by a task of a spare worker.
fn watch_on_a_spare_worker(
    handle: &Handle,
    conn: &TcpConn,
    says: &mpsc::Sender<std::io::Result<()>>,
) {
    let end = Instant::now() + BOUND;
    loop {
        let (conn, says) = (conn.clone(), says.clone());
        let asks = handle.spawn(move || {
            let spare = number(thread::current().name().unwrap()) > 0;
            if spare {
                let tell = move |_, result| says.send(result).unwrap();
                conn.on_readable(tell).unwrap();
            }
            spare
        });
        if asks.join().unwrap() {
            return;
        }
        assert!(Instant::now() < end, "none starts on a spare worker");
    }
}

#[test]
fn where_every_worker_is_held_a_spare_one_starts_what_is_stuck_behind_them() {
    alone(|| {
        let runtime = builder().build().unwrap();
        let ran = Arc::new(AtomicBool::new(false));
        // It blocks its thread until a task has run that could only run there.
        let hog = runtime.handle().spawn(move || {
            let theirs = ran.clone();
            let stuck = gopark::spawn(move || {
                theirs.store(true, SeqCst);
                thread::current().name().map(number)
            });
            eventually("the task has run", || ran.load(SeqCst));
            stuck.join().unwrap()
        });
        assert!(hog.join().unwrap().is_some_and(|worker| worker > 0));
    });
}

#[test]
fn a_runtime_ends_with_all_its_spare_workers_within_the_bound() {
    alone(|| {
        let runtime = builder().name("bounded").build().unwrap();
        let handle = runtime.handle();
        let heavy = Heavy::start(&handle);
        // Waits that only the end of the runtime can end.
        let sleepers: Vec<_> = (0..20)
            .map(|_| handle.spawn(|| gopark::sleep(BOUND * 10)))
            .collect();
        eventually("some are there", || some_are_here(&runtime.metrics()));
        heavy.end();
        let report = runtime.shutdown_timeout(BOUND);
        assert!(report.is_clean(), "{report}");
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        eventually("no thread is left", || threads_named("bounded") == 0);
        assert_eq!(handle.metrics().spare_workers, 0, "none is here any more");
    });
}

#[test]
fn a_runtime_that_ends_while_they_come_and_go_ends_with_them() {
    for _ in 0..5 {
        alone(|| {
            let builder = builder().spare_workers_stay(Duration::ZERO);
            let runtime = builder.build().unwrap();
            let handle = runtime.handle();
            let heavy = Heavy::start(&handle);
            eventually("some have come", || {
                runtime.metrics().spare_workers_started > 0
            });
            heavy.end();
            let report = runtime.shutdown_timeout(BOUND);
            assert!(report.is_clean(), "{report}");
        });
    }
}

#[test]
fn every_task_runs_once_while_spare_workers_come_and_go() {
    alone(|| {
        let builder = builder().spare_workers_stay(Duration::ZERO);
        let runtime = builder.build().unwrap();
        let handle = runtime.handle();
        for _ in 0..10 {
            let heavy = Heavy::start(&handle);
            let retired = runtime.metrics().spare_workers_retired;
            eventually("one has come and gone", || {
                runtime.metrics().spare_workers_retired > retired
            });
            heavy.end();
            // Else the next heavy task could start on a spare worker, and would hold nobody up.
            eventually("none is left", || {
                let metrics = runtime.metrics();
                metrics.spare_workers_retired == metrics.spare_workers_started
            });
        }
    });
}

#[test]
fn none_is_started_where_none_is_wanted() {
    alone(|| {
        // One worker by choice has none by default; zero is zero.
        let alone = Runtime::builder().workers(1);
        let none = Runtime::builder().workers(1).spare_workers(0);
        for builder in [alone, none] {
            let threshold = Duration::from_millis(1);
            let runtime = builder.hog_threshold(threshold).build().unwrap();
            let handle = runtime.handle();
            let heavy = Heavy::start(&handle);
            eventually("it is seen to be held", || {
                runtime.metrics().total.hogs >= 20
            });
            heavy.end();
            let metrics = runtime.metrics();
            assert_eq!(
                (metrics.workers.len(), metrics.spare_workers_started),
                (1, 0)
            );
        }
    });
}

#[test]
fn a_number_of_spare_workers_out_of_range_is_refused() {
    let err = Runtime::builder().spare_workers(1025).build().unwrap_err();
    assert_eq!(err.kind(), std::io::ErrorKind::InvalidInput);
    assert!(err.to_string().contains("1025 spare workers"), "{err}");
}
