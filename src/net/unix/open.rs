//! Making Unix sockets.
//!
//! Go: `unixSocket` (`net/unixsock_posix.go`), `net/sock_posix.go`.

use super::{
    UnixConn, UnixDatagram, UnixListener,
    inner::{self, Inner},
    names,
};
use crate::net::{
    Addr, Cause, ControlHook, Errno, Limits, Network, OpError, UnixAddr, UnixNet,
    connect::connect as connect_within,
    fail,
    socket::{self, named},
    sys,
};
use socket2::{Domain, Socket, Type};
use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, OwnedFd},
};

fn kind(net: UnixNet) -> Type {
    match net {
        UnixNet::Stream => Type::STREAM,
        UnixNet::Datagram => Type::DGRAM,
        UnixNet::Packet => Type::SEQPACKET,
    }
}

fn new_socket(net: UnixNet) -> Result<Socket, Cause> {
    let made = Socket::new(Domain::UNIX, kind(net).nonblocking(), None);
    named("socket", made)
}

fn call(
    control: &ControlHook,
    net: UnixNet,
    addr: &UnixAddr,
    socket: &Socket,
) -> Result<(), Cause> {
    let addr = Addr::Unix(addr.clone());
    control.call(Network::Unix(net), None, &addr, socket.as_fd())
}

fn bind(socket: &Socket, addr: &UnixAddr) -> Result<(), Cause> {
    // Go finds a bad name itself, and still says that it was the call's fault.
    let bad = |errno: Errno| Cause::syscall("bind", errno);
    let addr = names::to_kernel(addr).map_err(bad)?;
    named("bind", sys::bind(socket.as_fd(), &addr))
}

fn local_addr(fd: impl AsFd, net: UnixNet) -> Result<UnixAddr, Cause> {
    let addr = named("getsockname", sys::getsockname(fd.as_fd()))?;
    Ok(names::from_kernel(&addr, net))
}

/// A connection to `remote`.
pub(in crate::net) fn dial(
    net: UnixNet,
    local: Option<&UnixAddr>,
    remote: &UnixAddr,
    limits: &Limits,
    control: &ControlHook,
) -> Result<UnixConn, Cause> {
    if remote.name.is_empty() {
        return Err(Cause::MissingAddress);
    }
    let inner = connect(net, local, Some(remote), limits, control)?;
    Ok(UnixConn::from_inner(inner))
}

/// A socket of datagrams that talks to `remote` only, or, without one, is bound to `local`.
pub(in crate::net) fn dial_gram(
    local: Option<&UnixAddr>,
    remote: Option<&UnixAddr>,
    limits: &Limits,
    control: &ControlHook,
) -> Result<UnixDatagram, Cause> {
    let named = |addr: &&UnixAddr| !addr.name.is_empty();
    let (local, remote) = (local.filter(named), remote.filter(named));
    if local.is_none() && remote.is_none() {
        return Err(Cause::MissingAddress);
    }
    let inner = connect(UnixNet::Datagram, local, remote, limits, control)?;
    Ok(UnixDatagram::from_inner(inner))
}

fn connect(
    net: UnixNet,
    local: Option<&UnixAddr>,
    remote: Option<&UnixAddr>,
    limits: &Limits,
    control: &ControlHook,
) -> Result<Inner, Cause> {
    let socket = new_socket(net)?;
    if let Some(named) = remote.or(local) {
        call(control, net, named, &socket)?;
    }
    if let Some(local) = local.filter(|local| !local.name.is_empty()) {
        bind(&socket, local)?;
    }
    let Some(remote) = remote else {
        let local = local_addr(&socket, net)?;
        return Ok(Inner::new(OwnedFd::from(socket), net, local, None));
    };
    let bad = |errno: Errno| Cause::syscall("connect", errno);
    let target = names::to_kernel(remote).map_err(bad)?;
    let fd = inner::descriptor(OwnedFd::from(socket), net);
    let fd = connect_within(fd, &target, limits)?;
    let (local, peer) = fd
        .with(|fd| {
            let peer = match sys::getpeername(fd) {
                Ok(peer) => names::from_kernel(&peer, net),
                // It may be gone again already.
                Err(_) => remote.clone(),
            };
            Ok::<_, Cause>((local_addr(fd, net)?, peer))
        })
        .map_err(fail::cause)??;
    Ok(Inner::from_fd(fd, net, local, Some(peer)))
}

