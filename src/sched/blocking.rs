//! The blocking pool: threads for calls that would hold a worker.
//!
//! A task that calls [`crate::blocking`] parks until the closure has run, so the closure may borrow
//! from the task's stack. Threads are started when there is more to do than idle threads, up to a
//! limit, and end when they have been idle for a while.

use super::runtime::Shared;
use super::urgency;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// How long an idle thread waits for more.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    static RUNTIME: RefCell<Option<Weak<Shared>>> = const { RefCell::new(None) };
}

/// The runtime whose blocking closure runs on this thread.
pub(crate) fn runtime_of_this_thread() -> Option<Arc<Shared>> {
    RUNTIME.with_borrow(|runtime| runtime.as_ref().and_then(Weak::upgrade))
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct BlockingPool(Arc<Inner>);

struct Inner {
    name: String,
    limit: usize,
    workers_first: bool,
    turn: Option<Duration>,
    state: Mutex<State>,
    work: Condvar,
    threads: AtomicU64,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<(Job, Weak<Shared>)>,
    idle: usize,
    threads: usize,
    stopped: bool,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingPool")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl BlockingPool {
    /// `turn` is what its threads ask the kernel for, if they would inherit something else.
    pub(crate) fn new(
        limit: usize,
        name: &str,
        workers_first: bool,
        turn: Option<Duration>,
    ) -> BlockingPool {
        BlockingPool(Arc::new(Inner {
            name: format!("{name}-blocking"),
            limit,
            workers_first,
            turn,
            state: Mutex::default(),
            work: Condvar::new(),
            threads: AtomicU64::new(0),
        }))
    }

    pub(crate) fn threads(&self) -> u64 {
        self.0.threads.load(Ordering::Relaxed)
    }

    /// Runs `job` on one of the threads, or gives it back if there is none and none can be started.
    pub(crate) fn submit(&self, job: Job, runtime: &Arc<Shared>) -> Result<(), Job> {
        let mut state = self.0.lock();
        if state.idle < state.jobs.len() + 1 && state.threads < self.0.limit {
            let inner = self.0.clone();
            let started = std::thread::Builder::new()
                .name(self.0.name.clone())
                .spawn(move || inner.run());
            match started {
                Ok(_) => {
                    state.threads += 1;
                    self.0
                        .threads
                        .store(state.threads as u64, Ordering::Relaxed);
                }
                // With a thread already there the job waits for its turn.
                Err(_) if state.threads > 0 => {}
                Err(_) => return Err(job),
            }
        }
        state.jobs.push_back((job, Arc::downgrade(runtime)));
        drop(state);
        self.0.work.notify_one();
        Ok(())
    }

    /// Lets the threads end when they have nothing more to do.
    pub(crate) fn stop(&self) {
        self.0.lock().stopped = true;
        self.0.work.notify_all();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        if let Some(turn) = self.turn {
            urgency::ask_for(turn);
        }
        if self.workers_first {
            urgency::stand_back();
        }
        let mut state = self.lock();
        loop {
            if let Some((job, runtime)) = state.jobs.pop_front() {
                drop(state);
                RUNTIME.set(Some(runtime));
                if self.workers_first {
                    urgency::forfeit();
                }
                job(); // catches the panics of its closure
                crate::task::local::clear_thread();
                RUNTIME.set(None);
                state = self.lock();
                continue;
            }
            if state.stopped {
                break;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, IDLE);
            let (back, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = back;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        self.threads.store(state.threads as u64, Ordering::Relaxed);
    }
}
