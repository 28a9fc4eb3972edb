//! Reading, and the read that is skipped because it must fail.
//!
//! What the last read has found decides how the next one begins. Only who holds the read lock changes it:
//!
//! | known     | the next read                                | left for                                          |
//! |-----------|----------------------------------------------|---------------------------------------------------|
//! | `UNKNOWN` | tries                                        | `EMPTY` when a read comes back short               |
//! | `EMPTY`   | waits, unless an event is noted or a short read proves nothing any more | `UNKNOWN` when one does not come back short, or fails |
//! | `FRESH`   | tries or waits (`first_read.rs`)             | `EMPTY` by the wait, or by a try that comes back short; else `UNKNOWN` |
//!
//! Whatever uses up a readiness without reading (a look, a wait for readability, a turn that is dropped) leaves
//! `UNKNOWN`: no other event may come.

use super::{EMPTY, FRESH, Fd, MAX_IOV, MAX_RW, MAX_RW_COUNT, READ, UNKNOWN, count};
use crate::desc::Mode;
use crate::error::{Error, errno};
use crate::park::{self, Reason};
use std::io::IoSliceMut;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::Relaxed;

impl Fd {
    /// Reads what is there, waiting until something is; `Ok(0)` is the end of the stream, or an
    /// empty buffer (which neither waits nor looks at the deadline).
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// a.write(b"hello").unwrap();
    /// a.close()?;
    /// let mut buf = [0; 64];
    /// assert_eq!(b.read(&mut buf), Ok(5));
    /// assert_eq!(b.read(&mut buf), Ok(0)); // the end
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`], or what `read` says.
    ///
    /// Go: `internal/poll.FD.Read`.
    #[inline]
    pub fn read(&self, buf: &mut [u8]) -> Result<usize, Error> {
        let mut turn = self.read_turn(buf.len());
        match turn.try_read(buf) {
            Some(n) => Ok(n),
            None => turn.read_rest(buf),
        }
    }

    /// [`Fd::read`] of up to `want` bytes into a buffer that is asked for when there is something to
    /// try and dropped before any wait, so that the caller waits holding none. `lend` must give
    /// buffers of at least `want` bytes. Returns the buffer and how much of it is filled.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// a.write(b"hello").unwrap();
    /// let (buf, n) = b.read_lent(4096, || vec![0; 4096])?; // from a pool, in earnest
    /// assert_eq!(&buf[..n], b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Fd::read`].
    ///
    /// # Panics
    /// If a buffer is too short.
    #[inline]
    pub fn read_lent<B: AsMut<[u8]>>(
        &self,
        want: usize,
        mut lend: impl FnMut() -> B,
    ) -> Result<(B, usize), Error> {
        let mut turn = self.read_turn(want);
        match turn.try_read_lent(want, &mut lend) {
            Some(lent) => Ok(lent),
            None => turn.read_lent_rest(want, lend),
        }
    }

    /// [`Fd::read`] into several buffers, filled in order.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// use std::io::IoSliceMut;
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// a.write(b"headbody").unwrap();
    /// let (mut head, mut body) = ([0; 4], [0; 64]);
    /// let n = b.readv(&mut [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)])?;
    /// assert_eq!((&head, &body[..n - 4]), (b"head", b"body".as_slice()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Fd::read`].
    pub fn readv(&self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize, Error> {
        let _held = self.lock::<READ>()?;
        let Some(first) = bufs.iter().position(|b| !b.is_empty()) else {
            return Ok(0);
        };
        let bufs = &mut bufs[first..];
        // What the kernel will really try to fill: no more than this proves that it found no more.
        let n = bufs.len().min(MAX_IOV);
        let want = bufs[..n].iter().map(|b| b.len()).sum::<usize>();
        let want = want.min(MAX_RW_COUNT);
        self.before_read()?;
        loop {
            // SAFETY: `IoSliceMut` has the layout of `iovec`, each of them valid for writing.
            match count(unsafe { libc::readv(self.sysfd, bufs.as_mut_ptr().cast(), n as i32) }) {
                Ok(n) => {
                    self.has_read(n, want);
                    return Ok(n);
                }
                Err(errno) => self.not_read(errno)?,
            }
        }
    }

    /// How much of a buffer of `len` bytes one system call may fill.
    #[inline(always)]
    pub(super) fn most_at_once(&self, len: usize) -> usize {
        if self.kind.stream {
            len.min(MAX_RW)
        } else {
            len
        }
    }

    /// The usual way to the first try of a read: waits if the read could only meet EAGAIN. False if a
    /// wait could not begin or did not end with a readiness, or if it is the first read of an accepted connection;
    /// [`Fd::skip_on`] goes on from there.
    ///
    /// A read that came back short on a TCP stream has emptied it, and until the next event another
    /// one could only meet EAGAIN: it is skipped, and the caller parks at once. Not after a half
    /// close, a hang-up, an error or urgent data, where a short read proves nothing.
    #[inline(always)]
    pub(super) fn is_ready_to_try(&self) -> bool {
        match self.known.load(Relaxed) {
            EMPTY if self.desc.is_quiet(Mode::Read) => {
                return park::with_current(|p| p.skip_read(&self.desc));
            }
            FRESH => return false,
            _ => {}
        }
        self.desc.reset(Mode::Read);
        true
    }

    /// What comes before the first try of a read, in full. The read lock is held.
    ///
    /// A descriptor that is not registered here yet is registered before a wait, and then the kernel
    /// reports whatever is there already.
    #[inline(never)]
    pub(super) fn before_read(&self) -> Result<(), Error> {
        self.desc.check(Mode::Read)?;
        if !self.is_ready_to_try() {
            self.skip_on()?;
        }
        Ok(())
    }

    /// A read of up to `want` bytes has brought `n`.
    #[inline]
    pub(super) fn has_read(&self, n: usize, want: usize) {
        let short = self.kind.skip_short_read && n != 0 && n < want;
        let known = if short { EMPTY } else { UNKNOWN };
        if known != self.known.load(Relaxed) {
            self.known.store(known, Relaxed);
        }
    }

    /// A readiness was used up without a try, or by one that failed: the next read looks for itself.
    #[cold]
    pub(super) fn owes_a_try(&self) {
        self.known.store(UNKNOWN, Relaxed);
    }

    /// A read has failed. `Ok` is "try again": after a wait, if that was what it took.
    #[inline(never)]
    pub(super) fn not_read(&self, errno: i32) -> Result<(), Error> {
        match errno {
            libc::EINTR => Ok(()),
            libc::EAGAIN if self.kind.pollable => {
                self.has_not_read();
                self.wait(Mode::Read, Reason::Read)
            }
            errno => {
                self.owes_a_try();
                Err(Error::Sys {
                    call: "read",
                    errno,
                })
            }
        }
    }

    /// Waits until a read would not block: data, end of stream or an error is there. Holds no
    /// buffer meanwhile.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// std::thread::scope(|s| {
    ///     s.spawn(|| a.write(b"x"));
    ///     assert_eq!(b.wait_readable(), Ok(()));
    ///     assert_eq!(b.read(&mut [0; 8]), Ok(1)); // a buffer only now
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`] or [`Error::Timeout`].
    pub fn wait_readable(&self) -> Result<(), Error> {
        let _held = self.lock::<READ>()?;
        self.desc.check(Mode::Read)?;
        let sure = self.known.load(Relaxed) == EMPTY
            && self.desc.home(Mode::Read) != 0
            && self.desc.is_quiet(Mode::Read);
        if !sure {
            self.desc.reset(Mode::Read);
            self.known.store(UNKNOWN, Relaxed);
            if self.is_ready_now(libc::POLLIN | libc::POLLRDHUP)? {
                return Ok(());
            }
        }
        loop {
            self.wait(Mode::Read, Reason::Read)?;
            self.known.store(UNKNOWN, Relaxed);
            if self.is_ready_now(libc::POLLIN | libc::POLLRDHUP)? {
                return Ok(());
            }
        }
    }

    /// Asks the kernel, without waiting.
    pub(super) fn is_ready_now(&self, events: i16) -> Result<bool, Error> {
        let mut poll = libc::pollfd {
            fd: self.sysfd,
            events,
            revents: 0,
        };
        loop {
            // SAFETY: one valid `pollfd`.
            match unsafe { libc::poll(&mut poll, 1, 0) } {
                n if n >= 0 => return Ok(n > 0),
                _ if errno() == libc::EINTR => {}
                _ => return Err(Error::last("poll")),
            }
        }
    }

    /// Runs `call` under the read lock until it does not say EAGAIN (`recvfrom`, `recvmsg`,
    /// `splice`, a user's own). `name` is the system call that errors name. `call` returns the
    /// error number that it met.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// use std::os::fd::AsRawFd;
    /// // SAFETY: no memory is passed.
    /// let event = unsafe { libc::eventfd(7, libc::EFD_CLOEXEC) };
    /// # // SAFETY: just made.
    /// # let event: std::os::fd::OwnedFd = unsafe { std::os::fd::FromRawFd::from_raw_fd(event) };
    /// let event = Fd::new(event, Kind::FILE)?;
    /// let value = event.read_with("eventfd_read", |fd| {
    ///     let mut value = 0;
    ///     // SAFETY: `value` is valid for writing.
    ///     match unsafe { libc::eventfd_read(fd.as_raw_fd(), &mut value) } {
    ///         0 => Ok(value),
    ///         _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap()),
    ///     }
    /// });
    /// assert_eq!(value, Ok(7));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`], or what `call` says.
    ///
    /// Go: `internal/poll.FD.RawRead`, and the other users of `waitRead`.
    pub fn read_with<T>(
        &self,
        name: &'static str,
        mut call: impl FnMut(BorrowedFd<'_>) -> Result<T, i32>,
    ) -> Result<T, Error> {
        let _held = self.lock::<READ>()?;
        self.desc.prepare(Mode::Read)?;
        self.known.store(UNKNOWN, Relaxed);
        self.attempt(Mode::Read, name, |fd| {
            // SAFETY: the lock's reference keeps the descriptor open.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            call(fd)
        })
    }

    /// Looks at what a read would return, without taking it; waits until something is there.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// a.write(b"hello").unwrap();
    /// assert_eq!(b.peek(&mut [0; 3]), Ok(3));
    /// assert_eq!(b.read(&mut [0; 64]), Ok(5)); // all of it is still there
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Fd::read`].
    pub fn peek(&self, buf: &mut [u8]) -> Result<usize, Error> {
        self.read_with("recv", |fd| {
            use std::os::fd::AsRawFd;
            let (at, len) = (buf.as_mut_ptr().cast(), buf.len());
            // SAFETY: `buf` is valid for `len` bytes of writing.
            count(unsafe { libc::recv(fd.as_raw_fd(), at, len, libc::MSG_PEEK) })
        })
    }
}
