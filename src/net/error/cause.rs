//! What went wrong, without saying during which operation.

use super::{
    AddrError, DnsError, Errno, InvalidAddrError, NetError, OpError, ParseError, SyscallError,
    Timeout, UnknownNetworkError,
};
use std::{error, fmt, io, sync::Arc};

/// Why an operation failed: the inner error of an [`OpError`].
///
/// Go has an open set of error types here; a closed one lets a program match on it. A `Cause` can
/// also stand alone inside an [`io::Error`], where Go returns an error without wrapping it (a
/// listener's `set_deadline` after close, everything on a pipe's closed end).
///
/// | cause | timeout | temporary | [`io::ErrorKind`] |
/// |---|---|---|---|
/// | `Syscall`, `Errno` | `EAGAIN`, `ETIMEDOUT` | those, `EINTR`, `EMFILE`, `ENFILE` | the number's own |
/// | `Timeout` | yes | yes | `TimedOut` |
/// | `Closed`, `ClosedFile` | no | no | `NotConnected` |
/// | `Cancelled`, `Shutdown`, `Unwinding` | no | no | `Other` |
/// | `NoDeadline`, `NotPollable` | no | no | `Unsupported` |
/// | `UnexpectedEof` | no | no | `UnexpectedEof` |
/// | `ClosedPipe` | no | no | `BrokenPipe` |
/// | `NoSuitableAddress`, also inside `Addr` | no | no | `AddrNotAvailable` |
/// | `Addr`, `Parse`, `UnknownNetwork`, `InvalidAddr`, `WriteToConnected`, `MissingAddress` | no | no | `InvalidInput` |
/// | `Dns` | says itself | says itself | `TimedOut`, `NotFound` or `Other` |
/// | `Op`, `Io` | as the error inside | as the error inside | as the error inside |
///
/// A connection closed on this side is `NotConnected` so that it cannot be mistaken for anything the
/// peer did (`BrokenPipe`, `ConnectionReset`, `ConnectionAborted`). No cause is ever `Interrupted`:
/// `read_exact`, `write_all` and `io::copy` would try again for ever; a cancelled operation is `Other`
/// and says so through [`NetError::is_cancelled`]. `WouldBlock` has one source, as in the standard
/// library: connecting to a Unix listener whose queue is full, which the kernel refuses at once.
///
/// ```
/// use gopark::net::{dial, Cause, Errno, NetError};
/// let err = dial("tcp", "127.0.0.1:1").unwrap_err();
/// match err.net_cause() {
///     Some(Cause::Syscall(failed)) => {
///         assert_eq!((failed.syscall, failed.errno), ("connect", Errno::ECONNREFUSED));
///     }
///     other => panic!("{other:?}"),
/// }
/// let cause = Cause::syscall("accept4", Errno::EMFILE);
/// assert!(cause.is_temporary() && !cause.is_timeout());
/// assert_eq!((cause.errno(), cause.kind()), (Some(Errno::EMFILE), Errno::EMFILE.kind()));
/// assert!(Cause::Closed.is_closed() && Cause::Cancelled.is_cancelled());
/// assert!(Cause::Shutdown.is_shutdown());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// A named system call failed: `connect: connection refused`.
    Syscall(SyscallError),
    /// An error number that no system call gave a name to: `invalid argument`.
    Errno(Errno),
    /// Time ran out: `i/o timeout`.
    Timeout(Timeout),
    /// The descriptor is closed on this side: `use of closed network connection`.
    Closed,
    /// The descriptor, no socket, is closed on this side: `file already closed`.
    ClosedFile,
    /// The token of the operation was cancelled: `operation was canceled`.
    Cancelled,
    /// The descriptor cannot have deadlines: `file type does not support deadline`.
    NoDeadline,
    /// The descriptor cannot be waited for: `not pollable`.
    NotPollable,
    /// The other side took nothing and gave no error: `unexpected EOF`.
    UnexpectedEof,
    /// One end of a pipe is closed: `io: read/write on closed pipe`.
    ClosedPipe,
    /// An address that cannot be used.
    Addr(AddrError),
    /// Text that cannot be read.
    Parse(ParseError),
    /// A network nobody knows.
    UnknownNetwork(UnknownNetworkError),
    /// An address the system cannot make sense of.
    InvalidAddr(InvalidAddrError),
    /// A name that cannot be looked up.
    Dns(Box<DnsError>),
    /// A datagram with an address on a socket that already has one:
    /// `use of WriteTo with pre-connected connection`.
    WriteToConnected,
    /// No address was given: `missing address`.
    MissingAddress,
    /// No address of the wanted family: `no suitable address found`.
    NoSuitableAddress,
    /// The runtime that would have waited is being dropped: `runtime is shutting down`. Go has no
    /// counterpart, a Go program has one runtime and it ends with the process.
    Shutdown,
    /// A task that unwinds from a panic wanted to wait: `cannot wait while the task is panicking`.
    /// Go has no counterpart, its deferred calls may block.
    Unwinding,
    /// Another operation failed inside this one: `readfrom tcp ..: write tcp ..: broken pipe`.
    Op(Box<OpError>),
    /// An error from somewhere else, such as a reader that was being copied from.
    Io(Arc<io::Error>),
}

