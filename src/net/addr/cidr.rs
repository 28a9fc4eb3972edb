//! Networks in prefix notation.

#![forbid(unsafe_code)]

use super::ip::{is_ipv4, write_ip};
use crate::net::error::ParseError;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// An IP network: `10.0.0.0/8`.
///
/// ```
/// use gopark::net::IpNet;
/// let net = IpNet::new([10, 0, 0, 0].into(), 8);
/// assert!(net.contains([10, 1, 2, 3].into()));
/// assert!(!net.contains([11, 1, 2, 3].into()));
/// assert!(net.contains("::ffff:10.1.2.3".parse().unwrap())); // the same address, mapped
/// assert_eq!(net.to_string(), "10.0.0.0/8");
/// ```
///
/// Go: `net.IPNet` (`net/ip.go`), here always with a prefix for a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpNet {
    /// The network's number; [`IpNet::new`] does not clear the bits after the prefix.
    pub ip: IpAddr,
    /// How many leading bits of `ip` name the network: at most 32 for IPv4, 128 for IPv6.
    pub prefix: u8,
}

impl IpNet {
    /// A network from its number and prefix, as they are.
    pub fn new(ip: IpAddr, prefix: u8) -> IpNet {
        IpNet { ip, prefix }
    }

    /// Whether `ip` is in this network. An IPv4 address is never in an IPv6 network.
    ///
    /// Go: `IPNet.Contains` (`net/ip.go`).
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (net, prefix) = self.canonical();
        let ip = ip.to_canonical();
        net.is_ipv4() == ip.is_ipv4() && mask(ip, prefix) == mask(net, prefix)
    }

    /// The same network with a mapped address turned into the IPv4 one it stands for.
    fn canonical(&self) -> (IpAddr, u8) {
        if is_ipv4(self.ip) && self.ip.is_ipv6() {
            (self.ip.to_canonical(), self.prefix.saturating_sub(96))
        } else {
            (self.ip, self.prefix)
        }
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ip, prefix) = self.canonical();
        write_ip(f, ip)?;
        write!(f, "/{prefix}")
    }
}

/// Clears the bits of `ip` after the first `prefix`.
fn mask(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & !host).into()
        }
        IpAddr::V6(ip) => {
            let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & !host).into()
        }
    }
}

/// Reads an address with its prefix length; gives the address as written and its network.
///
/// # Errors
/// `invalid CIDR address: TEXT` for anything that is not an address without zone, a `/`, and a
/// number of bits that the address has.
///
/// ```
/// use gopark::net::parse_cidr;
/// let (ip, net) = parse_cidr("10.0.0.1/8").unwrap();
/// assert_eq!((ip.to_string(), net.to_string()), ("10.0.0.1".into(), "10.0.0.0/8".into()));
/// assert_eq!(parse_cidr("x/8").unwrap_err().to_string(), "invalid CIDR address: x/8");
/// ```
///
/// Go: `net.ParseCIDR` (`net/ip.go`).
pub fn parse_cidr(text: &str) -> Result<(IpAddr, IpNet), ParseError> {
    let parsed = text.split_once('/').and_then(|(ip, bits)| {
        let ip: IpAddr = ip.parse().ok()?;
        if !bits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        // Leading zeros are fine, so the value and not the length decides.
        let bits: u32 = bits.parse().ok()?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = u8::try_from(bits).ok().filter(|&bits| bits <= most)?;
        Some((ip.to_canonical(), IpNet::new(mask(ip, prefix), prefix)))
    });
    parsed.ok_or_else(|| ParseError {
        kind: "CIDR address",
        text: text.into(),
    })
}
