//! The traits of all connections, and std's own sockets.

use super::{UdpConn, inner::Inner};
use crate::net::{Addr, Cause, Conn, Errno, Family, OpError, PacketConn, UdpAddr, fail, socket};
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
        let fail = |cause: Cause| OpError::new("file", "udp", cause);
        socket.set_nonblocking(true)?;
        let bound = socket::named("getsockname", socket.local_addr()).map_err(fail)?;
        let peer = socket::peer_addr(socket.as_fd()).ok();
        let family = if bound.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let local = socket::canonical(bound);
        let inner = Inner::new(OwnedFd::from(socket), "udp", local, peer, family);
        Ok(UdpConn::from_inner(inner))
    }

    /// The socket as std's, in blocking mode. It is taken away from all clones, for which it is
    /// closed: two owners could not agree whether it blocks.
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
        let fail = |cause: Cause| self.0.fail_for("file", cause);
        let fd = self.0.fd.dup().map_err(|err| fail(fail::cause(err)))?;
        // Closing waits until no operation is under way, so none meets a descriptor that blocks.
        self.0.fd.close().map_err(|err| fail(fail::cause(err)))?;
        let socket = UdpSocket::from(fd);
        socket::named("fcntl", socket.set_nonblocking(false)).map_err(fail)?;
        Ok(socket)
    }
}

impl TryFrom<UdpSocket> for UdpConn {
    type Error = io::Error;

    fn try_from(socket: UdpSocket) -> io::Result<UdpConn> {
        UdpConn::from_std(socket)
    }
}

impl TryFrom<UdpConn> for UdpSocket {
    type Error = io::Error;

    fn try_from(conn: UdpConn) -> io::Result<UdpSocket> {
        conn.into_std()
    }
}

/// A dialed socket is a connection: each read is a datagram, and so is each write.
impl Conn for UdpConn {
    /// An empty `buf` takes no datagram, as Go's `Read`; [`UdpConn::recv`] with one does.
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() && !self.0.fd.is_closing() {
            return Ok(0);
        }
        self.recv(buf)
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.send(buf)
    }

    fn write_some(&self, buf: &[u8]) -> io::Result<usize> {
        self.send(buf)
    }

    fn close(&self) -> io::Result<()> {
        self.close()
    }

    fn local_addr(&self) -> Option<Addr> {
        Some(UdpAddr::from(self.0.local).into())
    }

    fn remote_addr(&self) -> Option<Addr> {
        self.0.peer.map(|peer| UdpAddr::from(peer).into())
    }

    fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_read_deadline(deadline)
    }

    fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_write_deadline(deadline)
    }

    fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_deadline(deadline)
    }
}

impl PacketConn for UdpConn {
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

    fn close(&self) -> io::Result<()> {
        self.close()
    }

    fn local_addr(&self) -> Option<Addr> {
        Conn::local_addr(self)
    }

    fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_read_deadline(deadline)
    }

    fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_write_deadline(deadline)
    }

    fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_deadline(deadline)
    }
}
