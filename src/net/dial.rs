//! Dialing: from a network and an address as text to a connection.
//!
//! Go: `net/dial.go`.

#![forbid(unsafe_code)]

use super::{
    Addr, AddrError, CancelToken, Cause, Conn, ControlHook, IpVersion, KeepAliveConfig, Limits,
    Network, OpError, Purpose, Resolver, TcpAddr, TcpConn, ToSocketAddrs, UnixNet, lookup,
    race::{self, Single},
    tcp::Attempt,
    udp, unix,
};
use std::{
    io,
    net::SocketAddr,
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

/// When the second family joins in. Go: `Dialer.fallbackDelay` (`net/dial.go`).
const FALLBACK_DELAY: Duration = Duration::from_millis(300);

/// Connects to `address` on `network`: `tcp`, `tcp4`, `tcp6`, `udp`, `udp4`, `udp6`, `unix`,
/// `unixgram` or `unixpacket`.
///
/// On `tcp` and `udp` the address is `host:port`. The host may be a name; without a host it is this
/// machine. The port may be the name of a service. The addresses of a name are tried in order; on
/// `tcp`, those of the other family than the first one's join in after 300 ms, and whoever connects
/// first wins. Elsewhere the address is a path, or `@` and an abstract name.
///
/// # Errors
/// `dial tcp 127.0.0.1:1: connect: connection refused`, and the like. Of several addresses the first
/// one's error is returned.
///
/// ```
/// use gopark::net::{dial, listen};
/// let listener = listen("tcp", "127.0.0.1:0")?;
/// let conn = dial("tcp", &listener.addr().to_string())?;
/// conn.write(b"hello")?;
/// let err = dial("tcp", "127.0.0.1").unwrap_err();
/// assert_eq!(err.to_string(), "dial tcp: address 127.0.0.1: missing port in address");
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.Dial` (`net/dial.go`).
pub fn dial(network: &str, address: &str) -> io::Result<Box<dyn Conn>> {
    Dialer::new().dial(network, address)
}

/// [`dial`], but for no longer than `timeout`, looking up the name included. Zero is no time at all;
/// in Go it is no limit.
///
/// ```
/// use gopark::net::{dial_timeout, listen, NetError};
/// use std::time::Duration;
/// let listener = listen("tcp", "127.0.0.1:0")?;
/// let at = listener.addr().to_string();
/// let conn = dial_timeout("tcp", &at, Duration::from_secs(5))?;
/// assert_eq!(conn.remote_addr(), Some(listener.addr()));
/// assert!(dial_timeout("tcp", &at, Duration::ZERO).unwrap_err().is_timeout());
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`dial`], and `dial tcp A: i/o timeout`.
///
/// Go: `net.DialTimeout` (`net/dial.go`).
pub fn dial_timeout(network: &str, address: &str, timeout: Duration) -> io::Result<Box<dyn Conn>> {
    Dialer::new().timeout(timeout).dial(network, address)
}

/// How to dial. Every setting has a sensible default.
///
/// ```
/// use gopark::net::{Dialer, KeepAliveConfig, NetError};
/// use std::time::Duration;
/// let dialer = Dialer::new().timeout(Duration::from_secs(5)).keep_alive(KeepAliveConfig::OFF);
/// assert!(dialer.dial("tcp", "no port").is_err());
/// ```
///
/// Go: `net.Dialer` (`net/dial.go`). `KeepAlive` is in [`KeepAliveConfig`], `Cancel` is
/// [`cancel_token`](Dialer::cancel_token); `DualStack`, which does nothing any more, and `DialIP` have
/// no twin.
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    pub(super) local: Option<Addr>,
    pub(super) keep_alive: KeepAliveConfig,
    fallback: Fallback,
    pub(super) control: ControlHook,
    resolver: Resolver,
    token: Option<CancelToken>,
    pub(super) multipath: bool,
}

/// When to start with the other family.
#[derive(Clone, Copy, Debug)]
enum Fallback {
    After(Duration),
    InTurn,
}

