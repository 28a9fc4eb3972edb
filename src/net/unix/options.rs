//! Buffers and credentials.

use super::{Credentials, UnixConn, UnixDatagram, inner::Inner};
use crate::net::{socket::named, sys};
use socket2::SockRef;
use std::{io, os::fd::BorrowedFd};

impl Inner {
    fn option(&self, set: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>) -> io::Result<()> {
        let done = self.with(|fd| named("setsockopt", set(fd)));
        done.map_err(|cause| self.fail_here("set", cause))
    }
}

impl UnixConn {
    /// Who was at the other end when the connection was made; for a listener's client, who listened.
    ///
    /// # Errors
    /// `get unix A: use of closed network connection`.
    ///
    /// ```
    /// use gopark::net::UnixConn;
    /// let (a, _b) = UnixConn::pair()?;
    /// assert_eq!(a.peer_credentials()?.pid, std::process::id() as i32);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_credentials(&self) -> io::Result<Credentials> {
        let done = self
            .0
            .with(|fd| named("getsockopt", sys::peer_credentials(fd)));
        match done {
            Ok((pid, uid, gid)) => Ok(Credentials { pid, uid, gid }),
            Err(cause) => Err(self.0.fail_here("get", cause)),
        }
    }
}

/// What connections and sockets of datagrams have in common.
macro_rules! options {
    ($($conn:ident),*) => {
        $(impl $conn {
            /// Whether each message brings its sender's credentials, which `read_msg` then returns.
            ///
            /// # Errors
            /// `set unix A: use of closed network connection`.
            pub fn set_pass_credentials(&self, on: bool) -> io::Result<()> {
                let option = libc::SO_PASSCRED;
                self.0
                    .option(|fd| sys::set_option(fd, libc::SOL_SOCKET, option, on.into()))
            }

            /// Takes the error the kernel holds for this socket, if any; the next operation does not
            /// see it any more.
            ///
            /// # Errors
            /// `get unix A: use of closed network connection`.
            ///
            /// ```
            #[doc = concat!("let (a, _b) = gopark::net::", stringify!($conn), "::pair()?;")]
            /// a.set_pass_credentials(true)?; // of each message's sender
            /// a.set_read_buffer(1 << 16)?;
            /// a.set_write_buffer(1 << 16)?;
            /// assert!(a.take_error()?.is_none());
            /// # std::io::Result::Ok(())
            /// ```
            ///
            /// Go has no counterpart; std has it under this name.
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                let ask = |fd: BorrowedFd<'_>| named("getsockopt", SockRef::from(&fd).take_error());
                let done = self.0.with(ask);
                done.map_err(|cause| self.0.fail_here("get", cause))
            }

            /// Sets the size of the kernel's receive buffer in bytes. Linux doubles it for its own use.
            ///
            /// # Errors
            /// `set unix A: use of closed network connection`, or what `setsockopt` says.
            ///
            /// Go: `UnixConn.SetReadBuffer` (`net/net.go`).
            pub fn set_read_buffer(&self, bytes: usize) -> io::Result<()> {
                self.0
                    .option(|fd| SockRef::from(&fd).set_recv_buffer_size(bytes))
            }

            /// Sets the size of the kernel's send buffer in bytes. Linux doubles it for its own use.
            ///
            /// # Errors
            /// `set unix A: use of closed network connection`, or what `setsockopt` says.
            ///
            /// Go: `UnixConn.SetWriteBuffer` (`net/net.go`).
            pub fn set_write_buffer(&self, bytes: usize) -> io::Result<()> {
                self.0
                    .option(|fd| SockRef::from(&fd).set_send_buffer_size(bytes))
            }
        })*
    };
}

options!(UnixConn, UnixDatagram);
