//! std's traits and std's sockets.

use super::{UnixConn, UnixDatagram, UnixListener, inner::Inner, names};
use crate::net::{OpError, UnixNet, socket::named, sys};
use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net as std_unix,
    },
};

/// How many buffers one `write_vectored` takes; the rest is for the next call.
const MAX_SLICES: usize = 64;

impl UnixConn {
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
}

impl Inner {
    /// A socket of std's, which is in non-blocking mode.
    fn from_std(fd: OwnedFd, net: UnixNet) -> io::Result<Inner> {
        let fail = |cause| OpError::new("file", net.as_str(), cause);
        let local = named("getsockname", sys::getsockname(fd.as_fd())).map_err(fail)?;
        let local = names::from_kernel(&local, net);
        let peer = match named("getpeername", sys::getpeername(fd.as_fd())) {
            Ok(peer) => Some(names::from_kernel(&peer, net)),
            Err(_) if net == UnixNet::Datagram => None,
            Err(cause) => return Err(fail(cause).into()),
        };
        Ok(Inner::new(fd, net, local, peer))
    }

    /// Takes the descriptor away from all clones, for which it is closed: two owners could not agree
    /// whether it blocks.
    fn take(&self) -> io::Result<OwnedFd> {
        let fail = |err| self.fail("file", err);
        let fd = self.fd.dup().map_err(fail)?;
        // Closing waits until no operation is under way, so none meets a descriptor that blocks.
        self.fd.close().map_err(fail)?;
        Ok(fd)
    }
}

/// The two ways between one of our types and std's.
macro_rules! std_socket {
    ($conn:ident, $net:ident, $std:ident) => {
        impl $conn {
            /// Takes over a socket of std's.
            ///
            /// # Errors
            /// What the kernel says to non-blocking mode; for a connection without a peer `file unix:
            /// getpeername: transport endpoint is not connected`.
            ///
            /// Go: `net.FileConn` (`net/file.go`).
            pub fn from_std(socket: std_unix::$std) -> io::Result<$conn> {
                socket.set_nonblocking(true)?;
                let inner = Inner::from_std(OwnedFd::from(socket), UnixNet::$net)?;
                Ok($conn::from_inner(inner))
            }

            /// The socket as std's, in blocking mode. It is taken away from all clones, for which it is
            /// closed.
            ///
            /// # Errors
            /// `file unix A->B: use of closed network connection`, or what the kernel says.
            pub fn into_std(self) -> io::Result<std_unix::$std> {
                let socket = std_unix::$std::from(self.0.take()?);
                let set = named("fcntl", socket.set_nonblocking(false));
                set.map_err(|cause| self.0.fail_for("file", cause, 0))?;
                Ok(socket)
            }
        }

        conversions!($conn, $std);
    };
}

macro_rules! conversions {
    ($conn:ident, $std:ident) => {
        impl TryFrom<std_unix::$std> for $conn {
            type Error = io::Error;

            fn try_from(socket: std_unix::$std) -> io::Result<$conn> {
                $conn::from_std(socket)
            }
        }

        impl TryFrom<$conn> for std_unix::$std {
            type Error = io::Error;

            fn try_from(conn: $conn) -> io::Result<std_unix::$std> {
                conn.into_std()
            }
        }
    };
}

std_socket!(UnixConn, Stream, UnixStream);
std_socket!(UnixDatagram, Datagram, UnixDatagram);
conversions!(UnixListener, UnixListener);

impl UnixListener {
    /// Takes over a listener of std's. Its file is not removed at the end, unless
    /// [`set_unlink_on_close`](UnixListener::set_unlink_on_close) says so.
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
        listener.set_nonblocking(true)?;
        let fail = |cause| OpError::new("file", "unix", cause);
        let local = named("getsockname", sys::getsockname(listener.as_fd())).map_err(fail)?;
        let local = names::from_kernel(&local, UnixNet::Stream);
        Ok(UnixListener::new(OwnedFd::from(listener), local, false))
    }

    /// The listener as std's, in blocking mode. It is taken away from all clones, for which it is
    /// closed. Its file stays.
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
    pub fn into_std(self) -> io::Result<std_unix::UnixListener> {
        let listener = std_unix::UnixListener::from(self.take()?);
        let set = named("fcntl", listener.set_nonblocking(false));
        set.map_err(|cause| self.fail_for("file", cause))?;
        Ok(listener)
    }
}

/// std's traits, with std's contract: when some bytes of a write went out before an error, their
/// number is returned and the error comes from the next write.
macro_rules! std_io {
    ($($conn:ty),*) => {
        $(impl Read for $conn {
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                UnixConn::read(self, buf)
            }

            #[inline]
            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                UnixConn::read_vectored(self, bufs)
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

std_io!(UnixConn, &UnixConn);