impl Default for Fallback {
    fn default() -> Fallback {
        Fallback::After(FALLBACK_DELAY)
    }
}

impl Dialer {
    /// A dialer with the defaults of [`dial`].
    pub fn new() -> Dialer {
        Dialer::default()
    }

    /// The longest a dial may take, over all addresses. The system has a limit of its own, of minutes.
    ///
    /// Go: `Dialer.Timeout` (`net/dial.go`), where zero is no limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Dialer {
        self.timeout = Some(timeout);
        self
    }

    /// The moment at which a dial fails. With a time-out, the earlier of the two holds.
    ///
    /// ```
    /// use gopark::net::{CancelToken, Dialer, NetError, Resolver};
    /// use std::time::Instant;
    /// let token = CancelToken::new();
    /// let dialer = Dialer::new()
    ///     .resolver(Resolver::system())
    ///     .fallback_delay(None) // the addresses of a name take turns
    ///     .cancel_token(&token)
    ///     .deadline(Instant::now());
    /// assert!(dialer.dial("tcp", "127.0.0.1:1").unwrap_err().is_timeout());
    /// token.cancel();
    /// assert!(dialer.dial("tcp", "127.0.0.1:1").unwrap_err().is_cancelled());
    /// ```
    ///
    /// Go: `Dialer.Deadline` (`net/dial.go`).
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Dialer {
        self.deadline = Some(deadline);
        self
    }

    /// The address to dial from. It must be of the network's kind.
    ///
    /// Go: `Dialer.LocalAddr` (`net/dial.go`).
    #[must_use]
    pub fn local_addr(mut self, local: impl Into<Addr>) -> Dialer {
        self.local = Some(local.into());
        self
    }

    /// What the connection does to find out that a silent peer is gone.
    ///
    /// Go: `Dialer.KeepAliveConfig` (`net/dial.go`).
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: KeepAliveConfig) -> Dialer {
        self.keep_alive = keep_alive;
        self
    }

    /// How long the addresses of the first one's family are tried alone when a name stands for both
    /// IPv4 and IPv6 and the network is `tcp`; then the others join in, and whoever connects first
    /// wins. When the first family fails earlier, the other starts at once.
    ///
    /// Zero is the default, 300 ms. `None` lets all addresses take turns instead.
    ///
    /// Go: `Dialer.FallbackDelay` (`net/dial.go`), where a negative delay is our `None`; RFC 6555.
    #[must_use]
    pub fn fallback_delay(mut self, delay: impl Into<Option<Duration>>) -> Dialer {
        self.fallback = match delay.into() {
            None => Fallback::InTurn,
            Some(Duration::ZERO) => Fallback::default(),
            Some(delay) => Fallback::After(delay),
        };
        self
    }

    /// Has `hook` called on each new socket before it is bound and connected, with the network
    /// (`tcp4`, `udp6`, `unix` and so on), the address to be dialed and the socket. Its error ends the attempt
    /// and is the dial's. It may be called several times in one dial, and from several tasks.
    ///
    /// ```
    /// use gopark::net::Dialer;
    /// use std::io;
    /// let dialer = Dialer::new().control(|network, address, _socket| {
    ///     Err(io::Error::other(format!("not to {address} on {network}")))
    /// });
    /// let err = dialer.dial("tcp", "127.0.0.1:1").unwrap_err();
    /// assert_eq!(err.to_string(), "dial tcp 127.0.0.1:1: not to 127.0.0.1:1 on tcp4");
    /// ```
    ///
    /// Go: `Dialer.Control` (`net/dial.go`). There is no `ControlContext`: a closure brings along what
    /// it needs.
    #[must_use]
    pub fn control<F>(mut self, hook: F) -> Dialer
    where
        F: Fn(&str, &str, BorrowedFd<'_>) -> io::Result<()> + Send + Sync + 'static,
    {
        self.control = ControlHook::new(hook);
        self
    }

    /// Who is asked for the addresses of a name; by default the system. The earlier of its limits and
    /// the dialer's holds.
    ///
    /// Go: `Dialer.Resolver` (`net/dial.go`).
    #[must_use]
    pub fn resolver(mut self, resolver: Resolver) -> Dialer {
        self.resolver = resolver;
        self
    }

    /// Ends dials with `operation was canceled` when `token` is cancelled. It has no effect on
    /// connections.
    ///
    /// Go: the context of `Dialer.DialContext` (`net/dial.go`).
    #[must_use]
    pub fn cancel_token(mut self, token: &CancelToken) -> Dialer {
        self.token = Some(token.clone());
        self
    }

    /// Whether TCP connections ask the peer for multipath TCP; off unless turned on. Where the kernel
    /// refuses, and where that fails for any reason but time, plain TCP is used; the control hook is
    /// called for both. [`TcpConn::multipath_tcp`] says what came of it.
    ///
    /// ```
    /// use gopark::net::{Dialer, ListenConfig};
    /// let listener = ListenConfig::new().multipath_tcp(true).bind("127.0.0.1:0")?;
    /// let dialer = Dialer::new().multipath_tcp(true);
    /// assert!(dialer.uses_multipath_tcp());
    /// let conn = dialer.dial_tcp("tcp", &listener.local_addr()?.into())?;
    /// println!("multipath: {}", conn.multipath_tcp()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `Dialer.SetMultipathTCP` (`net/dial.go`).
    #[must_use]
    pub fn multipath_tcp(mut self, on: bool) -> Dialer {
        self.multipath = on;
        self
    }

    /// Whether TCP connections ask for multipath TCP.
    ///
    /// ```
    /// assert!(!gopark::net::Dialer::new().uses_multipath_tcp());
    /// ```
    ///
    /// Go: `Dialer.MultipathTCP` (`net/dial.go`).
    pub fn uses_multipath_tcp(&self) -> bool {
        self.multipath
    }

    /// Connects to `address` on `network`, as [`dial`].
    ///
    /// ```
    /// use gopark::net::{Dialer, TcpAddr, TcpListener};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let dialer = Dialer::new().local_addr(TcpAddr::new([127, 0, 0, 2], 0));
    /// let conn = dialer.dial("tcp", &listener.local_addr()?.to_string())?;
    /// assert!(conn.local_addr().unwrap().to_string().starts_with("127.0.0.2:"));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`dial`]; `operation was canceled`; the control hook's.
    ///
    /// Go: `Dialer.Dial`, `Dialer.DialContext` (`net/dial.go`).
    pub fn dial(&self, network: &str, address: &str) -> io::Result<Box<dyn Conn>> {
        let limits = self.limits();
        let fail = |cause| OpError::new("dial", network.to_owned(), cause);
        let local = self.local.as_ref();
        let purpose = Purpose::Dial { local };
        let list = lookup::addresses_by(&self.resolver, network, address, purpose, &limits)
            .map_err(fail)?;
        let dial = Dial {
            network: Network::parse(network).map_err(fail)?,
            local: self.local.clone(),
            keep_alive: self.keep_alive,
            control: self.control.clone(),
            multipath: self.multipath,
        };
        match (dial.network, self.fallback) {
            (Network::Tcp(IpVersion::Any), Fallback::After(delay)) => match list.partition() {
                (only, None) => race::serial(&dial, &only, &limits),
                (primaries, Some(fallbacks)) => {
                    race::parallel(&dial, &primaries, &fallbacks, delay, &limits)
                }
            },
            _ => race::serial(&dial, &list, &limits),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            deadline: Limits::earlier(self.timeout, self.deadline),
            token: self.token.clone(),
        }
    }
}

