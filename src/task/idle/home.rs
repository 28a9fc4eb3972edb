//! Where a wait without a task is at home.

#![forbid(unsafe_code)]

use crate::sched::runtime::Shared;
use crate::sched::worker::Worker;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The worker on which a wait was begun last. It is a part of that worker's load, because its tasks will start
/// there; also while one of them runs and another wait may follow.
pub(super) struct Home {
    runtime: Arc<Shared>,
    worker: Cell<usize>,
}

impl Home {
    pub fn new(worker: &Worker) -> Home {
        worker.shared.waits.fetch_add(1, Relaxed);
        Home {
            runtime: worker.runtime.clone(),
            worker: Cell::new(worker.shared.index),
        }
    }

    /// Is it this worker?
    #[inline]
    pub fn is(&self, worker: &Worker) -> bool {
        self.worker.get() == worker.shared.index && Arc::ptr_eq(&self.runtime, &worker.runtime)
    }

    /// The runtime, and the worker's number in it.
    pub fn both(&self) -> (Arc<Shared>, usize) {
        (self.runtime.clone(), self.worker.get())
    }

    /// The next wait is begun on `worker`, of the same runtime.
    #[inline]
    pub fn is_now(&self, worker: &Worker) {
        if self.worker.get() != worker.shared.index {
            self.waits().fetch_sub(1, Relaxed);
            worker.shared.waits.fetch_add(1, Relaxed);
            self.worker.set(worker.shared.index);
        }
    }

    fn waits(&self) -> &AtomicU64 {
        &self.runtime.workers[self.worker.get()].waits
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.waits().fetch_sub(1, Relaxed);
    }
}
