//! Our errors inside `std::io::Error`, and back out of it.

use super::{
    AddrError, Bare, Cause, DnsError, Errno, InvalidAddrError, OpError, ParseError, SyscallError,
    Timeout, UnknownNetworkError,
};
use std::{io, sync::Arc};

impl Cause {
    /// The kind an [`io::Error`] with this cause has; the table is on [`Cause`].
    ///
    /// ```
    /// use gopark::net::{Cause, Errno};
    /// use std::io::ErrorKind;
    /// assert_eq!(Cause::Closed.kind(), ErrorKind::NotConnected);
    /// assert_eq!(Cause::syscall("read", Errno::ECONNRESET).kind(), ErrorKind::ConnectionReset);
    /// ```
    pub fn kind(&self) -> io::ErrorKind {
        let kind = match self {
            Cause::Syscall(err) => err.errno.kind(),
            Cause::Errno(errno) => errno.kind(),
            Cause::Timeout(_) => io::ErrorKind::TimedOut,
            Cause::Closed | Cause::ClosedFile => io::ErrorKind::NotConnected,
            Cause::Cancelled | Cause::Shutdown | Cause::Unwinding => io::ErrorKind::Other,
            Cause::NoDeadline | Cause::NotPollable => io::ErrorKind::Unsupported,
            Cause::UnexpectedEof => io::ErrorKind::UnexpectedEof,
            Cause::ClosedPipe => io::ErrorKind::BrokenPipe,
            Cause::NoSuitableAddress => io::ErrorKind::AddrNotAvailable,
            Cause::Addr(err) if err.err == AddrError::NO_SUITABLE_ADDRESS => {
                io::ErrorKind::AddrNotAvailable
            }
            Cause::Addr(_)
            | Cause::Parse(_)
            | Cause::UnknownNetwork(_)
            | Cause::InvalidAddr(_)
            | Cause::WriteToConnected
            | Cause::MissingAddress => io::ErrorKind::InvalidInput,
            Cause::Dns(err) => err.kind(),
            Cause::Op(err) => err.err.kind(),
            Cause::Io(err) => err.kind(),
        };
        // std's loops take Interrupted for "call again": it must not leave this crate.
        if kind == io::ErrorKind::Interrupted {
            io::ErrorKind::Other
        } else {
            kind
        }
    }
}

impl From<Cause> for io::Error {
    fn from(cause: Cause) -> io::Error {
        match cause {
            // An operation's error is found in one place, whether it was nested or not.
            Cause::Op(err) => io::Error::from(*err),
            cause => io::Error::new(cause.kind(), cause),
        }
    }
}

impl From<OpError> for io::Error {
    fn from(err: OpError) -> io::Error {
        io::Error::new(err.err.kind(), err)
    }
}

/// Unwraps what this crate put into the error; a bare error number becomes [`Cause::Errno`], and
/// anything else is kept as it is.
impl From<io::Error> for Cause {
    fn from(err: io::Error) -> Cause {
        if let Some(errno) = Errno::from_io(&err) {
            return Cause::Errno(errno);
        }
        let err = match err.downcast::<OpError>() {
            Ok(op) => return Cause::Op(Box::new(op)),
            Err(err) => err,
        };
        let err = match err.downcast::<Bare>() {
            Ok(bare) => return bare.cause,
            Err(err) => err,
        };
        match err.downcast::<Cause>() {
            Ok(cause) => cause,
            Err(err) => Cause::Io(Arc::new(err)),
        }
    }
}

/// `?` turns each typed error into an `io::Error` with the right kind.
macro_rules! io_error_from {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for io::Error {
            fn from(err: $error) -> io::Error {
                Cause::from(err).into()
            }
        })*
    };
}

io_error_from!(
    SyscallError,
    Errno,
    Timeout,
    AddrError,
    ParseError,
    UnknownNetworkError,
    InvalidAddrError,
    DnsError,
);
