//! What an error of an accept means for the loop.

use crate::net::{Cause, Errno, NetError};
use std::io;

/// What the serving loop makes of an error of an accept.
///
/// | | errors | the loop |
/// |---|---|---|
/// | `Closed` | the listener was closed, the runtime ends | ends, and drains |
/// | `Connection` | what became of one connection: `ECONNABORTED`, `ECONNRESET`, `EPROTO`, `EPERM` (a firewall), network errors, no usable address | goes on |
/// | `Exhausted` | `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM` | pauses, refuses whom it cannot serve, goes on |
/// | `Passing` | anything else that is temporary, a deadline of the listener for one | pauses, goes on |
/// | `Fatal` | the rest | drains, and returns the error |
///
/// ```
/// use gopark::net::{classify, AcceptFailure, TcpListener};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// listener.close()?;
/// let err = listener.accept().unwrap_err();
/// assert_eq!(classify(&err), AcceptFailure::Closed); // the loop ends
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcceptFailure {
    /// The listener is closed, or the runtime is ending.
    Closed,
    /// One connection is lost; the next may be fine.
    Connection,
    /// Descriptors or memory have run out.
    Exhausted,
    /// It may be over after a while.
    Passing,
    /// It will not get better.
    Fatal,
}

/// What the error of an accept means; see the table on [`AcceptFailure`].
///
/// ```
/// use gopark::net::{AcceptFailure, classify};
/// let err = std::io::Error::from_raw_os_error(24); // EMFILE
/// assert_eq!(classify(&err), AcceptFailure::Exhausted);
/// ```
pub fn classify(err: &io::Error) -> AcceptFailure {
    if err.is_closed() || err.is_shutdown() {
        return AcceptFailure::Closed;
    }
    if let Some(Cause::NoSuitableAddress) = err.net_cause() {
        return AcceptFailure::Connection;
    }
    match err.errno() {
        // Linux hands errors that wait on the new socket to whoever accepts it: accept(2).
        Some(
            libc::ECONNABORTED
            | libc::ECONNRESET
            | libc::EPROTO
            | libc::EPERM
            | libc::ENOPROTOOPT
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENONET
            | libc::ETIMEDOUT
            | libc::EINTR,
        ) => AcceptFailure::Connection,
        Some(errno) if is_exhaustion(Errno(errno)) => AcceptFailure::Exhausted,
        _ if err.is_temporary() => AcceptFailure::Passing,
        // std's own word for the end of memory.
        None if err.kind() == io::ErrorKind::OutOfMemory => AcceptFailure::Exhausted,
        _ => AcceptFailure::Fatal,
    }
}

fn is_exhaustion(errno: Errno) -> bool {
    matches!(
        errno.0,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM
    )
}

/// Whether one more descriptor would let the kernel accept.
pub(super) fn lacks_descriptor(err: &io::Error) -> bool {
    matches!(err.errno(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{OpError, Timeout};

    #[test]
    fn every_error_of_accept_has_its_meaning_bare_or_as_an_operations_error() {
        use AcceptFailure::{Closed, Connection, Exhausted, Fatal, Passing};
        for (errno, meaning) in [
            (libc::EMFILE, Exhausted),
            (libc::ENFILE, Exhausted),
            (libc::ENOBUFS, Exhausted),
            (libc::ENOMEM, Exhausted),
            (libc::ECONNABORTED, Connection),
            (libc::ECONNRESET, Connection),
            (libc::EPROTO, Connection),
            (libc::EPERM, Connection),
            (libc::EAGAIN, Passing),
            (libc::EINVAL, Fatal),
            (libc::EBADF, Fatal),
            // A socket that does not listen at all says this; going on would spin.
            (libc::EOPNOTSUPP, Fatal),
        ] {
            let bare = io::Error::from_raw_os_error(errno);
            assert_eq!(classify(&bare), meaning, "{bare}");
            let cause = Cause::syscall("accept4", Errno(errno));
            let op = io::Error::from(OpError::new("accept", "tcp", cause));
            assert_eq!(classify(&op), meaning, "{op}");
        }
        for (cause, meaning) in [
            (Cause::Closed, Closed),
            (Cause::Shutdown, Closed),
            (Cause::NoSuitableAddress, Connection),
            (Cause::Timeout(Timeout::Deadline), Passing),
            (Cause::NotPollable, Fatal),
        ] {
            let op = io::Error::from(OpError::new("accept", "tcp", cause));
            assert_eq!(classify(&op), meaning, "{op}");
        }
    }
}
