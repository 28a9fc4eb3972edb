//! Errors about what an address or a network is called.

use std::{borrow::Cow, error, fmt};

/// An address that cannot be used, and why: prints `address A: why`, or only the reason when there
/// is no address to name.
///
/// ```
/// use gopark::net::split_host_port;
/// let err = split_host_port("localhost").unwrap_err();
/// assert_eq!(err.to_string(), "address localhost: missing port in address");
/// ```
///
/// Go: `net.AddrError` (`net/net.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddrError {
    /// Why the address cannot be used.
    pub err: Cow<'static, str>,
    /// The address as it was given; may be empty.
    pub addr: String,
}

impl AddrError {
    /// The reason of an [`AddrError`] when name look-up or filtering left nothing to use.
    pub const NO_SUITABLE_ADDRESS: &'static str = "no suitable address found";
    /// The reason when a dialer's local address is of another kind than the remote one.
    pub const MISMATCHED_LOCAL_TYPE: &'static str = "mismatched local address type";
    /// The reason when a listener is asked for a network it cannot serve.
    pub const UNEXPECTED_TYPE: &'static str = "unexpected address type";

    /// An error that says `err` about `addr`.
    ///
    /// ```
    /// use gopark::net::AddrError;
    /// let err = AddrError::new(AddrError::NO_SUITABLE_ADDRESS, "::1");
    /// assert_eq!(err.to_string(), "address ::1: no suitable address found");
    /// let err = AddrError::new(AddrError::MISMATCHED_LOCAL_TYPE, "");
    /// assert_eq!(err.to_string(), "mismatched local address type");
    /// assert_eq!(AddrError::UNEXPECTED_TYPE, "unexpected address type");
    /// ```
    pub fn new(err: &'static str, addr: impl Into<String>) -> AddrError {
        AddrError {
            err: Cow::Borrowed(err),
            addr: addr.into(),
        }
    }
}

impl fmt::Display for AddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.addr.is_empty() {
            write!(f, "address {}: ", self.addr)?;
        }
        f.write_str(&self.err)
    }
}

impl error::Error for AddrError {}

/// Text that is not what it should be: prints `invalid CIDR address: x/8`.
///
/// ```
/// let err = gopark::net::parse_cidr("10.0.0.1/33").unwrap_err();
/// assert_eq!((err.kind, &*err.text), ("CIDR address", "10.0.0.1/33"));
/// assert_eq!(err.to_string(), "invalid CIDR address: 10.0.0.1/33");
/// ```
///
/// Go: `net.ParseError` (`net/net.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What the text should have been, such as `IP address`.
    pub kind: &'static str,
    /// The text.
    pub text: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {}: {}", self.kind, self.text)
    }
}

impl error::Error for ParseError {}

/// A network name that is not known, or not to this operation: prints `unknown network X`.
///
/// ```
/// use gopark::net::{listen, Cause, NetError, UnknownNetworkError};
/// let err = listen("tcp5", "127.0.0.1:0").unwrap_err();
/// assert_eq!(err.to_string(), "listen tcp5: unknown network tcp5");
/// let Some(Cause::UnknownNetwork(UnknownNetworkError(name))) = err.net_cause() else { panic!() };
/// assert_eq!(name, "tcp5");
/// ```
///
/// Go: `net.UnknownNetworkError` (`net/net.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownNetworkError(
    /// The name as it was given.
    pub String,
);

impl fmt::Display for UnknownNetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown network {}", self.0)
    }
}

impl error::Error for UnknownNetworkError {}

/// An address the system could not make sense of; prints its text as it is.
///
/// ```
/// use gopark::net::{Cause, InvalidAddrError};
/// let cause = Cause::from(InvalidAddrError("invalid address of an interface".into()));
/// assert_eq!(cause.to_string(), "invalid address of an interface");
/// ```
///
/// Go: `net.InvalidAddrError` (`net/net.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidAddrError(
    /// The whole message.
    pub String,
);

impl fmt::Display for InvalidAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for InvalidAddrError {}