/// One dial, whose address has been read.
#[derive(Clone)]
struct Dial {
    network: Network,
    local: Option<Addr>,
    keep_alive: KeepAliveConfig,
    control: ControlHook,
    multipath: bool,
}

impl Single for Dial {
    type Conn = Box<dyn Conn>;

    fn single(&self, addr: &Addr, limits: &Limits) -> Result<Box<dyn Conn>, Cause> {
        match (self.network, addr, &self.local) {
            (Network::Tcp(version), Addr::Tcp(remote), local) => {
                let attempt = Attempt {
                    version,
                    local: match local {
                        Some(Addr::Tcp(local)) => Some(local),
                        _ => None,
                    },
                    keep_alive: self.keep_alive,
                    control: self.control.clone(),
                    multipath: self.multipath,
                };
                Ok(Box::new(attempt.connect(remote, limits)?))
            }
            (Network::Udp(version), Addr::Udp(remote), local) => {
                let local = match local {
                    Some(Addr::Udp(local)) => Some(local),
                    _ => None,
                };
                Ok(Box::new(udp::dial(version, local, remote, &self.control)?))
            }
            (Network::Unix(net), Addr::Unix(remote), local) => {
                let local = match local {
                    Some(Addr::Unix(local)) => Some(local),
                    _ => None,
                };
                Ok(match net {
                    UnixNet::Datagram => {
                        Box::new(unix::dial_gram(local, Some(remote), limits, &self.control)?)
                    }
                    UnixNet::Stream | UnixNet::Packet => {
                        Box::new(unix::dial(net, local, remote, limits, &self.control)?)
                    }
                })
            }
            // IP sockets would come in here.
            _ => Err(AddrError::new(AddrError::UNEXPECTED_TYPE, addr.to_string()).into()),
        }
    }