impl Cause {
    /// The failure of system call `syscall` with `errno`.
    pub fn syscall(syscall: &'static str, errno: Errno) -> Cause {
        Cause::Syscall(SyscallError { syscall, errno })
    }

    /// Gives `err` the name of the system call it came from, when it is a bare error number;
    /// anything else stays as it is. Go: `wrapSyscallError` (`net/error_posix.go`).
    ///
    /// ```
    /// use gopark::net::{Cause, Errno};
    /// use std::io;
    /// let bare = io::Error::from_raw_os_error(Errno::EPIPE.0);
    /// assert_eq!(Cause::from_syscall("sendfile", bare).to_string(), "sendfile: broken pipe");
    /// let typed = io::Error::from(Cause::Closed);
    /// assert!(Cause::from_syscall("sendfile", typed).is_closed()); // as it was
    /// ```
    pub fn from_syscall(syscall: &'static str, err: io::Error) -> Cause {
        match Cause::from(err) {
            Cause::Errno(errno) => Cause::syscall(syscall, errno),
            other => other,
        }
    }

    /// Go's `Timeout()`; false for errors that have no such method.
    ///
    /// ```
    /// use gopark::net::{Cause, DnsError, Errno, Timeout};
    /// assert!(Cause::from(Timeout::Deadline).is_timeout());
    /// assert!(Cause::from(DnsError::timed_out("example.com")).is_timeout());
    /// assert!(Cause::from(Errno::ETIMEDOUT).is_timeout());
    /// assert!(!Cause::Closed.is_timeout());
    /// ```
    pub fn is_timeout(&self) -> bool {
        match self {
            Cause::Syscall(err) => err.errno.is_timeout(),
            Cause::Errno(errno) => errno.is_timeout(),
            Cause::Timeout(_) => true,
            Cause::Dns(err) => err.is_timeout(),
            Cause::Op(err) => err.is_timeout(),
            Cause::Io(err) => err.is_timeout(),
            _ => false,
        }
    }

    /// Go's `Temporary()`; false for errors that have no such method.
    ///
    /// ```
    /// use gopark::net::{Cause, Errno};
    /// assert!(Cause::syscall("accept4", Errno::ENFILE).is_temporary());
    /// assert!(!Cause::syscall("read", Errno::ECONNRESET).is_temporary());
    /// ```
    pub fn is_temporary(&self) -> bool {
        match self {
            Cause::Syscall(err) => err.errno.is_temporary(),
            Cause::Errno(errno) => errno.is_temporary(),
            Cause::Timeout(_) => true,
            Cause::Dns(err) => err.is_temporary(),
            Cause::Op(err) => err.is_temporary(),
            Cause::Io(err) => err.is_temporary(),
            _ => false,
        }
    }

