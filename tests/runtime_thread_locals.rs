//! What a task borrows from its worker's thread-locals outlives everyone it lends it to; and a runtime that
//! is used when a thread's own are going.

mod support;

use gopark::Runtime;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use support::eventually;

static DESTROYED: AtomicBool = AtomicBool::new(false);
static LENT: AtomicBool = AtomicBool::new(false);
static OVER: AtomicBool = AtomicBool::new(false);

struct Value(u32);

impl Drop for Value {
    fn drop(&mut self) {
        DESTROYED.store(true, SeqCst);
    }
}

thread_local! {
    static VALUE: Value = const { Value(7) };
}

#[test]
fn a_thread_local_lent_to_a_blocking_call_survives_the_end_of_its_runtime() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let task = runtime.handle().spawn(|| {
        VALUE.with(|value: &Value| {
            gopark::blocking(|| {
                LENT.store(true, SeqCst);
                eventually("the runtime is over", || OVER.load(SeqCst));
                value.0
            })
        })
    });
    eventually("the value is lent", || LENT.load(SeqCst));
    // The worker has the last tenth of it to notice, which on a busy machine must not be too short.
    let report = runtime.shutdown_timeout(Duration::from_secs(5));
    assert_eq!(
        (
            report.leaked.len(),
            report.kept_threads,
            report.stuck_threads
        ),
        (1, 1, 0)
    );
    assert!(task.join().is_err());
    // The worker has reported its end; its thread-locals must be there for the closure all the same.
    let name = "gopark-0";
    let threads = || {
        std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(Result::ok)
    };
    let is_worker = |t: std::fs::DirEntry| {
        std::fs::read_to_string(t.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    assert_eq!(threads().map(is_worker).filter(|w| *w).count(), 1);
    assert!(!DESTROYED.load(SeqCst));
    OVER.store(true, SeqCst);
}

struct RunsAtTheEnd(RefCell<Option<Runtime>>);

/// What its closure saw, unless it ended by a panic.
static SEEN: Mutex<Option<u32>> = Mutex::new(None);

impl Drop for RunsAtTheEnd {
    fn drop(&mut self) {
        let runtime = self.0.take().unwrap();
        // A panic would leave this frame while the task still uses it.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let lent = [1, 2, 3];
            let sum = runtime.run(|| {
                gopark::sleep(Duration::from_millis(5));
                lent.iter().sum()
            });
            *SEEN.lock().unwrap() = Some(sum);
        }));
    }
}

thread_local! {
    static RUNS: RunsAtTheEnd = const { RunsAtTheEnd(RefCell::new(None)) };
}

#[test]
fn run_in_the_drop_of_a_thread_local_does_not_return_before_its_closure_has() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let thread = std::thread::spawn(move || {
        RUNS.with(|runs| *runs.0.borrow_mut() = Some(runtime));
        // What it waits with is made after that, and so is gone before.
        gopark::sleep(Duration::from_millis(1));
    });
    thread.join().unwrap();
    assert_eq!(*SEEN.lock().unwrap(), Some(6));
}
