//! What `bind` and `connect` take for an address.

#![forbid(unsafe_code)]

use super::{Addr, Cause, Purpose, TcpAddr, UdpAddr, join_host_port, lookup};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Everything that names TCP and UDP end points: socket addresses, pairs of host and port, and text.
///
/// It takes what [`std::net::ToSocketAddrs`] takes, and text may also be what Go takes: a service
/// for a port (`localhost:http`), or no host at all (`:8080`, every address of this machine). Unlike
/// std's, it looks names up without holding up the other tasks of the worker, and addresses and
/// literals without asking anybody.
///
/// ```
/// use gopark::net::ToSocketAddrs;
/// assert_eq!("[::1]:http".to_tcp_addrs().unwrap()[0].to_string(), "[::1]:80");
/// assert_eq!(("127.0.0.1", 7).to_tcp_addrs().unwrap()[0].to_string(), "127.0.0.1:7");
/// ```
pub trait ToSocketAddrs {
    /// The end points, in the order in which to try them.
    ///
    /// # Errors
    /// A [`Cause`] that says what is wrong with the text, the port or the name.
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause>;

    /// The same for UDP, where a service may have another port.
    ///
    /// ```
    /// use gopark::net::ToSocketAddrs;
    /// let many = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse::<std::net::SocketAddr>().unwrap());
    /// assert_eq!(many.to_udp_addrs().unwrap().len(), 2);
    /// assert_eq!(many.to_udp_addr().unwrap().port, 1);
    /// ```
    ///
    /// # Errors
    /// Those of [`to_tcp_addrs`](ToSocketAddrs::to_tcp_addrs).
    fn to_udp_addrs(&self) -> Result<Vec<UdpAddr>, Cause> {
        Ok(self.to_tcp_addrs()?.into_iter().map(udp).collect())
    }

    /// The first of them, for sending to it.
    ///
    /// # Errors
    /// Those of [`to_udp_addrs`](ToSocketAddrs::to_udp_addrs), and `missing address` if there is none.
    fn to_udp_addr(&self) -> Result<UdpAddr, Cause> {
        let first = self.to_udp_addrs()?.into_iter().next();
        first.ok_or(Cause::MissingAddress)
    }
}

fn udp(addr: TcpAddr) -> UdpAddr {
    UdpAddr {
        ip: addr.ip,
        port: addr.port,
        zone: addr.zone,
    }
}

impl ToSocketAddrs for SocketAddr {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        Ok(vec![(*self).into()])
    }

    #[inline]
    fn to_udp_addr(&self) -> Result<UdpAddr, Cause> {
        Ok((*self).into())
    }
}

impl ToSocketAddrs for UdpAddr {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        Ok(vec![TcpAddr {
            ip: self.ip,
            port: self.port,
            zone: self.zone.clone(),
        }])
    }

    #[inline]
    fn to_udp_addr(&self) -> Result<UdpAddr, Cause> {
        Ok(self.clone())
    }
}

impl ToSocketAddrs for TcpAddr {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        Ok(vec![self.clone()])
    }
}

/// Types that are a socket address in another form.
macro_rules! one_address {
    ($($from:ty),* $(,)?) => {
        $(impl ToSocketAddrs for $from {
            fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
                SocketAddr::from(*self).to_tcp_addrs()
            }

            #[inline]
            fn to_udp_addr(&self) -> Result<UdpAddr, Cause> {
                SocketAddr::from(*self).to_udp_addr()
            }
        })*
    };
}

one_address!(
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
);

impl ToSocketAddrs for [SocketAddr] {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        Ok(self.iter().map(|&addr| addr.into()).collect())
    }
}

impl<const N: usize> ToSocketAddrs for [SocketAddr; N] {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        self.as_slice().to_tcp_addrs()
    }
}

impl ToSocketAddrs for Vec<SocketAddr> {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        self.as_slice().to_tcp_addrs()
    }
}

impl ToSocketAddrs for str {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        let dial = Purpose::Dial { local: None };
        let list = lookup::addresses("tcp", self, dial, None)?;
        let tcp = |addr| match addr {
            Addr::Tcp(addr) => Some(addr),
            _ => None,
        };
        Ok(list.into_iter().filter_map(tcp).collect())
    }

    fn to_udp_addrs(&self) -> Result<Vec<UdpAddr>, Cause> {
        let dial = Purpose::Dial { local: None };
        let list = lookup::addresses("udp", self, dial, None)?;
        let udp = |addr| match addr {
            Addr::Udp(addr) => Some(addr),
            _ => None,
        };
        Ok(list.into_iter().filter_map(udp).collect())
    }
}

impl ToSocketAddrs for String {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        self.as_str().to_tcp_addrs()
    }

    fn to_udp_addrs(&self) -> Result<Vec<UdpAddr>, Cause> {
        self.as_str().to_udp_addrs()
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        join_host_port(self.0, &self.1.to_string()).to_tcp_addrs()
    }

    fn to_udp_addrs(&self) -> Result<Vec<UdpAddr>, Cause> {
        join_host_port(self.0, &self.1.to_string()).to_udp_addrs()
    }
}

impl ToSocketAddrs for (String, u16) {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        (self.0.as_str(), self.1).to_tcp_addrs()
    }

    fn to_udp_addrs(&self) -> Result<Vec<UdpAddr>, Cause> {
        (self.0.as_str(), self.1).to_udp_addrs()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn to_tcp_addrs(&self) -> Result<Vec<TcpAddr>, Cause> {
        (**self).to_tcp_addrs()
    }

    fn to_udp_addrs(&self) -> Result<Vec<UdpAddr>, Cause> {
        (**self).to_udp_addrs()
    }

    #[inline]
    fn to_udp_addr(&self) -> Result<UdpAddr, Cause> {
        (**self).to_udp_addr()
    }
}
