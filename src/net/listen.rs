//! Listening: from a network and an address as text to a listener.
//!
//! Go: `net/dial.go`, `net/tcpsock_posix.go`.

#![forbid(unsafe_code)]

use super::{
    Addr, AddrError, Cause, ControlHook, IpVersion, KeepAliveConfig, Listener, Network, OpError,
    PacketConn, Purpose, SocketFamily, TcpAddr, TcpListener, ToSocketAddrs, UdpAddr, UdpConn,
    UnixAddr, UnixDatagram, UnixListener, UnixNet, lookup,
    network::unknown,
    socket::{self, backlog, bind, maps_ipv4, named},
    tcp, udp, unix,
};
use socket2::Protocol;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// Listens on `address` on `network`: `tcp`, `tcp4`, `tcp6`, `unix` or `unixpacket`.
///
/// Port 0 lets the kernel choose. Without a host, or with a wildcard, it listens on every address of
/// the machine, on `tcp` for both IPv4 and IPv6. A name is looked up, and its first IPv4 address taken.
///
/// # Errors
/// `listen tcp 127.0.0.1:80: bind: permission denied`, and the like.
///
/// ```
/// use gopark::net::listen;
/// let listener = listen("tcp", "127.0.0.1:0")?;
/// assert!(listener.addr().to_string().starts_with("127.0.0.1:"));
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.Listen` (`net/dial.go`).
pub fn listen(network: &str, address: &str) -> io::Result<Box<dyn Listener>> {
    ListenConfig::new().listen(network, address)
}

/// Listens on `local` on `network` (`tcp`, `tcp4`, `tcp6`).
///
/// ```
/// use gopark::net::{listen_tcp, TcpAddr};
/// let listener = listen_tcp("tcp4", &TcpAddr::new([127, 0, 0, 1], 0))?;
/// assert_ne!(listener.local_addr()?.port(), 0); // the kernel has chosen
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`listen`].
///
/// Go: `net.ListenTCP` (`net/tcpsock.go`).
pub fn listen_tcp(network: &str, local: &TcpAddr) -> io::Result<TcpListener> {
    ListenConfig::new().listen_tcp(network, local)
}

/// A socket of datagrams on `address` on `network`: `udp`, `udp4`, `udp6` or `unixgram`.
///
/// # Errors
/// Those of [`listen`].
///
/// ```
/// use gopark::net::listen_packet;
/// let (a, b) = (listen_packet("udp", "127.0.0.1:0")?, listen_packet("udp", "127.0.0.1:0")?);
/// a.send_to(b"hello", &b.local_addr().unwrap())?;
/// let (n, from) = b.recv_from(&mut [0; 16])?;
/// assert_eq!((n, from), (5, a.local_addr()));
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.ListenPacket` (`net/dial.go`).
pub fn listen_packet(network: &str, address: &str) -> io::Result<Box<dyn PacketConn>> {
    ListenConfig::new().listen_packet(network, address)
}

/// A UDP socket on `local` on `network` (`udp`, `udp4`, `udp6`). For the address of a group it is bound
/// to the wildcard, and several sockets may be; [`UdpConn::join_multicast_v4`] makes it a member.
///
/// ```
/// use gopark::net::{listen_udp, UdpAddr};
/// let socket = listen_udp("udp4", &UdpAddr::new([127, 0, 0, 1], 0))?;
/// let err = listen_udp("udp4", &socket.local_addr()?.into()).unwrap_err();
/// assert!(err.to_string().ends_with("bind: address already in use"));
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`listen`].
///
/// Go: `net.ListenUDP` (`net/udpsock.go`).
pub fn listen_udp(network: &str, local: &UdpAddr) -> io::Result<UdpConn> {
    ListenConfig::new().listen_udp(network, local)
}

