//! Socket options. None of them waits behind whoever receives or sends.

use super::UdpConn;
use crate::net::{Family, socket::named};
use socket2::SockRef;
use std::io;

impl UdpConn {
    /// Whether it may send to broadcast addresses; on unless turned off.
    ///
    /// ```
    /// let socket = gopark::net::UdpConn::bind("127.0.0.1:0")?;
    /// socket.set_broadcast(false)?;
    /// socket.set_ttl(1)?; // no router may pass it on
    /// assert_eq!((socket.broadcast()?, socket.ttl()?), (false, 1));
    /// socket.set_read_buffer(1 << 16)?;
    /// socket.set_write_buffer(1 << 16)?;
    /// assert!(socket.take_error()?.is_none());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `set udp A: use of closed network connection`, or what `setsockopt` says.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.option(|socket| socket.set_broadcast(on))
    }

    /// Whether it may send to broadcast addresses.
    ///
    /// # Errors
    /// `get udp A: use of closed network connection`, or what `getsockopt` says.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.query(|socket| socket.broadcast())
    }

    /// Sets how many routers a datagram may pass: the time to live, or the hop limit of IPv6.
    ///
    /// # Errors
    /// As [`set_broadcast`](UdpConn::set_broadcast).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let family = self.0.family;
        self.option(|socket| match family {
            Family::V4 => socket.set_ttl_v4(ttl),
            Family::V6 => socket.set_unicast_hops_v6(ttl),
        })
    }

    /// How many routers a datagram may pass.
    ///
    /// # Errors
    /// As [`broadcast`](UdpConn::broadcast).
    pub fn ttl(&self) -> io::Result<u32> {
        let family = self.0.family;
        self.query(|socket| match family {
            Family::V4 => socket.ttl_v4(),
            Family::V6 => socket.unicast_hops_v6(),
        })
    }

    /// Sets the size of the kernel's receive buffer in bytes. Linux doubles it for its own use.
    ///
    /// # Errors
    /// As [`set_broadcast`](UdpConn::set_broadcast).
    ///
    /// Go: `UDPConn.SetReadBuffer` (`net/net.go`).
    pub fn set_read_buffer(&self, bytes: usize) -> io::Result<()> {
        self.option(|socket| socket.set_recv_buffer_size(bytes))
    }

    /// Sets the size of the kernel's send buffer in bytes. Linux doubles it for its own use.
    ///
    /// # Errors
    /// As [`set_broadcast`](UdpConn::set_broadcast).
    ///
    /// Go: `UDPConn.SetWriteBuffer` (`net/net.go`).
    pub fn set_write_buffer(&self, bytes: usize) -> io::Result<()> {
        self.option(|socket| socket.set_send_buffer_size(bytes))
    }

    /// Takes the error the kernel holds for this socket, if any, such as the answer that nobody
    /// listens at the peer's port; the next operation does not see it any more.
    ///
    /// # Errors
    /// As [`broadcast`](UdpConn::broadcast).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.query(|socket| socket.take_error())
    }

    pub(super) fn option(&self, set: impl FnOnce(SockRef<'_>) -> io::Result<()>) -> io::Result<()> {
        let done = self
            .0
            .with(|fd| named("setsockopt", set(SockRef::from(&fd))));
        done.map_err(|cause| self.0.fail_here("set", cause))
    }

    pub(super) fn query<T>(&self, get: impl FnOnce(SockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        let done = self
            .0
            .with(|fd| named("getsockopt", get(SockRef::from(&fd))));
        done.map_err(|cause| self.0.fail_here("get", cause))
    }
}
