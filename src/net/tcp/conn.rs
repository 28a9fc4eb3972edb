//! A TCP connection.

use super::inner::Inner;
use crate::net::{
    Addr, Cause, Conn, Lease, TcpAddr,
    copy::Stream,
    fail,
    lease::Buffer,
    own_methods::{own_methods, own_stream_methods},
    raw::{self, Raw, descriptor_methods, raw_methods},
    readiness::{self, Clones},
    timeouts::deadline_methods,
};
use crate::task::idle::HasFd;
use netpoll::{Fd, Mode};
use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    net::{Shutdown, SocketAddr},
    ops::ControlFlow,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
    time::{Duration, Instant},
};

/// A TCP connection. Clones are the same connection; any number of tasks and plain threads may read,
/// write, set deadlines and close at the same time.
///
/// * Writers take turns whole: the bytes of one [`write`](TcpConn::write) are contiguous.
/// * Readers get disjoint bytes.
/// * [`close`](TcpConn::close) ends whatever any of them waits for. Dropping the last clone closes too.
///
/// The inherent `read` and `write` are Go's and need no `mut`. [`std::io::Read`] and
/// [`std::io::Write`] are there as well, for `TcpConn` and for `&TcpConn`.
///
/// ```
/// use gopark::net::{TcpConn, TcpListener};
/// use std::io::Read;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpConn::connect(listener.local_addr()?)?;
/// let (server, _peer) = listener.accept()?;
/// client.write(b"hello")?;
/// client.close()?;
/// let mut text = String::new();
/// (&server).read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # std::io::Result::Ok(())
/// ```
///
/// Deadlines hold until they are set again; a time-out begins anew with each operation:
///
/// ```
/// # use gopark::net::{TcpConn, TcpListener};
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let conn = TcpConn::connect(listener.local_addr()?)?;
/// use gopark::net::NetError;
/// use std::time::{Duration, Instant};
/// conn.set_read_deadline(Some(Instant::now() + Duration::from_millis(2)))?;
/// assert!(conn.read(&mut [0; 8]).unwrap_err().is_timeout());
/// conn.write(b"writes are not concerned")?;
/// conn.set_write_deadline(Some(Instant::now()))?;
/// assert!(conn.write(b"now they are").unwrap_err().is_timeout());
/// conn.set_deadline(None)?; // neither expires any more
/// conn.set_read_timeout(Some(Duration::from_millis(2)))?;
/// for _ in 0..2 { // each read has its own
///     assert!(conn.read(&mut [0; 8]).unwrap_err().is_timeout());
/// }
/// conn.set_write_timeout(Some(Duration::from_secs(1)))?;
/// assert_eq!(conn.read_timeout()?, Some(Duration::from_millis(2)));
/// assert_eq!(conn.write_timeout()?, Some(Duration::from_secs(1)));
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.TCPConn` (`net/tcpsock.go`). `ReadFrom` and `WriteTo` are [`copy`](crate::net::copy),
/// `File` is [`dup`](TcpConn::dup), and what `SyscallConn` leads to are [`with_fd`](TcpConn::with_fd),
/// [`hold_fd`](TcpConn::hold_fd), [`raw_read`](TcpConn::raw_read) and [`raw_write`](TcpConn::raw_write).
/// Of std's methods `set_nonblocking` has no twin: every operation waits, and
/// [`readable`](TcpConn::readable) and the deadlines say how long. `AsFd` is not the connection itself,
/// whose descriptor any clone may close, but the guard of [`hold_fd`](TcpConn::hold_fd), which keeps it
/// open.
#[derive(Clone)]
pub struct TcpConn(pub(super) Arc<Inner>);

impl HasFd for TcpConn {
    fn fd(&self) -> &Fd {
        &self.0.fd
    }
}

impl Clones for TcpConn {
    fn shared(&self) -> &impl Raw {
        &*self.0
    }
}

impl TcpConn {
    pub(super) fn from_inner(inner: Inner) -> TcpConn {
        TcpConn(Arc::new(inner))
    }

    /// Reads what is there, waiting until something is; it does not wait to fill `buf`. `Ok(0)` is
    /// the end of the stream, or an empty `buf`, which neither waits for data nor looks at the
    /// deadline.
    ///
    /// # Errors
    /// `read tcp A->B: i/o timeout` after the read deadline, even if there is data (nothing is lost);
    /// `.. use of closed network connection`; `.. read: connection reset by peer`.
    ///
    /// Go: `TCPConn.Read` (`net/net.go`).
    #[inline]
    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start(Mode::Read);
        let mut turn = inner.fd.read_turn(buf.len());
        match turn.try_read(buf) {
            Some(n) => Ok(n),
            None => inner.read_rest(turn, buf),
        }
    }

    /// [`read_lease_of`](TcpConn::read_lease_of), `most` being within its bounds.
    #[inline(always)]
    pub(crate) fn lease(&self, most: usize) -> io::Result<Lease> {
        let inner = &*self.0;
        inner.start(Mode::Read);
        let mut turn = inner.fd.read_turn(most);
        match turn.try_read_lent(most, Buffer::take) {
            Some(lent) => Ok(Lease::of(lent)),
            None => inner.lease_rest(turn, most),
        }
    }

    /// [`read`](TcpConn::read) into several buffers, filled in order.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// # let (peer, _) = listener.accept()?;
    /// use std::io::IoSliceMut;
    /// peer.write(b"headbody")?;
    /// let (mut head, mut body) = ([0; 4], [0; 64]);
    /// let n = conn.read_vectored(&mut [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)])?;
    /// assert_eq!((n, &head, &body[..4]), (8, b"head", b"body".as_slice()));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read`](TcpConn::read).
    #[inline]
    pub fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start(Mode::Read);
        inner.fd.readv(bufs).map_err(|err| inner.fail("read", err))
    }

    /// Reads without taking: the next read gets the same bytes again.
    ///
    /// # Errors
    /// Those of [`read`](TcpConn::read).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start(Mode::Read);
        inner.fd.peek(buf).map_err(|err| inner.fail("read", err))
    }

    /// Writes all of `buf`, waiting for room as often as needed, and returns its length. An empty
    /// `buf` makes one system call, which reports a broken pipe.
    ///
    /// # Errors
    /// `write tcp A->B: i/o timeout` after the write deadline; `.. use of closed network connection`;
    /// `.. write: broken pipe`. Some of the bytes may have gone out;
    /// [`NetError::bytes`](crate::net::NetError::bytes) says how many.
    ///
    /// Go: `TCPConn.Write` (`net/net.go`).
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
    /// Those of [`write`](TcpConn::write), the operation being `writev`.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// use std::io::IoSlice;
    /// let mut bufs = [IoSlice::new(b"head"), IoSlice::new(b"body")];
    /// let mut left = &mut bufs[..];
    /// assert_eq!(conn.write_buffers(&mut left)?, 8);
    /// assert!(left.is_empty());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `net.Buffers.WriteTo` (`net/net.go`).
    pub fn write_buffers(&self, bufs: &mut &mut [IoSlice<'_>]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start_write("writev")?;
        let done = inner.fd.writev(bufs);
        done.map_err(|err| inner.fail_partial("writev", err))
    }

    /// Waits until a read would not block: data, the end or an error is there. Meanwhile the caller
    /// needs no buffer, which is what keeps many idle connections small.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// # let (peer, _) = listener.accept()?;
    /// peer.writable()?; // there is room
    /// peer.write(b"hello")?;
    /// conn.readable()?;
    /// assert_eq!(conn.peek(&mut [0; 8])?, 5); // a buffer only now
    /// assert_eq!(conn.read(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read`](TcpConn::read).
    pub fn readable(&self) -> io::Result<()> {
        readiness::readable(&*self.0)
    }

    /// Ends waiting in this task: calls `then` in a new one, with the connection, when a read would not
    /// block (data, the end or an error is there), when the read deadline has passed, or when the
    /// connection is closed or the runtime ends. Returns at once; a task that then ends gives its stack
    /// back, so an idle connection holds none. Without a runtime, a new thread waits.
    ///
    /// Until `then` is called other readers wait, as they do behind a read that blocks.
    ///
    /// # Errors
    /// If there is neither memory for a stack nor a thread, where one is needed at once. The connection
    /// is dropped then, and `then` not called.
    ///
    /// ```
    /// use gopark::net::{TcpConn, TcpListener};
    /// /// Answers one request, and then waits for the next without a stack.
    /// fn serve(conn: TcpConn, readable: std::io::Result<()>) {
    ///     let mut buf = [0; 512];
    ///     match readable.and_then(|()| conn.read(&mut buf)) {
    ///         Ok(n @ 1..) if conn.write(&buf[..n]).is_ok() => {
    ///             let _ = conn.on_readable(serve);
    ///         }
    ///         _ => {} // the end
    ///     }
    /// }
    /// gopark::run(|| {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let client = TcpConn::connect(listener.local_addr()?)?;
    ///     listener.accept()?.0.on_readable(serve)?;
    ///     let mut buf = [0; 8];
    ///     for _ in 0..3 {
    ///         client.write(b"ping")?;
    ///         assert_eq!(client.read(&mut buf)?, 4);
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn on_readable<F>(self, then: F) -> io::Result<()>
    where
        F: FnOnce(TcpConn, io::Result<()>) + Send + 'static,
    {
        readiness::on_readable(self, then)
    }

    /// [`on_readable`](TcpConn::on_readable) again and again: calls `handler` in a task each time that a read
    /// would not block, or will fail, until it returns `Break`. Then `handler` and this clone of the
    /// connection are dropped, as they are if it panics.
    ///
    /// A server of its kind has no stack for an idle connection, which so takes a tenth of the memory of a
    /// parked task, and needs little more time for each request. `handler` may block like any task. It
    /// need not take all that has come: while nobody reads the rest, it is called again, when others have
    /// had their turn. So it is after `i/o timeout`, while the deadline has passed. After any other error,
    /// and when the runtime ends, that was the last call.
    ///
    /// A connection stays with one worker, as a task does, mostly that on which this is called. So spawn a
    /// task for each connection that is accepted, to call it: they are spread.
    ///
    /// # Errors
    /// Those of [`on_readable`](TcpConn::on_readable).
    ///
    /// ```
    /// use gopark::net::{TcpConn, TcpListener};
    /// use std::{io, ops::ControlFlow};
    /// fn answer(conn: &TcpConn) -> io::Result<bool> {
    ///     let input = conn.read_lease()?; // a buffer of the worker's
    ///     conn.write(&input)?;
    ///     Ok(!input.is_empty())
    /// }
    /// gopark::run(|| {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let client = TcpConn::connect(listener.local_addr()?)?;
    ///     let (conn, _) = listener.accept()?;
    ///     conn.on_each_readable(|conn, readable| match readable.and_then(|()| answer(conn)) {
    ///         Ok(true) => ControlFlow::Continue(()),
    ///         _ => ControlFlow::Break(()), // the end
    ///     })?;
    ///     let mut buf = [0; 8];
    ///     for _ in 0..3 {
    ///         client.write(b"ping")?;
    ///         assert_eq!(client.read(&mut buf)?, 4);
    ///     }
    ///     client.close_write()?;
    ///     assert_eq!(client.read(&mut buf)?, 0); // it was dropped
    ///     io::Result::Ok(())
    /// })?;
    /// # io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn on_each_readable<F>(self, handler: F) -> io::Result<()>
    where
        F: FnMut(&TcpConn, io::Result<()>) -> ControlFlow<()> + Send + 'static,
    {
        readiness::on_each_readable(self, handler)
    }

    /// Waits until a write would not block: there is room, or an error.
    ///
    /// # Errors
    /// Those of [`write`](TcpConn::write).
    pub fn writable(&self) -> io::Result<()> {
        readiness::writable(&*self.0)
    }

    /// Closes the connection for all its clones: what waits on it fails with `use of closed network
    /// connection`, and so does whatever comes later. What was written is still delivered.
    ///
    /// It returns when the operations under way have ended, so it may wait. Do not call it with a
    /// [`std::sync::Mutex`] held that another task of this worker may want: that task would hold the
    /// worker, and with it whatever is waited for.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// use gopark::net::NetError;
    /// let reader = conn.try_clone()?;
    /// let waits = std::thread::spawn(move || reader.read(&mut [0; 8]));
    /// conn.close()?; // for all clones
    /// assert!(waits.join().unwrap().unwrap_err().is_closed());
    /// assert_eq!(conn.peer_addr()?, listener.local_addr()?); // addresses survive
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `close tcp A->B: use of closed network connection` if it was closed before.
    ///
    /// Go: `TCPConn.Close` (`net/net.go`).
    pub fn close(&self) -> io::Result<()> {
        self.0.close().map_err(|err| self.0.fail("close", err))
    }

    /// Ends reading: a read that waits sees the end of the stream. The peer is told nothing, and what
    /// it sends from now on can still be read on Linux.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// # let (peer, _) = listener.accept()?;
    /// conn.close_write()?; // "that was my request"
    /// assert_eq!(peer.read(&mut [0; 8])?, 0);
    /// peer.write(b"answer")?;
    /// assert_eq!(conn.read(&mut [0; 8])?, 6);
    /// conn.close_read()?;
    /// assert_eq!(conn.read(&mut [0; 8])?, 0);
    /// peer.shutdown(std::net::Shutdown::Both)?; // at once what the two do
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `close tcp A->B: shutdown: transport endpoint is not connected` when the peer is gone.
    ///
    /// Go: `TCPConn.CloseRead` (`net/tcpsock.go`).
    pub fn close_read(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Read)
    }

    /// Ends writing: the peer reads the end of the stream after what was written.
    ///
    /// # Errors
    /// As [`close_read`](TcpConn::close_read).
    ///
    /// Go: `TCPConn.CloseWrite` (`net/tcpsock.go`).
    pub fn close_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    /// Ends reading, writing or both, as [`std::net::TcpStream::shutdown`]. The descriptor stays open.
    ///
    /// # Errors
    /// As [`close_read`](TcpConn::close_read).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let done = self.0.fd.shutdown(how);
        done.map_err(|err| self.0.fail("close", err))
    }

    /// The address of this end. It survives closing.
    ///
    /// # Errors
    /// Only if the kernel has no address to give.
    ///
    /// Go: `TCPConn.LocalAddr` (`net/net.go`).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0
            .local()
            .ok_or_else(|| self.0.fail_here("local", Cause::NoSuitableAddress))
    }

    /// The address of the other end. It survives closing. A peer that reached an IPv6 socket over
    /// IPv4 has an IPv4 address.
    ///
    /// # Errors
    /// Never; the result is std's.
    ///
    /// Go: `TCPConn.RemoteAddr` (`net/net.go`).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.peer)
    }

    /// The same connection, as [`std::net::TcpStream::try_clone`]; [`Clone`] does it without a result.
    ///
    /// # Errors
    /// Never; the result is std's.
    pub fn try_clone(&self) -> io::Result<TcpConn> {
        Ok(self.clone())
    }
}

