//! From a network and an address as text to end points.

use super::{addr_list::AddrList, port::lookup_port};
use crate::net::{
    IpVersion, Network,
    addr::{Addr, IpEndpoint, TcpAddr, UdpAddr, UnixAddr, UnixNet, ZonedIp, split_host_port},
    error::Cause,
    lookup_host,
    network::unknown,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the end points are for; a dial is stricter.
///
/// ```
/// use gopark::net::{resolve, Addr, Purpose, TcpAddr};
/// // A listener may leave the address out; a dial may not, and must fit where it is from.
/// assert!(resolve("tcp", "", Purpose::Listen).is_ok());
/// assert!(resolve("tcp", "", Purpose::Dial { local: None }).is_err());
/// let local = Addr::from(TcpAddr::new(std::net::Ipv6Addr::LOCALHOST, 0));
/// let err = resolve("tcp", "127.0.0.1:80", Purpose::Dial { local: Some(&local) }).unwrap_err();
/// assert_eq!(err.to_string(), "address [::1]:0: no suitable address found");
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// To connect to them, from a local address if one was chosen.
    Dial {
        /// The local address.
        local: Option<&'a Addr>,
    },
    /// To listen on one of them.
    Listen,
}

/// How far an address gets without asking anybody: literals and wildcards are done at once, and only
/// a host name needs a question that blocks.
///
/// ```
/// use gopark::net::{resolve, Purpose, Resolution};
/// let dial = Purpose::Dial { local: None };
/// assert!(matches!(resolve("tcp", "127.0.0.1:80", dial), Ok(Resolution::Done(_))));
/// assert!(matches!(resolve("tcp", "localhost:80", dial), Ok(Resolution::Lookup(_))));
/// ```
#[derive(Debug)]
pub enum Resolution {
    /// The end points.
    Done(AddrList),
    /// A name to look up first.
    Lookup(HostQuery),
}

/// A host name that has to be looked up before its end points are known.
///
/// The question can be put to whomever one likes:
///
/// ```
/// use gopark::net::{resolve, IpVersion, Purpose, Resolution, ZonedIp};
/// let dial = Purpose::Dial { local: None };
/// let Ok(Resolution::Lookup(query)) = resolve("tcp", "db.internal:5432", dial) else { panic!() };
/// assert_eq!((query.host(), query.ip_version()), ("db.internal", IpVersion::Any));
/// let list = query.finish(vec![ZonedIp::parse("10.0.0.7").unwrap()]).unwrap();
/// assert_eq!(list[0].to_string(), "10.0.0.7:5432");
/// ```
#[derive(Debug)]
pub struct HostQuery {
    network: Network,
    host: String,
    port: u16,
    local: Option<Addr>,
}

impl HostQuery {
    /// The name to look up.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The addresses worth asking for.
    pub fn ip_version(&self) -> IpVersion {
        self.network.ip_version()
    }

    /// Looks the name up with [`lookup_host`] and finishes.
    ///
    /// ```
    /// use gopark::net::{resolve, Purpose, Resolution};
    /// let Ok(Resolution::Lookup(query)) = resolve("tcp", "localhost:80", Purpose::Listen) else { panic!() };
    /// assert!(query.run().unwrap().iter().all(|addr| addr.ip().unwrap().is_loopback()));
    /// ```
    ///
    /// # Errors
    /// Those of [`lookup_host`] and of [`finish`](HostQuery::finish).
    pub fn run(self) -> Result<AddrList, Cause> {
        let ips = lookup_host(&self.host, self.ip_version())?;
        self.finish(ips)
    }

    /// The end points at the addresses the look-up gave.
    ///
    /// # Errors
    /// `address HOST: no suitable address found`, and those of a local address that does not match.
    pub fn finish(self, ips: Vec<ZonedIp>) -> Result<AddrList, Cause> {
        let list = AddrList::filter(self.network, ips, self.port, &self.host)?;
        Ok(match &self.local {
            Some(local) => list.match_local(local)?,
            None => list,
        })
    }
}

/// Reads `address` on `network`, in the order in which Go finds fault: the network, a missing
/// address, its form, the port, then the host.
///
/// # Errors
/// A [`Cause`] that a dial or a listen wraps without addresses: `dial tcp: missing address`.
///
/// ```
/// use gopark::net::{resolve, Purpose, Resolution};
/// let Resolution::Done(list) = resolve("tcp", "[::1]:http", Purpose::Listen).unwrap() else {
///     unreachable!("a literal needs no look-up");
/// };
/// assert_eq!(list[0].to_string(), "[::1]:80");
/// let err = resolve("tcp", "", Purpose::Dial { local: None }).unwrap_err();
/// assert_eq!(err.to_string(), "missing address");
/// ```
///
/// Go: `Resolver.resolveAddrList` (`net/dial.go`).
pub fn resolve(network: &str, address: &str, purpose: Purpose<'_>) -> Result<Resolution, Cause> {
    let network = Network::parse(network)?;
    let local = match purpose {
        Purpose::Dial { .. } if address.is_empty() => return Err(Cause::MissingAddress),
        Purpose::Dial { local } => local,
        Purpose::Listen => None,
    };
    if let Network::Unix(net) = network {
        let list = AddrList::single(UnixAddr::new(address, net));
        return Ok(Resolution::Done(match local {
            Some(local) => list.match_local(local)?,
            None => list,
        }));
    }
    Ok(match internet(network, address)? {
        Resolution::Done(list) => Resolution::Done(match local {
            Some(local) => list.match_local(local)?,
            None => list,
        }),
        Resolution::Lookup(query) => Resolution::Lookup(HostQuery {
            local: local.cloned(),
            ..query
        }),
    })
}

