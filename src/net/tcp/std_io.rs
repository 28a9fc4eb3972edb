//! std's traits and std's sockets.

use super::{KeepAliveConfig, TcpConn, inner::Inner, multipath};
use crate::net::{
    Cause, IpVersion, OpError,
    raw::{self, std_conversions},
    socket,
    std_io::{MAX_SLICES, std_io},
};
use netpoll::Fd;
use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::TcpStream,
    os::fd::{AsFd, OwnedFd},
};

std_io!(TcpConn);
std_conversions!(TcpConn, TcpStream);

impl TcpConn {
    /// A connection on a descriptor that comes from elsewhere, with the options it has or the defaults.
    pub(in crate::net) fn adopt(
        fd: OwnedFd,
        defaults: Option<&KeepAliveConfig>,
    ) -> Result<TcpConn, Cause> {
        let peer = socket::peer_addr(fd.as_fd())?;
        socket::set_nonblocking(fd.as_fd())?;
        let kind = multipath::kind(fd.as_fd());
        let inner = Inner::new(Fd::from_nonblocking(fd, kind), IpVersion::Any, peer, None);
        if let Some(keep_alive) = defaults {
            inner.set_defaults(keep_alive);
        }
        Ok(TcpConn::from_inner(inner))
    }

    /// Takes over a connection of std's, with the options it has.
    ///
    /// # Errors
    /// `file tcp: getpeername: transport endpoint is not connected` if there is no peer, or what the
    /// kernel says to non-blocking mode.
    ///
    /// Go: `net.FileConn` (`net/file.go`).
    pub fn from_std(stream: TcpStream) -> io::Result<TcpConn> {
        TcpConn::adopt(OwnedFd::from(stream), None)
            .map_err(|cause| OpError::new("file", "tcp", cause).into())
    }

    /// The connection as std's, in blocking mode. It is taken away from all clones, for which it is
    /// closed: two owners could not agree whether it blocks.
    ///
    /// The mode belongs to the socket, and duplicates share it: one of ours that was made of an earlier
    /// [`dup`](TcpConn::dup) holds its worker from then on, where it would have waited.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// let stream = conn.clone().into_std()?;
    /// assert!(conn.read(&mut [0; 8]).is_err()); // taken away from all clones
    /// let again = TcpConn::from_std(stream)?;
    /// assert_eq!(again.peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `file tcp A->B: use of closed network connection`, or what the kernel says.
    ///
    /// Go: `TCPConn.File` (`net/net.go`), which leaves both open and the mode shared.
    pub fn into_std(self) -> io::Result<TcpStream> {
        raw::take(&*self.0).map(TcpStream::from)
    }
}