/// A UDP socket that receives what is sent to `group` on `network` (`udp`, `udp4`, `udp6`), on the
/// interface with the number `interface`, or on one that the system chooses. What it sends there itself
/// does not come back. For simple programs; others [join](UdpConn::join_multicast_v4) themselves.
///
/// ```no_run
/// use gopark::net::{listen_multicast_udp, resolve_udp_addr};
/// let group = resolve_udp_addr("udp4", "224.0.0.251:5353")?;
/// let socket = listen_multicast_udp("udp4", None, &group)?;
/// let mut buf = [0; 1500];
/// let (n, from) = socket.recv_from(&mut buf)?;
/// println!("{n} bytes from {from}");
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`listen`]; `missing address` if `group` has no IP address.
///
/// Go: `net.ListenMulticastUDP` (`net/udpsock.go`).
pub fn listen_multicast_udp(
    network: &str,
    interface: Option<u32>,
    group: &UdpAddr,
) -> io::Result<UdpConn> {
    let made = match Network::parse(network) {
        Ok(network @ Network::Udp(_)) => udp::listen_multicast(network, interface, group),
        _ => Err(unknown(network)),
    };
    made.map_err(|cause| {
        let err = OpError::new("listen", network.to_owned(), cause);
        err.addr(group.clone()).into()
    })
}

/// Listens on `local` on `network` (`unix`, `unixpacket`). On an empty name the kernel makes up an
/// abstract one.
///
/// ```
/// use gopark::net::{listen_unix, UnixAddr, UnixConn, UnixNet};
/// let path = std::env::temp_dir().join(format!("gopark-doc-{}.sock", std::process::id()));
/// let listener = listen_unix("unix", &UnixAddr::new(&path, UnixNet::Stream))?;
/// UnixConn::connect(&path)?;
/// listener.close()?;
/// assert!(!path.exists()); // it has removed what it made
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`listen`].
///
/// Go: `net.ListenUnix` (`net/unixsock.go`).
pub fn listen_unix(network: &str, local: &UnixAddr) -> io::Result<UnixListener> {
    ListenConfig::new().listen_unix(network, local)
}

/// A socket of datagrams on `local` on `unixgram`. On an empty name the kernel makes up an abstract one.
///
/// ```
/// use gopark::net::{listen_unixgram, UnixAddr, UnixNet};
/// let socket = listen_unixgram(&UnixAddr::new("", UnixNet::Datagram))?;
/// assert!(socket.local_addr().is_abstract()); // the kernel made up a name
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`listen`].
///
/// Go: `net.ListenUnixgram` (`net/unixsock.go`).
pub fn listen_unixgram(local: &UnixAddr) -> io::Result<UnixDatagram> {
    ListenConfig::new().listen_unixgram(local)
}

