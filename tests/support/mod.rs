//! What the tests of tasks and runtimes share: bounds instead of sleeps.

#![allow(dead_code, reason = "each test file uses some of it")]

#[path = "../harness/waiting.rs"]
mod waiting;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

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

/// Waits, as a thread, until `condition` holds. A task that calls it holds its worker.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let happened = waiting::find(BOUND, std::thread::sleep, || condition().then_some(()));
    assert!(happened.is_some(), "never happened: {what}");
}

/// Whether `condition` holds for so long, as a thread: for what can only be seen not to happen.
pub fn stays(time: Duration, mut condition: impl FnMut() -> bool) -> bool {
    waiting::find(time, std::thread::sleep, || (!condition()).then_some(())).is_none()
}

/// Waits, as a task, until `condition` holds.
#[track_caller]
pub fn eventually_in_task(what: &str, mut condition: impl FnMut() -> bool) {
    let happened = waiting::find(BOUND, |_| gopark::yield_now(), || condition().then_some(()));
    assert!(happened.is_some(), "never happened: {what}");
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

/// Tasks of the caller's runtime that do nothing but give way.
pub struct Yielders {
    stop: Arc<AtomicBool>,
    tasks: Vec<gopark::JoinHandle<()>>,
}

impl Yielders {
    pub fn start(number: usize) -> Yielders {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..number).map(|_| {
            let stop = stop.clone();
            gopark::spawn(move || {
                while !stop.load(SeqCst) {
                    gopark::yield_now();
                }
            })
        });
        let tasks = tasks.collect();
        Yielders { stop, tasks }
    }

    pub fn end(self) {
        self.stop.store(true, SeqCst);
        self.tasks.into_iter().for_each(|task| task.join().unwrap());
    }
}
