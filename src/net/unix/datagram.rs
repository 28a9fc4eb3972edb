//! A Unix socket of datagrams.

use super::{inner::Inner, names};
use crate::net::{
    UnixAddr, fail, message,
    raw::{self, descriptor_methods, raw_methods},
    readiness,
    timeouts::deadline_methods,
};
use netpoll::Mode;
use std::{
    fmt, io,
    net::Shutdown,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
    time::{Duration, Instant},
};

/// A Unix socket of datagrams (`unixgram`), bound, dialed or both. Clones are the same socket; any
/// number of tasks and plain threads may receive, send, set deadlines and close at the same time, and
/// receivers and senders do not queue behind one another.
///
/// Nothing is lost on the way: a sender waits while the receiver's queue is full.
///
/// ```
/// use gopark::net::{UnixAddr, UnixDatagram, UnixNet};
/// let server = UnixDatagram::bind("@gopark-doc-datagram")?;
/// let client = UnixDatagram::bind("")?; // the kernel makes up a name
/// client.send_to(b"ping", server.local_addr())?;
/// let mut buf = [0; 16];
/// let (n, from) = server.recv_from(&mut buf)?;
/// assert_eq!((n, from.as_ref()), (4, Some(client.local_addr())));
/// # std::io::Result::Ok(())
/// ```
///
/// Deadlines hold until they are set again; a time-out begins anew with each operation:
///
/// ```
/// use gopark::net::{NetError, UnixDatagram};
/// use std::time::{Duration, Instant};
/// let (a, _b) = UnixDatagram::pair()?;
/// a.set_read_deadline(Some(Instant::now() + Duration::from_millis(2)))?;
/// assert!(a.recv(&mut [0; 8]).unwrap_err().is_timeout());
/// a.set_write_deadline(None)?;
/// a.set_deadline(None)?; // both
/// a.set_read_timeout(Some(Duration::from_millis(2)))?;
/// assert!(a.recv(&mut [0; 8]).unwrap_err().is_timeout());
/// a.set_write_timeout(None)?;
/// assert_eq!((a.read_timeout()?, a.write_timeout()?), (Some(Duration::from_millis(2)), None));
/// # std::io::Result::Ok(())
/// ```
///
/// From std's and back, and the options that Unix sockets have:
///
/// ```
/// use gopark::net::UnixDatagram;
/// let (a, b) = std::os::unix::net::UnixDatagram::pair()?;
/// let b = UnixDatagram::from_std(b)?;
/// b.set_pass_credentials(true)?;
/// b.set_read_buffer(1 << 16)?;
/// b.set_write_buffer(1 << 16)?;
/// a.send(b"who am I?")?;
/// let message = b.read_msg(&mut [0; 16], 0, 0)?;
/// assert_eq!(message.credentials.unwrap().pid, std::process::id() as i32);
/// let _blocking: std::os::unix::net::UnixDatagram = b.into_std()?;
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.UnixConn` (`net/unixsock.go`) on `unixgram`. `ReadFrom` and `ReadFromUnix` are
/// [`recv_from`](UnixDatagram::recv_from), `WriteTo` and `WriteToUnix` are
/// [`send_to`](UnixDatagram::send_to). Of std's methods `connect` has no twin: as in Go, a socket is
/// dialed or is not.
#[derive(Clone)]
pub struct UnixDatagram(pub(super) Arc<Inner>);

impl UnixDatagram {
    pub(super) fn from_inner(inner: Inner) -> UnixDatagram {
        UnixDatagram(Arc::new(inner))
    }

    /// Waits for a datagram and returns how many of its bytes are in `buf`. What does not fit is lost;
    /// zero bytes are a datagram too.
    ///
    /// ```
    /// let (a, b) = gopark::net::UnixDatagram::pair()?;
    /// a.send(b"hello")?;
    /// assert_eq!(b.peek_from(&mut [0; 8])?, (5, None)); // is still there
    /// let mut buf = [0; 4];
    /// assert_eq!(b.recv(&mut buf)?, 4); // the rest is lost
    /// assert_eq!(&buf, b"hell");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `read unixgram A: i/o timeout` after the read deadline; `.. use of closed network connection`.
    ///
    /// Go: `UnixConn.Read` (`net/net.go`).
    #[inline]
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start(Mode::Read);
        let done = inner
            .fd
            .receive_with("read", |fd| message::recv(fd, buf, 0));
        done.map_err(|err| inner.fail("read", err))
    }

    /// [`recv`](UnixDatagram::recv), and who sent it; `None` for a socket without a name.
    ///
    /// # Errors
    /// Those of [`recv`](UnixDatagram::recv), the system call being `recvfrom`.
    ///
    /// Go: `UnixConn.ReadFromUnix` (`net/unixsock.go`).
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, Option<UnixAddr>)> {
        let (n, from) = self.0.receive(buf, 0)?;
        Ok((n, names::sender(&from, self.0.net)))
    }

    /// [`recv`](UnixDatagram::recv) without taking the datagram.
    ///
    /// # Errors
    /// Those of [`recv`](UnixDatagram::recv), the system call being `recvfrom`.
    ///
    /// ```
    /// use gopark::net::UnixDatagram;
    /// let (a, b) = UnixDatagram::pair()?;
    /// a.send(b"hello")?;
    /// assert_eq!(b.peek(&mut [0; 8])?, 5);
    /// assert_eq!(b.recv(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go has no counterpart; it is [`std::os::unix::net::UnixDatagram`]'s unstable `peek`.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let (n, _from) = self.0.receive(buf, libc::MSG_PEEK)?;
        Ok(n)
    }

    /// [`recv_from`](UnixDatagram::recv_from) without taking the datagram.
    ///
    /// # Errors
    /// Those of [`recv_from`](UnixDatagram::recv_from).
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, Option<UnixAddr>)> {
        let (n, from) = self.0.receive(buf, libc::MSG_PEEK)?;
        Ok((n, names::sender(&from, self.0.net)))
    }

    /// Sends `buf` as one datagram to the peer of a dialed socket.
    ///
    /// # Errors
    /// `write unixgram A: write: transport endpoint is not connected` on a socket that was not dialed;
    /// `.. write: connection refused` when the receiver is gone; `.. i/o timeout` when its queue stays
    /// full; `.. use of closed network connection`.
    ///
    /// Go: `UnixConn.Write` (`net/net.go`).
    #[inline]
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start(Mode::Write);
        let done = inner.fd.transmit_with("write", |fd| message::send(fd, buf));
        done.map_err(|err| inner.fail("write", err))
    }

    /// Sends `buf` as one datagram to `to`.
    ///
    /// When the receiver's queue is full, the wait ends when it takes a datagram *of this socket*: the
    /// kernel tells no more to who is not connected. Dial whom you send much to.
    ///
    /// # Errors
    /// Those of [`send`](UnixDatagram::send) with the address that was given, the system call being
    /// `sendto`; `.. use of WriteTo with pre-connected connection` on a dialed socket; `.. address
    /// family not supported by protocol` if `to` is of another network.
    ///
    /// Go: `UnixConn.WriteToUnix` (`net/unixsock.go`).
    pub fn send_to(&self, buf: &[u8], to: &UnixAddr) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start(Mode::Write);
        let target = inner.target(to);
        let target = target.map_err(|cause| inner.fail_send(Some(to), cause))?;
        let done = inner
            .fd
            .transmit_with("sendto", |fd| message::send_to(fd, buf, &target));
        done.map_err(|err| inner.fail_send(Some(to), fail::cause(err)))
    }

    /// Waits until there is a datagram or an error. By the time the caller looks, somebody else may
    /// have taken it.
    ///
    /// # Errors
    /// Those of [`recv`](UnixDatagram::recv).
    ///
    /// ```
    /// let (a, b) = gopark::net::UnixDatagram::pair()?;
    /// a.send(b"hello")?;
    /// b.readable()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn readable(&self) -> io::Result<()> {
        readiness::readable(&*self.0)
    }

    /// Waits until there is room to send, or an error.
    ///
    /// # Errors
    /// Those of [`send`](UnixDatagram::send).
    ///
    /// ```
    /// let (a, _b) = gopark::net::UnixDatagram::pair()?;
    /// a.writable()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn writable(&self) -> io::Result<()> {
        readiness::writable(&*self.0)
    }

    /// Ends receiving: the peer cannot send any more. Who waits for a datagram goes on waiting, since
    /// datagrams have no end; [`close`](UnixDatagram::close) or a deadline tells them.
    ///
    /// # Errors
    /// `close unixgram A: use of closed network connection`.
    ///
    /// ```
    /// let (a, b) = gopark::net::UnixDatagram::pair()?;
    /// a.close_read()?;
    /// assert!(b.send(b"hello").is_err());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `UnixConn.CloseRead` (`net/unixsock.go`).
    pub fn close_read(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Read)
    }

    /// Ends sending.
    ///
    /// # Errors
    /// As [`close_read`](UnixDatagram::close_read).
    ///
    /// ```
    /// let (a, b) = gopark::net::UnixDatagram::pair()?;
    /// a.close_write()?;
    /// assert!(a.send(b"hello").is_err());
    /// b.send(b"hello")?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `UnixConn.CloseWrite` (`net/unixsock.go`).
    pub fn close_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    /// Ends receiving, sending or both. The descriptor stays open.
    ///
    /// # Errors
    /// As [`close_read`](UnixDatagram::close_read).
    ///
    /// ```
    /// let (a, b) = gopark::net::UnixDatagram::pair()?;
    /// a.shutdown(std::net::Shutdown::Both)?;
    /// assert!(a.send(b"hello").is_err() && b.send(b"hello").is_err());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go has no counterpart; it is [`std::os::unix::net::UnixDatagram::shutdown`].
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let done = self.0.fd.shutdown(how);
        done.map_err(|err| self.0.fail("close", err))
    }

    /// Closes the socket for all its clones: what waits on it fails with `use of closed network
    /// connection`, and so does whatever comes later. The file it was bound to stays.
    ///
    /// ```
    /// use gopark::net::{NetError, UnixDatagram};
    /// let (a, _b) = UnixDatagram::pair()?;
    /// assert!(UnixDatagram::bind("")?.peer_addr().is_none());
    /// let receiver = a.try_clone()?;
    /// let waits = std::thread::spawn(move || receiver.recv(&mut [0; 8]));
    /// a.close()?; // for all clones
    /// assert!(waits.join().unwrap().unwrap_err().is_closed());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `close unixgram A: use of closed network connection` if it was closed before.
    ///
    /// Go: `UnixConn.Close` (`net/net.go`).
    pub fn close(&self) -> io::Result<()> {
        self.0.fd.close().map_err(|err| self.0.fail("close", err))
    }

    /// The address of this end; `@` if nobody named it. It survives closing.
    pub fn local_addr(&self) -> &UnixAddr {
        &self.0.local
    }

    /// The address of the only peer, if the socket was dialed.
    pub fn peer_addr(&self) -> Option<&UnixAddr> {
        self.0.peer.as_ref()
    }

    /// The same socket, as std's; [`Clone`] does it without a result.
    ///
    /// # Errors
    /// Never; the result is std's.
    pub fn try_clone(&self) -> io::Result<UnixDatagram> {
        Ok(self.clone())
    }
}

deadline_methods!(UnixDatagram, "unixgram", "UnixConn", rare);
descriptor_methods!(
    UnixDatagram,
    "unixgram",
    "UnixConn",
    "conn",
    r#"# let (conn, _peer) = gopark::net::UnixDatagram::pair()?;"#,
    "file_packet_conn"
);
raw_methods!(
    UnixDatagram,
    "unixgram",
    "Others may receive meanwhile, so a call of `f` must be whole by itself.",
    r#"# let (conn, peer) = gopark::net::UnixDatagram::pair()?;
# peer.send(b"hi")?;"#
);

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixDatagram")
            .field("local", &self.0.local)
            .field("peer", &self.0.peer)
            .field("closed", &self.0.fd.is_closing())
            .finish()
    }
}
