//! std's traits and std's sockets.

use super::{UnixConn, UnixDatagram, UnixListener, inner::Inner, names};
use crate::net::{
    Cause, Errno, OpError, UnixNet,
    raw::{self, std_conversions},
    socket::{self, named},
    std_io::{MAX_SLICES, std_io},
    sys,
};
use socket2::{SockRef, Type};
use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net as std_unix,
    },
};

std_io!(UnixConn);

/// Which of the three networks a socket is on.
pub(in crate::net) fn network(fd: BorrowedFd<'_>) -> Result<UnixNet, Cause> {
    match named("getsockopt", SockRef::from(&fd).r#type())? {
        Type::STREAM => Ok(UnixNet::Stream),
        Type::DGRAM => Ok(UnixNet::Datagram),
        Type::SEQPACKET => Ok(UnixNet::Packet),
        _ => Err(Cause::Errno(Errno::EINVAL)),
    }
}

impl Inner {
    /// A socket on a descriptor that comes from elsewhere, if `is_ours` takes its network.
    fn adopt(fd: OwnedFd, is_ours: impl FnOnce(UnixNet) -> bool) -> Result<Inner, Cause> {
        let net = network(fd.as_fd())?;
        if !is_ours(net) {
            return Err(Cause::Errno(Errno::EINVAL));
        }
        let local = named("getsockname", sys::getsockname(fd.as_fd()))?;
        let local = names::from_kernel(&local, net);
        let peer = match named("getpeername", sys::getpeername(fd.as_fd())) {
            Ok(peer) => Some(names::from_kernel(&peer, net)),
            Err(_) if net == UnixNet::Datagram => None,
            Err(cause) => return Err(cause),
        };
        socket::set_nonblocking(fd.as_fd())?;
        Ok(Inner::new(fd, net, local, peer))
    }
}

fn fail(net: &'static str, cause: Cause) -> io::Error {
    OpError::new("file", net, cause).into()
}

impl UnixConn {
    pub(in crate::net) fn adopt(fd: OwnedFd) -> Result<UnixConn, Cause> {
        Inner::adopt(fd, |net| net != UnixNet::Datagram).map(UnixConn::from_inner)
    }

    /// Takes over a connection of std's, of bytes or of packets.
    ///
    /// # Errors
    /// `file unix: getpeername: transport endpoint is not connected` if there is no peer; `file unix:
    /// invalid argument` if it is a socket of datagrams; or what the kernel says to non-blocking mode.
    ///
    /// ```
    /// use gopark::net::UnixConn;
    /// use std::os::unix::net::UnixStream;
    /// let (a, b) = UnixStream::pair()?;
    /// let (a, b) = (UnixConn::from_std(a)?, UnixConn::from_std(b)?);
    /// a.write(b"hi")?;
    /// assert_eq!(b.read(&mut [0; 8])?, 2);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `net.FileConn` (`net/file.go`).
    pub fn from_std(socket: std_unix::UnixStream) -> io::Result<UnixConn> {
        UnixConn::adopt(OwnedFd::from(socket)).map_err(|cause| fail("unix", cause))
    }

    /// The connection as std's, in blocking mode. It is taken away from all clones, for which it is
    /// closed.
    ///
    /// The mode belongs to the socket, and duplicates share it: one of ours that was made of an earlier
    /// [`dup`](UnixConn::dup) holds its worker from then on, where it would have waited.
    ///
    /// # Errors
    /// `file unix A->B: use of closed network connection`, or what the kernel says.
    ///
    /// Go: `UnixConn.File` (`net/net.go`), which leaves both open and the mode shared.
    pub fn into_std(self) -> io::Result<std_unix::UnixStream> {
        raw::take(&*self.0).map(std_unix::UnixStream::from)
    }
}

impl UnixDatagram {
    pub(in crate::net) fn adopt(fd: OwnedFd) -> Result<UnixDatagram, Cause> {
        Inner::adopt(fd, |net| net == UnixNet::Datagram).map(UnixDatagram::from_inner)
    }

