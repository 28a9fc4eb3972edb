//! A TCP listener.

use super::{KeepAliveConfig, TcpConn, inner::Inner, keep_alive::set_nodelay, multipath};
use crate::{
    net::{
        Addr, Cause, Conn, IpVersion, Listener, Network, OpError, TcpAddr, fail,
        raw::{self, Raw, descriptor_methods, std_conversions},
        socket,
    },
    task::idle::HasFd,
};
use netpoll::{Error, Fd, Kind, Mode, SockAddr};
use socket2::SockRef;
use std::{
    fmt, io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
    time::Instant,
};

/// A TCP socket that listens. Clones are the same listener; any number of tasks and threads may
/// accept at the same time, and [`close`](TcpListener::close) ends all of them.
///
/// ```
/// use gopark::net::{NetError, TcpConn, TcpListener};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let _client = TcpConn::connect(listener.local_addr()?)?;
/// let (_server, peer) = listener.accept()?;
/// assert!(peer.ip().is_loopback());
/// listener.close()?;
/// assert!(listener.accept().unwrap_err().is_closed());
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.TCPListener` (`net/tcpsock.go`). `AcceptTCP` is [`accept`](TcpListener::accept), `File` is
/// [`dup`](TcpListener::dup), and what `SyscallConn` leads to are [`with_fd`](TcpListener::with_fd)
/// and [`hold_fd`](TcpListener::hold_fd); `RawConn.Read` and `Write` have no twins, since on a listener
/// Go's only fail.
#[derive(Clone)]
pub struct TcpListener(Arc<Shared>);

struct Shared {
    fd: Fd,
    version: IpVersion,
    local: SocketAddr,
    /// Bound to one address, a listener gives it to all its connections; else the kernel knows.
    local_of_conns: Option<Arc<SocketAddr>>,
    /// The options connections need besides those they have from the listening socket.
    missing: Option<KeepAliveConfig>,
    /// Whether connections may be of several paths, and have to be asked.
    multipath: bool,
}

impl TcpListener {
    /// A listener on a socket that listens already, and whose connections inherit what they need
    /// unless `missing` says what they do not.
    pub(in crate::net) fn new(
        fd: OwnedFd,
        version: IpVersion,
        missing: Option<KeepAliveConfig>,
        multipath: bool,
    ) -> Result<TcpListener, Cause> {
        let local = socket::local_addr(fd.as_fd())?;
        let is_one = missing.is_none() && !local.ip().is_unspecified();
        let local_of_conns = is_one.then(|| Arc::new(local));
        Ok(TcpListener(Arc::new(Shared {
            fd: Fd::from_nonblocking(fd, Kind::STREAM),
            version,
            local,
            local_of_conns,
            missing,
            multipath,
        })))
    }

    /// A listener on a descriptor that comes from elsewhere. Its connections get the default options
    /// one by one, since some may be in the queue already.
    pub(in crate::net) fn adopt(fd: OwnedFd) -> Result<TcpListener, Cause> {
        socket::set_nonblocking(fd.as_fd())?;
        let multipath = multipath::is_multipath(fd.as_fd());
        TcpListener::new(
            fd,
            IpVersion::Any,
            Some(KeepAliveConfig::default()),
            multipath,
        )
    }

    /// Gives a socket that does not listen yet the options its connections are to have. Go ignores
    /// what goes wrong with them, and so do we.
    pub(in crate::net) fn prepare(fd: BorrowedFd<'_>, keep_alive: &KeepAliveConfig) {
        let _ = set_nodelay(fd, true);
        let _ = keep_alive.apply_to_new(fd);
    }

    /// Sets an option or asks for one; `f` is told whether the socket is of IPv4.
    pub(super) fn option<T>(
        &self,
        op: &'static str,
        call: &'static str,
        f: impl FnOnce(SockRef<'_>, bool) -> io::Result<T>,
    ) -> io::Result<T> {
        let shared = &*self.0;
        let done = shared
            .fd
            .with(|fd| socket::named(call, f(SockRef::from(&fd), shared.local.is_ipv4())));
        let done = done.map_err(fail::cause).flatten();
        done.map_err(|cause| shared.fail_for(op, cause))
    }

    /// Waits for the next connection; returns it with the address of its peer. A connection that was
    /// reset while it was in the queue is given out, too, and says so when it is read.
    ///
    /// # Errors
    /// `accept tcp A: use of closed network connection` once it is closed; `.. i/o timeout` after the
    /// deadline, even if a connection waits; `.. accept4: too many open files`, which is
    /// [temporary](crate::net::NetError::is_temporary) and leaves the connection in the queue.
    ///
    /// Go: `TCPListener.AcceptTCP` (`net/tcpsock.go`).
    #[inline]
    pub fn accept(&self) -> io::Result<(TcpConn, SocketAddr)> {
        let shared = &*self.0;
        let (fd, peer) = shared
            .fd
            .accept()
            .map_err(|err| shared.fail("accept", err))?;
        shared.connection(fd, peer)
    }

    /// The next connection if one is in the queue already; never waits for one.
    ///
    /// ```
    /// use gopark::net::{TcpConn, TcpListener};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// assert!(listener.try_accept()?.is_none());
    /// let client = TcpConn::connect(listener.local_addr()?)?;
    /// let (_conn, peer) = loop {
    ///     match listener.try_accept()? {
    ///         Some(accepted) => break accepted,
    ///         None => gopark::yield_now(), // something else to do
    ///     }
    /// };
    /// assert_eq!(peer, client.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`accept`](TcpListener::accept).
    pub fn try_accept(&self) -> io::Result<Option<(TcpConn, SocketAddr)>> {
        let shared = &*self.0;
        match shared.fd.try_accept() {
            Ok(None) => Ok(None),
            Ok(Some((fd, peer))) => shared.connection(fd, peer).map(Some),
            Err(err) => Err(shared.fail("accept", err)),
        }
    }

    /// The connections, one after the other, until the listener is closed; then it ends.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let _client = TcpConn::connect(listener.local_addr()?)?;
    /// for conn in listener.incoming() {
    ///     conn?.close()?;
    ///     listener.close()?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// The address it listens on. It survives closing.
    ///
    /// # Errors
    /// Never; the result is std's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local)
    }

    /// The address it listens on, as Go has it.
    ///
    /// ```
    /// let listener = gopark::net::TcpListener::bind("127.0.0.1:0")?;
    /// assert_eq!(listener.addr().network(), "tcp");
    /// assert_eq!(listener.addr().to_string(), listener.local_addr()?.to_string());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `TCPListener.Addr` (`net/tcpsock.go`).
    pub fn addr(&self) -> Addr {
        TcpAddr::from(self.0.local).into()
    }

    /// Closes the listener for all its clones: accepts that wait fail, and connections that nobody has
    /// accepted are reset.
    ///
    /// # Errors
    /// `close tcp A: use of closed network connection` if it was closed before.
    ///
    /// Go: `TCPListener.Close` (`net/tcpsock.go`).
    pub fn close(&self) -> io::Result<()> {
        self.0.fd.close().map_err(|err| self.0.fail("close", err))
    }

    /// Sets the moment after which accepts fail; `None` is never. It reaches accepts that wait, stays
    /// until it is set again, and has nothing to do with the connections.
    ///
    /// ```
    /// use gopark::net::{NetError, TcpListener};
    /// use std::time::{Duration, Instant};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_deadline(Some(Instant::now() + Duration::from_millis(2)))?;
    /// assert!(listener.accept().unwrap_err().is_timeout());
    /// listener.try_clone()?.set_deadline(None)?; // a clone is the same listener
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `use of closed network connection`, without operation and address.
    ///
    /// Go: `TCPListener.SetDeadline` (`net/tcpsock.go`).
    pub fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        let done = self.0.fd.set_deadline(&[Mode::Read], deadline);
        done.map_err(|err| fail::cause(err).into())
    }

    /// The same listener, as [`std::net::TcpListener::try_clone`].
    ///
    /// # Errors
    /// Never; the result is std's.
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        Ok(self.clone())
    }

    /// Takes over a listener of std's. Its connections get the default options one by one, since some
    /// may be in the queue already.
    ///
    /// ```
    /// use gopark::net::TcpListener;
    /// let made = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let addr = made.local_addr()?;
    /// let listener = TcpListener::from_std(made)?;
    /// assert!(listener.try_accept()?.is_none());
    /// let back = listener.into_std()?; // blocking again
    /// assert_eq!(back.local_addr()?, addr);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// What the kernel says to non-blocking mode.
    ///
    /// Go: `net.FileListener` (`net/file.go`).
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::adopt(OwnedFd::from(listener))
            .map_err(|cause| OpError::new("file", "tcp", cause).into())
    }

    /// The listener as std's, in blocking mode. It is taken away from all clones, for which it is
    /// closed.
    ///
    /// The mode belongs to the socket, and duplicates share it: one of ours that was made of an earlier
    /// [`dup`](TcpListener::dup) holds its worker from then on, where it would have waited.
    ///
    /// # Errors
    /// `file tcp A: use of closed network connection`, or what the kernel says.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        raw::take(&*self.0).map(std::net::TcpListener::from)
    }
}

