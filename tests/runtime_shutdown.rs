//! Ending a runtime: every blocked call ends, every thread ends, and what does not is named.

mod support;

use gopark::{Reason, Runtime};
use netpoll::{Fd, Kind};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use support::{BOUND, eventually, runtime, text, threads_named, within};

/// A runtime with a name of its own, so that its threads can be counted.
fn named(name: &str, workers: usize) -> Runtime {
    Runtime::builder()
        .workers(workers)
        .name(name)
        .build()
        .unwrap()
}

/// Waits until so many tasks of the runtime are parked for `why`.
fn until_parked(runtime: &Runtime, why: Reason, n: u64) {
    eventually(why.name(), || runtime.metrics().total.parked_for(why) == n);
}

/// What `attempt` finds within some bound: on a busy machine, what can end may need a longer one.
fn in_some_bound<T>(attempt: impl FnMut(Duration) -> Option<T>) -> T {
    let bounds = [1, 4, 16].map(Duration::from_secs);
    let found = bounds.into_iter().find_map(attempt);
    found.expect("something never ends")
}

#[test]
fn every_kind_of_blocked_call_ends_and_so_do_the_threads() {
    within(BOUND, || {
        let runtime = named("ends", 2);
        let handle = runtime.handle();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (conn, _) = listener.accept().unwrap();
        let conn = Arc::new(Fd::new(conn.into(), Kind::TCP).unwrap());
        let listener = Fd::new(listener.into(), Kind::STREAM).unwrap();

        let mut tasks = Vec::new();
        // One reader waits for data, the other for the first one's lock.
        for why in [Reason::Read, Reason::FdLock] {
            let conn = conn.clone();
            tasks.push(handle.spawn(move || conn.read(&mut [0; 8]).unwrap_err().to_string()));
            until_parked(&runtime, why, 1);
        }
        tasks.push(handle.spawn(move || listener.accept().unwrap_err().to_string()));
        tasks.push(handle.spawn(move || {
            let chunk = vec![0; 1 << 20];
            loop {
                if let Err(err) = conn.write(&chunk) {
                    return err.error.to_string();
                }
            }
        }));
        until_parked(&runtime, Reason::Read, 2);
        until_parked(&runtime, Reason::Write, 1);
        // Three more kinds of wait that the end must end.
        let quiet = [
            handle.spawn(|| gopark::sleep(Duration::from_secs(3600))),
            handle.spawn(gopark::park),
            handle.spawn(|| drop(gopark::spawn(gopark::park).join())),
        ];
        until_parked(&runtime, Reason::Sleep, 1);
        until_parked(&runtime, Reason::Park, 2);
        until_parked(&runtime, Reason::Join, 1);

        let report = runtime.shutdown_timeout(BOUND);
        assert!(report.is_clean(), "{report}");
        for task in tasks {
            assert_eq!(task.join().unwrap(), "runtime is shutting down");
        }
        for task in quiet {
            task.join().unwrap();
        }
        let total = handle.metrics().total;
        assert_eq!((total.alive, total.parked), (0, [0; Reason::COUNT]));
        drop(peer);
        eventually("the threads end", || threads_named("ends") == 0);
    });
}

#[test]
fn a_blocking_closure_is_waited_for() {
    within(BOUND, || {
        let runtime = named("blk", 1);
        let (tx, rx) = mpsc::channel::<()>();
        let task = runtime
            .handle()
            .spawn(move || gopark::blocking(move || rx.recv().is_err()));
        until_parked(&runtime, Reason::Blocking, 1);
        let ender = std::thread::spawn(move || runtime.shutdown_timeout(BOUND));
        drop(tx);
        assert!(ender.join().unwrap().is_clean());
        assert!(task.join().unwrap());
        eventually("the threads end", || threads_named("blk") == 0);
    });
}

