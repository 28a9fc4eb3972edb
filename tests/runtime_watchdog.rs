//! The watchdog: who holds a worker is named, once, and others' work is fetched from behind it.

mod support;

use gopark::{Hog, Runtime};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{BOUND, eventually, stays, within};

/// Holds its worker until `stop`.
fn hold(stop: &AtomicBool) {
    eventually("it is told to stop", || stop.load(SeqCst));
}

#[test]
fn a_hog_is_reported_once_for_each_hold_with_where_it_was_spawned() {
    const THRESHOLD: Duration = Duration::from_millis(5);
    within(BOUND, || {
        let hogs: Arc<Mutex<Vec<Hog>>> = Arc::default();
        let seen = hogs.clone();
        let runtime = Runtime::builder()
            .workers(1)
            .hog_threshold(THRESHOLD)
            .on_hog(move |hog| seen.lock().unwrap().push(*hog))
            .build()
            .unwrap();
        let stop: [_; 2] = std::array::from_fn(|_| Arc::new(AtomicBool::new(false)));
        let theirs = stop.clone();
        let line = line!() + 1;
        let task = runtime.handle().spawn(move || {
            for stop in theirs {
                hold(&stop);
                gopark::yield_now();
            }
        });
        let id = task.id();
        for (i, stop) in stop.iter().enumerate() {
            // Other tests may hold the machine; only more than one report for a hold is wrong.
            eventually("it is reported", || hogs.lock().unwrap().len() == i + 1);
            assert!(
                stays(6 * THRESHOLD, || hogs.lock().unwrap().len() == i + 1),
                "reported twice for one hold"
            );
            stop.store(true, SeqCst);
            eventually("it gives way", || {
                runtime.metrics().total.switches > 1 + i as u64
            });
        }
        task.join().unwrap();
        let hogs = hogs.lock().unwrap();
        for hog in hogs.iter() {
            assert_eq!((hog.worker, hog.task, hog.spawned_at.line()), (0, id, line));
            assert!(hog.held >= THRESHOLD);
            assert!(hog.to_string().contains("runtime_watchdog.rs"), "{hog}");
        }
        assert_eq!(runtime.metrics().total.hogs, hogs.len() as u64);
    });
}

#[test]
fn tasks_stuck_behind_a_hog_are_started_by_an_idle_worker() {
    within(BOUND, || {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let ran = Arc::new(AtomicUsize::new(0));
        let counter = ran.clone();
        let hog = runtime.handle().spawn(move || {
            for _ in 0..2 {
                let ran = counter.clone();
                drop(gopark::spawn(move || ran.fetch_add(1, SeqCst)));
            }
            hold(&theirs);
        });
        eventually("the tasks behind the hog ran", || ran.load(SeqCst) == 2);
        stop.store(true, SeqCst);
        hog.join().unwrap();
        assert!(runtime.metrics().total.stolen >= 1);
    });
}

#[test]
fn a_report_that_panics_does_not_end_the_watch() {
    within(BOUND, || {
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = calls.clone();
        let runtime = Runtime::builder()
            .workers(1)
            .hog_threshold(Duration::from_millis(2))
            .on_hog(move |_| {
                seen.fetch_add(1, SeqCst);
                panic!("in the report");
            })
            .build()
            .unwrap();
        for n in 1..=2 {
            let stop = Arc::new(AtomicBool::new(false));
            let theirs = stop.clone();
            let task = runtime.handle().spawn(move || hold(&theirs));
            eventually("it is reported", || calls.load(SeqCst) >= n);
            stop.store(true, SeqCst);
            task.join().unwrap();
        }
    });
}

#[test]
fn a_threshold_of_zero_turns_it_off() {
    let off = Runtime::builder()
        .workers(1)
        .name("nodog")
        .hog_threshold(Duration::ZERO);
    let runtime = off.build().unwrap();
    // A hold that any other threshold of these tests would report.
    runtime.run(|| std::thread::sleep(Duration::from_millis(30)));
    assert_eq!(runtime.metrics().total.hogs, 0);
    eventually("the worker is the only thread", || {
        support::threads_named("nodog") == 1
    });
}
