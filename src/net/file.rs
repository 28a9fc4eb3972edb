//! Connections and listeners from descriptors that come from elsewhere: inherited, or received.
//!
//! What a descriptor is, is asked of the kernel:
//!
//! | `SO_DOMAIN`      | `SO_TYPE`     | `SO_ACCEPTCONN` | [`file_conn`]     | [`file_listener`] | [`file_packet_conn`] |
//! |------------------|---------------|-----------------|-------------------|-------------------|----------------------|
//! | `INET`, `INET6`  | `STREAM`      | no              | `TcpConn`         |                   |                      |
//! | `INET`, `INET6`  | `STREAM`      | yes             |                   | `TcpListener`     |                      |
//! | `INET`, `INET6`  | `DGRAM`       |                 | `UdpConn`         |                   | `UdpConn`            |
//! | `UNIX`           | `STREAM`, `SEQPACKET` | no      | `UnixConn`        |                   |                      |
//! | `UNIX`           | `STREAM`, `SEQPACKET` | yes     |                   | `UnixListener`    |                      |
//! | `UNIX`           | `DGRAM`       |                 | `UnixDatagram`    |                   | `UnixDatagram`       |
//!
//! A stream without a peer is no connection: `getpeername: transport endpoint is not connected`. The other
//! gaps are `invalid argument`, and families unknown here `protocol not supported`. Go asks less: it gives
//! out a listener on what does not listen, a connection without a peer, a packet connection on a Unix
//! stream, and all their operations fail.
//!
//! Go: `net/file.go`, `net/file_posix.go`.

#![forbid(unsafe_code)]

use super::{
    Addr, Cause, Conn, Errno, KeepAliveConfig, Listener, OpError, PacketConn, TcpConn, TcpListener,
    UdpConn, UnixConn, UnixDatagram, UnixListener, UnixNet, socket::named, unix,
};
use socket2::{Domain, SockRef, Type};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

/// The connection behind a descriptor, on whichever network it is. `name` is what errors call it.
///
/// The descriptor is taken over, put into non-blocking mode and closed on exec; a TCP connection gets
/// the default options. To keep one's own, give a duplicate: `file.try_clone()?`.
///
/// # Errors
/// `file file+net NAME: getsockopt: socket operation on non-socket`; `.. getpeername: transport endpoint
/// is not connected` for a stream without a peer; `.. invalid argument` for what is no connection. The
/// descriptor is closed then.
///
/// ```
/// use gopark::net::{file_conn, TcpConn, TcpListener};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpConn::connect(listener.local_addr()?)?;
/// let (server, _) = listener.accept()?;
/// let again = file_conn(server.dup()?, "server")?;
/// server.close()?; // the other one lives on
/// client.write(b"hi")?;
/// assert_eq!(again.read(&mut [0; 8])?, 2);
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.FileConn` (`net/file.go`), which duplicates the descriptor.
pub fn file_conn(fd: impl Into<OwnedFd>, name: &str) -> io::Result<Box<dyn Conn>> {
    open(fd.into(), name, |fd, kind| {
        let made: Box<dyn Conn> = match kind {
            Kind::Tcp => Box::new(TcpConn::adopt(fd, Some(&KeepAliveConfig::default()))?),
            Kind::Udp => Box::new(UdpConn::adopt(fd)?),
            Kind::Unix(UnixNet::Datagram) => Box::new(UnixDatagram::adopt(fd)?),
            Kind::Unix(_) => Box::new(UnixConn::adopt(fd)?),
        };
        Ok(made)
    })
}

/// The listener behind a descriptor, such as one that a service manager passes; as [`file_conn`]. The
/// file of a Unix listener is not removed at the end, unless told.
///
/// ```
/// use gopark::net::{file_listener, TcpConn};
/// let inherited = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let at = inherited.local_addr()?;
/// let listener = file_listener(inherited, "socket 3")?;
/// let client = TcpConn::connect(at)?;
/// client.write(b"hi")?;
/// assert_eq!(listener.accept()?.read(&mut [0; 8])?, 2);
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`file_conn`]; `.. invalid argument` also for a socket that does not listen.
///
/// Go: `net.FileListener` (`net/file.go`), which duplicates the descriptor.
pub fn file_listener(fd: impl Into<OwnedFd>, name: &str) -> io::Result<Box<dyn Listener>> {
    open(fd.into(), name, |fd, kind| {
        if !named("getsockopt", SockRef::from(&fd).is_listener())? {
            return Err(Cause::Errno(Errno::EINVAL));
        }
        let made: Box<dyn Listener> = match kind {
            Kind::Tcp => Box::new(TcpListener::adopt(fd)?),
            Kind::Unix(_) => Box::new(UnixListener::adopt(fd)?),
            Kind::Udp => return Err(Cause::Errno(Errno::EINVAL)),
        };
        Ok(made)
    })
}

/// The socket of datagrams behind a descriptor; as [`file_conn`].
///
/// # Errors
/// Those of [`file_conn`]; `.. invalid argument` also for a socket of streams or of packets.
///
/// ```
/// use gopark::net::file_packet_conn;
/// use std::net::UdpSocket;
/// let inherited = UdpSocket::bind("127.0.0.1:0")?;
/// let to = inherited.local_addr()?;
/// let conn = file_packet_conn(inherited, "inherited")?;
/// UdpSocket::bind("127.0.0.1:0")?.send_to(b"hi", to)?;
/// assert_eq!(conn.recv_from(&mut [0; 8])?.0, 2);
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.FilePacketConn` (`net/file.go`), which duplicates the descriptor.
pub fn file_packet_conn(fd: impl Into<OwnedFd>, name: &str) -> io::Result<Box<dyn PacketConn>> {
    open(fd.into(), name, |fd, kind| {
        let made: Box<dyn PacketConn> = match kind {
            Kind::Udp => Box::new(UdpConn::adopt(fd)?),
            Kind::Unix(UnixNet::Datagram) => Box::new(UnixDatagram::adopt(fd)?),
            Kind::Tcp | Kind::Unix(_) => return Err(Cause::Errno(Errno::EINVAL)),
        };
        Ok(made)
    })
}

/// What a descriptor turned out to be.
enum Kind {
    Tcp,
    Udp,
    Unix(UnixNet),
}

impl Kind {
    fn of(fd: &OwnedFd) -> Result<Kind, Cause> {
        let socket = SockRef::from(fd);
        let kind = named("getsockopt", socket.r#type())?;
        match named("getsockopt", socket.domain())? {
            Domain::IPV4 | Domain::IPV6 => match kind {
                Type::STREAM => Ok(Kind::Tcp),
                Type::DGRAM => Ok(Kind::Udp),
                // Raw sockets would come in here.
                _ => Err(Cause::Errno(Errno::EINVAL)),
            },
            Domain::UNIX => unix::network(fd.as_fd()).map(Kind::Unix),
            _ => Err(Cause::Errno(Errno(libc::EPROTONOSUPPORT))),
        }
    }
}

/// Finds out what the descriptor is, and lets `make` do the rest.
fn open<T>(
    fd: OwnedFd,
    name: &str,
    make: impl FnOnce(OwnedFd, Kind) -> Result<T, Cause>,
) -> io::Result<T> {
    let kind = Kind::of(&fd).and_then(|kind| {
        // One that was inherited is not yet.
        named("fcntl", SockRef::from(&fd).set_cloexec(true))?;
        Ok(kind)
    });
    kind.and_then(|kind| make(fd, kind)).map_err(|cause| {
        OpError::new("file", "file+net", cause)
            .addr(Addr::File(name.into()))
            .into()
    })
}
