//! Connections and listeners from descriptors that come from elsewhere: inherited, or received.
//!
//! Go: `net/file.go`, `net/file_unix.go`.

#![forbid(unsafe_code)]

use super::{
    Addr, Cause, Conn, Errno, Listener, OpError, TcpConn, TcpListener,
    socket::{self, named},
};
use socket2::{Domain, SockRef, Type};
use std::{
    io, net,
    os::fd::{AsFd, OwnedFd},
};

/// The connection behind a descriptor, on whichever network it is. `name` is what errors call it.
///
/// # Errors
/// `file file+net NAME: getsockopt: socket operation on non-socket`; `.. invalid argument` for a socket
/// that is no stream.
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
/// Go: `net.FileConn` (`net/file.go`).
pub fn file_conn(fd: impl Into<OwnedFd>, name: &str) -> io::Result<Box<dyn Conn>> {
    let fd = fd.into();
    let open = |fd: OwnedFd| -> Result<TcpConn, Cause> {
        needs_stream(&fd)?;
        socket::peer_addr(fd.as_fd())?;
        TcpConn::from_std(net::TcpStream::from(fd)).map_err(Cause::from)
    };
    match open(fd) {
        Ok(conn) => Ok(Box::new(conn)),
        Err(cause) => Err(fail(name, cause)),
    }
}

/// The listener behind a descriptor; as [`file_conn`].
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
/// Those of [`file_conn`].
///
/// Go: `net.FileListener` (`net/file.go`).
pub fn file_listener(fd: impl Into<OwnedFd>, name: &str) -> io::Result<Box<dyn Listener>> {
    let fd = fd.into();
    let open = |fd: OwnedFd| -> Result<TcpListener, Cause> {
        needs_stream(&fd)?;
        TcpListener::from_std(net::TcpListener::from(fd)).map_err(Cause::from)
    };
    match open(fd) {
        Ok(listener) => Ok(Box::new(listener)),
        Err(cause) => Err(fail(name, cause)),
    }
}

/// Refuses what is no internet stream.
fn needs_stream(fd: &OwnedFd) -> Result<(), Cause> {
    let socket = SockRef::from(fd);
    let kind = named("getsockopt", socket.r#type())?;
    let domain = named("getsockopt", socket.domain())?;
    if kind == Type::STREAM && matches!(domain, Domain::IPV4 | Domain::IPV6) {
        Ok(())
    } else {
        Err(Cause::Errno(Errno::EINVAL))
    }
}

#[cold]
fn fail(name: &str, cause: Cause) -> io::Error {
    OpError::new("file", "file+net", cause)
        .addr(Addr::File(name.into()))
        .into()
}
