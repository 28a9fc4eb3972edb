//! Errors that are one fixed sentence, and how the two timeouts differ.

use super::Cause;
use std::{error, fmt};

pub(super) const CANCELLED_TEXT: &str = "operation was canceled";

/// Which clock ran out. Both print `i/o timeout`, and both are timeouts and temporary.
///
/// ```
/// use gopark::net::{Cause, Dialer, NetError, Timeout};
/// use std::time::Duration;
/// let err = Dialer::new().timeout(Duration::ZERO).dial("tcp", "127.0.0.1:1").unwrap_err();
/// assert!(err.to_string().ends_with(Timeout::TEXT));
/// assert!(matches!(err.net_cause(), Some(Cause::Timeout(Timeout::Context))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timeout {
    /// A read, write or accept deadline of a descriptor. Go: `os.ErrDeadlineExceeded`.
    Deadline,
    /// The deadline of a token or a dialer. Go: `context.DeadlineExceeded` as `net` shows it.
    Context,
}

impl Timeout {
    /// What both print.
    pub const TEXT: &'static str = "i/o timeout";
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Timeout::TEXT)
    }
}

impl error::Error for Timeout {}

impl Cause {
    /// The sentence of a cause that is nothing but a sentence.
    pub(super) fn sentence(&self) -> Option<&'static str> {
        Some(match self {
            Cause::Closed => "use of closed network connection",
            Cause::ClosedFile => "file already closed",
            Cause::Cancelled => CANCELLED_TEXT,
            Cause::NoDeadline => "file type does not support deadline",
            Cause::NotPollable => "not pollable",
            Cause::UnexpectedEof => "unexpected EOF",
            Cause::ClosedPipe => "io: read/write on closed pipe",
            Cause::WriteToConnected => "use of WriteTo with pre-connected connection",
            Cause::MissingAddress => "missing address",
            Cause::NoSuitableAddress => super::AddrError::NO_SUITABLE_ADDRESS,
            Cause::Shutdown => "runtime is shutting down",
            Cause::Unwinding => "cannot wait while the task is panicking",
            _ => return None,
        })
    }
}
