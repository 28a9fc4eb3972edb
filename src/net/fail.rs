//! From what a descriptor says to what an operation reports. All of it is the cold path.

#![forbid(unsafe_code)]

use super::{Cause, Errno, Timeout};
use netpoll::{Error, Refusal};
use std::{io, sync::Arc};

/// The cause an operation reports when its descriptor failed with `err`.
#[cold]
pub(crate) fn cause(err: Error) -> Cause {
    match err {
        Error::Closing => Cause::Closed,
        Error::Timeout => Cause::Timeout(Timeout::Deadline),
        Error::NotPollable => Cause::NotPollable,
        Error::NoDeadline => Cause::NoDeadline,
        Error::Sys { call, errno } => Cause::syscall(call, Errno(errno)),
        Error::UnexpectedEof => Cause::UnexpectedEof,
        Error::Refused(Refusal::ShuttingDown) => Cause::Shutdown,
        Error::Refused(Refusal::Unwinding) => Cause::Unwinding,
        other => Cause::Io(Arc::new(io::Error::from(other))),
    }
}