    fn fail(&self, addr: &Addr, cause: Cause) -> io::Error {
        let err = OpError::new("dial", self.network.as_str(), cause).addr(addr.clone());
        match &self.local {
            Some(local) => err.source(local.clone()),
            None => err,
        }
        .into()
    }

    fn missing(&self) -> io::Error {
        OpError::new("dial", self.network.as_str(), Cause::MissingAddress).into()
    }
}

impl TcpConn {
    /// Connects to `addr`: a socket address, `"host:port"`, or one of the other forms of
    /// [`ToSocketAddrs`]. Several addresses are tried in order.
    ///
    /// # Errors
    /// Those of [`dial`].
    ///
    /// Go: `net.Dial` on `tcp`, without the race between families.
    pub fn connect(addr: impl ToSocketAddrs) -> io::Result<TcpConn> {
        let fail = |cause| OpError::new("dial", "tcp", cause);
        let addrs = addr.to_tcp_addrs().map_err(fail)?;
        connect_each(&addrs, None)
    }

    /// Connects to `addr` within `timeout`.
    ///
    /// ```
    /// use gopark::net::{TcpConn, TcpListener};
    /// use std::time::Duration;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let addr = listener.local_addr()?;
    /// let conn = TcpConn::connect_timeout(&addr, Duration::from_secs(5))?;
    /// assert_eq!(conn.peer_addr()?, addr);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`dial_timeout`]; `InvalidInput` for a time-out of zero, as std's.
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<TcpConn> {
        if timeout.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "cannot connect within a time-out of zero",
            ));
        }
        connect_each(&[(*addr).into()], Instant::now().checked_add(timeout))
    }
}

fn connect_each(addrs: &[TcpAddr], deadline: Option<Instant>) -> io::Result<TcpConn> {
    let attempt = Attempt {
        version: IpVersion::Any,
        local: None,
        keep_alive: KeepAliveConfig::default(),
        control: ControlHook::default(),
        multipath: false,
    };
    let limits = Limits::until(deadline);
    let mut first = None;
    for addr in addrs {
        match attempt.connect(addr, &limits) {
            Ok(conn) => return Ok(conn),
            Err(cause) => {
                first.get_or_insert_with(|| OpError::new("dial", "tcp", cause).addr(addr.clone()))
            }
        };
    }
    let none = || OpError::new("dial", "tcp", Cause::MissingAddress);
    Err(first.unwrap_or_else(none).into())
}