/// How to listen. Every setting has a sensible default.
///
/// ```
/// use gopark::net::{KeepAliveConfig, ListenConfig};
/// let config = ListenConfig::new().reuse_port(true).backlog(64).keep_alive(KeepAliveConfig::OFF);
/// let one = config.listen("tcp", "127.0.0.1:0")?;
/// let two = config.listen("tcp", &one.addr().to_string())?; // the same port
/// assert_eq!(one.addr(), two.addr());
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.ListenConfig` (`net/dial.go`). `KeepAlive` is in [`KeepAliveConfig`]. Listening waits for
/// nothing but the lookup of a name, so it takes no context.
#[derive(Clone, Debug, Default)]
pub struct ListenConfig {
    keep_alive: KeepAliveConfig,
    reuse_port: bool,
    backlog: Option<u32>,
    control: ControlHook,
    multipath: bool,
}

impl ListenConfig {
    /// The settings of [`listen`].
    pub fn new() -> ListenConfig {
        ListenConfig::default()
    }

    /// What accepted connections do to find out that a silent peer is gone.
    ///
    /// Go: `ListenConfig.KeepAliveConfig` (`net/dial.go`).
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: KeepAliveConfig) -> ListenConfig {
        self.keep_alive = keep_alive;
        self
    }

    /// Lets several listeners share one address (`SO_REUSEPORT`); the kernel spreads connections over
    /// them.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> ListenConfig {
        self.reuse_port = on;
        self
    }

    /// How many connections may wait to be accepted. By default as many as the machine allows
    /// (`/proc/sys/net/core/somaxconn`), which is also the most.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> ListenConfig {
        self.backlog = Some(connections);
        self
    }

    /// Whether TCP listeners take connections of multipath TCP from peers that ask for it; off unless
    /// turned on, where Go's are on. Others get plain TCP. Where the kernel refuses, so does everybody.
    /// [`TcpConn::multipath_tcp`](super::TcpConn::multipath_tcp) says what a connection is.
    ///
    /// ```
    /// use gopark::net::{ListenConfig, TcpConn};
    /// let config = ListenConfig::new().multipath_tcp(true);
    /// assert!(config.uses_multipath_tcp());
    /// let listener = config.bind("127.0.0.1:0")?;
    /// let _plain = TcpConn::connect(listener.local_addr()?)?;
    /// assert!(!listener.accept()?.0.multipath_tcp()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `ListenConfig.SetMultipathTCP` (`net/dial.go`).
    #[must_use]
    pub fn multipath_tcp(mut self, on: bool) -> ListenConfig {
        self.multipath = on;
        self
    }

    /// Whether TCP listeners take connections of multipath TCP.
    ///
    /// ```
    /// assert!(!gopark::net::ListenConfig::new().uses_multipath_tcp());
    /// ```
    ///
    /// Go: `ListenConfig.MultipathTCP` (`net/dial.go`).
    pub fn uses_multipath_tcp(&self) -> bool {
        self.multipath
    }

    /// Has `hook` called on the new socket before it is bound, with the network (`tcp4`, `tcp6` and so
    /// on), the address to be listened on and the socket. Its error is the listen's.
    ///
    /// ```
    /// use gopark::net::ListenConfig;
    /// let config = ListenConfig::new().control(|network, address, _socket| {
    ///     assert_eq!((network, address), ("tcp4", "127.0.0.1:0"));
    ///     Ok(())
    /// });
    /// config.listen("tcp", "127.0.0.1:0")?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `ListenConfig.Control` (`net/dial.go`).
    #[must_use]
    pub fn control<F>(mut self, hook: F) -> ListenConfig
    where
        F: Fn(&str, &str, BorrowedFd<'_>) -> io::Result<()> + Send + Sync + 'static,
    {
        self.control = ControlHook::new(hook);
        self
    }

    /// Listens on `address` on `network`, as [`listen`].
    ///
    /// ```
    /// use gopark::net::ListenConfig;
    /// let listener = ListenConfig::new().backlog(16).listen("tcp4", "127.0.0.1:0")?;
    /// assert_eq!(listener.addr().network(), "tcp");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`listen`].
    ///
    /// Go: `ListenConfig.Listen` (`net/dial.go`).
    pub fn listen(&self, network: &str, address: &str) -> io::Result<Box<dyn Listener>> {
        let fail = |cause| OpError::new("listen", network.to_owned(), cause);
        let list = lookup::addresses(network, address, Purpose::Listen, None).map_err(fail)?;
        let local = list.first_ipv4();
        match local {
            Addr::Tcp(local) => Ok(Box::new(self.listen_tcp(network, local)?)),
            // Go lets this pass for `unixgram`, too, where nothing can be accepted.
            Addr::Unix(local) => Ok(Box::new(self.listen_unix(network, local)?)),
            _ => {
                let cause = AddrError::new(AddrError::UNEXPECTED_TYPE, address).into();
                Err(fail(cause).addr(local.clone()).into())
            }
        }
    }

    /// A socket of datagrams, as [`listen_packet`].
    ///
    /// ```
    /// use gopark::net::ListenConfig;
    /// let config = ListenConfig::new().reuse_port(true);
    /// let one = config.listen_packet("udp", "127.0.0.1:0")?;
    /// let two = config.listen_packet("udp", &one.local_addr().unwrap().to_string())?;
    /// assert_eq!(one.local_addr(), two.local_addr());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`listen`].
    ///
    /// Go: `ListenConfig.ListenPacket` (`net/dial.go`).
    pub fn listen_packet(&self, network: &str, address: &str) -> io::Result<Box<dyn PacketConn>> {
        let fail = |cause| OpError::new("listen", network.to_owned(), cause);
        let list = lookup::addresses(network, address, Purpose::Listen, None).map_err(fail)?;
        let local = list.first_ipv4();
        match local {
            Addr::Udp(local) => Ok(Box::new(self.listen_udp(network, local)?)),
            Addr::Unix(local) if local.net == UnixNet::Datagram => {
                Ok(Box::new(self.listen_unixgram(local)?))
            }
            _ => {
                let cause = AddrError::new(AddrError::UNEXPECTED_TYPE, address).into();
                Err(fail(cause).addr(local.clone()).into())
            }
        }
    }

    /// A UDP socket, as [`listen_udp`].
    ///
    /// ```
    /// use gopark::net::{ListenConfig, UdpAddr};
    /// let config = ListenConfig::new().reuse_port(true);
    /// let one = config.listen_udp("udp", &UdpAddr::new([127, 0, 0, 1], 0))?;
    /// let two = config.listen_udp("udp", &one.local_addr()?.into())?;
    /// assert_eq!(one.local_addr()?, two.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`listen`].
    pub fn listen_udp(&self, network: &str, local: &UdpAddr) -> io::Result<UdpConn> {
        let made = match Network::parse(network) {
            Ok(network @ Network::Udp(_)) => {
                udp::listen(network, local, self.reuse_port, &self.control)
            }
            _ => Err(unknown(network)),
        };
        made.map_err(|cause| {
            let err = OpError::new("listen", network.to_owned(), cause);
            err.addr(local.clone()).into()
        })
    }

    /// Listens on a Unix socket, as [`listen_unix`].
    ///
    /// ```
    /// use gopark::net::{ListenConfig, UnixAddr, UnixNet};
    /// let name = UnixAddr::new("", UnixNet::Stream);
    /// let listener = ListenConfig::new().backlog(16).listen_unix("unix", &name)?;
    /// assert!(listener.local_addr().is_abstract());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`listen`].
    pub fn listen_unix(&self, network: &str, local: &UnixAddr) -> io::Result<UnixListener> {
        let made = match Network::parse(network) {
            Ok(Network::Unix(net)) => unix::listen(net, local, self.queue(), &self.control),
            _ => Err(unknown(network)),
        };
        made.map_err(|cause| {
            let err = OpError::new("listen", network.to_owned(), cause);
            err.addr(local.clone()).into()
        })
    }

    /// A socket of datagrams, as [`listen_unixgram`].
    ///
    /// ```
    /// use gopark::net::{ListenConfig, UnixAddr, UnixNet};
    /// let config = ListenConfig::new().control(|network, _, _| {
    ///     assert_eq!(network, "unixgram");
    ///     Ok(())
    /// });
    /// config.listen_unixgram(&UnixAddr::new("", UnixNet::Datagram))?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`listen`].
    pub fn listen_unixgram(&self, local: &UnixAddr) -> io::Result<UnixDatagram> {
        unix::listen_gram(local, &self.control).map_err(|cause| {
            let err = OpError::new("listen", "unixgram", cause);
            err.addr(local.clone()).into()
        })
    }

    fn queue(&self) -> i32 {
        match self.backlog {
            Some(n) => i32::try_from(n).unwrap_or(i32::MAX),
            None => backlog(),
        }
    }

    /// Listens on `local` on `network`, as [`listen_tcp`].
    ///
    /// ```
    /// use gopark::net::{ListenConfig, TcpAddr};
    /// let listener = ListenConfig::new().listen_tcp("tcp", &TcpAddr::new([127, 0, 0, 1], 0))?;
    /// assert!(listener.local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`listen`].
    pub fn listen_tcp(&self, network: &str, local: &TcpAddr) -> io::Result<TcpListener> {
        let fail = |cause| {
            let err = OpError::new("listen", network.to_owned(), cause);
            io::Error::from(err.addr(local.clone()))
        };
        let Ok(network @ Network::Tcp(_)) = Network::parse(network) else {
            return Err(fail(unknown(network)));
        };
        let addr = Addr::Tcp(local.clone());
        let family = SocketFamily::choose(network, Some(&addr), None, true, maps_ipv4());
        self.listen_on(network, local, family).map_err(fail)
    }

    /// Listens on `addr`: a socket address, `"host:port"`, or one of the other forms of
    /// [`ToSocketAddrs`], as [`TcpListener::bind`].
    ///
    /// ```
    /// use gopark::net::ListenConfig;
    /// let listener = ListenConfig::new().backlog(16).bind(("127.0.0.1", 0))?;
    /// assert!(listener.try_accept()?.is_none());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`TcpListener::bind`].
    pub fn bind(&self, addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let fail = |cause| OpError::new("listen", "tcp", cause);
        let mut first = None;
        for local in addr.to_tcp_addrs().map_err(fail)? {
            // An address that names its family means it; without one, both are meant.
            let family = match local.ip {
                Some(_) => SocketFamily {
                    family: local.family(),
                    v6_only: false,
                },
                None => SocketFamily::choose(
                    Network::Tcp(IpVersion::Any),
                    None,
                    None,
                    true,
                    maps_ipv4(),
                ),
            };
            match self.listen_on(Network::Tcp(IpVersion::Any), &local, family) {
                Ok(listener) => return Ok(listener),
                Err(cause) => first.get_or_insert_with(|| fail(cause).addr(local)),
            };
        }
        Err(first.unwrap_or_else(|| fail(Cause::MissingAddress)).into())
    }

    /// Go: `sysListener.listenMPTCP` (`net/mptcpsock_linux.go`).
    fn listen_on(
        &self,
        network: Network,
        local: &TcpAddr,
        family: SocketFamily,
    ) -> Result<TcpListener, Cause> {
        tcp::or_plain(self.multipath, |protocol| {
            self.listen_by(protocol, network, local, family)
        })
    }

    /// Go: `sysListener.listenTCPProto`, `netFD.listenStream` (`net/sock_posix.go`).
    fn listen_by(
        &self,
        protocol: Option<Protocol>,
        network: Network,
        local: &TcpAddr,
        family: SocketFamily,
    ) -> Result<TcpListener, Cause> {
        let addr = local.to_socket_addr(family.family)?;
        let socket = socket::stream(family, protocol)?;
        named("setsockopt", socket.set_reuse_address(true))?;
        if self.reuse_port {
            named("setsockopt", socket.set_reuse_port(true))?;
        }
        TcpListener::prepare(socket.as_fd(), &self.keep_alive);
        let named_addr = Addr::Tcp(local.clone());
        self.control
            .call(network, family.family, &named_addr, socket.as_fd())?;
        bind(&socket, addr)?;
        named("listen", socket.listen(self.queue()))?;
        let multipath = protocol.is_some();
        // Which options go over to connections of several paths depends on the kernel's age.
        let missing = multipath.then_some(self.keep_alive);
        TcpListener::new(
            OwnedFd::from(socket),
            network.ip_version(),
            missing,
            multipath,
        )
    }
}

impl TcpListener {
    /// Listens on `addr`: a socket address, `"host:port"`, or one of the other forms of
    /// [`ToSocketAddrs`]; of several the first that works. An IPv4 address listens on IPv4, an IPv6
    /// address on IPv6 (the wildcard `[::]` on both), and `":port"` on both.
    ///
    /// The address can be listened on again at once after the listener is closed, and the queue is as
    /// long as the machine allows.
    ///
    /// ```
    /// use gopark::net::TcpListener;
    /// let listener = TcpListener::bind("localhost:0")?;
    /// assert!(listener.local_addr()?.ip().is_loopback());
    /// let err = TcpListener::bind(listener.local_addr()?).unwrap_err();
    /// assert_eq!(err.kind(), std::io::ErrorKind::AddrInUse);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`listen`]; of several addresses the first one's.
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
        ListenConfig::new().bind(addr)
    }
}
