//! The names of networks: `tcp`, `udp6`, `unix`, `ip4:icmp`.

#![forbid(unsafe_code)]

use super::{
    addr::UnixNet,
    error::{Cause, UnknownNetworkError},
    resolve::lookup_protocol,
};
use std::fmt;

/// Which version of IP a network's name asks for.
///
/// ```
/// use gopark::net::{lookup_host, IpVersion, Network};
/// assert_eq!(Network::parse("udp6").unwrap().ip_version(), IpVersion::V6);
/// assert_eq!(IpVersion::default(), IpVersion::Any);
/// let found = lookup_host("127.0.0.1", IpVersion::V4).unwrap();
/// assert_eq!(found[0].to_string(), "127.0.0.1");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// Either: `tcp`, `udp`, `ip`.
    #[default]
    Any,
    /// IPv4 only: `tcp4`, `udp4`, `ip4`.
    V4,
    /// IPv6 only: `tcp6`, `udp6`, `ip6`.
    V6,
}

/// A network a program can dial or listen on.
///
/// ```
/// use gopark::net::{IpVersion, Network};
/// assert_eq!(Network::parse("tcp4").unwrap(), Network::Tcp(IpVersion::V4));
/// assert_eq!(Network::parse("ip:icmp").unwrap(), Network::Ip(IpVersion::Any, 1));
/// assert_eq!(Network::parse("TCP").unwrap_err().to_string(), "unknown network TCP");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// `tcp`, `tcp4`, `tcp6`.
    Tcp(IpVersion),
    /// `udp`, `udp4`, `udp6`.
    Udp(IpVersion),
    /// `ip`, `ip4`, `ip6` with the number of a protocol; 0 where none was asked for.
    Ip(IpVersion, u32),
    /// `unix`, `unixgram`, `unixpacket`.
    Unix(UnixNet),
}

impl Network {
    /// Reads the name given to a dial or a listen, where an IP network must name its protocol, by
    /// number or by name.
    ///
    /// # Errors
    /// `unknown network NAME`; `address PROTO: unknown IP protocol specified`.
    ///
    /// Go: `parseNetwork` (`net/dial.go`).
    pub fn parse(name: &str) -> Result<Network, Cause> {
        match Network::split(name) {
            Some((Network::Ip(..), None)) | None => Err(unknown(name)),
            Some((Network::Ip(version, _), Some(protocol))) => {
                Ok(Network::Ip(version, protocol_number(protocol)?))
            }
            Some((_, Some(_))) => Err(unknown(name)),
            Some((network, None)) => Ok(network),
        }
    }

    /// Reads the name given to the resolving of an IP address, where the protocol may be left out.
    /// The empty name is `ip`.
    pub(crate) fn parse_ip(name: &str) -> Result<Network, Cause> {
        match Network::split(if name.is_empty() { "ip" } else { name }) {
            Some((network @ Network::Ip(..), None)) => Ok(network),
            Some((Network::Ip(version, _), Some(protocol))) => {
                Ok(Network::Ip(version, protocol_number(protocol)?))
            }
            _ => Err(unknown(name)),
        }
    }

    /// The network before the last colon, and what comes after.
    fn split(name: &str) -> Option<(Network, Option<&str>)> {
        match name.rsplit_once(':') {
            None => Some((Network::plain(name)?, None)),
            Some((network, protocol)) => Some((Network::plain(network)?, Some(protocol))),
        }
    }

    fn plain(name: &str) -> Option<Network> {
        Some(match name {
            "tcp" => Network::Tcp(IpVersion::Any),
            "tcp4" => Network::Tcp(IpVersion::V4),
            "tcp6" => Network::Tcp(IpVersion::V6),
            "udp" => Network::Udp(IpVersion::Any),
            "udp4" => Network::Udp(IpVersion::V4),
            "udp6" => Network::Udp(IpVersion::V6),
            "ip" => Network::Ip(IpVersion::Any, 0),
            "ip4" => Network::Ip(IpVersion::V4, 0),
            "ip6" => Network::Ip(IpVersion::V6, 0),
            "unix" => Network::Unix(UnixNet::Stream),
            "unixgram" => Network::Unix(UnixNet::Datagram),
            "unixpacket" => Network::Unix(UnixNet::Packet),
            _ => return None,
        })
    }

    /// The name, without an IP network's protocol.
    ///
    /// ```
    /// use gopark::net::{IpVersion, Network};
    /// assert_eq!(Network::Udp(IpVersion::V6).as_str(), "udp6");
    /// let ip4 = Network::parse("ip4:icmp").unwrap();
    /// assert_eq!((ip4.as_str(), ip4.ip_version()), ("ip4", IpVersion::V4));
    /// ```
    pub fn as_str(self) -> &'static str {
        use IpVersion::{Any, V4, V6};
        match self {
            Network::Tcp(Any) => "tcp",
            Network::Tcp(V4) => "tcp4",
            Network::Tcp(V6) => "tcp6",
            Network::Udp(Any) => "udp",
            Network::Udp(V4) => "udp4",
            Network::Udp(V6) => "udp6",
            Network::Ip(Any, _) => "ip",
            Network::Ip(V4, _) => "ip4",
            Network::Ip(V6, _) => "ip6",
            Network::Unix(net) => net.as_str(),
        }
    }

    /// The version of IP asked for; `Any` for Unix networks.
    pub fn ip_version(self) -> IpVersion {
        match self {
            Network::Tcp(version) | Network::Udp(version) | Network::Ip(version, _) => version,
            Network::Unix(_) => IpVersion::Any,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(crate) fn unknown(name: &str) -> Cause {
    UnknownNetworkError(name.into()).into()
}

/// Go reads protocol and service numbers below this one; anything larger must be a name.
const BIG: u32 = 0xFF_FFFF;

/// The decimal number `text` begins with and the rest, if the number is there and not too big.
pub(crate) fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u32 = text[..end].parse().ok()?;
    (number < BIG).then_some((number, &text[end..]))
}

fn protocol_number(protocol: &str) -> Result<u32, Cause> {
    match leading_number(protocol) {
        Some((number, "")) => Ok(number),
        _ => Ok(lookup_protocol(protocol)?),
    }
}
