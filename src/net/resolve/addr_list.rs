//! The addresses one name stands for, and the rules for choosing among them.

use crate::net::{
    IpVersion, Network,
    addr::{Addr, IpEndpoint, TcpAddr, UdpAddr, ZonedIp, is_ipv4},
    error::AddrError,
};
use std::{ops::Deref, vec};

/// Addresses to try, in order; never empty.
///
/// ```
/// use gopark::net::{AddrList, Network, ZonedIp};
/// let ips = ["::1", "127.0.0.1"].map(|ip| ZonedIp::parse(ip).unwrap());
/// let tcp = Network::parse("tcp").unwrap();
/// let list = AddrList::filter(tcp, ips, 80, "localhost").unwrap();
/// assert_eq!(list.len(), 2); // it is a slice of addresses
/// assert_eq!(list.first_ipv4().to_string(), "127.0.0.1:80");
/// assert_eq!(list.for_resolve(tcp, "[localhost]:80").to_string(), "[::1]:80");
/// let (first, others) = list.partition();
/// assert_eq!((first[0].to_string(), others.unwrap().len()), ("[::1]:80".into(), 1));
/// ```
///
/// Go: `addrList` (`net/ipsock.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddrList(Vec<Addr>);

impl AddrList {
    /// A list of one.
    ///
    /// ```
    /// use gopark::net::{AddrList, TcpAddr};
    /// let list = AddrList::single(TcpAddr::wildcard(80));
    /// assert_eq!((list.len(), list[0].to_string()), (1, ":80".into()));
    /// ```
    pub fn single(addr: impl Into<Addr>) -> AddrList {
        AddrList(vec![addr.into()])
    }

    /// The end points at `port` of those of `ips` that `network` can use, in the same order.
    ///
    /// ```
    /// use gopark::net::{AddrList, Network, ZonedIp};
    /// let ips = ["::1", "127.0.0.1"].map(|ip| ZonedIp::parse(ip).unwrap());
    /// let udp4 = Network::parse("udp4").unwrap();
    /// let list = AddrList::filter(udp4, ips, 53, "localhost").unwrap();
    /// assert_eq!((list.len(), list[0].to_string()), (1, "127.0.0.1:53".into()));
    /// let err = AddrList::filter(udp4, [], 53, "localhost").unwrap_err();
    /// assert_eq!(err.to_string(), "address localhost: no suitable address found");
    /// ```
    ///
    /// # Errors
    /// `address HOST: no suitable address found` if that leaves none.
    ///
    /// Go: `filterAddrList` (`net/ipsock.go`).
    pub fn filter(
        network: Network,
        ips: impl IntoIterator<Item = ZonedIp>,
        port: u16,
        host: &str,
    ) -> Result<AddrList, AddrError> {
        let suits = |addr: &ZonedIp| match network.ip_version() {
            IpVersion::Any => true,
            IpVersion::V4 => is_ipv4(addr.ip),
            IpVersion::V6 => !is_ipv4(addr.ip),
        };
        let addrs = ips
            .into_iter()
            .filter(suits)
            .map(|addr| end_point(network, addr, port));
        AddrList::non_empty(addrs.collect(), host)
    }

    fn non_empty(addrs: Vec<Addr>, named: impl Into<String>) -> Result<AddrList, AddrError> {
        if addrs.is_empty() {
            return Err(AddrError::new(AddrError::NO_SUITABLE_ADDRESS, named));
        }
        Ok(AddrList(addrs))
    }

    /// The address a listener takes: the first IPv4 one, or else the first.
    pub fn first_ipv4(&self) -> &Addr {
        self.first_where(Addr::is_ipv4)
    }

    /// The address that resolving `address` on `network` gives: the first IPv4 one, unless the text
    /// shows that IPv6 is meant, by a bracket or, for IP networks, by a colon.
    ///
    /// ```
    /// use gopark::net::{AddrList, Network, ZonedIp};
    /// let ips = ["::1", "127.0.0.1"].map(|ip| ZonedIp::parse(ip).unwrap());
    /// let tcp = Network::parse("tcp").unwrap();
    /// let list = AddrList::filter(tcp, ips, 80, "localhost").unwrap();
    /// assert_eq!(list.for_resolve(tcp, "localhost:80").to_string(), "127.0.0.1:80");
    /// assert_eq!(list.for_resolve(tcp, "[localhost]:80").to_string(), "[::1]:80");
    /// ```
    pub fn for_resolve(&self, network: Network, address: &str) -> &Addr {
        let wants_v6 = match network {
            Network::Ip(IpVersion::Any, _) => address.contains(':'),
            Network::Tcp(IpVersion::Any) | Network::Udp(IpVersion::Any) => address.contains('['),
            _ => false,
        };
        if wants_v6 {
            self.first_where(|addr| !addr.is_ipv4())
        } else {
            self.first_ipv4()
        }
    }

