//! A socket's descriptor in the program's own hands.
//!
//! | method                  | what it does                                           | Go                                   |
//! |-------------------------|--------------------------------------------------------|--------------------------------------|
//! | `with_fd`               | one look at the descriptor, which stays open meanwhile | `syscall.RawConn.Control`            |
//! | `hold_fd`               | the same for as long as a guard lives, which is `AsFd` | the same                             |
//! | `raw_read`, `raw_write` | a system call of the program's own, which waits as ours | `syscall.RawConn.Read`, `.Write`    |
//! | `dup`                   | a second descriptor of the same socket                 | `TCPConn.File` and the like          |
//! | `from_std`, `into_std`  | a socket changes hands, and mode                       | `net.FileConn`, and nothing          |
//!
//! Go hands out a `RawConn` first; here the methods are the socket's own. A listener has no `raw_read`
//! and no `raw_write`: Go's are there, and fail.
//!
//! Nothing that can be closed through a shared reference is `AsFd` itself: a `BorrowedFd` promises that
//! the number stays open, and any clone may close it. The guard of `hold_fd` keeps the promise, for it
//! has a reference without which nobody closes the number; it is what code that wants `AsFd` gets.
//!
//! ```compile_fail,E0277
//! fn borrow(_: impl std::os::fd::AsFd) {}
//! borrow(gopark::net::TcpListener::bind("127.0.0.1:0").unwrap());
//! ```
//!
//! ```
//! fn borrow(_: impl std::os::fd::AsFd) {}
//! borrow(gopark::net::TcpListener::bind("127.0.0.1:0")?.hold_fd()?);
//! # std::io::Result::Ok(())
//! ```

#![forbid(unsafe_code)]

use super::{Cause, HeldFd, fail, socket::named};
use crate::task::idle::HasFd;
use netpoll::{Error, Mode};
use socket2::SockRef;
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

/// What the clones of a socket share, as far as its descriptor goes.
pub(crate) trait Raw: HasFd {
    /// Starts the time-out of one operation, if there is one.
    fn start_raw(&self, _mode: Mode) {}

    /// Whether messages come and go whole, so that those who read need not take turns.
    fn is_datagram(&self) -> bool {
        false
    }

    /// Closes this side of a socket that lives on elsewhere.
    fn leave(&self) -> Result<(), Error> {
        self.fd().close()
    }

