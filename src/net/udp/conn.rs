//! A UDP socket.

use super::inner::Inner;
use crate::net::{
    Cause, ToSocketAddrs, fail, message,
    raw::{self, descriptor_methods, raw_methods},
    readiness,
    timeouts::deadline_methods,
};
use netpoll::Mode;
use std::{
    fmt, io,
    net::SocketAddr,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
    time::{Duration, Instant},
};

/// A UDP socket, bound or dialed. Clones are the same socket; any number of tasks and plain threads
/// may receive, send, set deadlines and close at the same time, and **receivers and senders do not
/// queue behind one another**: each takes the next datagram there is.
///
/// * A bound socket receives from anybody ([`recv_from`](UdpConn::recv_from)) and sends to whom it is
///   told ([`send_to`](UdpConn::send_to)).
/// * A dialed one talks to one peer, with [`recv`](UdpConn::recv) and [`send`](UdpConn::send), and
///   learns when nobody listens there: `connection refused`, once for each datagram that was refused.
///
/// ```
/// use gopark::net::UdpConn;
/// let server = UdpConn::bind("127.0.0.1:0")?;
/// let client = UdpConn::connect(server.local_addr()?)?;
/// client.send(b"ping")?;
/// let mut buf = [0; 16];
/// let (n, from) = server.recv_from(&mut buf)?;
/// server.send_to(&buf[..n], from)?;
/// assert_eq!(client.recv(&mut buf)?, 4);
/// # std::io::Result::Ok(())
/// ```
///
/// Deadlines hold until they are set again; a time-out begins anew with each operation:
///
/// ```
/// use gopark::net::{NetError, UdpConn};
/// use std::time::{Duration, Instant};
/// let socket = UdpConn::bind("127.0.0.1:0")?;
/// socket.set_read_deadline(Some(Instant::now() + Duration::from_millis(2)))?;
/// assert!(socket.recv(&mut [0; 8]).unwrap_err().is_timeout());
/// socket.set_write_deadline(None)?;
/// socket.set_deadline(None)?; // both
/// socket.set_read_timeout(Some(Duration::from_millis(2)))?;
/// assert!(socket.recv(&mut [0; 8]).unwrap_err().is_timeout());
/// socket.set_write_timeout(None)?;
/// assert_eq!(socket.read_timeout()?, Some(Duration::from_millis(2)));
/// assert_eq!(socket.write_timeout()?, None);
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.UDPConn` (`net/udpsock.go`). `ReadFrom`, `ReadFromUDP` and `ReadFromUDPAddrPort` are
/// [`recv_from`](UdpConn::recv_from), `WriteTo` and its like [`send_to`](UdpConn::send_to), and the
/// `Msg` methods [`read_msg`](UdpConn::read_msg) and [`write_msg`](UdpConn::write_msg); `File` is
/// [`dup`](UdpConn::dup), and what `SyscallConn` leads to are [`with_fd`](UdpConn::with_fd),
/// [`hold_fd`](UdpConn::hold_fd), [`raw_read`](UdpConn::raw_read) and
/// [`raw_write`](UdpConn::raw_write).
#[derive(Clone)]
pub struct UdpConn(pub(super) Arc<Inner>);

impl UdpConn {
    pub(super) fn from_inner(inner: Inner) -> UdpConn {
        UdpConn(Arc::new(inner))
    }

    /// Waits for a datagram and returns how many of its bytes are in `buf`. What does not fit is lost;
    /// zero bytes are a datagram too.
    ///
    /// # Errors
    /// `read udp A->B: i/o timeout` after the read deadline, even if there is a datagram (it is not
    /// lost); `.. use of closed network connection`; on a dialed socket `.. read: connection refused`.
    ///
    /// Go: `UDPConn.Read` (`net/net.go`).
    #[inline]
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv("read", buf, 0)
    }

    /// [`recv`](UdpConn::recv), and who sent it. An IPv4 sender has an IPv4 address, also on an IPv6
    /// socket.
    ///
    /// # Errors
    /// Those of [`recv`](UdpConn::recv), the system call being `recvfrom`.
    ///
    /// Go: `UDPConn.ReadFromUDPAddrPort` (`net/udpsock.go`), which leaves such addresses mapped.
    #[inline]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buf, 0)
    }

    /// [`recv`](UdpConn::recv) without taking the datagram.
    ///
    /// ```
    /// use gopark::net::UdpConn;
    /// let server = UdpConn::bind("127.0.0.1:0")?;
    /// let client = UdpConn::connect(server.local_addr()?)?;
    /// client.send(b"hello")?;
    /// server.readable()?;
    /// assert_eq!(server.peek_from(&mut [0; 8])?, (5, client.local_addr()?));
    /// assert_eq!(server.peek(&mut [0; 8])?, 5);
    /// assert_eq!(server.recv(&mut [0; 8])?, 5); // only now it is taken
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`recv`](UdpConn::recv).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv("recv", buf, libc::MSG_PEEK)
    }

    /// [`recv_from`](UdpConn::recv_from) without taking the datagram.
    ///
    /// # Errors
    /// Those of [`recv_from`](UdpConn::recv_from).
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buf, libc::MSG_PEEK)
    }

    /// Sends `buf` as one datagram to the peer of a dialed socket.
    ///
    /// # Errors
    /// `write udp A: write: destination address required` on a socket that was not dialed;
    /// `.. write: message too long` for more than 65,507 bytes; `.. write: connection refused` if an
    /// earlier datagram was; `.. i/o timeout`, `.. use of closed network connection`.
    ///
    /// Go: `UDPConn.Write` (`net/net.go`).
    #[inline]
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.timeouts.start(&inner.fd, Mode::Write);
        let done = inner.fd.transmit_with("write", |fd| message::send(fd, buf));
        done.map_err(|err| inner.fail_for("write", fail::cause(err)))
    }

    /// Sends `buf` as one datagram to `to`; of several addresses, to the first.
    ///
    /// ```
    /// use gopark::net::UdpConn;
    /// let (a, b) = (UdpConn::bind("127.0.0.1:0")?, UdpConn::bind("127.0.0.1:0")?);
    /// a.writable()?; // there is room
    /// a.send_to(b"hello", b.local_addr()?)?;
    /// assert_eq!(b.recv_from(&mut [0; 8])?, (5, a.local_addr()?));
    /// let dialed = UdpConn::connect(b.local_addr()?)?;
    /// let err = dialed.send_to(b"hello", b.local_addr()?).unwrap_err();
    /// assert!(err.to_string().ends_with("use of WriteTo with pre-connected connection"));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`send`](UdpConn::send) with the address that was given, the system call being
    /// `sendto`; `write udp A->B: use of WriteTo with pre-connected connection` on a dialed socket;
    /// `write udp A->[::1]:9: address ::1: non-IPv4 address` on an IPv4 socket.
    ///
    /// Go: `UDPConn.WriteToUDP` (`net/udpsock.go`).
    #[inline]
    pub fn send_to(&self, buf: &[u8], to: impl ToSocketAddrs) -> io::Result<usize> {
        let inner = &*self.0;
        let to = to
            .to_udp_addr()
            .map_err(|cause| inner.fail_send(None, cause))?;
        inner.timeouts.start(&inner.fd, Mode::Write);
        let target = inner.target(&to);
        let target = target.map_err(|cause| inner.fail_send(Some(&to), cause))?;
        let done = inner
            .fd
            .transmit_with("sendto", |fd| message::send_to(fd, buf, &target));
        done.map_err(|err| inner.fail_send(Some(&to), fail::cause(err)))
    }

    /// Waits until there is a datagram or an error. By the time the caller looks, somebody else may
    /// have taken it.
    ///
    /// # Errors
    /// Those of [`recv`](UdpConn::recv).
    pub fn readable(&self) -> io::Result<()> {
        readiness::readable(&*self.0)
    }

    /// Waits until there is room to send, or an error.
    ///
    /// # Errors
    /// Those of [`send`](UdpConn::send).
    pub fn writable(&self) -> io::Result<()> {
        readiness::writable(&*self.0)
    }

    /// Closes the socket for all its clones: what waits on it fails with `use of closed network
    /// connection`, and so does whatever comes later. Dropping the last clone closes too.
    ///
    /// ```
    /// use gopark::net::{NetError, UdpConn};
    /// let socket = UdpConn::bind("127.0.0.1:0")?;
    /// assert!(socket.peer_addr().is_err()); // it was not dialed
    /// let receiver = socket.try_clone()?;
    /// let waits = std::thread::spawn(move || receiver.recv(&mut [0; 8]));
    /// socket.close()?; // for all clones
    /// assert!(waits.join().unwrap().unwrap_err().is_closed());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `close udp A: use of closed network connection` if it was closed before.
    ///
    /// Go: `UDPConn.Close` (`net/net.go`).
    pub fn close(&self) -> io::Result<()> {
        let done = self.0.fd.close();
        done.map_err(|err| self.0.fail_for("close", fail::cause(err)))
    }

    /// The address of this end. It survives closing.
    ///
    /// # Errors
    /// Never; the result is std's.
    ///
    /// Go: `UDPConn.LocalAddr` (`net/net.go`).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local)
    }

    /// The address of the only peer. It survives closing.
    ///
    /// # Errors
    /// `NotConnected` if the socket was not dialed.
    ///
    /// Go: `UDPConn.RemoteAddr` (`net/net.go`).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let none = || {
            let cause = Cause::syscall("getpeername", crate::net::Errno::ENOTCONN);
            self.0.fail_here("get", cause)
        };
        self.0.peer.ok_or_else(none)
    }

    /// The same socket, as [`std::net::UdpSocket::try_clone`]; [`Clone`] does it without a result.
    ///
    /// # Errors
    /// Never; the result is std's.
    pub fn try_clone(&self) -> io::Result<UdpConn> {
        Ok(self.clone())
    }
}

deadline_methods!(UdpConn, "udp", "UDPConn", timeouts);
descriptor_methods!(
    UdpConn,
    "udp",
    "UDPConn",
    "conn",
    r#"# let conn = gopark::net::UdpConn::bind("127.0.0.1:0")?;"#,
    "file_packet_conn"
);
raw_methods!(
    UdpConn,
    "udp",
    "Others may receive meanwhile, so a call of `f` must be whole by itself: `recvmmsg` is.",
    r#"# use gopark::net::UdpConn;
# let peer = UdpConn::bind("127.0.0.1:0")?;
# let conn = UdpConn::connect(peer.local_addr()?)?;
# peer.send_to(b"hi", conn.local_addr()?)?;"#
);

impl fmt::Debug for UdpConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpConn")
            .field("local", &self.0.local)
            .field("peer", &self.0.peer)
            .field("closed", &self.0.fd.is_closing())
            .finish()
    }
}
