//! Asking a plain `io::Error` what Go's errors answer.

use super::{Bare, Cause, Errno, OpError};
use std::io;

/// What an [`io::Error`] of this crate knows beyond its kind.
///
/// `raw_os_error()` is `None` for our errors, because they carry an [`OpError`]; the number is still
/// there, through [`errno`](NetError::errno). Every method also has a sensible answer for errors
/// from elsewhere, so code that mixes sources needs no case distinction.
///
/// ```
/// use gopark::net::{Cause, Errno, NetError, OpError};
/// use std::io;
/// let err: io::Error = OpError::new("read", "tcp", Cause::syscall("read", Errno::ECONNRESET)).into();
/// assert_eq!(err.kind(), io::ErrorKind::ConnectionReset);
/// assert_eq!(err.errno(), Some(Errno::ECONNRESET.0));
/// assert_eq!(err.op_error().unwrap().op, "read");
/// assert!(!err.is_timeout());
/// ```
///
/// What a server asks of the errors it meets:
///
/// ```
/// use gopark::net::{NetError, TcpListener};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// listener.close()?;
/// let err = listener.accept().unwrap_err();
/// assert!(err.is_closed()); // so the loop ends
/// assert!(!err.is_temporary() && !err.is_cancelled() && !err.is_shutdown());
/// assert!(err.net_cause().is_some());
/// assert_eq!(err.bytes(), 0);
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.Error`, and `errors.Is` with `net.ErrClosed` and `context.Canceled`.
pub trait NetError {
    /// The operation's error, if this is one.
    fn op_error(&self) -> Option<&OpError>;
    /// Why, if the error is one of this crate's: the operation's cause, or the error itself.
    fn net_cause(&self) -> Option<&Cause>;
    /// Whether time ran out. Foreign errors: `ErrorKind::TimedOut`, or a number that means it.
    fn is_timeout(&self) -> bool;
    /// Whether the same call may succeed later; an accept loop goes on when this holds.
    fn is_temporary(&self) -> bool;
    /// Whether the descriptor was closed on this side. The peer's closing is never meant.
    fn is_closed(&self) -> bool;
    /// Whether a cancelled token ended the operation.
    fn is_cancelled(&self) -> bool;
    /// Whether the runtime was dropped under the operation.
    fn is_shutdown(&self) -> bool;
    /// The kernel's error number, if it was the kernel that refused.
    fn errno(&self) -> Option<i32>;
    /// How many bytes the operation moved before it failed; 0 for errors from elsewhere.
    fn bytes(&self) -> usize;
}

impl NetError for io::Error {
    fn op_error(&self) -> Option<&OpError> {
        self.get_ref()?.downcast_ref()
    }

    fn net_cause(&self) -> Option<&Cause> {
        let payload = self.get_ref()?;
        if let Some(op) = payload.downcast_ref::<OpError>() {
            return Some(&op.err);
        }
        match payload.downcast_ref::<Bare>() {
            Some(bare) => Some(&bare.cause),
            None => payload.downcast_ref(),
        }
    }

    fn is_timeout(&self) -> bool {
        match (self.net_cause(), Errno::from_io(self)) {
            (Some(cause), _) => cause.is_timeout(),
            (None, Some(errno)) => errno.is_timeout(),
            (None, None) => self.kind() == io::ErrorKind::TimedOut,
        }
    }

    fn is_temporary(&self) -> bool {
        match (self.op_error(), self.net_cause(), Errno::from_io(self)) {
            (Some(op), ..) => op.is_temporary(),
            (None, Some(cause), _) => cause.is_temporary(),
            (None, None, Some(errno)) => errno.is_temporary(),
            (None, None, None) => self.kind() == io::ErrorKind::TimedOut,
        }
    }

    fn is_closed(&self) -> bool {
        self.net_cause().is_some_and(Cause::is_closed)
    }

    fn is_cancelled(&self) -> bool {
        self.net_cause().is_some_and(Cause::is_cancelled)
    }

    fn is_shutdown(&self) -> bool {
        self.net_cause().is_some_and(Cause::is_shutdown)
    }

    fn errno(&self) -> Option<i32> {
        match self.net_cause() {
            Some(cause) => cause.errno().map(|errno| errno.0),
            None => self.raw_os_error(),
        }
    }

    fn bytes(&self) -> usize {
        let bare = || self.get_ref()?.downcast_ref::<Bare>();
        match self.op_error() {
            Some(op) => op.bytes,
            None => bare().map_or(0, |bare| bare.bytes),
        }
    }
}
