//! The traits of all connections, and std's own sockets.

use super::{UdpConn, inner::Inner};
use crate::net::{
    Addr, Cause, Conn, Errno, Family, OpError, PacketConn, UdpAddr,
    own_methods::{own_datagram_methods, own_methods},
    raw::{self, std_conversions},
    socket,
};
use socket2::SockRef;
use std::{
    io,
    net::UdpSocket,
    os::fd::{AsFd, OwnedFd},
    time::Instant,
};

impl UdpConn {
    /// Takes over a socket of std's. If it is connected, it counts as dialed.
    ///
    /// ```
    /// use gopark::net::UdpConn;
    /// let made = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = UdpConn::from_std(made)?;
    /// let addr = socket.local_addr()?;
    /// let back = socket.into_std()?; // blocking again
    /// assert_eq!(back.local_addr()?, addr);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// What the kernel says to non-blocking mode.
    ///
    /// Go: `net.FilePacketConn` (`net/file.go`).
    pub fn from_std(socket: UdpSocket) -> io::Result<UdpConn> {
        UdpConn::adopt(OwnedFd::from(socket))
            .map_err(|cause| OpError::new("file", "udp", cause).into())
    }

    /// The socket as std's, in blocking mode. It is taken away from all clones, for which it is
    /// closed: two owners could not agree whether it blocks.
    ///
    /// The mode belongs to the socket, and duplicates share it: one of ours that was made of an earlier
    /// [`dup`](UdpConn::dup) holds its worker from then on, where it would have waited.
    ///
    /// ```
    /// let socket = gopark::net::UdpConn::bind("127.0.0.1:0")?;
    /// let clone = socket.clone();
    /// let std_socket = socket.into_std()?;
    /// assert!(clone.recv(&mut [0; 8]).is_err()); // taken away from all clones
    /// # drop(std_socket);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `file udp A: use of closed network connection`, or what the kernel says.
    pub fn into_std(self) -> io::Result<UdpSocket> {
        raw::take(&*self.0).map(UdpSocket::from)
    }

    /// A socket on a descriptor that comes from elsewhere.
    pub(in crate::net) fn adopt(fd: OwnedFd) -> Result<UdpConn, Cause> {
        socket::set_nonblocking(fd.as_fd())?;
        let bound = socket::named("getsockname", SockRef::from(&fd).local_addr())?;
        let bound = bound.as_socket().ok_or(Cause::NoSuitableAddress)?;
        let peer = socket::peer_addr(fd.as_fd()).ok();
        let family = if bound.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let local = socket::canonical(bound);
        let inner = Inner::new(fd, "udp", local, peer, family);
        Ok(UdpConn::from_inner(inner))
    }
}

std_conversions!(UdpConn, UdpSocket);

/// A dialed socket is a connection: each read is a datagram, and so is each write.
impl Conn for UdpConn {
    own_datagram_methods!();
    own_methods!();

    fn local_addr(&self) -> Option<Addr> {
        Some(UdpAddr::from(self.0.local).into())
    }

    fn remote_addr(&self) -> Option<Addr> {
        self.0.peer.map(|peer| UdpAddr::from(peer).into())
    }
}

impl PacketConn for UdpConn {
    own_methods!();

    fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, Option<Addr>)> {
        let (n, from) = self.recv_from(buf)?;
        Ok((n, Some(UdpAddr::from(from).into())))
    }

    fn send_to(&self, buf: &[u8], addr: &Addr) -> io::Result<usize> {
        match addr {
            Addr::Udp(addr) => self.send_to(buf, addr),
            _ => {
                let err = OpError::new("write", self.0.net, Cause::Errno(Errno::EINVAL));
                let err = err.source(UdpAddr::from(self.0.local));
                Err(err.addr(addr.clone()).into())
            }
        }
    }

    fn local_addr(&self) -> Option<Addr> {
        Conn::local_addr(self)
    }
}
