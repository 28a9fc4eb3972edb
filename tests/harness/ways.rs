//! Runs the body of a test in every way in which an execution can wait: on plain threads, and in
//! tasks of one, two and four workers.

#![allow(dead_code, reason = "no test uses all of it")]

#[path = "waiting.rs"]
mod waiting;
#[path = "watched.rs"]
mod watched;

use gopark::{Handle, Runtime};
use std::{thread, time::Duration};
pub use watched::watched;

/// Runs `body` in each way.
pub fn in_every_way(body: fn()) {
    watched("on plain threads", body);
    for workers in [1, 2, 4] {
        watched(&format!("in tasks of {workers} workers"), || {
            let runtime = Runtime::builder().workers(workers).build().unwrap();
            runtime.run(body);
            let report = runtime.shutdown_timeout(Duration::from_secs(20));
            assert!(report.is_clean(), "{report}");
        });
    }
}

/// Something that runs at the same time.
#[derive(Debug)]
pub enum Going<T> {
    Task(gopark::JoinHandle<T>),
    Thread(thread::JoinHandle<T>),
}

/// Runs `f` at the same time: in a task where the caller is one, else on a thread.
pub fn go<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Going<T> {
    match Handle::current() {
        Some(_) => Going::Task(gopark::spawn(f)),
        None => Going::Thread(thread::spawn(f)),
    }
}

impl<T> Going<T> {
    /// Its result, once it has ended.
    pub fn join(self) -> T {
        match self {
            Going::Task(task) => task.join().unwrap(),
            Going::Thread(thread) => thread.join().unwrap(),
        }
    }

    pub fn is_finished(&self) -> bool {
        match self {
            Going::Task(task) => task.is_finished(),
            Going::Thread(thread) => thread.is_finished(),
        }
    }

    /// Whether it stays blocked for a while.
    pub fn is_pending(&self) -> bool {
        let tick = Duration::from_millis(60);
        waiting::find(tick, gopark::sleep, || self.is_finished().then_some(())).is_none()
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let holds = waiting::find(Duration::from_secs(30), gopark::sleep, || {
        condition().then_some(())
    });
    assert!(holds.is_some(), "{what}: not within 30 s");
}