    /// Whether the descriptor was closed on this side. Go: `errors.Is(err, net.ErrClosed)`, and with
    /// `os.ErrClosed`.
    pub fn is_closed(&self) -> bool {
        match self {
            Cause::Closed | Cause::ClosedFile => true,
            Cause::Op(err) => err.err.is_closed(),
            Cause::Io(err) => err.is_closed(),
            _ => false,
        }
    }

    /// Whether a cancelled token ended it. Go: `errors.Is(err, context.Canceled)`.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Cause::Cancelled => true,
            Cause::Dns(err) => err.cause.as_ref().is_some_and(|cause| cause.is_cancelled()),
            Cause::Op(err) => err.err.is_cancelled(),
            Cause::Io(err) => err.is_cancelled(),
            _ => false,
        }
    }

    /// Whether the runtime went away under the operation.
    pub fn is_shutdown(&self) -> bool {
        match self {
            Cause::Shutdown => true,
            Cause::Dns(err) => err.cause.as_ref().is_some_and(|cause| cause.is_shutdown()),
            Cause::Op(err) => err.err.is_shutdown(),
            Cause::Io(err) => err.is_shutdown(),
            _ => false,
        }
    }

    /// The error number at the bottom, if the kernel said it.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Cause::Syscall(err) => Some(err.errno),
            Cause::Errno(errno) => Some(*errno),
            Cause::Op(err) => err.err.errno(),
            Cause::Io(err) => err.errno().map(Errno),
            _ => None,
        }
    }

    /// The innermost typed error, for `Error::source`: the error a variant carries, or the cause
    /// itself when it is a sentence. So a chain printed link by link repeats nothing.
    ///
    /// ```
    /// use gopark::net::{Cause, Errno, SyscallError};
    /// let cause = Cause::syscall("read", Errno::ECONNRESET);
    /// let inner: &SyscallError = cause.as_error().downcast_ref().unwrap();
    /// assert_eq!(inner.errno, Errno::ECONNRESET);
    /// assert!(Cause::Closed.as_error().is::<Cause>()); // a sentence is itself
    /// ```
    pub fn as_error(&self) -> &(dyn error::Error + 'static) {
        match self {
            Cause::Syscall(err) => err,
            Cause::Errno(err) => err,
            Cause::Timeout(err) => err,
            Cause::Addr(err) => err,
            Cause::Parse(err) => err,
            Cause::UnknownNetwork(err) => err,
            Cause::InvalidAddr(err) => err,
            Cause::Dns(err) => &**err,
            Cause::Op(err) => &**err,
            Cause::Io(err) => &**err,
            sentence => sentence,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sentence() {
            Some(sentence) => f.write_str(sentence),
            None => fmt::Display::fmt(self.as_error(), f),
        }
    }
}

impl error::Error for Cause {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self.sentence() {
            Some(_) => None,
            None => self.as_error().source(),
        }
    }
}

/// Each typed error is a cause.
macro_rules! cause_from {
    ($($error:ty => $variant:ident),* $(,)?) => {
        $(impl From<$error> for Cause {
            fn from(err: $error) -> Cause {
                Cause::$variant(err)
            }
        })*
    };
}

cause_from! {
    SyscallError => Syscall,
    Errno => Errno,
    Timeout => Timeout,
    AddrError => Addr,
    ParseError => Parse,
    UnknownNetworkError => UnknownNetwork,
    InvalidAddrError => InvalidAddr,
}

impl From<DnsError> for Cause {
    fn from(err: DnsError) -> Cause {
        Cause::Dns(Box::new(err))
    }
}

impl From<OpError> for Cause {
    fn from(err: OpError) -> Cause {
        Cause::Op(Box::new(err))
    }
}
