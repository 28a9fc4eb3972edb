//! What follows a wait: once, or another wait each time.

#![forbid(unsafe_code)]

use super::{HasFd, Idle};
use netpoll::Error;
use std::ops::ControlFlow;

/// What goes on when a wait is over.
pub(crate) trait Then<W>: Send + Sized + 'static {
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
    fn go_on(idle: Box<Idle<W, Self>>, result: Result<(), Error>) {
        let Idle { what, then, .. } = *idle;
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
    fn go_on(mut idle: Box<Idle<W, Self>>, mut result: Result<(), Error>) {
        loop {
            let last = is_last(result);
            if idle.then.0(&idle.what, result).is_break() || last {
                return;
            }
            match idle.settle(false) {
                Some(over) => (idle, result) = over,
                None => return,
            }
        }
    }

    fn on_thread(mut self, what: W) {
        loop {
            let result = what.fd().wait_readable();
            if self.0(&what, result).is_break() || is_last(result) {
                return;
            }
        }
    }
}

/// Whoever waits again would learn the same at once, for ever.
fn is_last(result: Result<(), Error>) -> bool {
    matches!(result, Err(Error::Closing | Error::Refused(_)))
}
