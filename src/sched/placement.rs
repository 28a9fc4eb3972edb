//! Where a new task starts.
//!
//! Here, unless this worker is clearly busier than another: that keeps what a task and its child
//! share in one cache, and wakes nobody. "Busier" counts live tasks, which for a server are its
//! connections; the watchdog's word that a worker is held by a task counts more. A started task
//! never moves, so this is the only chance to spread the load, apart from idle workers, which take
//! unstarted tasks from others.
//!
//! An idle worker is not always the right place: one whose thousand connections are quiet would take
//! every new one, too. So a worker takes what makes it as busy as the one it takes from, no more, and
//! leaves the rest a moment ([`PATIENCE`]) to be started where it is; after that it takes a few at a
//! time. From a worker that is held by a task it takes freely.

use super::metrics::add;
use super::worker::{Worker, WorkerShared};
use crate::task::header::Header;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A difference of so many tasks is never "clearly busier".
const SLACK: u64 = 2;
/// How long an idle worker leaves unstarted tasks to a less busy one.
pub(super) const PATIENCE: Duration = Duration::from_micros(250);

/// How many it takes after that.
pub(super) const FEW: usize = 8;

impl WorkerShared {
    /// Puts a new task into the inbox, and counts it as coming. Gives it back if the worker has left.
    ///
    /// # Safety
    /// The task is alive, unstarted, and in no queue.
    pub(crate) unsafe fn hand_over_new(
        &self,
        task: NonNull<Header>,
    ) -> Result<(), NonNull<Header>> {
        self.handed.fetch_add(1, Relaxed);
        // SAFETY: contract of this function.
        let handed = unsafe { self.hand_over(task) };
        if handed.is_err() {
            self.handed.fetch_sub(1, Relaxed);
        }
        handed
    }
}

impl Worker {
    /// Queues a task that a task of this worker has just spawned.
    #[inline]
    pub(crate) fn place(&self, task: NonNull<Header>) {
        add(&self.shared.counts.spawned, 1);
        if self.runtime.workers.most() == 1 {
            self.make_ready(task);
        } else {
            self.place_among_others(task);
        }
    }

    fn place_among_others(&self, task: NonNull<Header>) {
        // SAFETY: a new task is alive.
        let pinned = unsafe { task.as_ref() }.attributes.pinned;
        if !pinned && let Some(other) = self.less_busy() {
            // SAFETY: alive, unstarted, and in no queue yet.
            if unsafe { other.hand_over_new(task) }.is_ok() {
                return add(&self.shared.counts.placed_elsewhere, 1);
            }
        }
        self.enqueue_unstarted(task);
        self.share_unstarted();
    }

    /// Another worker that has clearly less to do. Looks at one other each time, in turn.
    fn less_busy(&self) -> Option<&WorkerShared> {
        let workers = &self.runtime.workers;
        let n = workers.len();
        let me = self.shared.index;
        // What is in the common queue came from workers whose own is full, such as this one.
        let mine = self.shared.load() + self.runtime.injected() as u64;
        if n == 1 || mine <= SLACK {
            return None;
        }
        let other = &workers[(me + 1 + (mine as usize % (n - 1))) % n];
        let theirs = other.load();
        (other.takes_more() && theirs + theirs / 8 + SLACK < mine).then_some(other)
    }

    /// How many unstarted tasks of `victim` this worker may take.
    pub(super) fn share_of(&self, victim: &WorkerShared) -> usize {
        if victim.held.load(Relaxed) {
            return usize::MAX;
        }
        let more = victim.load().saturating_sub(self.shared.load());
        more.div_ceil(2) as usize
    }

    /// How many tasks of the common queue this worker may take: what it lacks of an equal part of all
    /// that there is to do.
    pub(super) fn share_of_common(&self) -> usize {
        let workers = &self.runtime.workers;
        let (mut total, mut sharers) = (self.runtime.injected() as u64, 0u64);
        for worker in workers.iter().filter(|w| w.takes_more()) {
            total += worker.load();
            sharers += 1;
        }
        let fair = total.div_ceil(sharers.max(1));
        fair.saturating_sub(self.shared.load()) as usize
    }
}