#[test]
fn a_loop_that_ignores_errors_does_not_hold_its_thread() {
    within(BOUND, || {
        let (report, name, handle, reader, parker) = in_some_bound(|bound| {
            let name = format!("deaf-{bound:?}");
            let runtime = named(&name, 2);
            let (conn, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
            let conn = Fd::new(conn.into(), Kind::STREAM).unwrap();
            let deaf = gopark::task::Builder::new().name("deaf reader");
            let reader = deaf.spawn_in(&runtime.handle(), move || {
                loop {
                    let _ = conn.read(&mut [0; 8]);
                }
            });
            let parker = runtime.handle().spawn(|| {
                loop {
                    gopark::park();
                }
            });
            until_parked(&runtime, Reason::Read, 1);
            until_parked(&runtime, Reason::Park, 1);
            let handle = runtime.handle();
            let report = runtime.shutdown_timeout(bound);
            let ended = report.stuck_threads == 0;
            ended.then_some((report, name, handle, reader.unwrap(), parker))
        });
        assert_eq!(report.leaked.len(), 2, "{report}");
        assert!(
            report.leaked.iter().any(|t| t.starts_with("deaf reader")),
            "{report}"
        );
        assert!(
            report.to_string().contains("runtime_shutdown.rs"),
            "{report}"
        );
        assert_eq!(handle.metrics().stacks_leaked, 2);
        // Whoever joins them is told.
        assert!(reader.join().is_err() && parker.join().is_err());
        // They stay, asleep, because what the tasks have lent out may lead to their thread-locals.
        assert!((1..=2).contains(&report.kept_threads), "{report:?}");
        eventually("the other threads end", || {
            threads_named(&name) == report.kept_threads
        });
    });
}

#[test]
fn a_park_that_begins_while_the_runtime_ends_returns() {
    within(BOUND, || {
        let runtime = named("parks", 1);
        let parker = runtime.handle().spawn(|| {
            for _ in 0..10 {
                gopark::park();
            }
        });
        until_parked(&runtime, Reason::Park, 1);
        let report = runtime.shutdown_timeout(BOUND / 3);
        assert!(report.is_clean(), "{report}");
        parker.join().unwrap();
    });
}

#[test]
fn a_task_that_never_gives_way_is_reported_as_a_stuck_thread() {
    within(BOUND, || {
        let report = in_some_bound(|bound| {
            let runtime = named("hog", 2);
            let (stop, started) = (
                Arc::new(AtomicBool::new(false)),
                Arc::new(AtomicBool::new(false)),
            );
            let (end, begun) = (stop.clone(), started.clone());
            let hog = runtime.handle().spawn(move || {
                begun.store(true, SeqCst);
                eventually("it is told to stop", || end.load(SeqCst));
            });
            eventually("the hog runs", || started.load(SeqCst));
            let report = runtime.shutdown_timeout(bound);
            // When it gives way after all, everything ends.
            stop.store(true, SeqCst);
            eventually("the threads end", || threads_named("hog") == 0);
            hog.join().unwrap();
            (report.stuck_threads < 2).then_some(report)
        });
        assert_eq!(
            (report.stuck_threads, report.is_clean()),
            (1, false),
            "{report}"
        );
    });
}

#[test]
fn tasks_that_never_started_are_given_up_and_their_joiners_told() {
    within(BOUND, || {
        let runtime = runtime(1);
        let (tx, rx) = mpsc::channel();
        let begun = Arc::new(AtomicBool::new(false));
        let started = begun.clone();
        let given_up = Arc::new(AtomicBool::new(false));
        let gave_up = given_up.clone();
        let handle = runtime.handle();
        let main = handle.spawn(move || {
            begun.store(true, SeqCst);
            // Holds the worker until the runtime has given up, then leaves it more than one ring
            // can hold, and tasks that are pinned.
            eventually("the runtime gives up", || gave_up.load(SeqCst));
            let many: Vec<_> = (0..700).map(|_| gopark::spawn(|| ())).collect();
            let pinned: Vec<_> = (0..3).map(|_| gopark::spawn_local(|| ())).collect();
            tx.send((many, pinned)).unwrap();
            gopark::park(); // gives way: the runtime is shutting down
            loop {
                gopark::park();
            }
        });
        eventually("it runs", || started.load(SeqCst));
        runtime.shutdown_timeout(Duration::from_millis(50));
        given_up.store(true, SeqCst);
        let (many, pinned) = rx.recv().unwrap();
        assert!(main.join().is_err());
        for task in many.into_iter().chain(pinned) {
            let _ = task.join(); // ended or given up, but it returns
        }
    });
}

#[test]
fn spawning_from_outside_while_the_runtime_ends_never_hangs_a_joiner() {
    for round in 0..200 {
        within(BOUND, move || {
            let runtime = runtime(1 + round % 2);
            let handle = runtime.handle();
            let spawners: Vec<_> = (0..2)
                .map(|_| {
                    let handle = handle.clone();
                    std::thread::spawn(move || {
                        let mut joined = 0;
                        // Until it is refused.
                        while let Ok(task) = gopark::task::Builder::new().spawn_in(&handle, || 1) {
                            joined += task.join().unwrap_or(0);
                        }
                        joined
                    })
                })
                .collect();
            eventually("some have ended", || handle.metrics().total.finished >= 10);
            let report = runtime.shutdown_timeout(BOUND);
            assert!(report.is_clean(), "{report}");
            let joined = spawners.into_iter().map(|s| s.join().unwrap());
            assert!(joined.sum::<usize>() >= 10);
        });
    }
}

#[test]
fn a_handle_that_outlives_its_runtime_says_so() {
    within(BOUND, || {
        let runtime = runtime(1);
        let handle = runtime.handle();
        drop(runtime);
        let err = gopark::task::Builder::new()
            .spawn_in(&handle, || 1)
            .unwrap_err();
        assert!(err.to_string().contains("has ended"), "{err}");
        let panic = catch_unwind(AssertUnwindSafe(|| drop(handle.spawn(|| 1)))).unwrap_err();
        assert!(text(panic).contains("has ended"));
        assert_eq!(handle.metrics().total.alive, 0);
    });
}

#[test]
fn the_closure_of_a_refused_spawn_is_dropped() {
    within(BOUND, || {
        let runtime = runtime(1);
        let handle = runtime.handle();
        drop(runtime);
        let held = Arc::new(());
        let mine = held.clone();
        assert!(
            gopark::task::Builder::new()
                .spawn_in(&handle, move || drop(mine))
                .is_err()
        );
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn a_join_handle_that_outlives_its_runtime_still_has_the_result() {
    let runtime = runtime(2);
    let (kept, dropped) = (
        runtime.handle().spawn(|| vec![7]),
        runtime.handle().spawn(|| vec![8]),
    );
    drop(runtime);
    assert!(kept.is_finished());
    assert_eq!(kept.join().unwrap(), [7]);
    drop(dropped);
}

#[test]
fn a_runtime_dropped_by_its_own_task_ends_behind_it() {
    within(BOUND, || {
        let runtime = named("self", 2);
        let (tx, rx) = mpsc::channel::<Runtime>();
        let task = runtime.handle().spawn(move || {
            let report = rx
                .recv()
                .unwrap()
                .shutdown_timeout(Duration::from_millis(50));
            // A task that never listens does not keep the threads, though nobody waits for it.
            drop(gopark::spawn(|| {
                loop {
                    gopark::park();
                }
            }));
            report
        });
        tx.send(runtime).unwrap();
        let report = task.join().unwrap();
        assert!(report.in_background && !report.is_clean(), "{report}");
        // But for the one whose thread-locals that task may have lent out.
        eventually("the threads end", || threads_named("self") == 1);
    });
}

#[test]
fn a_runtime_ended_by_its_own_blocking_closure_does_not_wait_for_itself() {
    within(BOUND, || {
        let runtime = runtime(1);
        let (tx, rx) = mpsc::channel::<Runtime>();
        let task = runtime.handle().spawn(move || {
            // Waiting for itself it would wait out its bound, which is longer than that of the test.
            gopark::blocking(move || rx.recv().unwrap().shutdown_timeout(BOUND * 10))
        });
        tx.send(runtime).unwrap();
        let report = task.join().unwrap();
        assert!(report.in_background, "{report}");
    });
}

#[test]
fn a_runtime_can_live_and_end_inside_a_task_of_another() {
    within(BOUND, || {
        let n = runtime(1).run(|| {
            let beside = gopark::spawn(|| 1);
            let inner = gopark::run(|| gopark::spawn(|| 20).join().unwrap() * 2);
            inner + beside.join().unwrap()
        });
        assert_eq!(n, 41);
    });
}

#[test]
fn several_runtimes_live_side_by_side_and_tasks_join_across_them() {
    within(BOUND, || {
        let (a, b) = (named("left", 1), named("right", 1));
        let there = b.handle();
        let n = a.run(move || {
            let tasks: Vec<_> = (0..50)
                .map(|i| {
                    there.spawn(move || {
                        gopark::sleep(Duration::from_micros(100)); // whoever joins it waits
                        i
                    })
                })
                .collect();
            tasks.into_iter().map(|t| t.join().unwrap()).sum::<i32>()
        });
        assert_eq!(n, 1225);
        drop(a);
        assert_eq!(b.run(|| 1), 1, "the end of one touches no other");
    });
}
