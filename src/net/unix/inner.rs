//! What the clones of one socket share.

use crate::{
    net::{
        Addr, Cause, Errno, OpError, UnixAddr, UnixNet, copy::Stream, fail, message, rare::Rare,
        raw::Raw,
    },
    task::idle::HasFd,
};
use netpoll::{Error, Fd, Kind, Mode, Partial, SockAddr};
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

#[derive(Debug)]
pub(super) struct Inner {
    pub fd: Fd,
    pub net: UnixNet,
    pub local: UnixAddr,
    pub peer: Option<UnixAddr>,
    /// Time-outs, and the error that is the next write's.
    pub rare: Rare,
}

impl Stream for Inner {
    fn begin(&self, mode: Mode) -> io::Result<()> {
        match mode {
            Mode::Read => self.start(mode),
            Mode::Write => self.start_write("write")?,
        }
        Ok(())
    }

    fn fail(&self, op: &'static str, cause: Cause, bytes: usize) -> io::Error {
        self.fail_for(op, cause, bytes)
    }
}

impl HasFd for Inner {
    fn fd(&self) -> &Fd {
        &self.fd
    }
}

/// A descriptor of a socket on `net` that is in non-blocking mode.
pub(super) fn descriptor(fd: OwnedFd, net: UnixNet) -> Fd {
    let kind = match net {
        UnixNet::Stream => Kind::STREAM,
        UnixNet::Datagram | UnixNet::Packet => Kind::DATAGRAM,
    };
    Fd::from_nonblocking(fd, kind)
}

impl Inner {
    /// A socket on a descriptor that is in non-blocking mode.
    pub fn new(fd: OwnedFd, net: UnixNet, local: UnixAddr, peer: Option<UnixAddr>) -> Inner {
        Inner::from_fd(descriptor(fd, net), net, local, peer)
    }

    pub fn from_fd(fd: Fd, net: UnixNet, local: UnixAddr, peer: Option<UnixAddr>) -> Inner {
        Inner {
            fd,
            net,
            local,
            peer,
            rare: Rare::default(),
        }
    }

    #[inline]
    pub fn start(&self, mode: Mode) {
        self.rare.start(&self.fd, mode);
    }

    /// Begins a write: its time-out runs, and an error that is due is reported first.
    #[inline]
    pub fn start_write(&self, op: &'static str) -> io::Result<()> {
        let started = self.rare.start_write(&self.fd);
        started.map_err(|err| self.fail(op, err))
    }

    /// The result of a write as std wants it: bytes that went out count, the error waits.
    #[cold]
    pub fn postpone(&self, op: &'static str, err: Partial) -> io::Result<usize> {
        if err.written == 0 {
            return Err(self.fail_partial(op, err));
        }
        self.rare.postpone(err.error);
        Ok(err.written)
    }

    /// Receives a datagram, and who sent it if that is wanted.
    #[inline]
    pub fn receive(&self, buf: &mut [u8], flags: i32) -> io::Result<(usize, SockAddr)> {
        self.start(Mode::Read);
        let call = |fd: BorrowedFd<'_>| message::recv_from(fd, buf, flags);
        let done = self.fd.receive_with("recvfrom", call);
        done.map_err(|err| self.fail("read", err))
    }

    /// The address to give to the kernel, under Go's rules for who may name one.
    pub fn target(&self, to: &UnixAddr) -> Result<SockAddr, Cause> {
        if self.peer.is_some() {
            return Err(Cause::WriteToConnected);
        }
        if to.net != self.net {
            return Err(Cause::Errno(Errno::EAFNOSUPPORT));
        }
        Ok(super::names::to_kernel(to)?)
    }

    /// Calls `f` with the descriptor kept open.
    pub fn with<T>(&self, f: impl FnOnce(BorrowedFd<'_>) -> Result<T, Cause>) -> Result<T, Cause> {
        self.fd.with(f).map_err(fail::cause)?
    }

    /// The error of operation `op` between the two ends.
    #[cold]
    pub fn fail(&self, op: &'static str, err: Error) -> io::Error {
        self.fail_for(op, fail::cause(err), 0)
    }

    /// The error of a write, some of whose bytes went out.
    #[cold]
    pub fn fail_partial(&self, op: &'static str, err: Partial) -> io::Error {
        self.fail_for(op, fail::cause(err.error), err.written)
    }

    /// The error of operation `op` between the two ends, for `cause`.
    #[cold]
    pub fn fail_for(&self, op: &'static str, cause: Cause, bytes: usize) -> io::Error {
        self.fail_between(op, self.peer.clone().map(Addr::Unix), cause, bytes)
    }

    /// The error of sending to an address that was given, or to none.
    #[cold]
    pub fn fail_send(&self, to: Option<&UnixAddr>, cause: Cause) -> io::Error {
        self.fail_between("write", to.cloned().map(Addr::Unix), cause, 0)
    }

    #[cold]
    pub fn fail_between(
        &self,
        op: &'static str,
        to: Option<Addr>,
        cause: Cause,
        bytes: usize,
    ) -> io::Error {
        let mut err = OpError::new(op, self.net.as_str(), cause)
            .source(self.local.clone())
            .bytes(bytes);
        err.addr = to;
        err.into()
    }

    /// The error of setting something that Go attributes to this end alone.
    #[cold]
    pub fn fail_here(&self, op: &'static str, cause: Cause) -> io::Error {
        let err = OpError::new(op, self.net.as_str(), cause);
        err.addr(self.local.clone()).into()
    }
}

impl Raw for Inner {
    fn start_raw(&self, mode: Mode) {
        self.start(mode);
    }

    fn is_datagram(&self) -> bool {
        self.net == UnixNet::Datagram
    }

    fn raw_error(&self, op: &'static str, cause: Cause) -> io::Error {
        self.fail_for(op, cause, 0)
    }

    fn control_error(&self, cause: Cause) -> io::Error {
        self.fail_here("raw-control", cause)
    }
}
