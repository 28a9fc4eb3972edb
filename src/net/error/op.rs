//! The error of a network operation.

use super::{Cause, Errno};
use crate::net::Addr;
use std::{borrow::Cow, error, fmt};

/// What failed, on which network, between which addresses, and why: the error nearly every operation
/// returns, inside an [`io::Error`](std::io::Error). It prints exactly as Go prints it:
///
/// ```text
/// OP [NET] [SOURCE][->ADDR]: CAUSE
/// read tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout
/// dial tcp 127.0.0.1:2: connect: connection refused
/// ```
///
/// ```
/// use gopark::net::{Cause, Errno, OpError, TcpAddr};
/// let to: TcpAddr = "127.0.0.1:2".parse::<std::net::SocketAddr>().unwrap().into();
/// let err = OpError::new("dial", "tcp", Cause::syscall("connect", Errno::ECONNREFUSED)).addr(to);
/// assert_eq!(err.to_string(), "dial tcp 127.0.0.1:2: connect: connection refused");
/// ```
///
/// Go: `net.OpError` (`net/net.go`).
#[derive(Clone, Debug)]
pub struct OpError {
    /// The operation: `dial`, `listen`, `accept`, `read`, `write`, `close`, `set`.
    pub op: &'static str,
    /// The network as the program named it: `tcp`, `udp6`, `unix`; may be empty.
    pub net: Cow<'static, str>,
    /// The local address, for operations between two.
    pub source: Option<Addr>,
    /// The remote address; the local one for operations on a listener and for setting deadlines.
    pub addr: Option<Addr>,
    /// Why.
    pub err: Cause,
    /// How many bytes the operation had moved before it failed. Not printed. Go returns it beside
    /// the error.
    pub bytes: usize,
}

impl OpError {
    /// An error of `op` on `net`, with no addresses and no bytes moved.
    ///
    /// ```
    /// use gopark::net::{Errno, OpError, TcpAddr};
    /// let (here, there) = (TcpAddr::new([127, 0, 0, 1], 1), TcpAddr::new([127, 0, 0, 1], 2));
    /// let err = OpError::new("write", "tcp", Errno::EPIPE).source(here).addr(there).bytes(3);
    /// assert_eq!(err.to_string(), "write tcp 127.0.0.1:1->127.0.0.1:2: broken pipe");
    /// assert_eq!(err.bytes, 3);
    /// assert!(!err.is_timeout() && !err.is_temporary());
    /// ```
    pub fn new(
        op: &'static str,
        net: impl Into<Cow<'static, str>>,
        err: impl Into<Cause>,
    ) -> OpError {
        OpError {
            op,
            net: net.into(),
            source: None,
            addr: None,
            err: err.into(),
            bytes: 0,
        }
    }

    /// Sets the local address.
    #[must_use]
    pub fn source(mut self, source: impl Into<Addr>) -> OpError {
        self.source = Some(source.into());
        self
    }

    /// Sets the remote address.
    #[must_use]
    pub fn addr(mut self, addr: impl Into<Addr>) -> OpError {
        self.addr = Some(addr.into());
        self
    }

    /// Sets the number of bytes moved before the failure.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> OpError {
        self.bytes = bytes;
        self
    }

    /// Go's `Timeout()`: whether time ran out.
    pub fn is_timeout(&self) -> bool {
        self.err.is_timeout()
    }

    /// Go's `Temporary()`: whether the same call may succeed later, which is what an accept loop asks.
    ///
    /// ```
    /// use gopark::net::{Errno, OpError};
    /// let accept = OpError::new("accept", "tcp", Errno::ECONNABORTED);
    /// assert!(accept.is_temporary()); // the listener is as good as before
    /// assert!(!OpError::new("read", "tcp", Errno::ECONNABORTED).is_temporary());
    /// ```
    pub fn is_temporary(&self) -> bool {
        // A connection that died in the listener's queue says nothing about the listener. Go asks
        // only about a number without a system call's name, and so do we.
        if self.op == "accept"
            && matches!(
                self.err,
                Cause::Errno(Errno::ECONNRESET | Errno::ECONNABORTED)
            )
        {
            return true;
        }
        self.err.is_temporary()
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.op)?;
        if !self.net.is_empty() {
            write!(f, " {}", self.net)?;
        }
        if let Some(source) = &self.source {
            write!(f, " {source}")?;
        }
        if let Some(addr) = &self.addr {
            f.write_str(if self.source.is_some() { "->" } else { " " })?;
            write!(f, "{addr}")?;
        }
        write!(f, ": {}", self.err)
    }
}

impl error::Error for OpError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(self.err.as_error())
    }
}
