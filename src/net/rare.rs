//! What few stream connections need, made when it is first needed: an idle connection stays small.
//!
//! * The time-outs of single operations ([`Timeouts`]).
//! * The address of this end, where it was not known from the beginning.
//! * The error of a write some of whose bytes went out. std's contract is that their number is
//!   returned and the error comes from the next write.
//!
//! | the error that waits | is                                                      |
//! |----------------------|---------------------------------------------------------|
//! | made                 | by a write through std's traits that ended in the middle |
//! | reported             | by the next write, whichever kind it is                  |
//! | forgotten            | a time-out only: when the write deadline is set anew     |

#![forbid(unsafe_code)]

use super::{Cause, timeouts::Timeouts};
use netpoll::{Error, Fd, Mode};
use parking_lot::Mutex;
use std::{
    net::SocketAddr,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// One pointer, to nothing for most connections.
#[derive(Debug, Default)]
pub(super) struct Rare(OnceLock<Box<State>>);

#[derive(Debug, Default)]
struct State {
    timeouts: Timeouts,
    pending: Mutex<Option<Error>>,
    /// Whether `pending` holds one; looked at by every write.
    has_pending: AtomicBool,
    local: OnceLock<SocketAddr>,
}

impl Rare {
    /// Starts the time-out of one operation, if there is one.
    #[inline]
    pub fn start(&self, fd: &Fd, mode: Mode) {
        if let Some(state) = self.0.get() {
            state.timeouts.start(fd, mode);
        }
    }

    /// Begins a write: its time-out runs, and an error that is due is reported first.
    #[inline]
    pub fn start_write(&self, fd: &Fd) -> Result<(), Error> {
        if let Some(state) = self.0.get() {
            if state.has_pending.load(Relaxed)
                && let Some(err) = state.take_pending()
            {
                return Err(err);
            }
            state.timeouts.start(fd, Mode::Write);
        }
        Ok(())
    }

    /// The address of this end; `ask` is called until it knows.
    #[cold]
    pub fn local(&self, ask: impl FnOnce() -> Option<SocketAddr>) -> Option<SocketAddr> {
        if let Some(known) = self.0.get().and_then(|state| state.local.get()) {
            return Some(*known);
        }
        let asked = ask()?;
        Some(*self.0.get_or_init(Box::default).local.get_or_init(|| asked))
    }

    /// Keeps an error for the next write.
    #[cold]
    pub fn postpone(&self, err: Error) {
        let state = self.0.get_or_init(Box::default);
        *state.pending.lock() = Some(err);
        state.has_pending.store(true, Relaxed);
    }

    /// Sets a deadline, which ends the directions' time-outs.
    #[inline]
    pub fn set_deadline(
        &self,
        fd: &Fd,
        modes: &[Mode],
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        let Some(state) = self.0.get() else {
            return fd.set_deadline(modes, deadline);
        };
        if modes.contains(&Mode::Write) {
            state.forget_timeout();
        }
        state.timeouts.set_deadline(fd, modes, deadline)
    }

    /// Sets how long each operation of a direction may take; `None` is for ever.
    pub fn set(&self, fd: &Fd, mode: Mode, timeout: Option<Duration>) -> Result<(), Cause> {
        let state = self.0.get_or_init(Box::default);
        if mode == Mode::Write {
            state.forget_timeout();
        }
        state.timeouts.set(fd, mode, timeout)
    }

    /// How long each operation of a direction may take.
    pub fn get(&self, mode: Mode) -> Option<Duration> {
        self.0.get().and_then(|state| state.timeouts.get(mode))
    }
}

impl State {
    #[cold]
    fn take_pending(&self) -> Option<Error> {
        let mut pending = self.pending.lock();
        self.has_pending.store(false, Relaxed);
        pending.take()
    }

    fn forget_timeout(&self) {
        if self.has_pending.load(Relaxed) {
            let mut pending = self.pending.lock();
            if *pending == Some(Error::Timeout) {
                *pending = None;
                self.has_pending.store(false, Relaxed);
            }
        }
    }
}
