//! Groups, and how far datagrams to them go.

use super::UdpConn;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
};

impl UdpConn {
    /// Receives what is sent to `group`, on the interface that has the address `interface`, or on one
    /// that the system chooses if that is `0.0.0.0`.
    ///
    /// ```
    /// use gopark::net::UdpConn;
    /// use std::net::Ipv4Addr;
    /// let (group, on) = (Ipv4Addr::new(224, 0, 0, 200), Ipv4Addr::LOCALHOST);
    /// let socket = UdpConn::bind(("0.0.0.0", 0))?;
    /// socket.set_multicast_interface_v4(&on)?;
    /// socket.set_multicast_ttl_v4(2)?;
    /// socket.set_multicast_loop_v4(true)?; // what it sends comes back
    /// assert_eq!((socket.multicast_ttl_v4()?, socket.multicast_loop_v4()?), (2, true));
    /// socket.join_multicast_v4(&group, &on)?;
    /// # socket.set_read_timeout(Some(std::time::Duration::from_secs(30)))?;
    /// socket.send_to(b"to all", (group, socket.local_addr()?.port()))?;
    /// assert_eq!(socket.recv(&mut [0; 8])?, 6);
    /// socket.leave_multicast_v4(&group, &on)?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `set udp A: setsockopt: no such device`, and the like.
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.option(|socket| socket.join_multicast_v4(group, interface))
    }

    /// The same on the interface with the number `interface`; 0 lets the system choose.
    ///
    /// ```
    /// use gopark::net::UdpConn;
    /// let (group, loopback) = ("ff01::114".parse().unwrap(), 1); // the interface's number
    /// # // A machine may be without IPv6.
    /// # let Ok(socket) = UdpConn::bind("[::1]:0") else { return Ok(()) };
    /// socket.set_multicast_interface_v6(loopback)?;
    /// socket.set_multicast_hops_v6(1)?;
    /// socket.set_multicast_loop_v6(false)?;
    /// assert_eq!((socket.multicast_hops_v6()?, socket.multicast_loop_v6()?), (1, false));
    /// socket.join_multicast_v6(&group, loopback)?;
    /// socket.leave_multicast_v6(&group, loopback)?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`join_multicast_v4`](UdpConn::join_multicast_v4).
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.option(|socket| socket.join_multicast_v6(group, interface))
    }

    /// Ends what [`join_multicast_v4`](UdpConn::join_multicast_v4) began.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](UdpConn::join_multicast_v4).
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.option(|socket| socket.leave_multicast_v4(group, interface))
    }

    /// Ends what [`join_multicast_v6`](UdpConn::join_multicast_v6) began.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](UdpConn::join_multicast_v4).
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.option(|socket| socket.leave_multicast_v6(group, interface))
    }

    /// Sends to groups through the interface that has this address.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](UdpConn::join_multicast_v4).
    pub fn set_multicast_interface_v4(&self, interface: &Ipv4Addr) -> io::Result<()> {
        self.option(|socket| socket.set_multicast_if_v4(interface))
    }

    /// Sends to groups through the interface with this number.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](UdpConn::join_multicast_v4).
    pub fn set_multicast_interface_v6(&self, interface: u32) -> io::Result<()> {
        self.option(|socket| socket.set_multicast_if_v6(interface))
    }

    /// Whether members of a group on this machine, the sender among them, get what it sends there.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](UdpConn::join_multicast_v4).
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.option(|socket| socket.set_multicast_loop_v4(on))
    }

    /// See [`set_multicast_loop_v4`](UdpConn::set_multicast_loop_v4).
    ///
    /// # Errors
    /// `get udp A: use of closed network connection`, or what `getsockopt` says.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.query(|socket| socket.multicast_loop_v4())
    }

    /// See [`set_multicast_loop_v4`](UdpConn::set_multicast_loop_v4).
    ///
    /// # Errors
    /// As [`join_multicast_v4`](UdpConn::join_multicast_v4).
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.option(|socket| socket.set_multicast_loop_v6(on))
    }

    /// See [`set_multicast_loop_v4`](UdpConn::set_multicast_loop_v4).
    ///
    /// # Errors
    /// As [`multicast_loop_v4`](UdpConn::multicast_loop_v4).
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.query(|socket| socket.multicast_loop_v6())
    }

    /// How many routers a datagram to a group may pass; 1 unless set.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](UdpConn::join_multicast_v4).
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.option(|socket| socket.set_multicast_ttl_v4(ttl))
    }

    /// See [`set_multicast_ttl_v4`](UdpConn::set_multicast_ttl_v4).
    ///
    /// # Errors
    /// As [`multicast_loop_v4`](UdpConn::multicast_loop_v4).
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.query(|socket| socket.multicast_ttl_v4())
    }

    /// See [`set_multicast_ttl_v4`](UdpConn::set_multicast_ttl_v4).
    ///
    /// # Errors
    /// As [`join_multicast_v4`](UdpConn::join_multicast_v4).
    pub fn set_multicast_hops_v6(&self, hops: u32) -> io::Result<()> {
        self.option(|socket| socket.set_multicast_hops_v6(hops))
    }

    /// See [`set_multicast_ttl_v4`](UdpConn::set_multicast_ttl_v4).
    ///
    /// # Errors
    /// As [`multicast_loop_v4`](UdpConn::multicast_loop_v4).
    pub fn multicast_hops_v6(&self) -> io::Result<u32> {
        self.query(|socket| socket.multicast_hops_v6())
    }
}
