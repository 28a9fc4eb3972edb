//! The guard of a descriptor that is lent for a while.

#![forbid(unsafe_code)]

use netpoll::Hold;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// A descriptor that stays open, and its number the same file's, until this is dropped: what a socket's
/// `hold_fd` returns, as [`TcpConn::hold_fd`](super::TcpConn::hold_fd), and
/// [`Descriptor::hold_fd`](crate::Descriptor::hold_fd).
///
/// Whoever takes an [`AsFd`] takes this: `socket2::SockRef`, rustix and their like. Other calls on the
/// socket go on as ever. A [`close`](super::TcpConn::close) meanwhile ends at once what others wait for,
/// and every later operation; the descriptor itself is closed when the last guard is dropped, and only
/// then does `close` return. Whoever closes while holding one waits for ever; so does everybody who
/// closes when one was forgotten ([`std::mem::forget`]).
///
/// The mode and the open file are the socket's: one that is made blocking holds its worker in every
/// call from then on.
///
/// ```
/// use gopark::net::UnixConn;
/// use std::os::fd::{AsFd, AsRawFd};
/// let (conn, _peer) = UnixConn::pair()?;
/// let held = conn.hold_fd()?;
/// let clone = conn.clone();
/// let closer = std::thread::spawn(move || clone.close());
/// while conn.write(b"x").is_ok() {} // until it is closed
/// assert_eq!(held.as_fd().as_raw_fd(), held.as_raw_fd()); // and still this socket's
/// drop(held);
/// closer.join().unwrap()?;
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `syscall.RawConn.Control`, which lends the number for one call; here for a lifetime, as std's
/// [`AsFd`] wants it.
#[derive(Debug)]
#[must_use = "the descriptor is held for as long as this lives"]
pub struct HeldFd<'a>(Hold<'a>);

impl<'a> HeldFd<'a> {
    pub(super) fn new(hold: Hold<'a>) -> HeldFd<'a> {
        HeldFd(hold)
    }
}

impl AsFd for HeldFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for HeldFd<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
