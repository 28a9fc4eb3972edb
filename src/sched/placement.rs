//! Where a new task starts.
//!
//! Here, unless this worker is clearly busier than another: that keeps what a task and its child
//! share in one cache, and wakes nobody. "Busier" counts live tasks, which for a server are its
//! connections; the watchdog's word that a worker is held by a task counts more. A started task
//! never moves, so this is the only chance to spread the load, apart from idle workers, which take
//! unstarted tasks from others.
//!
//! An idle worker is not always the right place: one whose thousand connections are quiet would take
//! every new one, too. And one whose neighbour is only waiting for a processor would soon have started
//! all that is its neighbour's, and keep it. So how far above the other's its own load may come depends on
//! how long it has left unstarted tasks alone ([`super::patience`]):
//!
//! | it has waited      | it takes until it has                | of the common queue also                |
//! |--------------------|---------------------------------------|-----------------------------------------|
//! | not yet            | as much to do as the other            |                                         |
//! | a pause            | a [`FEW`] tasks more                  | a few at each look, whatever its load is |
//! | long               | any number more, a few at each look   | the same                                |
//!
//! From a worker that is held by a task it takes freely.

use super::metrics::add;
use super::patience::{LONG, PAUSE};
use super::worker::{Worker, WorkerShared};
use crate::task::header::Header;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A difference of so many tasks is never "clearly busier".
const SLACK: u64 = 2;
/// A few tasks.
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

    /// How many unstarted tasks of `victim` this worker may take when it has waited for so long.
    pub(super) fn share_of(&self, victim: &WorkerShared, waited: Duration) -> usize {
        if victim.held.load(Relaxed) {
            return usize::MAX;
        }
        let above = if waited >= PAUSE { FEW as u64 } else { 0 };
        let more = (victim.load() + above).saturating_sub(self.load());
        let least = if waited >= LONG { FEW } else { 0 };
        (more.div_ceil(2) as usize).max(least)
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

    /// Another worker that has clearly less to do. Looks at one other each time, in turn: the next that is
    /// there and not held.
    fn less_busy(&self) -> Option<&WorkerShared> {
        let workers = &self.runtime.workers;
        let n = match self.runtime.spares.any_is_here() {
            true => workers.len(),
            false => self.runtime.permanent,
        };
        let me = self.shared.index;
        // What is in the common queue came from workers whose own is full, such as this one.
        let mine = self.shared.load() + self.runtime.injected() as u64;
        if n == 1 || mine <= SLACK {
            return None;
        }
        let last = self.looked_at.get(); // of a spare one, too, that has left since
        let mut others = (1..=n).map(|i| &workers[(last + i) % n]);
        let other = others.find(|it| it.index != me && it.takes_more())?;
        self.looked_at.set(other.index);
        let theirs = other.load();
        (theirs + theirs / 8 + SLACK < mine).then_some(other)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::metrics::set;
    use netpoll::Poller;

    /// One with so many tasks, that no thread runs.
    fn worker(index: usize, tasks: u64) -> WorkerShared {
        let poller = Poller::new().unwrap();
        let worker = WorkerShared::new(index, poller.handle().clone());
        set(&worker.counts.started, tasks);
        worker
    }

    #[test]
    fn an_idle_worker_goes_only_a_few_tasks_above_an_equal_share_until_it_has_waited_long() {
        let waits = [Duration::ZERO, PAUSE, LONG - PAUSE, LONG];
        for (mine, theirs, expected) in [
            (0, 50, [25, 29, 29, 29]),
            (25, 25, [0, 4, 4, 8]),
            (29, 21, [0, 0, 0, 8]),
            (3, 4, [1, 5, 5, 8]),
            (1000, 10, [0, 0, 0, 8]),
        ] {
            let (thief, victim) = (worker(0, mine), worker(1, theirs));
            let taken = waits.map(|waited| thief.share_of(&victim, waited));
            assert_eq!(taken, expected, "with {mine}, from one with {theirs}");
            victim.held.store(true, Relaxed);
            assert_eq!(thief.share_of(&victim, Duration::ZERO), usize::MAX);
        }
    }
}
