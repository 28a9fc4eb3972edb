//! Failed look-ups of host names and services.

use super::{Cause, Timeout};
use std::{borrow::Cow, error, fmt, io};

/// A look-up that failed: prints `lookup NAME on SERVER: why`, without ` on SERVER` where no server
/// was asked or the system does not say which.
///
/// ```
/// use gopark::net::{lookup_host, DnsError, IpVersion};
/// let err = lookup_host("no..host", IpVersion::Any).unwrap_err();
/// assert!(err.is_not_found && err.name == "no..host");
/// assert_eq!(err.err, DnsError::NO_SUCH_HOST);
/// assert_eq!(err.to_string(), "lookup no..host: no such host");
/// ```
///
/// Go: `net.DNSError` (`net/net.go`).
#[derive(Clone, Debug)]
pub struct DnsError {
    /// Why, such as `no such host`.
    pub err: Cow<'static, str>,
    /// The name looked for; `tcp/http` for a service.
    pub name: String,
    /// The server asked, with its port; empty when unknown.
    pub server: String,
    /// The look-up ran out of time. Not every timeout can be told from other failures.
    pub is_timeout: bool,
    /// Asking again later may help. Not every temporary failure can be told from others.
    pub is_temporary: bool,
    /// The answer was clear: there is no such name, or it has no address.
    pub is_not_found: bool,
    /// What ended the look-up from outside: a deadline or a cancelled token.
    pub cause: Option<Box<Cause>>,
}

impl DnsError {
    /// The reason for a name that does not exist.
    pub const NO_SUCH_HOST: &'static str = "no such host";
    /// The reason for a service that does not exist.
    pub const UNKNOWN_PORT: &'static str = "unknown port";

    /// An error that says `err` about `name`, with nothing else known.
    ///
    /// ```
    /// use gopark::net::DnsError;
    /// let err = DnsError { server: "127.0.0.53:53".into(), ..DnsError::new("server misbehaving", "a.test") };
    /// assert_eq!(err.to_string(), "lookup a.test on 127.0.0.53:53: server misbehaving");
    /// assert!(!err.is_timeout() && !err.is_temporary());
    /// ```
    pub fn new(err: impl Into<Cow<'static, str>>, name: impl Into<String>) -> DnsError {
        DnsError {
            err: err.into(),
            name: name.into(),
            server: String::new(),
            is_timeout: false,
            is_temporary: false,
            is_not_found: false,
            cause: None,
        }
    }

    /// `lookup NAME: no such host`.
    ///
    /// ```
    /// use gopark::net::DnsError;
    /// assert_eq!(DnsError::no_such_host("a.test").to_string(), "lookup a.test: no such host");
    /// let port = DnsError::unknown_port("tcp", "nosuch");
    /// assert_eq!(port.to_string(), "lookup tcp/nosuch: unknown port");
    /// assert_eq!(port.err, DnsError::UNKNOWN_PORT);
    /// ```
    pub fn no_such_host(name: impl Into<String>) -> DnsError {
        DnsError {
            is_not_found: true,
            ..DnsError::new(Self::NO_SUCH_HOST, name)
        }
    }

    /// `lookup NETWORK/SERVICE: unknown port`.
    pub fn unknown_port(network: &str, service: &str) -> DnsError {
        let name = format!("{network}/{service}");
        DnsError {
            is_not_found: true,
            ..DnsError::new(Self::UNKNOWN_PORT, name)
        }
    }

    /// A look-up that its deadline ended: `lookup NAME: i/o timeout`.
    ///
    /// ```
    /// use gopark::net::{Cause, DnsError, Timeout};
    /// let err = DnsError::timed_out("a.test");
    /// assert!(err.is_timeout() && err.is_temporary());
    /// assert!(matches!(err.cause.as_deref(), Some(Cause::Timeout(Timeout::Context))));
    /// ```
    pub fn timed_out(name: impl Into<String>) -> DnsError {
        let cause = Cause::Timeout(Timeout::Context);
        DnsError {
            is_timeout: true,
            is_temporary: true,
            cause: Some(Box::new(cause)),
            ..DnsError::new(Timeout::TEXT, name)
        }
    }

    /// A look-up that was cancelled: `lookup NAME: operation was canceled`.
    ///
    /// ```
    /// use gopark::net::{Cause, DnsError};
    /// let err = DnsError::cancelled("a.test");
    /// assert_eq!(err.to_string(), "lookup a.test: operation was canceled");
    /// assert!(Cause::from(err).is_cancelled());
    /// ```
    pub fn cancelled(name: impl Into<String>) -> DnsError {
        let cause = Cause::Cancelled;
        DnsError {
            cause: Some(Box::new(cause)),
            ..DnsError::new(super::sentinel::CANCELLED_TEXT, name)
        }
    }

    /// A look-up that somebody stopped waiting for, because of `cause`.
    pub(crate) fn given_up(name: &str, cause: Cause) -> DnsError {
        match cause {
            Cause::Timeout(_) => DnsError::timed_out(name),
            Cause::Cancelled => DnsError::cancelled(name),
            cause => DnsError {
                cause: Some(Box::new(cause.clone())),
                ..DnsError::new(cause.to_string(), name)
            },
        }
    }

    /// Go's `Timeout()`.
    pub fn is_timeout(&self) -> bool {
        self.is_timeout
    }

    /// Go's `Temporary()`: a timeout counts as well.
    pub fn is_temporary(&self) -> bool {
        self.is_timeout || self.is_temporary
    }

    pub(super) fn kind(&self) -> io::ErrorKind {
        if self.is_timeout {
            io::ErrorKind::TimedOut
        } else if self.is_not_found {
            io::ErrorKind::NotFound
        } else {
            io::ErrorKind::Other
        }
    }
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lookup {}", self.name)?;
        if !self.server.is_empty() {
            write!(f, " on {}", self.server)?;
        }
        write!(f, ": {}", self.err)
    }
}

impl error::Error for DnsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause.as_error())
    }
}
