//! Addresses of TCP and UDP end points.

#![forbid(unsafe_code)]

use super::{
    Family,
    ip::{ZonedIp, is_ipv4, is_unspecified, write_ip, write_zone},
    zone,
};
use crate::net::error::AddrError;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

/// Prints `host%zone:port`, with brackets where the host has a colon.
fn write_inet(
    f: &mut fmt::Formatter<'_>,
    ip: Option<IpAddr>,
    zone: Option<&str>,
    port: u16,
) -> fmt::Result {
    // A zone may hold any text, so it decides about brackets too.
    let brackets = ip.is_some_and(|ip| !is_ipv4(ip)) || zone.is_some_and(|zone| zone.contains(':'));
    if brackets {
        f.write_str("[")?;
    }
    if let Some(ip) = ip {
        write_ip(f, ip)?;
    }
    write_zone(f, zone)?;
    if brackets {
        f.write_str("]")?;
    }
    write!(f, ":{port}")
}

/// The socket address of `ip` on a socket of `family`.
fn to_family(
    ip: Option<IpAddr>,
    zone: Option<&str>,
    port: u16,
    family: Family,
) -> Result<SocketAddr, AddrError> {
    let ip = ip.map(|ip| ip.to_canonical());
    match (family, ip) {
        (Family::V4, None) => Ok(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into()),
        (Family::V4, Some(IpAddr::V4(ip))) => Ok(SocketAddrV4::new(ip, port).into()),
        (Family::V4, Some(IpAddr::V6(ip))) => {
            Err(AddrError::new("non-IPv4 address", ip.to_string()))
        }
        // The IPv4 wildcard becomes the wildcard of both families.
        (Family::V6, None | Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED))) => {
            Ok(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0).into())
        }
        (Family::V6, Some(ip)) => {
            let (ip, scope) = match ip {
                IpAddr::V4(ip) => (ip.to_ipv6_mapped(), 0),
                IpAddr::V6(ip) => (ip, zone.map_or(0, zone::to_scope_id)),
            };
            Ok(SocketAddrV6::new(ip, port, 0, scope).into())
        }
    }
}

/// TCP and UDP addresses differ in nothing but the network's name, and must not be mixed up.
macro_rules! inet_addr {
    ($(#[$doc:meta])* $name:ident, $network:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name {
            /// The IP address; `None` is the wildcard of either family and prints as nothing.
            pub ip: Option<IpAddr>,
            /// The port, 0 to let the kernel choose.
            pub port: u16,
            /// The zone of a scoped IPv6 address: an interface name or number.
            pub zone: Option<Box<str>>,
        }

        impl $name {
            /// The network's name, without family.
            pub const NETWORK: &'static str = $network;

            /// An address without zone.
            pub fn new(ip: impl Into<IpAddr>, port: u16) -> $name {
                $name { ip: Some(ip.into()), port, zone: None }
            }

            /// The wildcard of either family, which prints `:PORT`.
            pub fn wildcard(port: u16) -> $name {
                $name { ip: None, port, zone: None }
            }

            /// The same address in zone `zone`; an empty zone is none.
            #[must_use]
            pub fn with_zone(mut self, zone: &str) -> $name {
                self.zone = (!zone.is_empty()).then(|| zone.into());
                self
            }

            pub(crate) fn from_zoned(addr: ZonedIp, port: u16) -> $name {
                $name { ip: Some(addr.ip), port, zone: addr.zone }
            }

            /// Whether the address stands for every local address: no IP, `0.0.0.0` or `::`.
            pub fn is_wildcard(&self) -> bool {
                self.ip.is_none_or(is_unspecified)
            }

            /// The family of socket the address asks for by itself. The wildcard asks for IPv4.
            pub fn family(&self) -> Family {
                if self.ip.is_none_or(is_ipv4) { Family::V4 } else { Family::V6 }
            }

            /// The address as the kernel wants it on a socket of `family`: IPv4 is mapped on an
            /// IPv6 socket, wildcards become the family's own, a zone becomes its number.
            ///
            /// # Errors
            /// `address IP: non-IPv4 address` for an IPv6 address on an IPv4 socket.
            ///
            /// Go: `ipToSockaddr` (`net/ipsock_posix.go`).
            pub fn to_socket_addr(&self, family: Family) -> Result<SocketAddr, AddrError> {
                to_family(self.ip, self.zone.as_deref(), self.port, family)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_inet(f, self.ip, self.zone.as_deref(), self.port)
            }
        }

        /// A mapped IPv4 address becomes the IPv4 address it stands for; a scope becomes the name of
        /// its interface.
        impl From<SocketAddr> for $name {
            fn from(addr: SocketAddr) -> $name {
                let zone = match addr {
                    SocketAddr::V6(v6) => zone::from_scope_id(v6.scope_id()),
                    SocketAddr::V4(_) => None,
                };
                $name { ip: Some(addr.ip().to_canonical()), port: addr.port(), zone }
            }
        }

        /// The address on a socket of its own family; the wildcard becomes `0.0.0.0`.
        impl From<&$name> for SocketAddr {
            fn from(addr: &$name) -> SocketAddr {
                match addr.ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()).to_canonical() {
                    IpAddr::V4(ip) => SocketAddrV4::new(ip, addr.port).into(),
                    IpAddr::V6(ip) => {
                        let scope = addr.zone.as_deref().map_or(0, zone::to_scope_id);
                        SocketAddrV6::new(ip, addr.port, 0, scope).into()
                    }
                }
            }
        }
    };
}

