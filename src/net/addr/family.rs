//! Which family of socket serves which addresses.

#![forbid(unsafe_code)]

use super::Addr;
use crate::net::{IpVersion, Network};

/// The address family of an internet socket.
///
/// ```
/// use gopark::net::{Family, TcpAddr};
/// assert_eq!(TcpAddr::new([127, 0, 0, 1], 80).family(), Family::V4);
/// assert_eq!(TcpAddr::new(std::net::Ipv6Addr::LOCALHOST, 80).family(), Family::V6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
    V6,
}

/// The socket to make for an operation.
///
/// ```
/// use gopark::net::{Family, Network, SocketFamily};
/// // `tcp6` never serves IPv4.
/// let family = SocketFamily::choose(Network::parse("tcp6").unwrap(), None, None, true, true);
/// assert_eq!(family, SocketFamily { family: Family::V6, v6_only: true });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketFamily {
    /// The family.
    pub family: Family,
    /// Whether an IPv6 socket must refuse IPv4 (`IPV6_V6ONLY`).
    pub v6_only: bool,
}

impl SocketFamily {
    /// Chooses for `network` between `local` and `remote`, for listening or for dialing:
    ///
    /// | network | case | family |
    /// |---|---|---|
    /// | `..4` | | IPv4 |
    /// | `..6` | | IPv6 only |
    /// | others | listening on the wildcard, IPv6 sockets serve IPv4 (`mapping`) | IPv6, both |
    /// | others | listening on a wildcard otherwise | the address's own; IPv4 if there is none |
    /// | others | every address given is IPv4 or has no IP | IPv4 |
    /// | others | | IPv6, both |
    ///
    /// ```
    /// use gopark::net::{Family, Network, SocketFamily};
    /// let tcp = Network::parse("tcp").unwrap();
    /// let listening = SocketFamily::choose(tcp, None, None, true, true);
    /// assert_eq!((listening.family, listening.v6_only), (Family::V6, false)); // serves both
    /// let without_mapping = SocketFamily::choose(tcp, None, None, true, false);
    /// assert_eq!(without_mapping.family, Family::V4);
    /// ```
    ///
    /// Go: `favoriteAddrFamily` (`net/ipsock_posix.go`).
    pub fn choose(
        network: Network,
        local: Option<&Addr>,
        remote: Option<&Addr>,
        listening: bool,
        mapping: bool,
    ) -> SocketFamily {
        let both = |family| SocketFamily {
            family,
            v6_only: false,
        };
        match network.ip_version() {
            IpVersion::V4 => return both(Family::V4),
            IpVersion::V6 => {
                return SocketFamily {
                    family: Family::V6,
                    v6_only: true,
                };
            }
            IpVersion::Any => {}
        }
        if listening && local.is_none_or(Addr::is_wildcard) {
            if mapping {
                return both(Family::V6);
            }
            return both(local.map_or(Family::V4, Addr::family));
        }
        let is_v4 = |addr: Option<&Addr>| addr.is_none_or(|addr| addr.family() == Family::V4);
        both(if is_v4(local) && is_v4(remote) {
            Family::V4
        } else {
            Family::V6
        })
    }
}
