//! What the clones of one connection share.

use super::keep_alive::{KeepAliveConfig, set_nodelay};
use crate::{
    net::{
        Cause, IpVersion, Lease, Network, OpError, TcpAddr, copy::Stream, fail, lease::Buffer,
        rare::Rare, raw::Raw, socket,
    },
    task::idle::HasFd,
};
use netpoll::{Error, Fd, Mode, Partial, ReadTurn};
use std::{io, net::SocketAddr, os::fd::BorrowedFd, sync::Arc};

/// `rare` and the beginning of `fd` are what a read or write touches: side by side, for with a
/// thousand connections in turn each line of it is cold.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Inner {
    /// Time-outs, the error that is the next write's, and the address of this end if `local` is none.
    pub rare: Rare,
    pub fd: Fd,
    /// The address of this end where it was known from the beginning. Connections of one listener share
    /// it.
    local: Option<Arc<SocketAddr>>,
    pub peer: SocketAddr,
    version: IpVersion,
}

impl HasFd for Inner {
    fn fd(&self) -> &Fd {
        &self.fd
    }
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

    fn names_copies(&self) -> bool {
        true
    }
}

impl Inner {
    /// A connection to `peer`, of the network that the program named. `local` is the address of this
    /// end where that is known already.
    pub fn new(
        fd: Fd,
        version: IpVersion,
        peer: SocketAddr,
        local: Option<Arc<SocketAddr>>,
    ) -> Inner {
        Inner {
            rare: Rare::default(),
            fd,
            local,
            peer,
            version,
        }
    }

    /// `tcp`, `tcp4` or `tcp6`.
    fn net(&self) -> &'static str {
        Network::Tcp(self.version).as_str()
    }

    /// Gives a new connection its options. Go ignores what goes wrong with them, and so do we: the
    /// connection is good without.
    pub fn set_defaults(&self, keep_alive: &KeepAliveConfig) {
        let _ = self.fd.with(|fd| {
            let _ = set_nodelay(fd, true);
            let _ = keep_alive.apply_to_new(fd);
        });
    }

    /// The address of this end; `None` only if the kernel has none to give. Asked for when somebody
    /// wants to know, and before closing at the latest.
    pub fn local(&self) -> Option<SocketAddr> {
        match &self.local {
            Some(known) => Some(**known),
            None => self
                .rare
                .local(|| self.fd.with(socket::local_addr).ok()?.ok()),
        }
    }

    /// Closes, keeping the address of this end for whoever asks later.
    pub fn close(&self) -> Result<(), Error> {
        self.local();
        self.fd.close()
    }

    /// Calls `f` with the descriptor kept open.
    pub fn with<T>(&self, f: impl FnOnce(BorrowedFd<'_>) -> Result<T, Cause>) -> Result<T, Cause> {
        self.fd.with(f).map_err(fail::cause)?
    }

    /// The error of operation `op` between the two ends.
    #[cold]
    #[inline(never)]
    pub fn fail(&self, op: &'static str, err: Error) -> io::Error {
        self.fail_for(op, fail::cause(err), 0)
    }

    /// The error of a write, `bytes` of which went out.
    #[cold]
    #[inline(never)]
    pub fn fail_partial(&self, op: &'static str, err: Partial) -> io::Error {
        self.fail_for(op, fail::cause(err.error), err.written)
    }

    /// The error of operation `op` between the two ends, for `cause`.
    #[cold]
    pub fn fail_for(&self, op: &'static str, cause: Cause, bytes: usize) -> io::Error {
        let err = OpError::new(op, self.net(), cause);
        let err = match self.local() {
            Some(local) => err.source(TcpAddr::from(local)),
            None => err,
        };
        err.addr(TcpAddr::from(self.peer)).bytes(bytes).into()
    }

    /// The error of setting something that Go attributes to this end alone.
    #[cold]
    pub fn fail_here(&self, op: &'static str, cause: Cause) -> io::Error {
        let err = OpError::new(op, self.net(), cause);
        match self.local() {
            Some(local) => err.addr(TcpAddr::from(local)),
            None => err,
        }
        .into()
    }

    /// Starts the time-out of one operation, if there is one.
    #[inline]
    pub fn start(&self, mode: Mode) {
        self.rare.start(&self.fd, mode);
    }

    /// The rest of a read whose first try was not all.
    #[cold]
    #[inline(never)]
    pub fn read_rest(&self, turn: ReadTurn<'_>, buf: &mut [u8]) -> io::Result<usize> {
        let read = turn.read_rest(buf);
        read.map_err(|err| self.fail("read", err))
    }

    /// The same with a buffer lent by the thread.
    #[cold]
    #[inline(never)]
    pub fn lease_rest(&self, turn: ReadTurn<'_>, most: usize) -> io::Result<Lease> {
        let read = turn.read_lent_rest(most, Buffer::take);
        read.map(Lease::of).map_err(|err| self.fail("read", err))
    }

    /// Begins a write: its time-out runs, and an error that is due is reported first.
    #[inline]
    pub fn start_write(&self, op: &'static str) -> io::Result<()> {
        let started = self.rare.start_write(&self.fd);
        started.map_err(|err| self.fail(op, err))
    }

    /// The result of a write as std wants it: bytes that went out count, the error waits.
    #[cold]
    #[inline(never)]
    pub fn postpone(&self, op: &'static str, err: Partial) -> io::Result<usize> {
        if err.written == 0 {
            return Err(self.fail_partial(op, err));
        }
        self.rare.postpone(err.error);
        Ok(err.written)
    }
}

impl Raw for Inner {
    fn start_raw(&self, mode: Mode) {
        self.start(mode);
    }

    fn leave(&self) -> Result<(), Error> {
        self.close()
    }

    fn raw_error(&self, op: &'static str, cause: Cause) -> io::Error {
        self.fail_for(op, cause, 0)
    }

    fn control_error(&self, cause: Cause) -> io::Error {
        self.fail_here("raw-control", cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpoll::PollDesc;

    /// What an idle connection costs is these two and the wait itself; see `examples/idle.rs`.
    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Inner>() <= 136, "{}", size_of::<Inner>());
        assert!(size_of::<PollDesc>() <= 104, "{}", size_of::<PollDesc>());
    }
}