/// A listener on `local`. On `unixgram`, where nothing can be accepted, Go makes one all the same, and
/// its accepts fail.
pub(in crate::net) fn listen(
    net: UnixNet,
    local: &UnixAddr,
    backlog: i32,
    control: &ControlHook,
) -> Result<UnixListener, Cause> {
    let socket = new_socket(net)?;
    call(control, net, local, &socket)?;
    bind(&socket, local)?;
    if net != UnixNet::Datagram {
        named("listen", socket.listen(backlog))?;
    }
    let local = local_addr(&socket, net)?;
    Ok(UnixListener::new(OwnedFd::from(socket), local, true))
}

/// A socket of datagrams bound to `local`.
pub(in crate::net) fn listen_gram(
    local: &UnixAddr,
    control: &ControlHook,
) -> Result<UnixDatagram, Cause> {
    let net = UnixNet::Datagram;
    let socket = new_socket(net)?;
    call(control, net, local, &socket)?;
    bind(&socket, local)?;
    let local = local_addr(&socket, net)?;
    let inner = Inner::new(OwnedFd::from(socket), net, local, None);
    Ok(UnixDatagram::from_inner(inner))
}

/// Both ends of something without names.
fn pair(net: UnixNet) -> io::Result<(Inner, Inner)> {
    let fail = |cause| OpError::new("dial", net.as_str(), cause);
    let made = Socket::pair(Domain::UNIX, kind(net).nonblocking(), None);
    let (a, b) = named("socketpair", made).map_err(fail)?;
    let nameless = || UnixAddr::new("@", net);
    let end = |socket| Inner::new(OwnedFd::from(socket), net, nameless(), Some(nameless()));
    Ok((end(a), end(b)))
}

impl UnixConn {
    /// Connects to the listener called `name` on `unix`: a path, or `@` and an abstract name.
    ///
    /// ```
    /// use gopark::net::UnixConn;
    /// let err = UnixConn::connect("/nonexistent.sock").unwrap_err();
    /// assert_eq!(err.to_string(), "dial unix /nonexistent.sock: connect: no such file or directory");
    /// ```
    ///
    /// # Errors
    /// `dial unix /s: connect: no such file or directory`, and the like. When the listener's queue is
    /// full the kernel does not wait: `.. connect: resource temporarily unavailable`, whose kind is
    /// `WouldBlock`.
    ///
    /// Go: `net.DialUnix` (`net/unixsock.go`).
    pub fn connect(name: impl AsRef<OsStr>) -> io::Result<UnixConn> {
        let addr = UnixAddr::new(name.as_ref(), UnixNet::Stream);
        dial(
            UnixNet::Stream,
            None,
            &addr,
            &Limits::default(),
            &ControlHook::default(),
        )
        .map_err(|cause| OpError::new("dial", "unix", cause).addr(addr).into())
    }

    /// Both ends of a connection of bytes.
    ///
    /// # Errors
    /// What `socketpair` says, most often too many open files.
    pub fn pair() -> io::Result<(UnixConn, UnixConn)> {
        let (a, b) = pair(UnixNet::Stream)?;
        Ok((UnixConn::from_inner(a), UnixConn::from_inner(b)))
    }

    /// Both ends of a connection of packets.
    ///
    /// ```
    /// let (a, b) = gopark::net::UnixConn::packet_pair()?;
    /// a.write(b"one")?;
    /// a.write(b"two")?;
    /// assert_eq!(b.read(&mut [0; 16])?, 3); // packets stay apart
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As [`pair`](UnixConn::pair).
    pub fn packet_pair() -> io::Result<(UnixConn, UnixConn)> {
        let (a, b) = pair(UnixNet::Packet)?;
        Ok((UnixConn::from_inner(a), UnixConn::from_inner(b)))
    }
}