/// Go: `Resolver.internetAddrList` (`net/ipsock.go`).
fn internet(network: Network, address: &str) -> Result<Resolution, Cause> {
    let (host, port) = match network {
        Network::Ip(..) => (address, 0),
        _ if address.is_empty() => ("", 0),
        _ => {
            let (host, port) = split_host_port(address)?;
            (host, lookup_port(network.as_str(), port)?)
        }
    };
    if host.is_empty() {
        return Ok(Resolution::Done(match network {
            Network::Ip(..) => AddrList::single(IpEndpoint::default()),
            Network::Udp(_) => AddrList::single(UdpAddr::wildcard(port)),
            _ => AddrList::single(TcpAddr::wildcard(port)),
        }));
    }
    let Some(literal) = ZonedIp::parse(host) else {
        return Ok(Resolution::Lookup(HostQuery {
            network,
            host: host.into(),
            port,
            local: None,
        }));
    };
    // A machine may be able to listen on `::` and yet not to connect to it; the IPv4 wildcard is
    // then the one that works.
    let twin = (literal.ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        .then(|| ZonedIp::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
    let ips = [literal].into_iter().chain(twin);
    Ok(Resolution::Done(AddrList::filter(
        network, ips, port, host,
    )?))
}

fn resolve_one(network: Network, address: &str) -> Result<Addr, Cause> {
    let list = match internet(network, address)? {
        Resolution::Done(list) => list,
        Resolution::Lookup(query) => query.run()?,
    };
    Ok(list.for_resolve(network, address).clone())
}

/// The TCP end point of `address`: `host:port`, with a name or a number for either. `network` is
/// `tcp`, `tcp4`, `tcp6` or empty. A name is looked up.
///
/// # Errors
/// A [`Cause`] that says what is wrong with the network, the address, the port or the host.
///
/// ```
/// use gopark::net::resolve_tcp_addr;
/// assert_eq!(resolve_tcp_addr("tcp", "127.0.0.1:http").unwrap().to_string(), "127.0.0.1:80");
/// assert_eq!(
///     resolve_tcp_addr("tcp4", "[::1]:5").unwrap_err().to_string(),
///     "address ::1: no suitable address found",
/// );
/// ```
///
/// Go: `net.ResolveTCPAddr` (`net/tcpsock.go`).
pub fn resolve_tcp_addr(network: &str, address: &str) -> Result<TcpAddr, Cause> {
    let parsed = Network::parse(if network.is_empty() { "tcp" } else { network });
    match parsed {
        Ok(parsed @ Network::Tcp(_)) => match resolve_one(parsed, address)? {
            Addr::Tcp(addr) => Ok(addr),
            _ => Err(Cause::NoSuitableAddress),
        },
        _ => Err(unknown(network)),
    }
}

/// The UDP end point of `address`; as [`resolve_tcp_addr`], on `udp`, `udp4`, `udp6` or empty.
///
/// ```
/// use gopark::net::resolve_udp_addr;
/// assert_eq!(resolve_udp_addr("udp", "127.0.0.1:53").unwrap().port, 53);
/// let err = resolve_udp_addr("tcp", "127.0.0.1:53").unwrap_err();
/// assert_eq!(err.to_string(), "unknown network tcp");
/// ```
///
/// # Errors
/// As [`resolve_tcp_addr`].
///
/// Go: `net.ResolveUDPAddr` (`net/udpsock.go`).
pub fn resolve_udp_addr(network: &str, address: &str) -> Result<UdpAddr, Cause> {
    let parsed = Network::parse(if network.is_empty() { "udp" } else { network });
    match parsed {
        Ok(parsed @ Network::Udp(_)) => match resolve_one(parsed, address)? {
            Addr::Udp(addr) => Ok(addr),
            _ => Err(Cause::NoSuitableAddress),
        },
        _ => Err(unknown(network)),
    }
}

/// The IP end point of host `address` on `ip`, `ip4`, `ip6` (with or without `:PROTOCOL`) or empty.
/// A name is looked up.
///
/// ```
/// use gopark::net::resolve_ip_addr;
/// assert_eq!(resolve_ip_addr("ip4:icmp", "127.0.0.1").unwrap().to_string(), "127.0.0.1");
/// ```
///
/// # Errors
/// A [`Cause`] that says what is wrong with the network or the host.
///
/// Go: `net.ResolveIPAddr` (`net/iprawsock.go`).
pub fn resolve_ip_addr(network: &str, address: &str) -> Result<IpEndpoint, Cause> {
    match resolve_one(Network::parse_ip(network)?, address)? {
        Addr::Ip(addr) => Ok(addr),
        _ => Err(Cause::NoSuitableAddress),
    }
}

/// The Unix end point called `address` on `unix`, `unixgram` or `unixpacket`.
///
/// ```
/// use gopark::net::{resolve_unix_addr, UnixNet};
/// let addr = resolve_unix_addr("unixgram", "/dev/log").unwrap();
/// assert_eq!((addr.net, addr.to_string()), (UnixNet::Datagram, "/dev/log".into()));
/// assert!(resolve_unix_addr("unix4", "/dev/log").is_err());
/// ```
///
/// # Errors
/// `unknown network NAME`.
///
/// Go: `net.ResolveUnixAddr` (`net/unixsock.go`).
pub fn resolve_unix_addr(network: &str, address: &str) -> Result<UnixAddr, Cause> {
    let net = match network {
        "unix" => UnixNet::Stream,
        "unixgram" => UnixNet::Datagram,
        "unixpacket" => UnixNet::Packet,
        _ => return Err(unknown(network)),
    };
    Ok(UnixAddr::new(address, net))
}
