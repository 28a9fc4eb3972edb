//! Unstarted tasks between workers: offering them, and taking them when there is nothing else to do.
//!
//! A task that has not started is only a `Send` closure, so any worker may start it. How many a worker
//! may take is decided in [`super::placement`]; who is woken to take them in [`super::idle`].

use super::metrics::add;
use super::patience::{Look, PAUSE, Patience};
use super::placement::FEW;
use super::ring::PLACES;
use super::worker::Worker;
use crate::task::header::Header;
use netpoll::clock;
use std::ptr::NonNull;
use std::time::Duration;

impl Worker {
    /// Lets an idle worker know that there is more to start here than this one starts at once.
    #[inline]
    pub(crate) fn share_unstarted(&self) {
        if self.runtime.workers.len() > 1 && self.shared.unstarted.len() > 1 {
            self.runtime.call_searcher();
        }
    }

    /// Moves a share of the common queue to the own one.
    #[cold]
    pub(super) fn take_injected(&self) {
        if self.shared.unstarted.len() > PLACES / 2 {
            return;
        }
        let mut taken = self.stolen.borrow_mut();
        let share = self.share_of_common().max(1);
        self.runtime.take_injected(share, &mut taken);
        for task in taken.drain(..) {
            self.enqueue_unstarted(task);
        }
    }

    /// Takes unstarted tasks from the common queue or from another worker. True if it got some.
    pub(super) fn steal(&self) -> bool {
        let before = self.patience.replace(Patience::default());
        if self.runtime.workers.len() == 1 && self.runtime.injector_is_empty() {
            return false;
        }
        if !self.shared.presence.is_open() {
            return false; // it is leaving, and must not begin anything new
        }
        let waited = match before.is_waiting() {
            true => before.waited(clock::now()),
            false => Duration::ZERO,
        };
        let look = if self.take_elsewhere(waited) {
            Look::Took
        } else if self.runtime.has_unstarted() {
            Look::Left
        } else {
            return false;
        };
        self.patience.set(before.after(look, clock::now()));
        look == Look::Took
    }

    /// Takes what a worker may that has waited for so long.
    fn take_elsewhere(&self, waited: Duration) -> bool {
        let workers = &self.runtime.workers;
        let mut stolen = self.stolen.borrow_mut();
        if !self.runtime.injector_is_empty() {
            let least = if waited >= PAUSE { FEW } else { 0 };
            let share = self.share_of_common().max(least);
            self.runtime.take_injected(share, &mut stolen);
        }
        let me = self.shared.index;
        let others = (1..workers.len()).map(|i| &workers[(me + i) % workers.len()]);
        for victim in others.filter(|victim| victim.unstarted.len() > 0) {
            if !stolen.is_empty() {
                break;
            }
            let share = self.shared.share_of(victim, waited);
            victim.unstarted.steal(share, &mut stolen);
        }
        if stolen.is_empty() {
            return false;
        }
        add(&self.shared.counts.steals, 1);
        add(&self.shared.counts.stolen, stolen.len() as u64);
        for task in stolen.drain(..) {
            self.enqueue_unstarted(task);
        }
        true
    }

    /// Puts an unstarted task where this worker, or an idle one, will find it.
    #[inline]
    pub(crate) fn enqueue_unstarted(&self, task: NonNull<Header>) {
        // Where there can be no other worker there is no need for the ring's atomics.
        let alone = self.runtime.workers.most() == 1;
        // SAFETY: a task in hand is alive.
        if alone || unsafe { task.as_ref() }.attributes.pinned {
            self.make_ready(task);
        } else if let Err(task) = self.shared.unstarted.push(task) {
            self.runtime.inject(task);
        }
    }
}
