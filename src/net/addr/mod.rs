//! Addresses of end points, printing as Go prints them.

#![forbid(unsafe_code)]

mod cidr;
mod family;
mod host_port;
mod inet;
mod ip;
mod unix;
mod zone;

pub use cidr::{IpNet, parse_cidr};
pub use family::{Family, SocketFamily};
pub use host_port::{join_host_port, split_host_port};
pub use inet::{TcpAddr, UdpAddr};
pub(crate) use ip::is_ipv4;
pub use ip::{IpEndpoint, ZonedIp, parse_ip};
pub use unix::{UnixAddr, UnixNet};

use std::{fmt, net::IpAddr};

/// The address of some end point. Go's `nil` address is `None` of an `Option<Addr>`.
///
/// ```
/// use gopark::net::{Addr, TcpAddr, UnixAddr, UnixNet};
/// let tcp = Addr::from(TcpAddr::new([127, 0, 0, 1], 80));
/// assert_eq!((tcp.network(), tcp.to_string()), ("tcp", "127.0.0.1:80".into()));
/// assert_eq!(tcp.ip(), Some([127, 0, 0, 1].into()));
/// let unix = Addr::from(UnixAddr::new("/run/echo.sock", UnixNet::Stream));
/// assert_eq!((unix.network(), unix.ip()), ("unix", None));
/// assert!(Addr::from(TcpAddr::wildcard(80)).is_wildcard());
/// ```
///
/// Go: the interface `net.Addr` (`net/net.go`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addr {
    /// A TCP end point.
    Tcp(TcpAddr),
    /// A UDP end point.
    Udp(UdpAddr),
    /// An IP end point.
    Ip(IpEndpoint),
    /// A Unix socket.
    Unix(UnixAddr),
    /// Either end of an in-memory pipe; prints `pipe`.
    Pipe,
    /// A file that was to become a connection; prints the file's name.
    File(Box<str>),
}

impl Addr {
    /// The network's name, without address family: `tcp`, `udp`, `ip`, `unix`, `unixgram`,
    /// `unixpacket`, `pipe`, `file+net`.
    ///
    /// ```
    /// use gopark::net::{Addr, UnixAddr, UnixNet};
    /// assert_eq!(Addr::Pipe.network(), "pipe");
    /// let socket = UnixAddr::new("@log", UnixNet::Datagram);
    /// assert_eq!(Addr::from(socket).network(), "unixgram");
    /// ```
    ///
    /// Go: `net.Addr.Network` (`net/net.go`).
    pub fn network(&self) -> &'static str {
        match self {
            Addr::Tcp(_) => TcpAddr::NETWORK,
            Addr::Udp(_) => UdpAddr::NETWORK,
            Addr::Ip(_) => IpEndpoint::NETWORK,
            Addr::Unix(addr) => addr.net.as_str(),
            Addr::Pipe => "pipe",
            Addr::File(_) => "file+net",
        }
    }

    /// The IP address, where there is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Addr::Tcp(addr) => addr.ip,
            Addr::Udp(addr) => addr.ip,
            Addr::Ip(addr) => addr.ip,
            Addr::Unix(_) | Addr::Pipe | Addr::File(_) => None,
        }
    }

    /// Whether an internet address stands for every local address. Unix names never do.
    pub fn is_wildcard(&self) -> bool {
        match self {
            Addr::Tcp(addr) => addr.is_wildcard(),
            Addr::Udp(addr) => addr.is_wildcard(),
            Addr::Ip(addr) => addr.is_wildcard(),
            Addr::Unix(_) | Addr::Pipe | Addr::File(_) => false,
        }
    }

    /// Whether this is an IPv4 address, mapped or not. An address without IP is not.
    pub(crate) fn is_ipv4(&self) -> bool {
        self.ip().is_some_and(is_ipv4)
    }

    /// The family of socket the address asks for; IPv4 when it does not care.
    pub(crate) fn family(&self) -> Family {
        if self.ip().is_none_or(is_ipv4) {
            Family::V4
        } else {
            Family::V6
        }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addr::Tcp(addr) => addr.fmt(f),
            Addr::Udp(addr) => addr.fmt(f),
            Addr::Ip(addr) => addr.fmt(f),
            Addr::Unix(addr) => addr.fmt(f),
            Addr::Pipe => f.write_str("pipe"),
            Addr::File(name) => f.write_str(name),
        }
    }
}

impl From<TcpAddr> for Addr {
    fn from(addr: TcpAddr) -> Addr {
        Addr::Tcp(addr)
    }
}

impl From<UdpAddr> for Addr {
    fn from(addr: UdpAddr) -> Addr {
        Addr::Udp(addr)
    }
}

impl From<IpEndpoint> for Addr {
    fn from(addr: IpEndpoint) -> Addr {
        Addr::Ip(addr)
    }
}

impl From<UnixAddr> for Addr {
    fn from(addr: UnixAddr) -> Addr {
        Addr::Unix(addr)
    }
}