    /// The error of an operation between the two ends.
    fn raw_error(&self, op: &'static str, cause: Cause) -> io::Error;

    /// The error of an operation that Go attributes to this end alone.
    fn control_error(&self, cause: Cause) -> io::Error {
        self.raw_error("raw-control", cause)
    }
}

/// Calls `f` with the descriptor, which stays open until `f` returns.
pub(crate) fn control<T>(on: &impl Raw, f: impl FnOnce(BorrowedFd<'_>) -> T) -> io::Result<T> {
    expose(on);
    let done = on.fd().with(f);
    done.map_err(|err| on.control_error(fail::cause(err)))
}

/// Keeps the descriptor open until the guard is dropped.
pub(crate) fn hold(on: &impl Raw) -> io::Result<HeldFd<'_>> {
    let done = on.fd().hold().map(HeldFd::new);
    done.map_err(|err| on.control_error(fail::cause(err)))
}

/// Calls `f` until it returns something, waiting in between until a read would not block.
pub(crate) fn read<T>(
    on: &impl Raw,
    mut f: impl FnMut(BorrowedFd<'_>) -> Option<T>,
) -> io::Result<T> {
    expose(on);
    on.start_raw(Mode::Read);
    let call = |fd: BorrowedFd<'_>| f(fd).ok_or(libc::EAGAIN);
    let done = if on.is_datagram() {
        on.fd().receive_with("raw-read", call)
    } else {
        on.fd().read_with("raw-read", call)
    };
    done.map_err(|err| on.raw_error("raw-read", fail::cause(err)))
}

/// [`read`] in the other direction.
pub(crate) fn write<T>(
    on: &impl Raw,
    mut f: impl FnMut(BorrowedFd<'_>) -> Option<T>,
) -> io::Result<T> {
    expose(on);
    on.start_raw(Mode::Write);
    let call = |fd: BorrowedFd<'_>| f(fd).ok_or(libc::EAGAIN);
    let done = if on.is_datagram() {
        on.fd().transmit_with("raw-write", call)
    } else {
        on.fd().write_with("raw-write", call)
    };
    done.map_err(|err| on.raw_error("raw-write", fail::cause(err)))
}

/// A second descriptor of the same socket, close-on-exec and as non-blocking as the first.
pub(crate) fn dup(on: &impl Raw) -> io::Result<OwnedFd> {
    let done = on.fd().dup();
    done.map_err(|err| on.raw_error("file", fail::cause(err)))
}

/// Takes the descriptor away from all clones, for which the socket is closed, and makes it blocking.
/// Two owners could not agree whether it blocks; those of earlier duplicates are not asked.
pub(super) fn take(on: &impl Raw) -> io::Result<OwnedFd> {
    let fd = dup(on)?;
    // Closing waits until no operation is under way, so none meets a descriptor that blocks.
    let left = on.leave();
    left.map_err(|err| on.raw_error("file", fail::cause(err)))?;
    let set = named("fcntl", SockRef::from(&fd).set_nonblocking(false));
    set.map_err(|cause| on.raw_error("file", cause))?;
    Ok(fd)
}

/// A duplicate made in the program's own call may outlive the descriptor, which its closing has to know.
fn expose(on: &impl Raw) {
    let _ = on.fd().raw();
}

/// `with_fd`, `hold_fd`, `dup` and the number, for a socket whose field 0 points to something [`Raw`].
/// `$name` is what its examples call it, which are set up by `$setup`; `$again` is how they open a
/// duplicate.
macro_rules! descriptor_methods {
    ($socket:ident, $net:literal, $go:literal, $name:literal, $setup:literal, $again:literal) => {
        impl $socket {
            /// Calls `f` with the descriptor, which stays open until `f` returns whoever closes
            /// meanwhile; closing waits for it. So do not block in it, and do not close.
            ///
            /// # Errors
            #[doc = concat!("`raw-control ", $net, " A: use of closed network connection`.")]
            ///
            /// ```
            #[doc = $setup]
            /// use socket2::SockRef;
            #[doc = concat!("let bytes = ", $name, ".with_fd(|fd| SockRef::from(&fd).send_buffer_size())??;")]
            /// assert!(bytes > 0);
            /// # std::io::Result::Ok(())
            /// ```
            ///
            #[doc = concat!("Go: `syscall.RawConn.Control`, which `", $go, ".SyscallConn` leads to.")]
            pub fn with_fd<T>(&self, f: impl FnOnce(BorrowedFd<'_>) -> T) -> io::Result<T> {
                raw::control(&*self.0, f)
            }

            /// The descriptor for code that wants an [`AsFd`](std::os::fd::AsFd): the number stays this
            /// socket's until the guard is dropped, whoever closes meanwhile. Nothing waits for the
            /// guard but closing: that ends at once what others wait for, and returns when the last
            /// guard has gone. So do not close while holding one, nor end the socket in another
            /// way: it would wait for itself. Do not block in a call on the descriptor.
            ///
            /// # Errors
            #[doc = concat!("`raw-control ", $net, " A: use of closed network connection`.")]
            ///
            /// ```
            #[doc = $setup]
            /// use socket2::SockRef;
            #[doc = concat!("let held = ", $name, ".hold_fd()?;")]
            /// SockRef::from(&held).set_recv_buffer_size(1 << 16)?; // or any other option
            /// drop(held);
            #[doc = concat!($name, ".close()?;")]
            #[doc = concat!("assert!(", $name, ".hold_fd().is_err());")]
            /// # std::io::Result::Ok(())
            /// ```
            ///
            #[doc = concat!("Go: `syscall.RawConn.Control`, which `", $go, ".SyscallConn` leads to, and")]
            /// which lends the number for one call. Rust's `AsFd` wants it for a lifetime.
            pub fn hold_fd(&self) -> io::Result<$crate::net::HeldFd<'_>> {
                raw::hold(&*self.0)
            }

            /// A duplicate of the descriptor, close-on-exec and non-blocking like the original. It is
            /// the same socket, which so stays open after this one is closed. Whether it blocks is the
            /// same for both, too: after an
            #[doc = concat!("[`into_std`](", stringify!($socket), "::into_std) of this one, a socket of ours made of the duplicate holds its worker where it would have waited.")]
            ///
            /// # Errors
            #[doc = concat!("`file ", $net, " A: use of closed network connection`, `.. fcntl: too many open files`.")]
            ///
            /// ```
            #[doc = $setup]
            #[doc = concat!("let again = gopark::net::", $again, "(", $name, ".dup()?, \"again\")?;")]
            #[doc = concat!($name, ".close()?; // the other one lives on")]
            /// again.close()?;
            /// # std::io::Result::Ok(())
            /// ```
            ///
            #[doc = concat!("Go: `", $go, ".File`.")]
            pub fn dup(&self) -> io::Result<OwnedFd> {
                raw::dup(&*self.0)
            }
        }

        /// The number, for code that cannot do without. Any clone may close it at any time, which is
        /// why the socket itself is not `AsFd`:
        #[doc = concat!("[`", stringify!($socket), "::with_fd`] and [`", stringify!($socket), "::hold_fd`] are the safe ways.")]
        impl AsRawFd for $socket {
            fn as_raw_fd(&self) -> RawFd {
                self.0.fd.raw()
            }
        }
    };
}

/// `raw_read` and `raw_write`; as [`descriptor_methods`]. In the examples `conn` has a peer that has
/// sent it two bytes. `$others` says what others do meanwhile.
macro_rules! raw_methods {
    ($socket:ident, $net:literal, $others:literal, $setup:literal) => {
        impl $socket {
            /// Calls `f` with the descriptor until it returns something, waiting in between until a
            /// read would not block: for system calls that read and that this crate does not make.
            /// `f` is not called once the read deadline has passed. Do not block in it.
            ///
            #[doc = $others]
            ///
            /// # Errors
            #[doc = concat!("`raw-read ", $net, " A->B: i/o timeout`, `.. use of closed network connection`.")]
            ///
            /// ```
            #[doc = $setup]
            /// use socket2::SockRef;
            /// // How many bytes wait?
            /// let n = conn.raw_read(|fd| {
            ///     let mut buf = [std::mem::MaybeUninit::uninit(); 16];
            ///     match SockRef::from(&fd).peek(&mut buf) {
            ///         Err(err) if err.kind() == std::io::ErrorKind::WouldBlock => None,
            ///         result => Some(result),
            ///     }
            /// })??;
            /// assert_eq!(n, 2);
            /// # std::io::Result::Ok(())
            /// ```
            ///
            /// Go: `syscall.RawConn.Read`.
            pub fn raw_read<T>(
                &self,
                f: impl FnMut(BorrowedFd<'_>) -> Option<T>,
            ) -> io::Result<T> {
                raw::read(&*self.0, f)
            }

            #[doc = concat!("[`raw_read`](", stringify!($socket), "::raw_read) for system calls that write, under the write deadline.")]
            ///
            /// # Errors
            #[doc = concat!("`raw-write ", $net, " A->B: i/o timeout`, `.. use of closed network connection`.")]
            ///
            /// ```
            #[doc = $setup]
            /// use socket2::SockRef;
            /// let n = conn.raw_write(|fd| match SockRef::from(&fd).send(b"ho") {
            ///     Err(err) if err.kind() == std::io::ErrorKind::WouldBlock => None,
            ///     result => Some(result),
            /// })??;
            /// assert_eq!(n, 2);
            /// # std::io::Result::Ok(())
            /// ```
            ///
            /// Go: `syscall.RawConn.Write`.
            pub fn raw_write<T>(
                &self,
                f: impl FnMut(BorrowedFd<'_>) -> Option<T>,
            ) -> io::Result<T> {
                raw::write(&*self.0, f)
            }
        }
    };
}

/// `TryFrom` both ways, between a socket of ours and std's.
macro_rules! std_conversions {
    ($ours:ty, $std:ty) => {
        impl TryFrom<$std> for $ours {
            type Error = io::Error;

            fn try_from(socket: $std) -> io::Result<$ours> {
                <$ours>::from_std(socket)
            }
        }

        impl TryFrom<$ours> for $std {
            type Error = io::Error;

            fn try_from(socket: $ours) -> io::Result<$std> {
                socket.into_std()
            }
        }
    };
}

pub(super) use {descriptor_methods, raw_methods, std_conversions};