    fn first_where(&self, wanted: impl Fn(&Addr) -> bool) -> &Addr {
        self.0
            .iter()
            .find(|addr| wanted(addr))
            .unwrap_or(&self.0[0])
    }

    /// Splits into the addresses of the first one's family and the others, which a dialer starts
    /// with later. Order is kept within both.
    pub fn partition(self) -> (AddrList, Option<AddrList>) {
        self.partition_by(Addr::is_ipv4)
    }

    fn partition_by(self, label: impl Fn(&Addr) -> bool) -> (AddrList, Option<AddrList>) {
        let first = label(&self.0[0]);
        let (primaries, fallbacks): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|addr| label(addr) == first);
        (
            AddrList(primaries),
            (!fallbacks.is_empty()).then_some(AddrList(fallbacks)),
        )
    }

    /// Keeps the addresses that can be dialed from `local`: those of its family. A wildcard on either
    /// side goes with anything.
    ///
    /// ```
    /// use gopark::net::{Addr, AddrList, TcpAddr, UdpAddr};
    /// let list = AddrList::single(TcpAddr::new([127, 0, 0, 1], 80));
    /// let local = Addr::from(TcpAddr::new([127, 0, 0, 2], 0));
    /// assert_eq!(list.clone().match_local(&local).unwrap(), list);
    /// let udp = Addr::from(UdpAddr::wildcard(0));
    /// let err = list.match_local(&udp).unwrap_err();
    /// assert_eq!(err.to_string(), "address :0: mismatched local address type");
    /// ```
    ///
    /// # Errors
    /// `address LOCAL: mismatched local address type` if `local` is of another network;
    /// `address LOCAL: no suitable address found` if no family matches.
    ///
    /// Go: `Resolver.resolveAddrList` (`net/dial.go`).
    pub fn match_local(self, local: &Addr) -> Result<AddrList, AddrError> {
        if self.0.iter().any(|addr| addr.network() != local.network()) {
            return Err(AddrError::new(
                AddrError::MISMATCHED_LOCAL_TYPE,
                local.to_string(),
            ));
        }
        if matches!(local, Addr::Unix(_)) {
            return Ok(self);
        }
        let suits = |addr: &Addr| {
            local.is_wildcard() || addr.is_wildcard() || addr.is_ipv4() == local.is_ipv4()
        };
        AddrList::non_empty(
            self.0.into_iter().filter(suits).collect(),
            local.to_string(),
        )
    }
}

/// The end point of `network` at `addr`.
fn end_point(network: Network, addr: ZonedIp, port: u16) -> Addr {
    match network {
        Network::Udp(_) => UdpAddr::from_zoned(addr, port).into(),
        Network::Ip(..) => IpEndpoint::from(addr).into(),
        // Unix networks have no IP addresses, so none comes here.
        Network::Tcp(_) | Network::Unix(_) => TcpAddr::from_zoned(addr, port).into(),
    }
}

impl Deref for AddrList {
    type Target = [Addr];

    fn deref(&self) -> &[Addr] {
        &self.0
    }
}

impl IntoIterator for AddrList {
    type Item = Addr;
    type IntoIter = vec::IntoIter<Addr>;

    fn into_iter(self) -> vec::IntoIter<Addr> {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_byte(addr: &Addr) -> Option<u8> {
        match addr.ip()? {
            std::net::IpAddr::V6(ip) => Some(ip.octets()[15]),
            std::net::IpAddr::V4(_) => None,
        }
    }

    /// Follows Go's TestAddrListPartition.
    #[test]
    fn partition_puts_all_with_the_label_of_the_first_in_front_even_if_the_label_is_inverted() {
        let addrs: Vec<Addr> = ["fe80::", "fe80::1", "fe80::2"]
            .map(|ip| {
                Addr::Ip(
                    ZonedIp {
                        ip: ip.parse().unwrap(),
                        zone: Some("eth0".into()),
                    }
                    .into(),
                )
            })
            .into();
        let pick = |which: &[usize]| which.iter().map(|&i| addrs[i].clone()).collect::<Vec<_>>();
        for (byte, primaries, fallbacks) in [
            (0, &[0][..], &[1, 2][..]),
            (1, &[0, 2], &[1]),
            (2, &[0, 1], &[2]),
            (3, &[0, 1, 2], &[]),
        ] {
            for invert in [false, true] {
                let (front, back) = AddrList(addrs.clone())
                    .partition_by(|addr| (last_byte(addr) == Some(byte)) != invert);
                assert_eq!(front.0, pick(primaries), "{byte} {invert}");
                assert_eq!(
                    back.map_or(vec![], |list| list.0),
                    pick(fallbacks),
                    "{byte} {invert}"
                );
            }
        }
    }
}
