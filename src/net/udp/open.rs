//! Making UDP sockets.
//!
//! Go: `net/udpsock_posix.go`, `net/sock_posix.go`.

use super::{UdpConn, inner::Inner};
use crate::net::{
    Addr, Cause, ControlHook, Family, IpVersion, Network, OpError, SocketFamily, ToSocketAddrs,
    UdpAddr,
    socket::{self, bind, maps_ipv4, named},
    sys,
};
use socket2::{InterfaceIndexOrAddress, SockAddr, SockRef, Socket};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, OwnedFd},
};

/// A socket that talks to `remote` only. The peer is not asked.
pub(in crate::net) fn dial(
    version: IpVersion,
    local: Option<&UdpAddr>,
    remote: &UdpAddr,
    control: &ControlHook,
) -> Result<UdpConn, Cause> {
    let network = Network::Udp(version);
    let (from, to) = (
        local.map(|local| Addr::Udp(local.clone())),
        Addr::Udp(remote.clone()),
    );
    let family = SocketFamily::choose(network, from.as_ref(), Some(&to), false, maps_ipv4());
    let socket = socket::datagram(family)?;
    control.call(network, family.family, &to, socket.as_fd())?;
    if let Some(local) = local {
        bind(&socket, local.to_socket_addr(family.family)?)?;
    }
    let target = remote.to_socket_addr(family.family)?;
    named("connect", socket.connect(&SockAddr::from(target)))?;
    // The kernel takes a wildcard for the loopback address.
    let peer = if remote.is_wildcard() {
        socket::peer_addr(socket.as_fd())?
    } else {
        socket::canonical(target)
    };
    finish(socket, network.as_str(), Some(peer), family.family)
}

/// A socket on `local`, which for a group's address is the wildcard.
pub(in crate::net) fn listen(
    network: Network,
    local: &UdpAddr,
    reuse_port: bool,
    control: &ControlHook,
) -> Result<UdpConn, Cause> {
    let addr = Addr::Udp(local.clone());
    let family = SocketFamily::choose(network, Some(&addr), None, true, maps_ipv4());
    listen_on(network, local, family, reuse_port, control)
}

fn listen_on(
    network: Network,
    local: &UdpAddr,
    family: SocketFamily,
    reuse_port: bool,
    control: &ControlHook,
) -> Result<UdpConn, Cause> {
    let socket = socket::datagram(family)?;
    if reuse_port {
        named("setsockopt", socket.set_reuse_port(true))?;
    }
    let mut addr = local.to_socket_addr(family.family)?;
    if local.ip.is_some_and(|ip| ip.to_canonical().is_multicast()) {
        // Several programs of one machine may listen to a group.
        named("setsockopt", socket.set_reuse_address(true))?;
        addr.set_ip(match family.family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        });
    }
    let named_addr = Addr::Udp(local.clone());
    control.call(network, family.family, &named_addr, socket.as_fd())?;
    bind(&socket, addr)?;
    finish(socket, network.as_str(), None, family.family)
}

/// A socket on a group's port that is a member of the group on one interface.
///
/// Go: `sysListener.listenMulticastUDP`.
pub(in crate::net) fn listen_multicast(
    network: Network,
    interface: Option<u32>,
    group: &UdpAddr,
) -> Result<UdpConn, Cause> {
    let Some(ip) = group.ip else {
        return Err(Cause::MissingAddress);
    };
    let conn = listen(network, group, false, &ControlHook::default())?;
    let index = interface.unwrap_or(0);
    conn.0.with(|fd| {
        let socket = SockRef::from(&fd);
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                if index != 0 {
                    named("setsockopt", sys::set_multicast_interface_v4(fd, index))?;
                }
                named("setsockopt", socket.set_multicast_loop_v4(false))?;
                let at = InterfaceIndexOrAddress::Index(index);
                named("setsockopt", socket.join_multicast_v4_n(&ip, &at))
            }
            IpAddr::V6(ip) => {
                if index != 0 {
                    named("setsockopt", socket.set_multicast_if_v6(index))?;
                }
                named("setsockopt", socket.set_multicast_loop_v6(false))?;
                named("setsockopt", socket.join_multicast_v6(&ip, index))
            }
        }
    })?;
    Ok(conn)
}

fn finish(
    socket: Socket,
    net: &'static str,
    peer: Option<std::net::SocketAddr>,
    family: Family,
) -> Result<UdpConn, Cause> {
    let local = socket::local_addr(socket.as_fd())?;
    let inner = Inner::new(OwnedFd::from(socket), net, local, peer, family);
    Ok(UdpConn::from_inner(inner))
}

impl UdpConn {
    /// A socket on `addr`: a socket address, `"host:port"`, or one of the other forms of
    /// [`ToSocketAddrs`]; of several the first that works. An IPv4 address serves IPv4, an IPv6 address
    /// IPv6 (the wildcard `[::]` both), and `":port"` both. Port 0 lets the kernel choose.
    ///
    /// ```
    /// use gopark::net::UdpConn;
    /// let socket = UdpConn::bind("127.0.0.1:0")?;
    /// let err = UdpConn::bind(socket.local_addr()?).unwrap_err();
    /// assert_eq!(err.kind(), std::io::ErrorKind::AddrInUse);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `listen udp 127.0.0.1:53: bind: permission denied`, and the like; of several addresses the
    /// first one's.
    ///
    /// Go: `net.ListenUDP` (`net/udpsock.go`).
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<UdpConn> {
        let fail = |cause| OpError::new("listen", "udp", cause);
        let (network, plain) = (Network::Udp(IpVersion::Any), ControlHook::default());
        let mut first = None;
        for local in addr.to_udp_addrs().map_err(fail)? {
            // An address that names its family means it; without one, both are meant.
            let made = match local.ip {
                Some(_) => {
                    let family = SocketFamily {
                        family: local.family(),
                        v6_only: false,
                    };
                    listen_on(network, &local, family, false, &plain)
                }
                None => listen(network, &local, false, &plain),
            };
            match made {
                Ok(conn) => return Ok(conn),
                Err(cause) => first.get_or_insert_with(|| fail(cause).addr(local)),
            };
        }
        Err(first.unwrap_or_else(|| fail(Cause::MissingAddress)).into())
    }

    /// A socket that talks to `addr` only; of several addresses the first that works. Nothing is sent.
    ///
    /// std connects a socket that exists already; here, as in Go, a socket is dialed or is not.
    ///
    /// ```
    /// use gopark::net::UdpConn;
    /// let conn = UdpConn::connect("127.0.0.1:1")?; // nobody listens there, but nothing was sent
    /// conn.send(b"hello")?;
    /// let err = conn.recv(&mut [0; 8]).unwrap_err();
    /// assert_eq!(err.kind(), std::io::ErrorKind::ConnectionRefused);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`dial`](crate::net::dial).
    ///
    /// Go: `net.DialUDP` (`net/udpsock.go`).
    pub fn connect(addr: impl ToSocketAddrs) -> io::Result<UdpConn> {
        let fail = |cause| OpError::new("dial", "udp", cause);
        let mut first = None;
        for remote in addr.to_udp_addrs().map_err(fail)? {
            match dial(IpVersion::Any, None, &remote, &ControlHook::default()) {
                Ok(conn) => return Ok(conn),
                Err(cause) => first.get_or_insert_with(|| fail(cause).addr(remote)),
            };
        }
        Err(first.unwrap_or_else(|| fail(Cause::MissingAddress)).into())
    }
}
