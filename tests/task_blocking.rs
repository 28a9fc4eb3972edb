//! The blocking pool: closures that may borrow, on threads that come and go.

mod support;

use gopark::{Handle, Runtime, blocking, spawn};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use support::{BOUND, eventually, runtime, text, within};

#[test]
fn a_blocking_closure_borrows_from_its_task_and_runs_on_another_thread() {
    runtime(1).run(|| {
        let mut words = vec!["a".to_owned()];
        let here = std::thread::current().id();
        let there = blocking(|| {
            words.push("b".to_owned());
            std::thread::current().id()
        });
        assert_ne!(here, there);
        assert_eq!(words, ["a", "b"]);
        assert_eq!(std::thread::current().id(), here);
    });
}

#[test]
fn other_tasks_run_meanwhile() {
    within(BOUND, || {
        runtime(1).run(|| {
            let barrier = Arc::new(Barrier::new(2));
            let theirs = barrier.clone();
            // On one worker these two can only meet if the first gives way.
            let waits = spawn(move || blocking(|| theirs.wait().is_leader()));
            let comes = spawn(move || blocking(|| barrier.wait().is_leader()));
            assert!(waits.join().unwrap() ^ comes.join().unwrap());
        });
    });
}

#[test]
fn a_panic_comes_back_to_the_task() {
    runtime(1).run(|| {
        let panic = catch_unwind(|| blocking(|| panic!("in the pool")));
        assert_eq!(text(panic.unwrap_err()), "in the pool");
        assert_eq!(blocking(|| 1), 1, "the pool goes on");
    });
}

#[test]
fn on_a_plain_thread_it_just_runs() {
    let here = std::thread::current().id();
    assert_eq!(blocking(|| std::thread::current().id()), here);
}

#[test]
fn a_blocking_closure_can_spawn_into_its_runtime() {
    runtime(1).run(|| {
        let n = blocking(|| {
            assert!(Handle::current().is_some());
            spawn(|| spawn(|| 20).join().unwrap() + 1).join().unwrap() * 2
        });
        assert_eq!(n, 42);
    });
    assert!(Handle::current().is_none());
}

#[test]
fn no_more_threads_than_allowed_run_at_once_and_every_closure_gets_its_turn() {
    within(BOUND, || {
        let runtime = Runtime::builder()
            .workers(2)
            .blocking_threads(3)
            .build()
            .unwrap();
        let counts = || Arc::new(AtomicUsize::new(0));
        let (asked, now, most) = (counts(), counts(), counts());
        let seen = most.clone();
        runtime.run(move || {
            let tasks: Vec<_> = (0..60)
                .map(|_| {
                    let (asked, now, most) = (asked.clone(), now.clone(), most.clone());
                    spawn(move || {
                        asked.fetch_add(1, SeqCst);
                        blocking(|| {
                            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                            // All others want to come, and are here if they are let in.
                            eventually("as many as may are here", || {
                                asked.load(SeqCst) == 60 && most.load(SeqCst) >= 3
                            });
                            now.fetch_sub(1, SeqCst);
                        })
                    })
                })
                .collect();
            for task in tasks {
                task.join().unwrap();
            }
        });
        assert_eq!(seen.load(SeqCst), 3, "at once");
        assert!(runtime.metrics().blocking_threads <= 3);
    });
}

#[test]
fn many_closures_at_once_all_come_back() {
    within(BOUND, || {
        let runtime = Runtime::builder()
            .workers(2)
            .blocking_threads(16)
            .build()
            .unwrap();
        let sum = runtime.run(|| {
            let tasks: Vec<_> = (0..2000_u64)
                .map(|i| spawn(move || blocking(|| i)))
                .collect();
            tasks.into_iter().map(|t| t.join().unwrap()).sum::<u64>()
        });
        assert_eq!(sum, 1_999_000);
    });
}

/// How the kernel schedules the calling thread.
fn policy() -> i32 {
    // SAFETY: takes a number; 0 is the calling thread.
    unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) as i32 }
}

#[test]
fn threads_of_the_pool_stand_back_only_where_workers_are_to_go_first() {
    within(BOUND, || {
        let mine = policy();
        assert!(mine >= 0);
        // Whoever chose another policy for the whole program has said who comes first.
        let behind = if mine == libc::SCHED_OTHER {
            libc::SCHED_IDLE
        } else {
            mine
        };
        for (first, expected) in [(false, mine), (true, behind)] {
            let builder = Runtime::builder().workers(2).workers_first(first);
            let runtime = builder.build().unwrap();
            let here = runtime.run(|| (policy(), gopark::blocking(policy)));
            assert_eq!(here, (mine, expected));
        }
    });
}
