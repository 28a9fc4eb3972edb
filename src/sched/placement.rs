//! Where a new task starts.
//!
//! Here, unless this worker is clearly busier than another: that keeps what a task and its child
//! share in one cache, and wakes nobody. "Busier" counts live tasks, which for a server are its
//! connections; the watchdog's word that a worker is held by a task counts more. A started task
//! never moves, so this is the only chance to spread the load, apart from idle workers, which take
//! unstarted tasks from whoever has two or more.

use super::metrics::add;
use super::worker::{Worker, WorkerShared};
use crate::task::header::Header;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;

/// A difference of so many tasks is never "clearly busier".
const SLACK: u64 = 2;

impl Worker {
    /// Queues a task that a task of this worker has just spawned.
    #[inline]
    pub(crate) fn place(&self, task: NonNull<Header>) {
        add(&self.shared.counts.spawned, 1);
        let runtime = &self.runtime;
        if runtime.workers.len() > 1 {
            // SAFETY: a new task is alive.
            let pinned = unsafe { task.as_ref() }.attributes.pinned;
            if !pinned && let Some(other) = self.less_busy() {
                other.handed.fetch_add(1, Relaxed);
                // SAFETY: alive, unstarted, and in no queue yet.
                if unsafe { other.hand_over(task) }.is_ok() {
                    return add(&self.shared.counts.placed_elsewhere, 1);
                }
            }
            self.enqueue_unstarted(task);
            self.share_unstarted();
        } else {
            self.enqueue_unstarted(task);
        }
    }

    /// Another worker that has clearly less to do. Looks at one other each time, in turn.
    fn less_busy(&self) -> Option<&WorkerShared> {
        let workers = &self.runtime.workers;
        let n = workers.len();
        let me = self.shared.index;
        let mine = self.shared.load();
        if mine <= SLACK {
            return None;
        }
        let other = &workers[(me + 1 + (mine as usize % (n - 1))) % n];
        let theirs = other.load();
        (!other.held.load(Relaxed) && theirs + theirs / 8 + SLACK < mine).then_some(other)
    }
}
