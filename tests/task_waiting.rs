//! Yielding, sleeping and parking: who runs when.

mod support;

use gopark::{JoinHandle, park, sleep, spawn, task, yield_now};
use std::collections::HashSet;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::ThreadId;
use std::time::{Duration, Instant};
use support::{BOUND, Yielders, eventually, eventually_in_task, runtime, within};

#[test]
fn two_tasks_that_yield_take_turns() {
    runtime(1).run(|| {
        let turns = Arc::new(Mutex::new(Vec::new()));
        let players = ['a', 'b'].map(|name| {
            let turns = turns.clone();
            spawn(move || {
                for _ in 0..100 {
                    turns.lock().unwrap().push(name);
                    yield_now();
                }
            })
        });
        for player in players {
            player.join().unwrap();
        }
        let turns = turns.lock().unwrap();
        // Once both have begun, nobody has two turns in a row.
        let begun = turns.iter().position(|t| *t != turns[0]).unwrap();
        let both = &turns[begun - 1..];
        let doubled = both.windows(2).filter(|w| w[0] == w[1]).count();
        // The join of the main task gives one of them an extra turn at most.
        assert!(
            doubled <= 2,
            "{doubled} of {} turns were doubled",
            both.len()
        );
    });
}

#[test]
fn tasks_that_only_yield_do_not_starve_one_that_waits_for_data() {
    within(BOUND, || {
        runtime(1).run(|| {
            let yielders = Yielders::start(4);
            let (a, b) = UnixStream::pair().unwrap();
            let a = netpoll::Fd::new(a.into(), netpoll::Kind::STREAM).unwrap();
            // Each byte is sent when the one before it has been read, so that a read waits for it.
            let (tell, told) = std::sync::mpsc::channel();
            let writer = std::thread::spawn(move || {
                for () in told {
                    (&b).write_all(b"x").unwrap();
                }
            });
            for _ in 0..50 {
                tell.send(()).unwrap();
                assert_eq!(a.read(&mut [0; 8]).unwrap(), 1);
            }
            drop(tell);
            yielders.end();
            writer.join().unwrap();
        });
    });
}

/// Tasks that unpark each other in a ring on each worker, which so is never out of ready tasks.
struct Rings {
    stop: Arc<AtomicBool>,
    members: Vec<JoinHandle<()>>,
    /// How many rings there are.
    workers: usize,
}

impl Rings {
    fn start(number: usize) -> Rings {
        let stop = Arc::new(AtomicBool::new(false));
        let homes: Arc<Vec<OnceLock<ThreadId>>> =
            Arc::new((0..number).map(|_| OnceLock::new()).collect());
        let next: Arc<OnceLock<Vec<task::Task>>> = Arc::default();
        let members: Vec<_> = (0..number)
            .map(|i| {
                let (stop, homes, next) = (stop.clone(), homes.clone(), next.clone());
                spawn(move || {
                    homes[i].set(std::thread::current().id()).unwrap();
                    eventually_in_task("the ring is closed", || next.get().is_some());
                    while !stop.load(SeqCst) {
                        next.get().unwrap()[i].unpark();
                        park();
                    }
                    next.get().unwrap()[i].unpark();
                })
            })
            .collect();
        let home = |i: usize| homes[i].get();
        eventually_in_task("all have started", || {
            (0..number).all(|i| home(i).is_some())
        });
        let after = |i| {
            let others = (1..=number).map(|by| (i + by) % number);
            others.into_iter().find(|&j| home(j) == home(i)).unwrap()
        };
        let neighbours = (0..number).map(|i| {
            assert_ne!(after(i), i, "alone on its worker, which it would hold");
            members[after(i)].task()
        });
        next.set(neighbours.collect()).unwrap();
        let workers: HashSet<_> = (0..number).map(home).collect();
        Rings {
            stop,
            members,
            workers: workers.len(),
        }
    }

    fn end(self) {
        self.stop.store(true, SeqCst);
        for member in &self.members {
            member.task().unpark();
        }
        for member in self.members {
            member.join().unwrap();
        }
    }
}

#[test]
fn tasks_that_are_always_ready_do_not_starve_one_that_yields() {
    within(BOUND, || {
        runtime(1).run(|| {
            let rings = Rings::start(4);
            for _ in 0..1000 {
                yield_now();
            }
            rings.end();
        });
    });
}

#[test]
fn tasks_that_are_always_ready_do_not_starve_one_that_has_not_started() {
    within(BOUND, || {
        // A worker more, or an idle one, would start what comes.
        let two = gopark::Runtime::builder().workers(2).spare_workers(0);
        two.build().unwrap().run(|| {
            let rings = Rings::start(32);
            assert_eq!(rings.workers, 2);
            for _ in 0..100 {
                spawn(|| ()).join().unwrap();
            }
            rings.end();
        });
    });
}

/// Spawns sleepers until `ms` after `base`, in this order; in which order they woke, if all had gone to
/// sleep before.
fn woken(base: Instant, sleepers: [u64; 5]) -> Option<Vec<u64>> {
    let (order, late) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(AtomicBool::new(false)),
    );
    let tasks = sleepers.map(|ms| {
        let (order, late) = (order.clone(), late.clone());
        spawn(move || {
            let moment = base + Duration::from_millis(ms);
            late.fetch_or(Instant::now() >= base, SeqCst);
            gopark::sleep_until(moment);
            assert!(Instant::now() >= moment);
            order.lock().unwrap().push(ms);
        })
    });
    for task in tasks {
        task.join().unwrap();
    }
    let order = order.lock().unwrap().clone();
    (!late.load(SeqCst)).then_some(order)
}

