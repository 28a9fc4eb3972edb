//! A runtime without a thread of its own: its one worker is the thread that calls.
//!
//! What is different from [`Runtime::run`](super::runtime::Runtime::run):
//!
//! | there                                          | here                                               |
//! |------------------------------------------------|----------------------------------------------------|
//! | the caller waits while workers run             | the caller is the worker                           |
//! | the runtime ends when it is dropped            | the main task asks for the end when it has ended   |
//! | what has not ended within a bound is given up  | nothing is given up, so there is no bound          |
//!
//! The last row is because a thread on which a task was given up must never end (see
//! [`super::shutdown`]), and this one is not ours to keep.

use super::builder::Builder;
use super::runtime::Shared;
use super::{spare, watchdog::Watchdog, worker};
use crate::task::header::Attributes;
use crate::task::{self, JoinHandle};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long the watchdog is waited for: not for ever, because it may be in the caller's report.
const WATCHDOG_BOUND: Duration = Duration::from_secs(5);

/// Ends the runtime when it is dropped: with the main task, however that ends.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        // The main task does not wait, its worker sees to the rest; if there was no memory for that task,
        // this is no task, and waits for the watchdog.
        let _ = self.0.shut_down(Duration::MAX);
    }
}

impl Builder {
    /// Runs `main` as the first task of a runtime whose one worker is the calling thread, and ends the
    /// runtime when `main` has returned. `main` need not be `Send`, because it stays on this thread; it has
    /// a task's stack, as all of them have. In a process with no other threads the kernel does not count who
    /// uses a descriptor, which saves a little with every call.
    ///
    /// Two things start threads: [`crate::blocking`], whose threads end by themselves some time later, and
    /// [`Builder::on_hog`], because it takes a watchdog to report a hog. Without that there is none, and
    /// hogs are not counted either. `GOPARK_WORKERS` does not matter.
    ///
    /// Returns when every task has ended. As at the end of any runtime, their blocked calls fail; but a
    /// task that never ends is not given up after a while here, it is waited for. If the caller is itself a
    /// blocking closure of another runtime, the end of that one does not reach these tasks.
    ///
    /// ```
    /// use std::{cell::Cell, thread};
    /// let (count, here) = (Cell::new(0), thread::current().id());
    /// gopark::Builder::new().run_here(|| {
    ///     count.set(1); // borrowed, and not shared with other threads
    ///     let task = gopark::spawn(|| thread::current().id());
    ///     assert_eq!(task.join().unwrap(), here);
    /// })?;
    /// assert_eq!(count.get(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// tokio: the `current_thread` runtime and its `block_on`.
    ///
    /// # Errors
    /// Those of [`Builder::build`]; more than one worker, or spare ones, were asked for; or the caller is
    /// a task, or unwinds. Then `main` has not run.
    ///
    /// # Panics
    /// With the panic of `main`.
    #[track_caller]
    pub fn run_here<F, T>(mut self, main: F) -> io::Result<T>
    where
        F: FnOnce() -> T,
    {
        let site = std::panic::Location::caller();
        if worker::current().is_some() {
            let what = "run_here on a worker, which has tasks to run; spawn one, or use a thread";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        if std::thread::panicking() {
            let what = "run_here while unwinding, when no task may wait";
            return Err(io::Error::other(what));
        }
        self.for_one_thread()?;
        let watched = self.reports_hogs();
        let (shared, mut pollers) = self.prepare()?;
        let poller = pollers.pop().expect("there is one for the one worker");
        if watched {
            Watchdog::start(&shared)?;
        }
        let attributes = Attributes {
            id: shared.take_ids(1),
            site,
            name: Some("main".into()),
            pinned: true,
        };
        let end = End(shared.clone());
        let whole = move || {
            let _end = end;
            main()
        };
        let task = task::create_outside(&shared, None, attributes, whole)?;
        // SAFETY: the only handle. `main` need not be `Send`, because no other thread starts it: it is
        // pinned, and there is no other worker. What it borrows outlives the task: the worker below returns
        // only when every task has ended, gives none up, and aborts the process rather than unwind.
        let handle: JoinHandle<T> = unsafe { JoinHandle::new(task, shared.arena.clone()) };
        if shared.place_from_outside(task).is_err() {
            unreachable!("the worker has not begun, so it has not left");
        }
        shared.ending.thread_starts();
        spare::run_worker(shared.clone(), 0, poller);
        shared.ending.wait_for_threads(WATCHDOG_BOUND);
        match handle.join_whatever_happens() {
            Ok(value) => Ok(value),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::worker;

    #[test]
    fn nothing_is_given_up_for_years() {
        let asked = std::rc::Rc::new(std::cell::Cell::new(false));
        let seen = asked.clone();
        let run = Builder::new().run_here(|| {
            // It goes on after the end of main.
            drop(crate::spawn_local(move || {
                let shared = worker::current().expect("a task").runtime.clone();
                while !shared.ending.is_stopping() {
                    crate::yield_now();
                }
                let year = Duration::from_secs(365 * 24 * 3600);
                assert!(!shared.ending.gives_up_within(year));
                seen.set(true);
            }));
        });
        run.unwrap();
        assert!(asked.get());
    }
}