descriptor_methods!(
    TcpListener,
    "tcp",
    "TCPListener",
    "listener",
    r#"# let listener = gopark::net::TcpListener::bind("127.0.0.1:0")?;"#,
    "file_listener"
);
std_conversions!(TcpListener, std::net::TcpListener);

impl HasFd for Shared {
    fn fd(&self) -> &Fd {
        &self.fd
    }
}

impl Raw for Shared {
    fn raw_error(&self, op: &'static str, cause: Cause) -> io::Error {
        self.fail_for(op, cause)
    }
}

impl Shared {
    /// Makes a connection of what the kernel has accepted.
    #[inline]
    fn connection(&self, fd: OwnedFd, peer: SockAddr) -> io::Result<(TcpConn, SocketAddr)> {
        let Some(peer) = peer.to_ip() else {
            return Err(self.fail_for("accept", Cause::NoSuitableAddress));
        };
        let peer = socket::canonical(peer);
        let kind = if self.multipath {
            multipath::kind(fd.as_fd())
        } else {
            Kind::TCP
        };
        let fd = Fd::accepted(fd, kind);
        let inner = Inner::new(fd, self.version, peer, self.local_of_conns.clone());
        if let Some(keep_alive) = &self.missing {
            inner.set_defaults(keep_alive);
        }
        Ok((TcpConn::from_inner(inner), peer))
    }