inet_addr! {
    /// The address of a TCP end point: `127.0.0.1:80`, `[fe80::1%eth0]:80`, `:80`.
    ///
    /// ```
    /// use gopark::net::{Family, TcpAddr};
    /// use std::net::{Ipv6Addr, SocketAddr};
    /// assert_eq!(TcpAddr::new(Ipv6Addr::LOCALHOST, 80).to_string(), "[::1]:80");
    /// assert_eq!(TcpAddr::wildcard(80).to_string(), ":80");
    /// assert_eq!(TcpAddr::NETWORK, "tcp");
    /// let mapped: SocketAddr = "[::ffff:1.2.3.4]:5".parse().unwrap();
    /// assert_eq!(TcpAddr::from(mapped).to_string(), "1.2.3.4:5");
    /// let scoped = TcpAddr::new("fe80::1".parse::<Ipv6Addr>().unwrap(), 80).with_zone("1");
    /// assert_eq!((scoped.family(), scoped.is_wildcard()), (Family::V6, false));
    /// assert_eq!(scoped.to_socket_addr(Family::V6).unwrap().to_string(), "[fe80::1%1]:80");
    /// ```
    ///
    /// Go: `net.TCPAddr` (`net/tcpsock.go`).
    TcpAddr, "tcp"
}

inet_addr! {
    /// The address of a UDP end point: `127.0.0.1:53`, `[fe80::1%eth0]:53`, `:53`.
    ///
    /// ```
    /// use gopark::net::{Family, UdpAddr};
    /// assert_eq!(UdpAddr::new([127, 0, 0, 1], 53).to_string(), "127.0.0.1:53");
    /// assert!(UdpAddr::wildcard(53).is_wildcard());
    /// let scoped = UdpAddr::new("fe80::1".parse::<std::net::IpAddr>().unwrap(), 53).with_zone("1");
    /// assert_eq!(scoped.to_string(), "[fe80::1%1]:53");
    /// assert_eq!(scoped.family(), Family::V6);
    /// assert!(scoped.to_socket_addr(Family::V4).is_err());
    /// assert_eq!(UdpAddr::NETWORK, "udp");
    /// ```
    ///
    /// Go: `net.UDPAddr` (`net/udpsock.go`).
    UdpAddr, "udp"
}
