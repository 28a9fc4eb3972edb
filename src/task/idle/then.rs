//! What follows a wait: once, or another wait each time.

#![forbid(unsafe_code)]

use super::{HasFd, Idle};
use netpoll::{Error, park};
use std::ops::ControlFlow;

/// What goes on when a wait is over.
pub(crate) trait Then<W>: Send + Sized + 'static {
    /// The task starts where the wait is at home, and not where there is less to do: if the next wait were
    /// begun elsewhere, the descriptor would have to be registered anew.
    const STAYS: bool;
    /// In a task that has been started for it.
    fn go_on(idle: Box<Idle<W, Self>>, result: Result<(), Error>);
    /// Where there are no tasks: the whole life of a thread.
    fn on_thread(self, what: W);
}

/// The first wait is the last.
pub(crate) struct Once<F>(pub F);

impl<W, F> Then<W> for Once<F>
where
    W: HasFd + Clone,
    F: FnOnce(W, Result<(), Error>) + Send + 'static,
{
    const STAYS: bool = false;

    fn go_on(idle: Box<Idle<W, Self>>, result: Result<(), Error>) {
        let Idle {
            what, then, home, ..
        } = *idle;
        // It is a task from here on, and no wait.
        drop(home);
        then.0(what, result);
    }

    fn on_thread(self, what: W) {
        let result = what.fd().wait_readable();
        self.0(what, result);
    }
}

/// Another wait follows each, with the same object, until the closure breaks off or none can follow.
pub(crate) struct Each<F>(pub F);

impl<W, F> Then<W> for Each<F>
where
    W: HasFd + Clone,
    F: FnMut(&W, Result<(), Error>) -> ControlFlow<()> + Send + 'static,
{
    const STAYS: bool = true;

    fn go_on(mut idle: Box<Idle<W, Self>>, mut result: Result<(), Error>) {
        loop {
            let ends = !may_go_on(result);
            if idle.then.0(&idle.what, result).is_break() || ends {
                return;
            }
            match idle.settle(false) {
                Some(over) => (idle, result) = over,
                None => return,
            }
            // There is something at once, and may be for ever: others get their turn, also those on whom
            // that depends; and a runtime that ends does not wait until there is nothing.
            crate::task::yield_now();
            if let Err(refusal) = park::with_current(|p| p.may_park()) {
                result = Err(Error::Refused(refusal));
            }
        }
    }

    fn on_thread(mut self, what: W) {
        loop {
            let result = what.fd().wait_readable();
            if self.0(&what, result).is_break() || !may_go_on(result) {
                return;
            }
        }
    }
}

/// After any other error whoever waits again would learn the same at once, for ever.
fn may_go_on(result: Result<(), Error>) -> bool {
    matches!(result, Ok(()) | Err(Error::Timeout))
}
