//! A Unix connection.

use super::inner::Inner;
use crate::net::{
    UnixAddr, fail,
    raw::{self, Raw, descriptor_methods, raw_methods},
    readiness::{self, Clones},
    timeouts::deadline_methods,
};
use crate::task::idle::HasFd;
use netpoll::{Fd, Mode};
use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    net::Shutdown,
    ops::ControlFlow,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
    time::{Duration, Instant},
};

/// A Unix connection, of bytes (`unix`) or of packets (`unixpacket`). Clones are the same connection;
/// any number of tasks and plain threads may read, write, set deadlines and close at the same time.
///
/// * Writers take turns whole, and readers get disjoint bytes.
/// * [`close`](UnixConn::close) ends whatever any of them waits for. Dropping the last clone closes
///   too.
/// * On `unixpacket` each read is one packet, and what does not fit is lost. An empty packet reads as
///   zero bytes, which elsewhere is the end.
///
/// ```
/// use gopark::net::UnixConn;
/// let (a, b) = UnixConn::pair()?;
/// a.write(b"hello")?;
/// let mut buf = [0; 16];
/// assert_eq!(b.read(&mut buf)?, 5);
/// assert_eq!(a.local_addr().to_string(), "@"); // nobody named it
/// # std::io::Result::Ok(())
/// ```
///
/// Deadlines hold until they are set again; a time-out begins anew with each operation:
///
/// ```
/// use gopark::net::{NetError, UnixConn};
/// use std::time::{Duration, Instant};
/// let (a, _b) = UnixConn::pair()?;
/// a.set_read_deadline(Some(Instant::now() + Duration::from_millis(2)))?;
/// assert!(a.read(&mut [0; 8]).unwrap_err().is_timeout());
/// a.set_write_deadline(None)?;
/// a.set_deadline(None)?; // both
/// a.set_read_timeout(Some(Duration::from_millis(2)))?;
/// assert!(a.read(&mut [0; 8]).unwrap_err().is_timeout());
/// a.set_write_timeout(None)?;
/// assert_eq!((a.read_timeout()?, a.write_timeout()?), (Some(Duration::from_millis(2)), None));
/// # std::io::Result::Ok(())
/// ```
///
/// From std's and back:
///
/// ```
/// use gopark::net::UnixConn;
/// use std::os::unix::net::UnixStream;
/// let (a, _b) = UnixStream::pair()?;
/// let a = UnixConn::from_std(a)?;
/// let clone = a.clone();
/// let _blocking: UnixStream = a.into_std()?;
/// assert!(clone.write(b"x").is_err()); // taken away from all clones
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.UnixConn` (`net/unixsock.go`). `ReadFrom`, `WriteTo` and their like are only where they can
/// succeed, on [`UnixDatagram`](crate::net::UnixDatagram). `File` is [`dup`](UnixConn::dup), and what
/// `SyscallConn` leads to are [`with_fd`](UnixConn::with_fd), [`hold_fd`](UnixConn::hold_fd),
/// [`raw_read`](UnixConn::raw_read) and [`raw_write`](UnixConn::raw_write).
#[derive(Clone)]
pub struct UnixConn(pub(super) Arc<Inner>);

impl HasFd for UnixConn {
    fn fd(&self) -> &Fd {
        &self.0.fd
    }
}

impl Clones for UnixConn {
    fn shared(&self) -> &impl Raw {
        &*self.0
    }
}

impl UnixConn {
    pub(super) fn from_inner(inner: Inner) -> UnixConn {
        UnixConn(Arc::new(inner))
    }

    /// Reads what is there, waiting until something is. `Ok(0)` is the end of the stream, or an empty
    /// `buf`, which neither waits nor looks at the deadline.
    ///
    /// # Errors
    /// `read unix A->B: i/o timeout` after the read deadline, even if there is data (nothing is lost);
    /// `.. use of closed network connection`; `.. read: connection reset by peer` when the peer closed
    /// with data unread.
    ///
    /// Go: `UnixConn.Read` (`net/net.go`).
    #[inline]
    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start(Mode::Read);
        inner.fd.read(buf).map_err(|err| inner.fail("read", err))
    }

    /// [`read`](UnixConn::read) into several buffers, filled in order.
    ///
    /// ```
    /// use gopark::net::UnixConn;
    /// use std::io::{IoSlice, IoSliceMut};
    /// let (a, b) = UnixConn::pair()?;
    /// let mut bufs = [IoSlice::new(b"head"), IoSlice::new(b"body")];
    /// assert_eq!(a.write_buffers(&mut &mut bufs[..])?, 8);
    /// let (mut head, mut body) = ([0; 4], [0; 64]);
    /// let n = b.read_vectored(&mut [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)])?;
    /// assert_eq!((n, &head, &body[..4]), (8, b"head", b"body".as_slice()));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read`](UnixConn::read).
    pub fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start(Mode::Read);
        inner.fd.readv(bufs).map_err(|err| inner.fail("read", err))
    }

    /// Reads without taking: the next read gets the same bytes again.
    ///
    /// # Errors
    /// Those of [`read`](UnixConn::read).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start(Mode::Read);
        inner.fd.peek(buf).map_err(|err| inner.fail("read", err))
    }

    /// Writes all of `buf`, waiting for room as often as needed, and returns its length.
    ///
    /// # Errors
    /// `write unix A->B: i/o timeout` after the write deadline; `.. use of closed network connection`;
    /// `.. write: broken pipe` as soon as the peer has closed. Some of the bytes may have gone out;
    /// [`NetError::bytes`](crate::net::NetError::bytes) says how many.
    ///
    /// Go: `UnixConn.Write` (`net/net.go`).
    #[inline]
    pub fn write(&self, buf: &[u8]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start_write("write")?;
        match inner.fd.write(buf) {
            Ok(()) => Ok(buf.len()),
            Err(err) => Err(inner.fail_partial("write", err)),
        }
    }

    /// Writes all of several buffers, contiguous and in as few system calls as possible. What is left
    /// in `bufs` afterwards did not go out.
    ///
    /// # Errors
    /// Those of [`write`](UnixConn::write), the operation being `writev`.
    ///
    /// Go: `net.Buffers.WriteTo` (`net/net.go`).
    pub fn write_buffers(&self, bufs: &mut &mut [IoSlice<'_>]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start_write("writev")?;
        let done = inner.fd.writev(bufs);
        done.map_err(|err| inner.fail_partial("writev", err))
    }

    /// Waits until a read would not block: data, the end or an error is there.
    ///
    /// ```
    /// let (a, b) = gopark::net::UnixConn::pair()?;
    /// a.writable()?; // there is room
    /// a.write(b"hello")?;
    /// b.readable()?;
    /// assert_eq!(b.peek(&mut [0; 8])?, 5); // a buffer only now
    /// assert_eq!(b.read(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read`](UnixConn::read).
    pub fn readable(&self) -> io::Result<()> {
        readiness::readable(&*self.0)
    }

    /// Ends waiting in this task: calls `then` in a new one when a read would not block, or will fail;
    /// see [`TcpConn::on_readable`](crate::net::TcpConn::on_readable).
    ///
    /// ```
    /// use gopark::net::UnixConn;
    /// gopark::run(|| {
    ///     let (a, b) = UnixConn::pair()?;
    ///     b.on_readable(|b, readable| {
    ///         let n = readable.and_then(|()| b.read(&mut [0; 8])).unwrap();
    ///         b.write(&[n as u8]).unwrap();
    ///     })?;
    ///     a.write(b"hello")?;
    ///     let mut answer = [0];
    ///     a.read(&mut answer)?;
    ///     assert_eq!(answer, [5]);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`TcpConn::on_readable`](crate::net::TcpConn::on_readable).
    #[track_caller]
    pub fn on_readable<F>(self, then: F) -> io::Result<()>
    where
        F: FnOnce(UnixConn, io::Result<()>) + Send + 'static,
    {
        readiness::on_readable(self, then)
    }

    /// Calls `handler` in a new task each time that a read would not block, or will fail, until it returns
    /// `Break`; see [`TcpConn::on_each_readable`](crate::net::TcpConn::on_each_readable).
    ///
    /// ```
    /// use gopark::net::UnixConn;
    /// use std::ops::ControlFlow;
    /// gopark::run(|| {
    ///     let (a, b) = UnixConn::pair()?;
    ///     let mut calls = 0;
    ///     b.on_each_readable(move |b, readable| {
    ///         calls += 1;
    ///         match readable.and_then(|()| b.read(&mut [0; 8])) {
    ///             Ok(1..) if b.write(&[calls]).is_ok() => ControlFlow::Continue(()),
    ///             _ => ControlFlow::Break(()),
    ///         }
    ///     })?;
    ///     let mut answer = [0];
    ///     for call in 1..=3 {
    ///         a.write(b"hello")?;
    ///         a.read(&mut answer)?;
    ///         assert_eq!(answer, [call]);
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`TcpConn::on_readable`](crate::net::TcpConn::on_readable).
    #[track_caller]
    pub fn on_each_readable<F>(self, handler: F) -> io::Result<()>
    where
        F: FnMut(&UnixConn, io::Result<()>) -> ControlFlow<()> + Send + 'static,
    {
        readiness::on_each_readable(self, handler)
    }

    /// Waits until a write would not block: there is room, or an error.
    ///
    /// # Errors
    /// Those of [`write`](UnixConn::write).
    pub fn writable(&self) -> io::Result<()> {
        readiness::writable(&*self.0)
    }

    /// Closes the connection for all its clones: what waits on it fails with `use of closed network
    /// connection`, and so does whatever comes later. A file that this end was bound to stays.
    ///
    /// ```
    /// use gopark::net::{NetError, UnixConn};
    /// let (a, _b) = UnixConn::pair()?;
    /// let reader = a.try_clone()?;
    /// let waits = std::thread::spawn(move || reader.read(&mut [0; 8]));
    /// a.close()?; // for all clones
    /// assert!(waits.join().unwrap().unwrap_err().is_closed());
    /// assert_eq!(a.peer_addr().to_string(), "@"); // addresses survive
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `close unix A->B: use of closed network connection` if it was closed before.
    ///
    /// Go: `UnixConn.Close` (`net/net.go`).
    pub fn close(&self) -> io::Result<()> {
        self.0.fd.close().map_err(|err| self.0.fail("close", err))
    }

    /// Ends reading: a read that waits sees the end of the stream, and the peer cannot write any more.
    ///
    /// ```
    /// let (a, b) = gopark::net::UnixConn::pair()?;
    /// a.close_write()?; // "that was my request"
    /// assert_eq!(b.read(&mut [0; 8])?, 0);
    /// b.write(b"answer")?;
    /// assert_eq!(a.read(&mut [0; 8])?, 6);
    /// a.close_read()?;
    /// assert!(b.write(b"more").is_err()); // unlike on TCP, the peer is told
    /// b.shutdown(std::net::Shutdown::Both)?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `close unix A->B: shutdown: ..`.
    ///
    /// Go: `UnixConn.CloseRead` (`net/unixsock.go`).
    pub fn close_read(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Read)
    }

    /// Ends writing: the peer reads the end of the stream after what was written.
    ///
    /// # Errors
    /// As [`close_read`](UnixConn::close_read).
    ///
    /// Go: `UnixConn.CloseWrite` (`net/unixsock.go`).
    pub fn close_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    /// Ends reading, writing or both, as std's. The descriptor stays open.
    ///
    /// # Errors
    /// As [`close_read`](UnixConn::close_read).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let done = self.0.fd.shutdown(how);
        done.map_err(|err| self.0.fail("close", err))
    }

    /// The address of this end; `@` if nobody named it. It survives closing.
    ///
    /// Go: `UnixConn.LocalAddr` (`net/net.go`).
    pub fn local_addr(&self) -> &UnixAddr {
        &self.0.local
    }

    /// The address of the other end; `@` if nobody named it. It survives closing.
    ///
    /// Go: `UnixConn.RemoteAddr` (`net/net.go`).
    pub fn peer_addr(&self) -> &UnixAddr {
        // Every connection has one; only sockets of datagrams may not.
        self.0.peer.as_ref().unwrap_or(&self.0.local)
    }

    /// The same connection, as std's; [`Clone`] does it without a result.
    ///
    /// # Errors
    /// Never; the result is std's.
    pub fn try_clone(&self) -> io::Result<UnixConn> {
        Ok(self.clone())
    }
}

deadline_methods!(UnixConn, "unix", "UnixConn", rare);
descriptor_methods!(
    UnixConn,
    "unix",
    "UnixConn",
    "conn",
    r#"# let (conn, _peer) = gopark::net::UnixConn::pair()?;"#,
    "file_conn"
);
raw_methods!(
    UnixConn,
    "unix",
    "Other readers wait meanwhile.",
    r#"# let (conn, peer) = gopark::net::UnixConn::pair()?;
# peer.write(b"hi")?;"#
);

impl fmt::Debug for UnixConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixConn")
            .field("local", &self.0.local)
            .field("peer", &self.0.peer)
            .field("closed", &self.0.fd.is_closing())
            .finish()
    }
}
