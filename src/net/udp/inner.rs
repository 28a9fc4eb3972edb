//! What the clones of one socket share.

use crate::{
    net::{
        Cause, Family, OpError, UdpAddr, fail,
        message::{self, Received},
        raw::Raw,
        socket,
        timeouts::Timeouts,
    },
    task::idle::HasFd,
};
use netpoll::{Error, Fd, Kind, Mode, SockAddr};
use std::{
    io,
    net::SocketAddr,
    os::fd::{BorrowedFd, OwnedFd},
};

#[derive(Debug)]
pub(super) struct Inner {
    pub fd: Fd,
    /// The network as the program named it: `udp`, `udp4`, `udp6`.
    pub net: &'static str,
    /// What the socket itself is.
    pub family: Family,
    pub local: SocketAddr,
    /// The only one it talks to, if it was dialed.
    pub peer: Option<SocketAddr>,
    pub timeouts: Timeouts,
}

impl Inner {
    /// A socket on a descriptor that is in non-blocking mode.
    pub fn new(
        fd: OwnedFd,
        net: &'static str,
        local: SocketAddr,
        peer: Option<SocketAddr>,
        family: Family,
    ) -> Inner {
        Inner {
            fd: Fd::from_nonblocking(fd, Kind::DATAGRAM),
            net,
            family,
            local,
            peer,
            timeouts: Timeouts::default(),
        }
    }

    #[inline]
    pub fn recv(&self, name: &'static str, buf: &mut [u8], flags: i32) -> io::Result<usize> {
        self.timeouts.start(&self.fd, Mode::Read);
        let call = |fd: BorrowedFd<'_>| message::recv(fd, buf, flags);
        let done = self.fd.receive_with(name, call);
        done.map_err(|err| self.fail_read(err))
    }

    #[inline]
    pub fn recv_from(&self, buf: &mut [u8], flags: i32) -> io::Result<(usize, SocketAddr)> {
        self.timeouts.start(&self.fd, Mode::Read);
        let call = |fd: BorrowedFd<'_>| message::recv_from(fd, buf, flags);
        match self.fd.receive_with("recvfrom", call) {
            Ok((n, from)) => Ok((n, self.sender(&from)?)),
            Err(err) => Err(self.fail_read(err)),
        }
    }

    pub fn recv_msg(
        &self,
        buf: &mut [u8],
        control: &mut [u8],
        flags: i32,
    ) -> io::Result<(Received, SocketAddr)> {
        self.timeouts.start(&self.fd, Mode::Read);
        let call = |fd: BorrowedFd<'_>| message::recv_msg(fd, buf, control, flags);
        let done = self.fd.receive_with("recvmsg", call);
        let received = done.map_err(|err| self.fail_read(err))?;
        let from = self.sender(&received.from)?;
        Ok((received, from))
    }

    /// An IPv4 sender on an IPv6 socket has an IPv4 address.
    #[inline]
    fn sender(&self, from: &SockAddr) -> io::Result<SocketAddr> {
        match from.to_ip() {
            Some(from) => Ok(socket::canonical(from)),
            None => Err(self.fail_for("read", Cause::NoSuitableAddress)),
        }
    }

    /// The address to give to the kernel, under Go's rules for who may name one.
    #[inline]
    pub fn target(&self, to: &UdpAddr) -> Result<SockAddr, Cause> {
        if self.peer.is_some() {
            return Err(Cause::WriteToConnected);
        }
        Ok(to.to_socket_addr(self.family)?.into())
    }

    /// Calls `f` with the descriptor kept open.
    pub fn with<T>(&self, f: impl FnOnce(BorrowedFd<'_>) -> Result<T, Cause>) -> Result<T, Cause> {
        self.fd.with(f).map_err(fail::cause)?
    }

    #[cold]
    pub fn fail_read(&self, err: Error) -> io::Error {
        self.fail_for("read", fail::cause(err))
    }

    /// The error of operation `op` between the two ends.
    #[cold]
    pub fn fail_for(&self, op: &'static str, cause: Cause) -> io::Error {
        let err = OpError::new(op, self.net, cause).source(UdpAddr::from(self.local));
        match self.peer {
            Some(peer) => err.addr(UdpAddr::from(peer)),
            None => err,
        }
        .into()
    }

    /// The error of sending to an address that was given, or to none.
    #[cold]
    pub fn fail_send(&self, to: Option<&UdpAddr>, cause: Cause) -> io::Error {
        let err = OpError::new("write", self.net, cause).source(UdpAddr::from(self.local));
        match to {
            Some(to) => err.addr(to.clone()),
            None => err,
        }
        .into()
    }

    /// The error of setting something that Go attributes to this end alone.
    #[cold]
    pub fn fail_here(&self, op: &'static str, cause: Cause) -> io::Error {
        let err = OpError::new(op, self.net, cause);
        err.addr(UdpAddr::from(self.local)).into()
    }
}

impl HasFd for Inner {
    fn fd(&self) -> &Fd {
        &self.fd
    }
}

impl Raw for Inner {
    fn start_raw(&self, mode: Mode) {
        self.timeouts.start(&self.fd, mode);
    }

    fn is_datagram(&self) -> bool {
        true
    }

    fn raw_error(&self, op: &'static str, cause: Cause) -> io::Error {
        self.fail_for(op, cause)
    }

    fn control_error(&self, cause: Cause) -> io::Error {
        self.fail_here("raw-control", cause)
    }
}
