//! Dialing: from a network and an address as text to a connection.
//!
//! Go: `net/dial.go`.

#![forbid(unsafe_code)]

use super::{
    Addr, AddrError, AddrList, Cause, Conn, IpVersion, KeepAliveConfig, Network, OpError, Purpose,
    TcpAddr, TcpConn, Timeout, ToSocketAddrs, UdpAddr, UdpConn, UnixAddr, UnixConn, UnixDatagram,
    UnixNet, lookup, network::unknown, tcp::Attempt, udp, unix,
};
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// No address gets less time than this, as long as there is so much.
const SANE_MINIMUM: Duration = Duration::from_secs(2);

/// Connects to `address` on `network`: `tcp`, `tcp4`, `tcp6`, `udp`, `udp4`, `udp6`, `unix`,
/// `unixgram` or `unixpacket`.
///
/// On `tcp` and `udp` the address is `host:port`. The host may be a name, whose addresses are tried in
/// order; without a host it is this machine. The port may be the name of a service. Elsewhere it is a
/// path, or `@` and an abstract name.
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
/// # Errors
/// Those of [`dial`], and `dial tcp A: i/o timeout`.
///
/// Go: `net.DialTimeout` (`net/dial.go`).
pub fn dial_timeout(network: &str, address: &str, timeout: Duration) -> io::Result<Box<dyn Conn>> {
    Dialer::new().timeout(timeout).dial(network, address)
}

/// Connects to `remote` on `network` (`tcp`, `tcp4`, `tcp6`), from `local` if that is given.
///
/// # Errors
/// Those of [`dial`].
///
/// Go: `net.DialTCP` (`net/tcpsock.go`).
pub fn dial_tcp(network: &str, local: Option<&TcpAddr>, remote: &TcpAddr) -> io::Result<TcpConn> {
    let fail = |cause| {
        let err = OpError::new("dial", network.to_owned(), cause).addr(remote.clone());
        io::Error::from(match local {
            Some(local) => err.source(local.clone()),
            None => err,
        })
    };
    match Network::parse(network) {
        Ok(Network::Tcp(version)) => Attempt {
            version,
            local,
            keep_alive: KeepAliveConfig::default(),
        }
        .connect(remote, None)
        .map_err(fail),
        _ => Err(fail(unknown(network))),
    }
}

/// A socket that talks to `remote` on `network` (`udp`, `udp4`, `udp6`) only, from `local` if that is
/// given. The peer is not asked.
///
/// # Errors
/// Those of [`dial`].
///
/// Go: `net.DialUDP` (`net/udpsock.go`).
pub fn dial_udp(network: &str, local: Option<&UdpAddr>, remote: &UdpAddr) -> io::Result<UdpConn> {
    let dialed = match Network::parse(network) {
        Ok(Network::Udp(version)) => udp::dial(version, local, remote),
        _ => Err(unknown(network)),
    };
    dialed.map_err(|cause| between(network, cause, local.cloned(), Some(remote.clone())))
}

/// Connects to `remote` on `network` (`unix`, `unixpacket`), from `local` if that is given.
///
/// # Errors
/// Those of [`dial`].
///
/// Go: `net.DialUnix` (`net/unixsock.go`).
pub fn dial_unix(
    network: &str,
    local: Option<&UnixAddr>,
    remote: &UnixAddr,
) -> io::Result<UnixConn> {
    let dialed = match Network::parse(network) {
        Ok(Network::Unix(net @ (UnixNet::Stream | UnixNet::Packet))) => {
            unix::dial(net, local, remote, None)
        }
        _ => Err(unknown(network)),
    };
    dialed.map_err(|cause| between(network, cause, local.cloned(), Some(remote.clone())))
}

/// A socket of datagrams on `unixgram`. With `remote` it talks to that one only; with `local` alone it
/// is bound to it and talks to anybody.
///
/// # Errors
/// Those of [`dial`]; `missing address` with neither.
///
/// Go: `net.DialUnix` (`net/unixsock.go`) on `unixgram`.
pub fn dial_unixgram(
    local: Option<&UnixAddr>,
    remote: Option<&UnixAddr>,
) -> io::Result<UnixDatagram> {
    unix::dial_gram(local, remote, None)
        .map_err(|cause| between("unixgram", cause, local.cloned(), remote.cloned()))
}

