//! What the clones of one socket share.

use crate::{
    net::{
        Addr, Cause, Errno, OpError, UnixAddr, UnixNet, copy::Stream, fail, message,
        timeouts::Timeouts,
    },
    task::idle::HasFd,
};
use netpoll::{Error, Fd, Kind, Mode, Partial, SockAddr};
use parking_lot::Mutex;
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

#[derive(Debug)]
pub(super) struct Inner {
    pub fd: Fd,
    pub net: UnixNet,
    pub local: UnixAddr,
    pub peer: Option<UnixAddr>,
    pub timeouts: Timeouts,
    /// The error of a write some of whose bytes went out, which the next write reports.
    pending: Mutex<Option<Error>>,
    /// Whether `pending` holds one; looked at by every write.
    has_pending: AtomicBool,
}

impl Stream for Inner {
    fn fd(&self) -> &Fd {
        &self.fd
    }

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

impl Inner {
    /// A socket on a descriptor that is in non-blocking mode.
    pub fn new(fd: OwnedFd, net: UnixNet, local: UnixAddr, peer: Option<UnixAddr>) -> Inner {
        let kind = match net {
            UnixNet::Stream => Kind::STREAM,
            UnixNet::Datagram | UnixNet::Packet => Kind::DATAGRAM,
        };
        Inner::from_fd(Fd::from_nonblocking(fd, kind), net, local, peer)
    }

    pub fn from_fd(fd: Fd, net: UnixNet, local: UnixAddr, peer: Option<UnixAddr>) -> Inner {
        Inner {
            fd,
            net,
            local,
            peer,
            timeouts: Timeouts::default(),
            pending: Mutex::new(None),
            has_pending: AtomicBool::new(false),
        }
    }

    #[inline]
    pub fn start(&self, mode: Mode) {
        self.timeouts.start(&self.fd, mode);
    }

    /// Begins a write: its time-out runs, and an error that is due is reported first.
    #[inline]
    pub fn start_write(&self, op: &'static str) -> io::Result<()> {
        if self.has_pending.load(Relaxed) {
            let mut pending = self.pending.lock();
            self.has_pending.store(false, Relaxed);
            // A time-out that is due is forgotten when the deadline has been moved.
            if let Some(err) = pending.take()
                && err != Error::Timeout
            {
                return Err(self.fail(op, err));
            }
        }
        self.start(Mode::Write);
        Ok(())
    }

    /// The result of a write as std wants it: bytes that went out count, the error waits.
    #[cold]
    pub fn postpone(&self, op: &'static str, err: Partial) -> io::Result<usize> {
        if err.written == 0 {
            return Err(self.fail_partial(op, err));
        }
        *self.pending.lock() = Some(err.error);
        self.has_pending.store(true, Relaxed);
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
