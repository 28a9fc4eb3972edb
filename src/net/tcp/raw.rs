//! System calls of the program's own on a connection, and duplicates of its descriptor.
//!
//! Go: `syscall.RawConn`, which `TCPConn.SyscallConn` leads to, and `TCPConn.File`.

use super::{TcpConn, TcpListener};
use crate::net::fail;
use netpoll::Mode;
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

impl TcpConn {
    /// Calls `f` with the descriptor until it returns something, waiting in between until a read would
    /// not block: for system calls that read and that this crate does not make. `f` is not called once
    /// the read deadline has passed, and other readers wait meanwhile. Do not block in it.
    ///
    /// # Errors
    /// `raw-read tcp A->B: i/o timeout`, `.. use of closed network connection`.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// # listener.accept()?.0.write(b"hi")?;
    /// use socket2::SockRef;
    /// // How many bytes wait?
    /// let n = conn.raw_read(|fd| {
    ///     let mut buf = [std::mem::MaybeUninit::uninit(); 16];
    ///     match SockRef::from(&fd).peek(&mut buf) {
    ///         Err(err) if err.kind() == std::io::ErrorKind::WouldBlock => None,
    ///         result => Some(result),
    ///     }
    /// })??;
    /// assert_eq!(n, 2);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `RawConn.Read`.
    pub fn raw_read<T>(&self, mut f: impl FnMut(BorrowedFd<'_>) -> Option<T>) -> io::Result<T> {
        let inner = &*self.0;
        let _ = inner.fd.raw(); // a duplicate made in `f` may outlive it
        inner.start_timeout(Mode::Read);
        let done = inner
            .fd
            .read_with("raw-read", |fd| f(fd).ok_or(libc::EAGAIN));
        done.map_err(|err| inner.fail("raw-read", err))
    }

    /// [`raw_read`](TcpConn::raw_read) for system calls that write.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// use socket2::SockRef;
    /// // One urgent byte.
    /// let n = conn.raw_write(|fd| match SockRef::from(&fd).send_out_of_band(b"!") {
    ///     Err(err) if err.kind() == std::io::ErrorKind::WouldBlock => None,
    ///     result => Some(result),
    /// })??;
    /// assert_eq!(n, 1);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `raw-write tcp A->B: i/o timeout`, `.. use of closed network connection`.
    ///
    /// Go: `RawConn.Write`.
    pub fn raw_write<T>(&self, mut f: impl FnMut(BorrowedFd<'_>) -> Option<T>) -> io::Result<T> {
        let inner = &*self.0;
        let _ = inner.fd.raw();
        inner.start_timeout(Mode::Write);
        let done = inner
            .fd
            .write_with("raw-write", |fd| f(fd).ok_or(libc::EAGAIN));
        done.map_err(|err| inner.fail("raw-write", err))
    }

    /// A duplicate of the descriptor, non-blocking like the original. It is the same connection, which
    /// so stays open after this one is closed.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// # let (peer, _) = listener.accept()?;
    /// let second = TcpConn::from_std(conn.dup()?.into())?;
    /// conn.close()?;
    /// second.write(b"still open")?;
    /// assert_eq!(peer.read(&mut [0; 16])?, 10);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `file tcp A->B: fcntl: too many open files`, `.. use of closed network connection`.
    ///
    /// Go: `TCPConn.File` (`net/net.go`).
    pub fn dup(&self) -> io::Result<OwnedFd> {
        self.0.fd.dup().map_err(|err| self.0.fail("file", err))
    }
}

impl TcpListener {
    /// A duplicate of the descriptor; see [`TcpConn::dup`].
    ///
    /// ```
    /// let listener = gopark::net::TcpListener::bind("127.0.0.1:0")?;
    /// let inherited = std::net::TcpListener::from(listener.dup()?); // for a new process, say
    /// assert_eq!(inherited.local_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `file tcp A: fcntl: too many open files`, `.. use of closed network connection`.
    ///
    /// Go: `TCPListener.File` (`net/tcpsock.go`).
    pub fn dup(&self) -> io::Result<OwnedFd> {
        self.fd()
            .dup()
            .map_err(|err| self.fail("file", fail::cause(err)))
    }
}