    #[cold]
    fn fail(&self, op: &'static str, err: Error) -> io::Error {
        self.fail_for(op, fail::cause(err))
    }

    #[cold]
    fn fail_for(&self, op: &'static str, cause: Cause) -> io::Error {
        OpError::new(op, Network::Tcp(self.version).as_str(), cause)
            .addr(TcpAddr::from(self.local))
            .into()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener")
            .field("local", &self.0.local)
            .field("closed", &self.0.fd.is_closing())
            .finish()
    }
}

impl Listener for TcpListener {
    fn accept(&self) -> io::Result<Box<dyn Conn>> {
        let (conn, _) = self.accept()?;
        Ok(Box::new(conn))
    }

    fn try_accept(&self) -> io::Result<Option<Box<dyn Conn>>> {
        let accepted = self.try_accept()?;
        Ok(accepted.map(|(conn, _)| Box::new(conn) as Box<dyn Conn>))
    }

    fn close(&self) -> io::Result<()> {
        self.close()
    }

    fn addr(&self) -> Addr {
        self.addr()
    }
}

/// What [`TcpListener::incoming`] returns.
///
/// ```
/// use gopark::net::{TcpConn, TcpListener};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let _client = TcpConn::connect(listener.local_addr()?)?;
/// let mut incoming = listener.incoming();
/// assert!(incoming.next().unwrap().is_ok());
/// listener.close()?;
/// assert!(incoming.next().is_none()); // closing ends it without an error
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpConn>;

    fn next(&mut self) -> Option<io::Result<TcpConn>> {
        match self.listener.accept() {
            Ok((conn, _)) => Some(Ok(conn)),
            Err(_) if self.listener.0.fd.is_closing() => None,
            Err(err) => Some(Err(err)),
        }
    }
}
