//! Which pollers a descriptor is registered with.
//!
//! Registration is lazy: a descriptor whose operations never meet EAGAIN costs no `epoll_ctl`. It is
//! edge-triggered and for both directions, at the first wait. Each direction has a *home*, the
//! poller on which its waiter parks:
//!
//! | the other direction       | what a waiter on a new poller does                                   |
//! |---------------------------|----------------------------------------------------------------------|
//! | has nobody waiting        | registers both directions here, takes every older registration away  |
//! | is waited for elsewhere   | registers its own direction here; the other one keeps its home       |
//!
//! The second row is decided by a look at the other slot. A waiter that was just about to park there
//! is not missed: it looks at its home again after it has marked its slot, and whoever moves a home
//! interrupts the slot after the move.

use crate::desc::{Mode, PollDesc};
use crate::error::Error;
use crate::poller::{Poller, PollerHandle};
use std::os::fd::RawFd;
use std::sync::Arc;

/// One entry in one poller's table.
#[derive(Debug)]
struct Registration {
    poller: PollerHandle,
    key: u32,
    seq: u32,
    /// `None` is both directions.
    only: Option<Mode>,
}

/// A descriptor's registrations: at most one for each direction's home.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    entries: [Option<Registration>; 2],
}

impl PollDesc {
    /// Makes `poller` the home of this direction. Called by the waiter, on the poller's thread.
    ///
    /// # Errors
    /// What `epoll_ctl` says; [`Error::NotPollable`] for a file that cannot be waited for.
    #[cold]
    pub(crate) fn register(
        self: &Arc<Self>,
        fd: RawFd,
        mode: Mode,
        poller: &Poller,
    ) -> Result<(), Error> {
        let other = mode.other();
        let mut regs = self.registrations.lock();
        let kept = self.home(other);
        let moves = kept == 0 || !self.is_waited(other);
        for entry in &mut regs.entries {
            let keep = entry.as_ref().is_some_and(|r| {
                let home = r.poller.id();
                (!moves && home == kept && home != poller.id())
                    || (home == poller.id() && r.only != Some(other))
            });
            if !keep && let Some(r) = entry.take() {
                r.poller.deregister(fd, r.key, r.seq, true);
            }
        }
        if !regs
            .entries
            .iter()
            .flatten()
            .any(|r| r.poller.id() == poller.id())
        {
            let only = if moves || kept == poller.id() {
                None
            } else {
                Some(mode)
            };
            let (key, seq) = poller.register(fd, self, only)?;
            let place = regs.entries.iter_mut().find(|e| e.is_none());
            let entry = Registration {
                poller: poller.handle().clone(),
                key,
                seq,
                only,
            };
            *place.expect("a descriptor has at most two homes") = Some(entry);
        }
        self.set_home(mode, poller.id());
        if moves && kept != poller.id() {
            self.set_home(other, poller.id());
            self.interrupt(other);
        }
        Ok(())
    }

    /// Takes the descriptor out of every poller. `delete` says whether the kernel must be told: a
    /// descriptor that was never duplicated leaves its epolls when it is closed.
    pub(crate) fn deregister(&self, fd: RawFd, delete: bool) {
        let mut regs = self.registrations.lock();
        for mode in [Mode::Read, Mode::Write] {
            self.set_home(mode, 0);
        }
        for r in regs.entries.iter_mut().filter_map(Option::take) {
            for mode in [Mode::Read, Mode::Write] {
                if self.is_armed_by(mode, r.poller.id()) {
                    r.poller.disarmed();
                }
            }
            r.poller.deregister(fd, r.key, r.seq, delete);
        }
    }
}
