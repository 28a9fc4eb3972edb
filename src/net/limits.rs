//! How long something may take: until a moment, and until a token is cancelled.

#![forbid(unsafe_code)]

use super::{CancelToken, Cause, Timeout, fail};
use netpoll::{Error, Mode, Reason, Signal};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// What limits a dial or a look-up. Go: the deadline and the cancellation of a `context.Context`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub deadline: Option<Instant>,
    pub token: Option<CancelToken>,
}

impl Limits {
    /// A deadline only.
    pub fn until(deadline: Option<Instant>) -> Limits {
        Limits {
            deadline,
            token: None,
        }
    }

    /// The same deadline with another token.
    pub fn with_token(&self, token: &CancelToken) -> Limits {
        Limits {
            deadline: self.deadline,
            token: Some(token.clone()),
        }
    }

    /// The earlier of `timeout` from now and `deadline`. A time-out beyond the end of time is none.
    pub fn earlier(timeout: Option<Duration>, deadline: Option<Instant>) -> Option<Instant> {
        let timeout = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        match (timeout, deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Whether nothing limits it.
    pub fn is_none(&self) -> bool {
        self.deadline.is_none() && self.token.is_none()
    }

    pub fn is_cancelled(&self) -> bool {
        self.token.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// Whether it is over already.
    ///
    /// # Errors
    /// [`Cause::Cancelled`] or [`Timeout::Context`].
    pub fn check(&self) -> Result<(), Cause> {
        if self.is_cancelled() {
            Err(Cause::Cancelled)
        } else if self.deadline.is_some_and(|end| Instant::now() >= end) {
            Err(Timeout::Context.into())
        } else {
            Ok(())
        }
    }

    /// Waits until `done` gives something. Whoever changes what `done` looks at notifies `signal`'s
    /// read direction, which nobody else may wait for. What is done counts, however late it is.
    ///
    /// # Errors
    /// As [`check`](Limits::check); also when the caller must not wait, or cannot.
    pub fn wait<T>(
        &self,
        signal: &Arc<Signal>,
        why: Reason,
        mut done: impl FnMut() -> Option<T>,
    ) -> Result<T, Cause> {
        signal.set_deadline(Mode::Read, self.deadline);
        let _watch = self.token.as_ref().map(|token| {
            let signal = signal.clone();
            token.on_cancel(move || signal.close())
        });
        loop {
            let may_wait = signal.prepare(Mode::Read);
            if let Some(value) = done() {
                return Ok(value);
            }
            may_wait
                .and_then(|()| signal.wait(Mode::Read, why))
                .map_err(|err| match err {
                    // Only the token closes it.
                    Error::Closing => Cause::Cancelled,
                    Error::Timeout => Timeout::Context.into(),
                    err => fail::cause(err),
                })?;
        }
    }
}
