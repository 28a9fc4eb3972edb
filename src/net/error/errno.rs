//! Error numbers and failed system calls.

use super::errno_table;
use std::{error, fmt, io};

/// An error number of the kernel, printing Go's text for it.
///
/// ```
/// use gopark::net::Errno;
/// assert_eq!(Errno::ECONNREFUSED.to_string(), "connection refused");
/// assert_eq!(Errno(9999).to_string(), "errno 9999");
/// assert!(Errno::ETIMEDOUT.is_timeout());
/// ```
///
/// Go: `syscall.Errno` (`syscall/syscall_unix.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(
    /// The number, as `errno` has it: positive.
    pub i32,
);

/// Declares the numbers this crate names, so that callers need no `libc` of their own.
macro_rules! numbers {
    ($($name:ident $doc:literal),* $(,)?) => {
        impl Errno {
            $(
                #[doc = $doc]
                pub const $name: Errno = Errno(libc::$name);
            )*
        }
    };
}

numbers! {
    EINTR "interrupted system call",
    EBADF "bad file descriptor",
    EAGAIN "resource temporarily unavailable",
    EACCES "permission denied",
    EPERM "operation not permitted",
    ENOENT "no such file or directory",
    EINVAL "invalid argument",
    ENFILE "too many open files in system",
    EMFILE "too many open files",
    EPIPE "broken pipe",
    ENOTSOCK "socket operation on non-socket",
    EDESTADDRREQ "destination address required",
    EMSGSIZE "message too long",
    EPROTOTYPE "protocol wrong type for socket",
    EOPNOTSUPP "operation not supported",
    EAFNOSUPPORT "address family not supported by protocol",
    EADDRINUSE "address already in use",
    EADDRNOTAVAIL "cannot assign requested address",
    ENETUNREACH "network is unreachable",
    ECONNABORTED "software caused connection abort",
    ECONNRESET "connection reset by peer",
    EISCONN "transport endpoint is already connected",
    ENOTCONN "transport endpoint is not connected",
    ETIMEDOUT "connection timed out",
    ECONNREFUSED "connection refused",
    EHOSTUNREACH "no route to host",
    EALREADY "operation already in progress",
    EINPROGRESS "operation now in progress",
}

impl Errno {
    /// The number of `err`, if it came from the system.
    ///
    /// ```
    /// use gopark::net::Errno;
    /// let missing = std::fs::File::open("/nonexistent/file").unwrap_err();
    /// assert_eq!(Errno::from_io(&missing), Some(Errno::ENOENT));
    /// assert_eq!(Errno::from_io(&std::io::Error::other("no number")), None);
    /// ```
    pub fn from_io(err: &io::Error) -> Option<Errno> {
        err.raw_os_error().map(Errno)
    }

    /// The `errno` of this thread's last failed system call.
    ///
    /// ```
    /// use gopark::net::Errno;
    /// std::fs::File::open("/nonexistent/file").unwrap_err();
    /// assert_eq!(Errno::last(), Errno::ENOENT);
    /// ```
    pub fn last() -> Errno {
        Errno(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }

    /// Whether Go's `Timeout()` holds: `EAGAIN` or `ETIMEDOUT`.
    pub fn is_timeout(self) -> bool {
        matches!(self, Errno::EAGAIN | Errno::ETIMEDOUT)
    }

    /// Whether Go's `Temporary()` holds: a timeout, `EINTR`, or a lack of descriptors. A reset
    /// connection is not temporary.
    ///
    /// ```
    /// use gopark::net::Errno;
    /// use std::io::ErrorKind;
    /// assert!(Errno::EMFILE.is_temporary()); // an accept loop goes on
    /// assert!(!Errno::ECONNRESET.is_temporary());
    /// assert_eq!(Errno::ECONNRESET.kind(), ErrorKind::ConnectionReset);
    /// ```
    pub fn is_temporary(self) -> bool {
        self.is_timeout() || matches!(self, Errno::EINTR | Errno::EMFILE | Errno::ENFILE)
    }

    /// The kind the standard library gives this number.
    pub fn kind(self) -> io::ErrorKind {
        io::Error::from_raw_os_error(self.0).kind()
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match errno_table::text(self.0) {
            Some(text) => f.write_str(text),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl error::Error for Errno {}

/// A system call that failed, and how: prints `connect: connection refused`.
///
/// ```
/// use gopark::net::{Errno, SyscallError};
/// let err = SyscallError { syscall: "accept4", errno: Errno::EMFILE };
/// assert_eq!(err.to_string(), "accept4: too many open files");
/// ```
///
/// Go: `os.SyscallError` (`os/error.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyscallError {
    /// The call's name, without arguments: `connect`, `accept4`, `sendto`.
    pub syscall: &'static str,
    /// What it answered.
    pub errno: Errno,
}

impl fmt::Display for SyscallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.syscall, self.errno)
    }
}

impl error::Error for SyscallError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.errno)
    }
}
