//! What an operation on a descriptor can end with.

use crate::park::Refusal;
use std::fmt;
use std::io;

/// Why an operation on a descriptor failed.
///
/// The texts are Go's. `gopark` wraps them with the operation and the addresses.
///
/// ```
/// use netpoll::{Error, Fd, Kind};
/// use std::io::ErrorKind;
/// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
/// let a = Fd::new(a.into(), Kind::STREAM)?;
/// a.close()?;
/// let err = a.read(&mut [0]).unwrap_err();
/// assert_eq!(err, Error::Closing);
/// assert_eq!(err.to_string(), "use of closed network connection");
/// assert_eq!(std::io::Error::from(err).kind(), ErrorKind::NotConnected);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The descriptor is closed, or was closed meanwhile. Go: `net.ErrClosed`.
    Closing,
    /// The deadline of this direction has passed. Go: `os.ErrDeadlineExceeded`.
    Timeout,
    /// The kernel cannot say when this descriptor becomes ready. Go: `poll.ErrNotPollable`.
    NotPollable,
    /// Deadlines need a descriptor that can be waited for. Go: `poll.ErrNoDeadline`.
    NoDeadline,
    /// A system call failed. `call` is the name Go prints.
    Sys {
        /// The system call.
        call: &'static str,
        /// Its error number.
        errno: i32,
    },
    /// The kernel took nothing although there was something to write. Go: `io.ErrUnexpectedEOF`.
    UnexpectedEof,
    /// The calling task must not wait now.
    Refused(Refusal),
}

impl Error {
    /// The error of the system call that just failed on this thread.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn last(call: &'static str) -> Error {
        Error::Sys {
            call,
            errno: errno(),
        }
    }

    /// The error number, if a system call failed.
    ///
    /// ```
    /// use netpoll::Error;
    /// let refused = Error::Sys { call: "connect", errno: libc::ECONNREFUSED };
    /// assert_eq!(refused.errno(), Some(libc::ECONNREFUSED));
    /// assert_eq!(refused.to_string(), "connect: connection refused");
    /// assert_eq!(Error::Timeout.errno(), None);
    /// ```
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Sys { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// The thread's `errno`. Read at once after the call: a park in between lets other code run.
#[cfg(not(loom))]
#[inline]
pub(crate) fn errno() -> i32 {
    // SAFETY: returns the address of this thread's errno, always valid.
    unsafe { *libc::__errno_location() }
}

/// What the C library says about an error number, in Go's lower case.
fn describe(errno: i32) -> String {
    let mut text = io::Error::from_raw_os_error(errno).to_string();
    if let Some(at) = text.rfind(" (os error ") {
        text.truncate(at);
    }
    text.make_ascii_lowercase();
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Closing => f.write_str("use of closed network connection"),
            Error::Timeout => f.write_str("i/o timeout"),
            Error::NotPollable => f.write_str("not pollable"),
            Error::NoDeadline => f.write_str("file type does not support deadline"),
            Error::Sys { call, errno } => write!(f, "{call}: {}", describe(*errno)),
            Error::UnexpectedEof => f.write_str("unexpected EOF"),
            Error::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Refused(refusal)
    }
}

impl From<Error> for io::Error {
    fn from(err: Error) -> io::Error {
        let kind = match err {
            Error::Sys { errno, .. } => return io::Error::from_raw_os_error(errno),
            Error::Closing => io::ErrorKind::NotConnected,
            Error::Timeout => io::ErrorKind::TimedOut,
            Error::NotPollable | Error::NoDeadline => io::ErrorKind::Unsupported,
            Error::UnexpectedEof => io::ErrorKind::UnexpectedEof,
            Error::Refused(_) => io::ErrorKind::Other,
        };
        io::Error::new(kind, err)
    }
}

/// A write that failed part of the way.
///
/// ```
/// use netpoll::{Error, Fd, Kind, Mode, Partial};
/// use std::time::{Duration, Instant};
/// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
/// let a = Fd::new(a.into(), Kind::STREAM)?;
/// a.set_deadline(&[Mode::Write], Some(Instant::now() + Duration::from_millis(10)))?;
/// // Nobody reads, so not all of it fits.
/// let Partial { written, error } = a.write(&vec![0; 16 << 20]).unwrap_err();
/// assert!(written < 16 << 20);
/// assert_eq!(error, Error::Timeout);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The bytes that went out before the failure.
    pub written: usize,
    /// The failure.
    pub error: Error,
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (after {} bytes)", self.error, self.written)
    }
}

impl std::error::Error for Partial {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_system_call_reads_as_in_go() {
        let text = |call, errno| Error::Sys { call, errno }.to_string();
        assert_eq!(
            text("read", libc::ECONNRESET),
            "read: connection reset by peer"
        );
        assert_eq!(text("write", libc::EPIPE), "write: broken pipe");
        assert_eq!(
            text("accept4", libc::EMFILE),
            "accept4: too many open files"
        );
        assert_eq!(
            text("connect", libc::ECONNREFUSED),
            "connect: connection refused"
        );
        let partial = Partial {
            written: 7,
            error: Error::Timeout,
        };
        assert_eq!(partial.to_string(), "i/o timeout (after 7 bytes)");
    }
}