deadline_methods!(TcpConn, "tcp", "TCPConn", rare);
descriptor_methods!(
    TcpConn,
    "tcp",
    "TCPConn",
    "conn",
    r#"# use gopark::net::{TcpConn, TcpListener};
# let listener = TcpListener::bind("127.0.0.1:0")?;
# let conn = TcpConn::connect(listener.local_addr()?)?;"#,
    "file_conn"
);
raw_methods!(
    TcpConn,
    "tcp",
    "Other readers wait meanwhile.",
    r#"# use gopark::net::{TcpConn, TcpListener};
# let listener = TcpListener::bind("127.0.0.1:0")?;
# let conn = TcpConn::connect(listener.local_addr()?)?;
# let (peer, _) = listener.accept()?;
# peer.write(b"hi")?;"#
);

impl fmt::Debug for TcpConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConn")
            .field("local", &self.0.local())
            .field("peer", &self.0.peer)
            .field("closed", &self.0.fd.is_closing())
            .finish()
    }
}

impl Conn for TcpConn {
    own_stream_methods!();
    own_methods!();

    fn stream(&self) -> Option<&dyn Stream> {
        Some(&*self.0)
    }

    fn local_addr(&self) -> Option<Addr> {
        Some(TcpAddr::from(self.0.local()?).into())
    }

    fn remote_addr(&self) -> Option<Addr> {
        Some(TcpAddr::from(self.0.peer).into())
    }
}
