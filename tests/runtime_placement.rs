//! Where tasks start: spread over the workers, and never queued beside one that sleeps.

mod support;

use gopark::{Handle, JoinHandle, Reason, Runtime, park, spawn, spawn_local, task};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{BOUND, eventually_in_task, runtime, within};

/// The worker furthest from its fair part, in per cent of that.
fn imbalance(handle: &Handle) -> u64 {
    let workers = handle.metrics().workers;
    let mine = || workers.iter().map(|w| w.parked_for(Reason::Park));
    let fair = mine().sum::<u64>() / workers.len() as u64;
    mine().map(|n| n.abs_diff(fair) * 100 / fair).max().unwrap()
}

/// A worker whose task gets no processor for milliseconds looks held and is given nothing new, and one that
/// gets none for itself loses what it has not started. So where the machine is busy with other things, one
/// fair attempt in several must do.
#[track_caller]
fn some_attempt_is_fair(most: u64, attempt: impl Fn() -> u64) {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|off| *off > most) {
        assert!(seen.len() < 20, "always off by more: {seen:?} %");
        seen.push(attempt());
    }
}

fn release(tasks: Vec<JoinHandle<()>>) {
    for task in &tasks {
        task.task().unpark();
    }
    for task in tasks {
        task.join().unwrap();
    }
}

#[test]
fn parked_tasks_are_spread_over_the_workers_within_a_quarter() {
    for workers in [2, 4] {
        within(BOUND, move || {
            some_attempt_is_fair(25, || {
                let runtime = runtime(workers);
                let handle = runtime.handle();
                runtime.run(move || {
                    let tasks: Vec<_> = (0..1000).map(|_| spawn(park)).collect();
                    eventually_in_task("all are parked", || {
                        handle.metrics().total.parked_for(Reason::Park) == 1000
                    });
                    let off = imbalance(&handle);
                    release(tasks);
                    off
                })
            });
        });
    }
}

/// Waits without giving way: the worker does nothing else.
#[track_caller]
fn hold_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < BOUND / 2, "it does not come");
        std::thread::yield_now();
    }
}

#[test]
fn a_worker_with_many_quiet_tasks_starts_its_neighbours_when_it_has_waited_long() {
    within(BOUND, || {
        // Without a watchdog, which would say that the neighbour is held, nothing but patience does it.
        let builder = Runtime::builder().workers(2).spare_workers(0);
        let runtime = builder.hog_threshold(Duration::ZERO).build().unwrap();
        runtime.run(|| {
            let here = std::thread::current().id();
            let is_elsewhere = move || std::thread::current().id() != here;
            let quiet: Arc<Mutex<Vec<task::Task>>> = Arc::default();
            // This worker is held, so all of these start on the other one.
            for _ in 0..4 {
                let quiet = quiet.clone();
                spawn(move || {
                    let mut quiet = quiet.lock().unwrap();
                    if is_elsewhere() && quiet.is_empty() {
                        quiet.extend((0..50).map(|_| spawn_local(park).task()));
                    }
                });
            }
            hold_until(|| !quiet.lock().unwrap().is_empty());
            let started = Arc::new(AtomicUsize::new(0));
            for _ in 0..40 {
                let started = started.clone();
                spawn(move || started.fetch_add(usize::from(is_elsewhere()), SeqCst));
            }
            hold_until(|| started.load(SeqCst) >= 16);
            for task in quiet.lock().unwrap().iter() {
                task.unpark();
            }
        });
    });
}

#[test]
fn tasks_that_come_one_by_one_are_spread_over_all_of_many_workers() {
    within(BOUND, || {
        some_attempt_is_fair(75, || {
            let runtime = runtime(32);
            let handle = runtime.handle();
            runtime.run(move || {
                let parked = || handle.metrics().total.parked_for(Reason::Park);
                let mut tasks = Vec::new();
                while tasks.len() < 128 {
                    tasks.push(spawn(park));
                    eventually_in_task("it is parked", || parked() == tasks.len() as u64);
                }
                let off = imbalance(&handle);
                release(tasks);
                off
            })
        });
    });
}

#[test]
fn tasks_spawned_from_outside_are_spread_too() {
    within(BOUND, || {
        some_attempt_is_fair(25, || {
            let runtime = runtime(4);
            let handle = runtime.handle();
            let tasks: Vec<_> = (0..1000).map(|_| handle.spawn(park)).collect();
            support::eventually("all are parked", || {
                handle.metrics().total.parked_for(Reason::Park) == 1000
            });
            let off = imbalance(&handle);
            release(tasks);
            off
        });
    });
}

#[test]
fn one_task_and_its_child_share_a_worker() {
    within(BOUND, || {
        let runtime = runtime(4);
        runtime.run(|| {
            let here = std::thread::current().id();
            let mut same = 0;
            for _ in 0..1000 {
                same += usize::from(spawn(|| std::thread::current().id()).join().unwrap() == here);
            }
            assert!(
                same > 500,
                "only {same} of 1000 children started beside their parent"
            );
        });
    });
}