/// The error of a dial whose addresses the caller chose.
fn between<A: Into<Addr>>(
    network: &str,
    cause: Cause,
    local: Option<A>,
    remote: Option<A>,
) -> io::Error {
    let mut err = OpError::new("dial", network.to_owned(), cause);
    err.source = local.map(Into::into);
    err.addr = remote.map(Into::into);
    err.into()
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
/// Go: `net.Dialer` (`net/dial.go`).
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    local: Option<Addr>,
    keep_alive: KeepAliveConfig,
}

impl Dialer {
    /// A dialer with the defaults of [`dial`].
    pub fn new() -> Dialer {
        Dialer::default()
    }

    /// The longest a dial may take, over all addresses. The system has a limit of its own, of minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Dialer {
        self.timeout = Some(timeout);
        self
    }

    /// The moment at which a dial fails. With a time-out, the earlier of the two holds.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Dialer {
        self.deadline = Some(deadline);
        self
    }

    /// The address to dial from. It must be of the network's kind.
    #[must_use]
    pub fn local_addr(mut self, local: impl Into<Addr>) -> Dialer {
        self.local = Some(local.into());
        self
    }

    /// What the connection does to find out that a silent peer is gone.
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: KeepAliveConfig) -> Dialer {
        self.keep_alive = keep_alive;
        self
    }

    /// Connects to `address` on `network`, as [`dial`].
    ///
    /// # Errors
    /// Those of [`dial`].
    ///
    /// Go: `Dialer.Dial` (`net/dial.go`).
    pub fn dial(&self, network: &str, address: &str) -> io::Result<Box<dyn Conn>> {
        let deadline = self.overall_deadline();
        let fail = |cause| OpError::new("dial", network.to_owned(), cause);
        let local = self.local.as_ref();
        let list =
            lookup::addresses(network, address, Purpose::Dial { local }, deadline).map_err(fail)?;
        let dial = Dial {
            network: Network::parse(network).map_err(fail)?,
            local,
            keep_alive: self.keep_alive,
        };
        match dial.network {
            Network::Tcp(IpVersion::Any) => {
                let (primaries, fallbacks) = list.partition();
                dial.parallel(primaries, fallbacks, deadline)
            }
            _ => dial.serial(list.iter(), deadline),
        }
    }

    fn overall_deadline(&self) -> Option<Instant> {
        // A time-out beyond the end of time is none.
        let timeout = self.timeout.and_then(|t| Instant::now().checked_add(t));
        match (timeout, self.deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// One dial, whose address has been read.
struct Dial<'a> {
    network: Network,
    local: Option<&'a Addr>,
    keep_alive: KeepAliveConfig,
}

impl Dial<'_> {
    /// Dials the addresses of the first one's family, and those of the other.
    ///
    /// They take turns. The place for letting the two families race ("happy eyeballs") is here: start
    /// with the primaries, join with the fallbacks 300 ms later or when the primaries have failed, take
    /// who comes first, close the other, and return the primaries' error if both fail.
    ///
    /// Go: `sysDialer.dialParallel`.
    fn parallel(
        &self,
        primaries: AddrList,
        fallbacks: Option<AddrList>,
        deadline: Option<Instant>,
    ) -> io::Result<Box<dyn Conn>> {
        let all: Vec<Addr> = primaries
            .into_iter()
            .chain(fallbacks.into_iter().flatten())
            .collect();
        self.serial(all.iter(), deadline)
    }

    /// Dials one address after the other, each with its share of the time, until one succeeds. If none
    /// does, the first one's error is returned.
    ///
    /// Go: `sysDialer.dialSerial`.
    fn serial<'b>(
        &self,
        addrs: impl ExactSizeIterator<Item = &'b Addr>,
        deadline: Option<Instant>,
    ) -> io::Result<Box<dyn Conn>> {
        let mut first = None;
        let total = addrs.len();
        for (i, addr) in addrs.enumerate() {
            let share = match partial_deadline(Instant::now(), deadline, total - i) {
                Ok(share) => share,
                Err(late) => {
                    first.get_or_insert_with(|| self.fail(addr, late.into()));
                    break;
                }
            };
            match self.single(addr, share) {
                Ok(conn) => return Ok(conn),
                Err(cause) => first.get_or_insert_with(|| self.fail(addr, cause)),
            };
        }
        let none = || OpError::new("dial", self.network.as_str(), Cause::MissingAddress);
        Err(first.unwrap_or_else(none).into())
    }

    /// Go: `sysDialer.dialSingle`.
    fn single(&self, addr: &Addr, deadline: Option<Instant>) -> Result<Box<dyn Conn>, Cause> {
        match (self.network, addr, self.local) {
            (Network::Tcp(version), Addr::Tcp(remote), local) => {
                let attempt = Attempt {
                    version,
                    local: match local {
                        Some(Addr::Tcp(local)) => Some(local),
                        _ => None,
                    },
                    keep_alive: self.keep_alive,
                };
                Ok(Box::new(attempt.connect(remote, deadline)?))
            }
            (Network::Udp(version), Addr::Udp(remote), local) => {
                let local = match local {
                    Some(Addr::Udp(local)) => Some(local),
                    _ => None,
                };
                Ok(Box::new(udp::dial(version, local, remote)?))
            }
            (Network::Unix(net), Addr::Unix(remote), local) => {
                let local = match local {
                    Some(Addr::Unix(local)) => Some(local),
                    _ => None,
                };
                Ok(match net {
                    UnixNet::Datagram => Box::new(unix::dial_gram(local, Some(remote), deadline)?),
                    UnixNet::Stream | UnixNet::Packet => {
                        Box::new(unix::dial(net, local, remote, deadline)?)
                    }
                })
            }
            // IP sockets would come in here.
            _ => Err(AddrError::new(AddrError::UNEXPECTED_TYPE, addr.to_string()).into()),
        }
    }

    fn fail(&self, addr: &Addr, cause: Cause) -> OpError {
        let err = OpError::new("dial", self.network.as_str(), cause).addr(addr.clone());
        match self.local {
            Some(local) => err.source(local.clone()),
            None => err,
        }
    }
}

