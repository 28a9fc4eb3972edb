//! What the tests of tasks and runtimes share: bounds instead of sleeps.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Generous: the machine may be busy. Only a hang reaches it.
pub const BOUND: Duration = Duration::from_secs(30);

/// Runs `f` on a thread of its own and returns what it returns; fails if that takes too long.
#[track_caller]
pub fn within<T: Send + 'static>(bound: Duration, f: impl FnOnce() -> T + Send + 'static) -> T {
    let (tx, rx) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let value = f();
        let _ = tx.send(());
        value
    });
    match rx.recv_timeout(bound) {
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        },
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs: nothing after {bound:?}"),
    }
}

/// Waits, as a thread, until `condition` holds.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits, as a task, until `condition` holds.
#[track_caller]
pub fn eventually_in_task(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        gopark::yield_now();
    }
}

/// How many threads of this process have a name that begins so. (The kernel keeps 15 bytes.)
pub fn threads_named(prefix: &str) -> usize {
    std::fs::read_dir("/proc/self/task")
        .expect("/proc is mounted")
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with(prefix))
        .count()
}

/// A runtime with so many workers.
pub fn runtime(workers: usize) -> gopark::Runtime {
    gopark::Runtime::builder().workers(workers).build().unwrap()
}

/// The text of a panic.
pub fn text(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or("?", |t| *t).to_owned(),
    }
}
