//! std's traits and std's sockets.

use super::{TcpConn, inner::Inner};
use crate::net::{Cause, OpError, fail, socket};
use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::TcpStream,
    os::fd::{AsFd, OwnedFd},
};

/// How many buffers one `write_vectored` takes; the rest is for the next call.
const MAX_SLICES: usize = 64;

impl TcpConn {
    #[inline]
    pub(super) fn write_some(&self, buf: &[u8]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start_write("write")?;
        match inner.fd.write(buf) {
            Ok(()) => Ok(buf.len()),
            Err(err) => inner.postpone("write", err),
        }
    }

    pub(super) fn write_some_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let inner = &*self.0;
        inner.start_write("writev")?;
        // The descriptor advances what it is given, and these belong to the caller.
        let mut copy = [IoSlice::new(&[]); MAX_SLICES];
        let n = bufs.len().min(MAX_SLICES);
        copy[..n].copy_from_slice(&bufs[..n]);
        match inner.fd.writev(&mut &mut copy[..n]) {
            Ok(n) => Ok(n),
            Err(err) => inner.postpone("writev", err),
        }
    }

    /// Takes over a connection of std's, with the options it has.
    ///
    /// # Errors
    /// `file tcp: getpeername: transport endpoint is not connected` if there is no peer, or what the
    /// kernel says to non-blocking mode.
    ///
    /// Go: `net.FileConn` (`net/file.go`).
    pub fn from_std(stream: TcpStream) -> io::Result<TcpConn> {
        let peer =
            socket::peer_addr(stream.as_fd()).map_err(|err| OpError::new("file", "tcp", err))?;
        stream.set_nonblocking(true)?;
        let inner = Inner::new(OwnedFd::from(stream), "tcp", peer, None);
        Ok(TcpConn::from_inner(inner))
    }

    /// The connection as std's, in blocking mode. It is taken away from all clones, for which it is
    /// closed: two owners could not agree whether it blocks.
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
        let fail = |cause: Cause| self.0.fail_for("file", cause, 0);
        let fd = self.0.fd.dup().map_err(|err| fail(fail::cause(err)))?;
        // Closing waits until no operation is under way, so none meets a descriptor that blocks.
        self.0.close().map_err(|err| fail(fail::cause(err)))?;
        let stream = TcpStream::from(fd);
        let set = socket::named("fcntl", stream.set_nonblocking(false));
        set.map_err(fail)?;
        Ok(stream)
    }
}

impl TryFrom<TcpStream> for TcpConn {
    type Error = io::Error;

    fn try_from(stream: TcpStream) -> io::Result<TcpConn> {
        TcpConn::from_std(stream)
    }
}

impl TryFrom<TcpConn> for TcpStream {
    type Error = io::Error;

    fn try_from(conn: TcpConn) -> io::Result<TcpStream> {
        conn.into_std()
    }
}

/// std's traits, with std's contract: when some bytes of a write went out before an error, their
/// number is returned and the error comes from the next write.
macro_rules! std_io {
    ($($conn:ty),*) => {
        $(impl Read for $conn {
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                TcpConn::read(self, buf)
            }

            #[inline]
            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                TcpConn::read_vectored(self, bufs)
            }
        }

        impl Write for $conn {
            #[inline]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.write_some(buf)
            }

            #[inline]
            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.write_some_vectored(bufs)
            }

            /// Does nothing: nothing is held back.
            #[inline]
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        })*
    };
}

std_io!(TcpConn, &TcpConn);
