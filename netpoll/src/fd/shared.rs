//! Operations that need no turns: datagrams.

use super::Fd;
use crate::desc::Mode;
use crate::error::Error;
use crate::fd_mutex::{FdMutex, Side};
use crate::park::{self, Reason, Refusal};
use crate::turns::{self, Turns};
use std::os::fd::BorrowedFd;

impl Fd {
    /// Runs `call` until it does not say EAGAIN (`recvfrom`, `recvmsg` on a socket of datagrams),
    /// beside any number of others that do the same. `name` is the system call that errors name.
    /// `call` returns the error number that it met, and must be whole by itself: nothing keeps two
    /// of them apart.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// use std::{net::UdpSocket, os::fd::AsRawFd};
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// let addr = socket.local_addr()?;
    /// let fd = Fd::new(socket.into(), Kind::DATAGRAM)?;
    /// UdpSocket::bind("127.0.0.1:0")?.send_to(b"hello", addr)?;
    /// let mut buf = [0u8; 64];
    /// let n = fd.receive_with("recv", |fd| {
    ///     // SAFETY: `buf` is valid for its length.
    ///     let n = unsafe { libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), 0) };
    ///     usize::try_from(n).map_err(|_| std::io::Error::last_os_error().raw_os_error().unwrap())
    /// })?;
    /// assert_eq!(&buf[..n], b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`], or what `call` says.
    ///
    /// Go: `internal/poll.FD.ReadFrom` and `ReadMsg`, which take turns.
    #[inline]
    pub fn receive_with<T>(
        &self,
        name: &'static str,
        call: impl FnMut(BorrowedFd<'_>) -> Result<T, i32>,
    ) -> Result<T, Error> {
        self.shared(Side::Read, name, call)
    }

    /// [`Fd::receive_with`] in the other direction (`sendto`, `sendmsg`).
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// use std::{net::UdpSocket, os::fd::AsRawFd};
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// a.connect(b.local_addr()?)?;
    /// let a = Fd::new(a.into(), Kind::DATAGRAM)?;
    /// let n = a.transmit_with("send", |fd| {
    ///     // SAFETY: the buffer is valid for its length.
    ///     let n = unsafe { libc::send(fd.as_raw_fd(), b"hello".as_ptr().cast(), 5, 0) };
    ///     usize::try_from(n).map_err(|_| std::io::Error::last_os_error().raw_os_error().unwrap())
    /// })?;
    /// assert_eq!((n, b.recv(&mut [0; 64])?), (5, 5));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Fd::receive_with`].
    ///
    /// Go: `internal/poll.FD.WriteTo` and `WriteMsg`, which take turns.
    #[inline]
    pub fn transmit_with<T>(
        &self,
        name: &'static str,
        call: impl FnMut(BorrowedFd<'_>) -> Result<T, i32>,
    ) -> Result<T, Error> {
        self.shared(Side::Write, name, call)
    }

    #[inline]
    fn shared<T>(
        &self,
        side: Side,
        name: &'static str,
        mut call: impl FnMut(BorrowedFd<'_>) -> Result<T, i32>,
    ) -> Result<T, Error> {
        turns::run(self, side, name, || {
            // SAFETY: `run` calls only with a reference or a lock, which keeps the descriptor open.
            call(unsafe { BorrowedFd::borrow_raw(self.sysfd) })
        })
    }
}

fn mode(side: Side) -> (Mode, Reason) {
    match side {
        Side::Read => (Mode::Read, Reason::Read),
        Side::Write => (Mode::Write, Reason::Write),
    }
}

impl Turns for Fd {
    #[inline]
    fn mutex(&self) -> &FdMutex {
        &self.mutex
    }

    fn destroy(&self) {
        // As with any other operation that happens to be the last.
        let _ = Fd::destroy(self);
    }

    #[cold]
    fn lock(&self, side: Side) -> Result<bool, Refusal> {
        park::with_current(|p| self.mutex.rwlock(side, p))
    }

    #[inline]
    fn check(&self, side: Side) -> Result<(), Error> {
        self.desc.check(mode(side).0)
    }

    #[inline]
    fn prepare(&self, side: Side) -> Result<(), Error> {
        self.desc.prepare(mode(side).0)
    }

    fn wait(&self, side: Side) -> Result<(), Error> {
        let (mode, why) = mode(side);
        if !self.kind.pollable {
            return Err(Error::NotPollable);
        }
        self.count_eagain();
        Fd::wait(self, mode, why)
    }
}
