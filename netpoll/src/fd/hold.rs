//! A reference that outlasts a call: system calls that this crate does not make.
//!
//! | who                      | takes         | gives back             | closes the number                  |
//! |--------------------------|---------------|------------------------|------------------------------------|
//! | [`Fd::hold`]             | a reference   | its guard's drop       | if it was closed and this was the last |
//! | [`Fd::with`]             | the same      | when the closure ends  | the same                           |
//!
//! Neither takes a lock. Since closing needs the last reference, the number stays this descriptor's in
//! between, which is what std asks of whoever is [`AsFd`].

use super::Fd;
use crate::error::Error;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::Ordering::Relaxed;

/// Keeps a descriptor open, and its number this descriptor's, for as long as it lives. Made by
/// [`Fd::hold`].
///
/// ```
/// use netpoll::{Error, Fd, Kind};
/// use std::os::fd::{AsFd, AsRawFd};
/// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
/// let a = Fd::new(a.into(), Kind::STREAM)?;
/// let hold = a.hold()?;
/// std::thread::scope(|s| {
///     let closer = s.spawn(|| a.close());
///     while !a.is_closing() { std::thread::yield_now() }
///     let second = hold.as_fd().try_clone_to_owned()?; // closing waits
///     assert_ne!(hold.as_raw_fd(), second.as_raw_fd());
///     drop(hold);
///     assert_eq!(closer.join().unwrap(), Ok(()));
///     std::io::Result::Ok(())
/// })?;
/// assert_eq!(a.hold().map(drop), Err(Error::Closing));
/// # std::io::Result::Ok(())
/// ```
///
/// Go keeps this inside `internal/poll`: `FD.incref` and `FD.decref`.
#[derive(Debug)]
#[must_use = "the descriptor is held for as long as this lives"]
pub struct Hold<'a>(&'a Fd);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if self.0.mutex.decref() {
            // As with a lock that is given back last: whoever closed has been told, or is told by its own decref.
            let _ = self.0.destroy();
        }
    }
}

impl AsFd for Hold<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the number is closed by whoever gives the last reference back, or by the drop of the `Fd`. What is
        // lent here borrows this guard, which has a reference that only its drop gives back, and which borrows the `Fd`.
        unsafe { BorrowedFd::borrow_raw(self.0.sysfd) }
    }
}

impl AsRawFd for Hold<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.sysfd
    }
}

impl Fd {
    /// Takes a reference, so that the descriptor stays open until the guard is dropped. It takes no
    /// lock and never waits behind one, nor does anybody wait for the guard but [`Fd::close`]: so do not
    /// close while holding one, and one that is forgotten keeps `close` waiting for ever.
    ///
    /// ```
    /// use netpoll::{Error, Fd, Kind};
    /// use std::os::fd::AsFd;
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let fd = Fd::new(socket.into(), Kind::DATAGRAM)?;
    /// let hold = fd.hold()?;
    /// assert!(!std::io::IsTerminal::is_terminal(&hold.as_fd()));
    /// drop(hold);
    /// fd.close()?;
    /// assert_eq!(fd.hold().map(drop), Err(Error::Closing));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`].
    ///
    /// # Panics
    /// Like every operation, with 1048575 references at once, those of forgotten guards included.
    ///
    /// Go: `internal/poll.FD.incref`.
    pub fn hold(&self) -> Result<Hold<'_>, Error> {
        self.exposed.store(true, Relaxed);
        self.keep()
    }

    fn keep(&self) -> Result<Hold<'_>, Error> {
        if self.mutex.incref() {
            Ok(Hold(self))
        } else {
            Err(Error::Closing)
        }
    }

    /// Runs `f` on the descriptor with a reference held, so that it stays open; it takes no lock
    /// and never waits behind one. A duplicate that `f` makes is better made by [`Fd::dup`] or under
    /// [`Fd::hold`]: of this one the descriptor does not know, and if it outlives it, it goes on waking
    /// the poller for nothing.
    ///
    /// ```
    /// use netpoll::{Error, Fd, Kind};
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let fd = Fd::new(socket.into(), Kind::DATAGRAM)?;
    /// let is_close_on_exec = fd.with(|fd| {
    ///     use std::os::fd::AsRawFd;
    ///     // SAFETY: no memory is passed.
    ///     unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
    /// });
    /// assert_eq!(is_close_on_exec, Ok(true));
    /// fd.close()?;
    /// assert_eq!(fd.with(|_| ()), Err(Error::Closing));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`].
    ///
    /// Go: `internal/poll.FD.RawControl`.
    pub fn with<R>(&self, f: impl FnOnce(BorrowedFd<'_>) -> R) -> Result<R, Error> {
        let hold = self.keep()?;
        Ok(f(hold.as_fd()))
    }
}