    /// Takes over a socket of std's. If it is connected, it counts as dialed.
    ///
    /// # Errors
    /// `file unixgram: invalid argument` if it is no socket of datagrams, or what the kernel says to
    /// non-blocking mode.
    ///
    /// Go: `net.FilePacketConn` (`net/file.go`).
    pub fn from_std(socket: std_unix::UnixDatagram) -> io::Result<UnixDatagram> {
        UnixDatagram::adopt(OwnedFd::from(socket)).map_err(|cause| fail("unixgram", cause))
    }

    /// The socket as std's, in blocking mode. It is taken away from all clones, for which it is
    /// closed.
    ///
    /// The mode belongs to the socket, and duplicates share it: one of ours that was made of an earlier
    /// [`dup`](UnixDatagram::dup) holds its worker from then on, where it would have waited.
    ///
    /// # Errors
    /// `file unixgram A: use of closed network connection`, or what the kernel says.
    ///
    /// Go: `UnixConn.File` (`net/net.go`), which leaves both open and the mode shared.
    pub fn into_std(self) -> io::Result<std_unix::UnixDatagram> {
        raw::take(&*self.0).map(std_unix::UnixDatagram::from)
    }
}

impl UnixListener {
    /// A listener on a descriptor that comes from elsewhere, and so does its file.
    pub(in crate::net) fn adopt(fd: OwnedFd) -> Result<UnixListener, Cause> {
        let net = network(fd.as_fd())?;
        let local = named("getsockname", sys::getsockname(fd.as_fd()))?;
        socket::set_nonblocking(fd.as_fd())?;
        Ok(UnixListener::new(
            fd,
            names::from_kernel(&local, net),
            false,
        ))
    }

    /// Takes over a listener of std's, of bytes or of packets. Its file is not removed at the end,
    /// unless [`set_unlink_on_close`](UnixListener::set_unlink_on_close) says so.
    ///
    /// ```
    /// use gopark::net::{UnixConn, UnixListener};
    /// let path = std::env::temp_dir().join(format!("gopark-doc-std-{}.sock", std::process::id()));
    /// let made = std::os::unix::net::UnixListener::bind(&path)?;
    /// let listener = UnixListener::from_std(made)?;
    /// let _client = UnixConn::connect(&path)?;
    /// listener.accept()?;
    /// let back = listener.into_std()?; // blocking again
    /// drop(back);
    /// std::fs::remove_file(path)?; // nobody else does
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// What the kernel says to non-blocking mode.
    ///
    /// Go: `net.FileListener` (`net/file.go`).
    pub fn from_std(listener: std_unix::UnixListener) -> io::Result<UnixListener> {
        UnixListener::adopt(OwnedFd::from(listener)).map_err(|cause| fail("unix", cause))
    }

    /// The listener as std's, in blocking mode. It is taken away from all clones, for which it is
    /// closed. Its file stays.
    ///
    /// The mode belongs to the socket, and duplicates share it: one of ours that was made of an earlier
    /// [`dup`](UnixListener::dup) holds its worker from then on, where it would have waited.
    ///
    /// ```
    /// let listener = gopark::net::UnixListener::bind("")?;
    /// let clone = listener.clone();
    /// let _blocking = listener.into_std()?;
    /// assert!(clone.accept().is_err()); // taken away from all clones
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `file unix A: use of closed network connection`, or what the kernel says.
    ///
    /// Go: `UnixListener.File` (`net/unixsock.go`), which leaves both open and the mode shared.
    pub fn into_std(self) -> io::Result<std_unix::UnixListener> {
        raw::take(&*self.0).map(std_unix::UnixListener::from)
    }
}

std_conversions!(UnixConn, std_unix::UnixStream);
std_conversions!(UnixDatagram, std_unix::UnixDatagram);
std_conversions!(UnixListener, std_unix::UnixListener);
