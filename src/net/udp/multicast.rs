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
    /// # Errors
    /// `set udp A: setsockopt: no such device`, and the like.
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.option(|socket| socket.join_multicast_v4(group, interface))
    }

    /// The same on the interface with the number `interface`; 0 lets the system choose.
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