impl UnixDatagram {
    /// A socket bound to `name`: a path, or `@` and an abstract name; an empty one lets the kernel make
    /// up an abstract name.
    ///
    /// # Errors
    /// `listen unixgram /s: bind: address already in use`, and the like.
    ///
    /// Go: `net.ListenUnixgram` (`net/unixsock.go`).
    pub fn bind(name: impl AsRef<OsStr>) -> io::Result<UnixDatagram> {
        let addr = UnixAddr::new(name.as_ref(), UnixNet::Datagram);
        listen_gram(&addr, &ControlHook::default())
            .map_err(|cause| OpError::new("listen", "unixgram", cause).addr(addr).into())
    }

    /// A socket without a name, which sends to whom it is told. Nobody can answer it.
    ///
    /// # Errors
    /// What `socket` says, most often too many open files.
    ///
    /// ```
    /// use gopark::net::UnixDatagram;
    /// let server = UnixDatagram::bind("")?;
    /// UnixDatagram::unbound()?.send_to(b"hello", server.local_addr())?;
    /// assert_eq!(server.recv_from(&mut [0; 8])?, (5, None));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go has no counterpart; it is [`std::os::unix::net::UnixDatagram::unbound`].
    pub fn unbound() -> io::Result<UnixDatagram> {
        let net = UnixNet::Datagram;
        let socket = new_socket(net).map_err(|cause| OpError::new("listen", "unixgram", cause))?;
        let nameless = UnixAddr::new("@", net);
        let inner = Inner::new(OwnedFd::from(socket), net, nameless, None);
        Ok(UnixDatagram::from_inner(inner))
    }

    /// A socket that talks to `name` only, and has no name itself.
    ///
    /// ```
    /// use gopark::net::UnixDatagram;
    /// let log = UnixDatagram::bind("")?;
    /// let conn = UnixDatagram::connect(&log.local_addr().name)?;
    /// conn.send(b"started")?;
    /// assert_eq!(log.recv(&mut [0; 16])?, 7);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `dial unixgram /s: connect: no such file or directory`, and the like.
    ///
    /// Go: `net.DialUnix` (`net/unixsock.go`) on `unixgram`.
    pub fn connect(name: impl AsRef<OsStr>) -> io::Result<UnixDatagram> {
        let addr = UnixAddr::new(name.as_ref(), UnixNet::Datagram);
        dial_gram(
            None,
            Some(&addr),
            &Limits::default(),
            &ControlHook::default(),
        )
        .map_err(|cause| OpError::new("dial", "unixgram", cause).addr(addr).into())
    }

    /// Two sockets that talk to each other.
    ///
    /// ```
    /// let (a, b) = gopark::net::UnixDatagram::pair()?;
    /// a.send(b"hello")?;
    /// assert_eq!(b.recv(&mut [0; 16])?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// What `socketpair` says, most often too many open files.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (a, b) = pair(UnixNet::Datagram)?;
        Ok((UnixDatagram::from_inner(a), UnixDatagram::from_inner(b)))
    }
}

impl UnixListener {
    /// Listens on `name` on `unix`: a path, or `@` and an abstract name; an empty one lets the kernel
    /// make up an abstract name. The queue is as long as the machine allows.
    ///
    /// # Errors
    /// `listen unix /s: bind: address already in use`, and the like; also if the file is left over from
    /// a listener that is gone.
    ///
    /// Go: `net.ListenUnix` (`net/unixsock.go`).
    pub fn bind(name: impl AsRef<OsStr>) -> io::Result<UnixListener> {
        let addr = UnixAddr::new(name.as_ref(), UnixNet::Stream);
        listen(
            UnixNet::Stream,
            &addr,
            socket::backlog(),
            &ControlHook::default(),
        )
        .map_err(|cause| OpError::new("listen", "unix", cause).addr(addr).into())
    }
}
