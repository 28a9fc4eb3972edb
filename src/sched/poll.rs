//! When a worker asks the kernel: now and then while it has work, and before it sleeps.
//!
//! Under load it polls at the latest when about [`SLICE`] has passed. That is counted in switches, not
//! read off a clock at each of them: how many fit into a slice is learnt from the stretches of work
//! before, and is at least as many as the poll has brought events.
//!
//! Go: `runtime/proc.go`, `findRunnable`, which polls when it has nothing else, and `sysmon`, which polls
//! for a process that has not for 10 ms.

use super::metrics::set;
use super::patience::PAUSE;
use super::worker::Worker;
use netpoll::clock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long a worker runs tasks before it asks the kernel again, in nanoseconds.
const SLICE: u64 = 100_000;
/// At most so many switches between two polls, however short they are.
const MOST_SWITCHES: u32 = 1024;
/// How often a worker looks whether everything has ended, while it shuts down.
const SHUTDOWN_LOOK: Duration = Duration::from_millis(2);
/// A worker with more cached stacks than this, and nothing to do for a while, trims them.
const KEEP_STACKS: usize = 64;
/// How long a worker must have been quiet before it trims, and the pause between two trims.
const TRIM_PAUSE: Duration = Duration::from_millis(200);

impl Worker {
    /// Asks the kernel what has become ready, without waiting. False if the worker must end.
    #[cold]
    pub(super) fn poll_busy(&self) -> bool {
        let now = clock::now();
        let since = self.busy_since.get();
        if since != 0 {
            // How many switches fit into a slice, judging by the last stretch; or by one before it,
            // if that was slower. Where tasks that compute take turns with others that are quick, a
            // stretch of quick ones says nothing about the next.
            let each = (now.saturating_sub(since) / u64::from(self.granted.get())).max(1);
            let slow = self.slow.get();
            let each = each.max(slow - slow / 8);
            self.slow.set(each);
            let fit = u32::try_from(SLICE / each).unwrap_or(u32::MAX);
            self.budget.set(fit.clamp(1, MOST_SWITCHES));
        }
        if !self.look_at_shutdown() {
            return false;
        }
        set(&self.shared.counts.ready, self.ready.len() as u64);
        self.poll(Some(Duration::ZERO));
        self.busy_since.set(now);
        true
    }

    /// Waits until there is something to do. False if the worker must end.
    pub(super) fn sleep(&self) -> bool {
        if !self.look_at_shutdown() || self.leaves() {
            return false;
        }
        let counts = &self.shared.counts;
        set(&counts.ready, 0);
        set(&counts.stacks_cached, self.pool.borrow().len() as u64);
        if self.patience.get().is_waiting() {
            // Nobody need call it meanwhile, and its stacks are soon wanted: it looks again in a moment.
            self.poll(Some(PAUSE));
            self.busy_since.set(0);
            return true;
        }
        let timeout = if self.is_stopping() {
            Some(SHUTDOWN_LOOK)
        } else if self.trim_stacks() {
            Some(TRIM_PAUSE)
        } else {
            None
        };
        if self.runtime.workers.most() > 1 && self.shared.presence.is_open() {
            // Also while it is the only one: a spare one may come while it sleeps.
            let (idlers, me) = (&self.runtime.idlers, self.shared.index);
            idlers.rest(me);
            // Whoever offered work before it could see that we are idle has not called us.
            let work = self.runtime.has_unstarted();
            self.poll(if work { Some(Duration::ZERO) } else { timeout });
            if idlers.resume(me) {
                self.steal();
                self.runtime.search_is_over();
            }
        } else {
            self.poll(timeout);
        }
        self.busy_since.set(0);
        true
    }

    /// Gives memory of stacks that nobody has used for a while back to the kernel, a little at a
    /// time. True if there may be more to do after a pause.
    fn trim_stacks(&self) -> bool {
        let cached = self.pool.borrow().len();
        if cached <= KEEP_STACKS {
            return false;
        }
        let switches = self.shared.counts.switches.load(Relaxed);
        let quiet = self.switches_at_trim.replace(switches) == switches;
        if quiet {
            self.pool.borrow_mut().trim(&self.runtime.arena)
        } else {
            true
        }
    }

    fn poll(&self, timeout: Option<Duration>) {
        self.shared.runs_nothing();
        if let Err(err) = self.poller.collect(timeout) {
            // The kernel refuses epoll_wait only for a bad descriptor or address, never for load.
            panic!("gopark: epoll_wait failed: {err}");
        }
        // A turn for each of them before the next poll: a later event would queue behind it anyway.
        let batch = self.ready.len() + self.poller.undelivered();
        let batch = u32::try_from(batch).unwrap_or(u32::MAX);
        let grant = self.budget.get().max(batch);
        self.left.set(grant);
        self.granted.set(grant);
    }
}
