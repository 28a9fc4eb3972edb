//! Socket options of a connection. None of them waits behind a read or a write.

use super::{
    KeepAliveConfig, TcpConn, TcpListener,
    keep_alive::{seconds, set_enabled, set_idle, set_nodelay},
    multipath,
};
use crate::net::{Cause, socket::named};
use socket2::SockRef;
use std::{io, os::fd::BorrowedFd, time::Duration};

impl TcpConn {
    /// Whether small writes go out at once instead of waiting to be gathered; on unless turned off.
    ///
    /// ```
    /// # use gopark::net::{KeepAliveConfig, TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// use std::time::Duration;
    /// assert!(conn.nodelay()?); // unless turned off
    /// conn.set_nodelay(false)?;
    /// conn.set_ttl(8)?;
    /// assert_eq!((conn.nodelay()?, conn.ttl()?), (false, 8));
    /// conn.set_linger(Some(Duration::ZERO))?; // closing will reset
    /// assert_eq!(conn.linger()?, Some(Duration::ZERO));
    /// conn.set_keepalive_period(Duration::from_secs(60))?;
    /// conn.set_keepalive_config(KeepAliveConfig::default())?;
    /// conn.set_keepalive(false)?;
    /// conn.set_read_buffer(1 << 16)?;
    /// conn.set_write_buffer(1 << 16)?;
    /// assert!(conn.take_error()?.is_none());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `set tcp A->B: use of closed network connection`, or what `setsockopt` says. Options can still
    /// be set after the peer has gone.
    ///
    /// Go: `TCPConn.SetNoDelay` (`net/tcpsock.go`).
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.option(|fd| set_nodelay(fd, on))
    }

    /// Whether small writes go out at once.
    ///
    /// # Errors
    /// `get tcp A->B: use of closed network connection`, or what `getsockopt` says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.query(|fd| fd.tcp_nodelay())
    }

    /// What closing does with bytes that are still to be sent: `None` sends them in the background;
    /// zero drops them and resets the connection; any other time makes the closing **thread** wait for
    /// them so long, rounded up to seconds, with all the tasks on it.
    ///
    /// # Errors
    /// As [`set_nodelay`](TcpConn::set_nodelay).
    ///
    /// Go: `TCPConn.SetLinger` (`net/tcpsock.go`).
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        let whole = linger.map(|linger| {
            let seconds = u64::try_from(seconds(linger)).unwrap_or_default();
            Duration::from_secs(seconds)
        });
        self.option(|fd| named("setsockopt", SockRef::from(&fd).set_linger(whole)))
    }

    /// What closing does with bytes that are still to be sent.
    ///
    /// # Errors
    /// As [`nodelay`](TcpConn::nodelay).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.query(|fd| fd.linger())
    }

    /// Whether a silent peer is asked for a sign of life; on unless turned off.
    ///
    /// # Errors
    /// As [`set_nodelay`](TcpConn::set_nodelay).
    ///
    /// Go: `TCPConn.SetKeepAlive` (`net/tcpsock.go`).
    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        self.option(|fd| set_enabled(fd, on))
    }

    /// How long nothing must have come before the peer is asked; rounded up to seconds, zero is 15 s.
    ///
    /// # Errors
    /// As [`set_nodelay`](TcpConn::set_nodelay).
    ///
    /// Go: `TCPConn.SetKeepAlivePeriod` (`net/tcpsock.go`).
    pub fn set_keepalive_period(&self, idle: Duration) -> io::Result<()> {
        self.option(|fd| set_idle(fd, idle))
    }

    /// When and how a silent peer is asked.
    ///
    /// # Errors
    /// As [`set_nodelay`](TcpConn::set_nodelay).
    ///
    /// Go: `TCPConn.SetKeepAliveConfig` (`net/tcpsock.go`).
    pub fn set_keepalive_config(&self, config: KeepAliveConfig) -> io::Result<()> {
        self.option(|fd| config.apply(fd))
    }

    /// Whether what arrives is acknowledged at once instead of with the next answer. The kernel turns
    /// it on and off by itself, too, so it holds for the moment only.
    ///
    /// # Errors
    /// As [`set_nodelay`](TcpConn::set_nodelay).
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// conn.set_quickack(false)?;
    /// assert!(!conn.quickack()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go has no counterpart; it is [`std::os::linux::net::TcpStreamExt::set_quickack`].
    pub fn set_quickack(&self, on: bool) -> io::Result<()> {
        self.option(|fd| named("setsockopt", SockRef::from(&fd).set_tcp_quickack(on)))
    }

    /// Whether what arrives is acknowledged at once.
    ///
    /// # Errors
    /// As [`nodelay`](TcpConn::nodelay).
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// conn.set_quickack(true)?;
    /// assert!(conn.quickack()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go has no counterpart; it is [`std::os::linux::net::TcpStreamExt::quickack`].
    pub fn quickack(&self) -> io::Result<bool> {
        self.query(|fd| fd.tcp_quickack())
    }

    /// Sets the size of the kernel's receive buffer in bytes. Linux doubles it for its own use.
    ///
    /// # Errors
    /// `set tcp A: ..`, as [`set_nodelay`](TcpConn::set_nodelay) but without the peer.
    ///
    /// Go: `TCPConn.SetReadBuffer` (`net/net.go`).
    pub fn set_read_buffer(&self, bytes: usize) -> io::Result<()> {
        self.buffer(|fd| SockRef::from(&fd).set_recv_buffer_size(bytes))
    }

    /// Sets the size of the kernel's send buffer in bytes. Linux doubles it for its own use.
    ///
    /// # Errors
    /// As [`set_read_buffer`](TcpConn::set_read_buffer).
    ///
    /// Go: `TCPConn.SetWriteBuffer` (`net/net.go`).
    pub fn set_write_buffer(&self, bytes: usize) -> io::Result<()> {
        self.buffer(|fd| SockRef::from(&fd).set_send_buffer_size(bytes))
    }

    /// Sets how many routers a packet may pass: the time to live, or the hop limit of IPv6.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// conn.set_ttl(1)?; // no router may pass it on
    /// assert_eq!(conn.ttl()?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`set_nodelay`](TcpConn::set_nodelay).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let v4 = self.0.peer.is_ipv4();
        self.option(|fd| {
            let fd = SockRef::from(&fd);
            let set = if v4 {
                fd.set_ttl_v4(ttl)
            } else {
                fd.set_unicast_hops_v6(ttl)
            };
            named("setsockopt", set)
        })
    }

    /// How many routers a packet may pass.
    ///
    /// # Errors
    /// As [`nodelay`](TcpConn::nodelay).
    pub fn ttl(&self) -> io::Result<u32> {
        let v4 = self.0.peer.is_ipv4();
        self.query(|fd| {
            if v4 {
                fd.ttl_v4()
            } else {
                fd.unicast_hops_v6()
            }
        })
    }

    /// Whether the connection is of multipath TCP right now: both ends have asked for it, and nothing
    /// on the way made it fall back to plain TCP. Before Linux 5.16, whether this end has asked.
    ///
    /// # Errors
    /// As [`nodelay`](TcpConn::nodelay).
    ///
    /// ```
    /// use gopark::net::{Dialer, TcpListener};
    /// let plain = TcpListener::bind("127.0.0.1:0")?;
    /// let dialer = Dialer::new().multipath_tcp(true);
    /// let conn = dialer.dial_tcp("tcp", &plain.local_addr()?.into())?;
    /// if std::fs::exists("/proc/sys/net/mptcp/enabled")? {
    ///     assert!(!conn.multipath_tcp()?, "the listener did not ask for it");
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `TCPConn.MultipathTCP` (`net/tcpsock.go`).
    pub fn multipath_tcp(&self) -> io::Result<bool> {
        let done = self.0.with(multipath::is_used);
        done.map_err(|cause| self.0.fail_for("get", cause, 0))
    }

    /// Takes the error the kernel holds for this connection, if any; the next operation does not see
    /// it any more.
    ///
    /// # Errors
    /// As [`nodelay`](TcpConn::nodelay).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.query(|fd| fd.take_error())
    }

    fn option(&self, set: impl FnOnce(BorrowedFd<'_>) -> Result<(), Cause>) -> io::Result<()> {
        let done = self.0.with(set);
        done.map_err(|cause| self.0.fail_for("set", cause, 0))
    }

    fn buffer(&self, set: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>) -> io::Result<()> {
        let done = self.0.with(|fd| named("setsockopt", set(fd)));
        done.map_err(|cause| self.0.fail_here("set", cause))
    }

    fn query<T>(&self, get: impl FnOnce(SockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        let done = self
            .0
            .with(|fd| named("getsockopt", get(SockRef::from(&fd))));
        done.map_err(|cause| self.0.fail_for("get", cause, 0))
    }
}

impl TcpListener {
    /// Sets how many routers a packet of a connection to come may pass: the time to live, or the hop
    /// limit of IPv6.
    ///
    /// # Errors
    /// `set tcp A: use of closed network connection`, or what `setsockopt` says.
    ///
    /// ```
    /// use gopark::net::{TcpConn, TcpListener};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_ttl(17)?;
    /// let _client = TcpConn::connect(listener.local_addr()?)?;
    /// assert_eq!((listener.ttl()?, listener.accept()?.0.ttl()?), (17, 17));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go has no counterpart; it is [`std::net::TcpListener::set_ttl`].
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.option("set", "setsockopt", |socket, v4| {
            if v4 {
                socket.set_ttl_v4(ttl)
            } else {
                socket.set_unicast_hops_v6(ttl)
            }
        })
    }

    /// How many routers a packet of a connection to come may pass.
    ///
    /// # Errors
    /// `get tcp A: use of closed network connection`, or what `getsockopt` says.
    ///
    /// ```
    /// let listener = gopark::net::TcpListener::bind("127.0.0.1:0")?;
    /// assert!(listener.ttl()? > 0);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go has no counterpart; it is [`std::net::TcpListener::ttl`].
    pub fn ttl(&self) -> io::Result<u32> {
        self.option("get", "getsockopt", |socket, v4| {
            if v4 {
                socket.ttl_v4()
            } else {
                socket.unicast_hops_v6()
            }
        })
    }

    /// Takes the error the kernel holds for this listener, if any.
    ///
    /// # Errors
    /// As [`ttl`](TcpListener::ttl).
    ///
    /// ```
    /// let listener = gopark::net::TcpListener::bind("127.0.0.1:0")?;
    /// assert!(listener.take_error()?.is_none());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go has no counterpart; it is [`std::net::TcpListener::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.option("get", "getsockopt", |socket, _| socket.take_error())
    }
}
