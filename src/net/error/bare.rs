//! A cause that Go returns without an operation around it, beside a count of bytes.

use super::{Cause, OpError};
use std::{error, fmt, io};

/// Prints and behaves as its cause alone; it exists so that the count is not lost.
#[derive(Debug)]
pub(crate) struct Bare {
    pub(super) cause: Cause,
    pub(super) bytes: usize,
}

impl Bare {
    /// An error that is `cause`, after `bytes` were moved.
    pub(crate) fn error(cause: Cause, bytes: usize) -> io::Error {
        if bytes == 0 {
            return cause.into();
        }
        io::Error::new(cause.kind(), Bare { cause, bytes })
    }
}

/// The error of an operation that had moved `bytes` before the part of it that failed with `err`.
pub(crate) fn after(bytes: usize, mut err: io::Error) -> io::Error {
    if bytes == 0 {
        return err;
    }
    if let Some(payload) = err.get_mut() {
        if let Some(op) = payload.downcast_mut::<OpError>() {
            op.bytes += bytes;
            return err;
        }
        if let Some(bare) = payload.downcast_mut::<Bare>() {
            bare.bytes += bytes;
            return err;
        }
    }
    Bare::error(Cause::from(err), bytes)
}

/// The error of an operation that had moved `bytes`, whatever the part that failed counted.
pub(crate) fn with_bytes(bytes: usize, mut err: io::Error) -> io::Error {
    if let Some(payload) = err.get_mut() {
        if let Some(op) = payload.downcast_mut::<OpError>() {
            op.bytes = 0;
        } else if let Some(bare) = payload.downcast_mut::<Bare>() {
            bare.bytes = 0;
        }
    }
    after(bytes, err)
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl error::Error for Bare {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::NetError;

    #[test]
    fn a_bare_cause_keeps_its_count_and_is_otherwise_the_cause() {
        let err = Bare::error(Cause::ClosedPipe, 3);
        assert_eq!(err.to_string(), Cause::ClosedPipe.to_string());
        assert_eq!(err.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(err.bytes(), 3);
        assert!(matches!(err.net_cause(), Some(Cause::ClosedPipe)));
        assert!(matches!(Cause::from(err), Cause::ClosedPipe));
    }

    #[test]
    fn bytes_moved_before_add_up_whatever_the_error() {
        let op = || io::Error::from(OpError::new("write", "tcp", Cause::Closed).bytes(2));
        assert_eq!(after(0, op()).bytes(), 2);
        assert_eq!(after(5, op()).bytes(), 7);
        assert_eq!(after(5, Bare::error(Cause::ClosedPipe, 1)).bytes(), 6);
        let foreign = after(5, io::ErrorKind::StorageFull.into());
        assert_eq!(
            (foreign.bytes(), foreign.kind()),
            (5, io::ErrorKind::StorageFull)
        );
        let errno = after(5, io::Error::from_raw_os_error(libc::EPIPE));
        assert_eq!((errno.bytes(), errno.errno()), (5, Some(libc::EPIPE)));
    }
}