#[test]
fn sleepers_wake_in_the_order_of_their_moments_and_never_early() {
    within(BOUND, || {
        runtime(1).run(|| {
            // A busy machine may take longer than a moment to let them go to sleep.
            let before = [5, 50, 500, 5000].map(Duration::from_millis);
            let order = before
                .into_iter()
                .find_map(|before| woken(Instant::now() + before, [30, 10, 20, 0, 5]));
            assert_eq!(order, Some(vec![0, 5, 10, 20, 30]));
        });
    });
}

#[test]
fn an_unpark_before_the_park_counts_and_two_count_once() {
    within(BOUND, || {
        runtime(1).run(|| {
            let me = task::current();
            me.unpark();
            me.unpark();
            park(); // returns at once
            let parked = Arc::new(AtomicBool::new(false));
            let seen = parked.clone();
            let other = spawn(move || {
                yield_now();
                assert!(!seen.load(SeqCst), "the second unpark counted, too");
                seen.store(true, SeqCst);
                me.unpark();
            });
            park();
            assert!(parked.load(SeqCst));
            other.join().unwrap();
        });
    });
}

#[test]
fn a_thread_unparks_a_task_and_a_task_unparks_a_thread() {
    within(BOUND, || {
        let runtime = runtime(1);
        let rounds = 1000;
        let turn = Arc::new(AtomicUsize::new(0));
        let (theirs, me) = (turn.clone(), task::current());
        let task = runtime.handle().spawn(move || {
            for i in 0..rounds {
                while theirs.load(SeqCst) != 2 * i + 1 {
                    park();
                }
                theirs.store(2 * i + 2, SeqCst);
                me.unpark();
            }
        });
        let other = task.task();
        for i in 0..rounds {
            turn.store(2 * i + 1, SeqCst);
            other.unpark();
            while turn.load(SeqCst) != 2 * i + 2 {
                park();
            }
        }
        task.join().unwrap();
    });
}

#[test]
fn an_unpark_after_the_end_harms_nobody() {
    within(BOUND, || {
        let runtime = runtime(1);
        let task = runtime.handle().spawn(task::current).join().unwrap();
        task.unpark();
        drop(runtime);
        task.unpark();
    });
}

#[test]
fn waiting_works_on_a_plain_thread() {
    let begun = Instant::now();
    yield_now();
    sleep(Duration::from_millis(2));
    assert!(begun.elapsed() >= Duration::from_millis(2));
    task::current().unpark();
    park();
    assert_eq!(task::current().id(), 0);
}

#[test]
fn a_sleep_too_long_for_the_clock_still_ends_with_the_runtime() {
    within(BOUND, || {
        let runtime = runtime(1);
        let task = runtime.handle().spawn(|| sleep(Duration::MAX));
        eventually("it sleeps", || {
            runtime.metrics().total.parked_for(gopark::Reason::Sleep) == 1
        });
        drop(runtime);
        task.join().unwrap();
    });
}

#[test]
fn many_tasks_wake_each_other_across_workers_without_a_loss() {
    within(BOUND, || {
        runtime(4).run(|| {
            let pairs: Vec<_> = (0..50)
                .map(|_| {
                    let turn = Arc::new(AtomicUsize::new(0));
                    let theirs = turn.clone();
                    let a = spawn(move || {
                        let b = spawn({
                            let (turn, a) = (theirs.clone(), task::current());
                            move || {
                                for i in 0..200 {
                                    while turn.load(SeqCst) != 2 * i + 1 {
                                        park();
                                    }
                                    turn.store(2 * i + 2, SeqCst);
                                    a.unpark();
                                }
                            }
                        });
                        let other = b.task();
                        for i in 0..200 {
                            theirs.store(2 * i + 1, SeqCst);
                            other.unpark();
                            while theirs.load(SeqCst) != 2 * i + 2 {
                                park();
                            }
                        }
                        b.join().unwrap();
                    });
                    (a, turn)
                })
                .collect();
            for (a, turn) in pairs {
                a.join().unwrap();
                assert_eq!(turn.load(SeqCst), 400);
            }
        });
    });
}

#[test]
fn joining_waits_for_tasks_of_other_workers() {
    within(BOUND, || {
        runtime(4).run(|| {
            let tasks: Vec<_> = (0..400)
                .map(|i| {
                    spawn(move || {
                        sleep(Duration::from_micros(i % 7 * 100)); // some end before they are joined
                        i
                    })
                })
                .collect();
            eventually_in_task("one ends", || tasks.iter().any(|t| t.is_finished()));
            assert_eq!(
                tasks.into_iter().map(|t| t.join().unwrap()).sum::<u64>(),
                79_800
            );
        });
    });
}

#[test]
fn a_sleep_of_no_time_still_gives_the_others_a_turn() {
    within(BOUND, || {
        runtime(1).run(|| {
            let done = Arc::new(AtomicBool::new(false));
            let theirs = done.clone();
            let other = gopark::spawn(move || theirs.store(true, SeqCst));
            while !done.load(SeqCst) {
                gopark::sleep(Duration::ZERO);
            }
            other.join().unwrap();
        });
    });
}