/// The moment until which the next of `left` addresses may be tried: an equal share of what is left,
/// but not too little to be of use.
///
/// Go: `partialDeadline`.
fn partial_deadline(
    now: Instant,
    deadline: Option<Instant>,
    left: usize,
) -> Result<Option<Instant>, Timeout> {
    let Some(deadline) = deadline else {
        return Ok(None);
    };
    let remaining = deadline.saturating_duration_since(now);
    if remaining.is_zero() {
        return Err(Timeout::Context);
    }
    let share = remaining / u32::try_from(left).unwrap_or(u32::MAX).max(1);
    Ok(Some(now + share.max(SANE_MINIMUM.min(remaining))))
}

impl TcpConn {
    /// Connects to `addr`: a socket address, `"host:port"`, or one of the other forms of
    /// [`ToSocketAddrs`]. Several addresses are tried in order.
    ///
    /// # Errors
    /// Those of [`dial`].
    pub fn connect(addr: impl ToSocketAddrs) -> io::Result<TcpConn> {
        let fail = |cause| OpError::new("dial", "tcp", cause);
        let addrs = addr.to_tcp_addrs().map_err(fail)?;
        connect_each(&addrs, None)
    }

    /// Connects to `addr` within `timeout`.
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
    };
    let mut first = None;
    for addr in addrs {
        match attempt.connect(addr, deadline) {
            Ok(conn) => return Ok(conn),
            Err(cause) => {
                first.get_or_insert_with(|| OpError::new("dial", "tcp", cause).addr(addr.clone()))
            }
        };
    }
    let none = || OpError::new("dial", "tcp", Cause::MissingAddress);
    Err(first.unwrap_or_else(none).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows Go's TestDialerPartialDeadline.
    #[test]
    fn each_address_gets_its_share_of_the_time_but_at_least_two_seconds() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        for (deadline, left, expected) in [
            (None, 1, Ok(None)),
            (Some(after(12)), 1, Ok(Some(after(12)))),
            (Some(after(12)), 2, Ok(Some(after(6)))),
            (Some(after(12)), 3, Ok(Some(after(4)))),
            (Some(after(12)), 12, Ok(Some(after(2)))),
            (Some(after(3)), 12, Ok(Some(after(2)))),
            (Some(after(2)), 12, Ok(Some(after(2)))),
            (Some(after(1)), 12, Ok(Some(after(1)))),
            (Some(now), 1, Err(Timeout::Context)),
            (
                now.checked_sub(Duration::from_millis(1)),
                1,
                Err(Timeout::Context),
            ),
        ] {
            assert_eq!(partial_deadline(now, deadline, left), expected, "{left}");
        }
    }
}
