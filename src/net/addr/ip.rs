//! IP addresses with zones, and how all IP addresses print.

#![forbid(unsafe_code)]

use super::zone;
use std::{fmt, net::IpAddr};

/// Prints `ip` as Go does: an IPv4 address mapped into IPv6 prints dotted, without `::ffff:`.
pub(crate) fn write_ip(f: &mut fmt::Formatter<'_>, ip: IpAddr) -> fmt::Result {
    write!(f, "{}", ip.to_canonical())
}

/// Whether the address is an IPv4 one, in whichever form.
pub(crate) fn is_ipv4(ip: IpAddr) -> bool {
    ip.to_canonical().is_ipv4()
}

/// Whether the address is `0.0.0.0` or `::`.
pub(crate) fn is_unspecified(ip: IpAddr) -> bool {
    ip.to_canonical().is_unspecified()
}

/// Reads an IP address in dotted or colon form; `None` if `text` is anything else. Zones, leading
/// zeros and forms with fewer than four numbers are refused. A mapped address comes back as IPv4.
///
/// ```
/// use gopark::net::parse_ip;
/// assert_eq!(parse_ip("::ffff:1.2.3.4"), Some([1, 2, 3, 4].into()));
/// assert_eq!(parse_ip("1.2.3"), None);
/// assert_eq!(parse_ip("fe80::1%lo"), None);
/// ```
///
/// Go: `net.ParseIP` (`net/ip.go`), whose 16-byte form does not tell the two apart either.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    Some(text.parse::<IpAddr>().ok()?.to_canonical())
}

/// An IP address and, for a scoped IPv6 one, the zone it is in: `fe80::1%eth0`.
///
/// Look-ups answer with these.
///
/// ```
/// use gopark::net::ZonedIp;
/// let scoped = ZonedIp { ip: "fe80::1".parse().unwrap(), zone: Some("eth0".into()) };
/// assert_eq!(scoped.to_string(), "fe80::1%eth0");
/// let plain = ZonedIp::from(std::net::IpAddr::from([127, 0, 0, 1]));
/// assert_eq!(plain.zone, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ZonedIp {
    /// The address.
    pub ip: IpAddr,
    /// The zone, an interface name or number.
    pub zone: Option<Box<str>>,
}

impl ZonedIp {
    /// Reads an address literal with an optional `%zone`; `None` if it is not one, which for a dial
    /// means that it is a name.
    ///
    /// ```
    /// use gopark::net::ZonedIp;
    /// assert_eq!(ZonedIp::parse("fe80::1%lo").unwrap().zone.as_deref(), Some("lo"));
    /// assert_eq!(ZonedIp::parse("::1%"), None);
    /// assert_eq!(ZonedIp::parse("127.0.0.1%lo"), None);
    /// ```
    ///
    /// Go: `netip.ParseAddr` (`net/netip/netip.go`).
    pub fn parse(text: &str) -> Option<ZonedIp> {
        match text.split_once('%') {
            None => Some(parse_ip(text)?.into()),
            Some((_, "")) => None,
            Some((ip, zone)) => {
                let ip: std::net::Ipv6Addr = ip.parse().ok()?;
                Some(ZonedIp {
                    ip: IpAddr::V6(ip).to_canonical(),
                    zone: Some(zone.into()),
                })
            }
        }
    }

    /// An address as the kernel gives it; scope 0 is no zone.
    pub(crate) fn from_scoped(ip: IpAddr, scope_id: u32) -> ZonedIp {
        ZonedIp {
            ip: ip.to_canonical(),
            zone: zone::from_scope_id(scope_id),
        }
    }
}

impl From<IpAddr> for ZonedIp {
    fn from(ip: IpAddr) -> ZonedIp {
        ZonedIp { ip, zone: None }
    }
}

impl fmt::Display for ZonedIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ip(f, self.ip)?;
        write_zone(f, self.zone.as_deref())
    }
}

pub(super) fn write_zone(f: &mut fmt::Formatter<'_>, zone: Option<&str>) -> fmt::Result {
    match zone {
        Some(zone) if !zone.is_empty() => write!(f, "%{zone}"),
        _ => Ok(()),
    }
}

/// The address of an IP end point, which has no port. Without an IP it is the wildcard and prints as
/// nothing.
///
/// ```
/// use gopark::net::{IpEndpoint, ZonedIp};
/// let here = IpEndpoint::from(ZonedIp::parse("127.0.0.1").unwrap());
/// assert_eq!(here.to_string(), "127.0.0.1");
/// assert!(!here.is_wildcard() && IpEndpoint::default().is_wildcard());
/// assert_eq!(IpEndpoint::NETWORK, "ip");
/// ```
///
/// Go: `net.IPAddr` (`net/iprawsock.go`); the name differs because [`std::net::IpAddr`] has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct IpEndpoint {
    /// The address; `None` is the wildcard of either family.
    pub ip: Option<IpAddr>,
    /// The zone of a scoped IPv6 address.
    pub zone: Option<Box<str>>,
}

impl IpEndpoint {
    /// `ip` on the network.
    pub const NETWORK: &'static str = "ip";

    /// Whether the address stands for every address: none, `0.0.0.0` or `::`.
    pub fn is_wildcard(&self) -> bool {
        self.ip.is_none_or(is_unspecified)
    }
}

impl From<ZonedIp> for IpEndpoint {
    fn from(addr: ZonedIp) -> IpEndpoint {
        IpEndpoint {
            ip: Some(addr.ip),
            zone: addr.zone,
        }
    }
}

impl fmt::Display for IpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ip) = self.ip {
            write_ip(f, ip)?;
        }
        write_zone(f, self.zone.as_deref())
    }
}
