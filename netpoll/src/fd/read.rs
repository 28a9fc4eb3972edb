//! Reading, and the read that is skipped because it must fail.

use super::{Fd, Held, MAX_IOV, MAX_RW, MAX_RW_COUNT, READ, count, side};
use crate::desc::Mode;
use crate::error::{Error, errno};
use crate::park::{self, Reason};
use crate::sys;
use std::io::IoSliceMut;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::Relaxed;

/// A read that has begun: [`Fd::read_turn`] has an example. Dropping it ends the read.
#[derive(Debug)]
pub struct ReadTurn<'a> {
    held: Held<'a, READ>,
    /// Nothing is left to do before the next try.
    begun: bool,
    /// What the last try met; 0 if there was none.
    failed: i32,
}

impl ReadTurn<'_> {
    /// The first try, if all is ready for it. `None` leaves the rest to [`Fd::read_rest`].
    #[inline(always)]
    pub fn try_read(&mut self, buf: &mut [u8]) -> Option<usize> {
        let want = self.held.0.most_at_once(buf.len());
        // SAFETY: `buf` is valid for `want` bytes of writing.
        unsafe { self.attempt(buf.as_mut_ptr(), want) }
    }

    /// The same into a buffer that is asked for when all is ready, of at least `want` bytes. `None`
    /// leaves the rest to [`Fd::read_lent_rest`].
    ///
    /// # Panics
    /// If the buffer is too short.
    #[inline(always)]
    pub fn try_read_lent<B: AsMut<[u8]>>(
        &mut self,
        want: usize,
        lend: impl FnOnce() -> B,
    ) -> Option<(B, usize)> {
        if !self.begun {
            return None;
        }
        let mut buf = lend();
        let at = buf.as_mut()[..want].as_mut_ptr();
        // SAFETY: `at` is valid for `want` bytes of writing.
        let n = unsafe { self.attempt(at, want) }?;
        Some((buf, n))
    }

    /// # Safety
    /// `at` is valid for `want` bytes of writing.
    #[inline(always)]
    unsafe fn attempt(&mut self, at: *mut u8, want: usize) -> Option<usize> {
        if !self.begun {
            return None;
        }
        let fd = self.held.0;
        // SAFETY: contract of this function.
        match unsafe { sys::read(fd.sysfd, fd.kind.socket, at, want) } {
            Ok(n) => {
                fd.has_read(n, want);
                Some(n)
            }
            Err(errno) => {
                self.failed = errno;
                None
            }
        }
    }

    /// Makes ready for the next try, whatever came before.
    fn go_on(&mut self) -> Result<(), Error> {
        let fd = self.held.0;
        if self.failed != 0 {
            fd.not_read(self.failed)?;
        } else if !self.begun {
            fd.before_read()?;
        }
        (self.begun, self.failed) = (true, 0);
        Ok(())
    }
}

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
        let mut turn = self.read_turn();
        if !buf.is_empty()
            && let Some(turn) = &mut turn
            && let Some(n) = turn.try_read(buf)
        {
            return Ok(n);
        }
        self.read_rest(turn, buf)
    }

    /// Begins a read, and waits right away if a try is certain to be in vain. What follows is a try of
    /// [`ReadTurn`]'s, and if that is not all [`Fd::read_rest`] or [`Fd::read_lent_rest`] with the turn,
    /// or with none, if it could not begin just so.
    ///
    /// In pieces, because what a function has on the stack while its caller is parked is cold memory
    /// for every connection. What nearly every read needs is little, and errors are not in it.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// a.write(b"hello").unwrap();
    /// let mut turn = b.read_turn().unwrap();
    /// assert!(b.read_turn().is_none()); // this one must wait for the other to end
    /// assert_eq!(turn.try_read(&mut [0; 4]), Some(4));
    /// drop(turn);
    /// assert_eq!(b.read_rest(b.read_turn(), &mut [0; 4]), Ok(1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)]
    pub fn read_turn(&self) -> Option<ReadTurn<'_>> {
        if !self.mutex.try_rwlock(side(READ)) {
            return None;
        }
        let held = Held(self);
        let begun = self.desc.allows(Mode::Read) && self.is_ready_to_try();
        Some(ReadTurn {
            held,
            begun,
            failed: 0,
        })
    }

    /// The rest of [`Fd::read`].
    ///
    /// # Errors
    /// Those of [`Fd::read`].
    #[cold]
    #[inline(never)]
    pub fn read_rest(&self, turn: Option<ReadTurn<'_>>, buf: &mut [u8]) -> Result<usize, Error> {
        let mut turn = self.take_turn(turn)?;
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            turn.go_on()?;
            if let Some(n) = turn.try_read(buf) {
                return Ok(n);
            }
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
        let mut turn = self.read_turn();
        if let Some(turn) = &mut turn
            && let Some(lent) = turn.try_read_lent(want, &mut lend)
        {
            return Ok(lent);
        }
        self.read_lent_rest(turn, want, lend)
    }

    /// The rest of [`Fd::read_lent`].
    ///
    /// # Errors
    /// Those of [`Fd::read`].
    ///
    /// # Panics
    /// If a buffer is too short.
    #[cold]
    #[inline(never)]
    pub fn read_lent_rest<B: AsMut<[u8]>>(
        &self,
        turn: Option<ReadTurn<'_>>,
        want: usize,
        mut lend: impl FnMut() -> B,
    ) -> Result<(B, usize), Error> {
        let mut turn = self.take_turn(turn)?;
        loop {
            turn.go_on()?;
            if let Some(lent) = turn.try_read_lent(want, &mut lend) {
                return Ok(lent);
            }
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

    /// The turn that was there, or a new one.
    fn take_turn<'a>(&'a self, turn: Option<ReadTurn<'a>>) -> Result<ReadTurn<'a>, Error> {
        match turn {
            Some(turn) => {
                debug_assert!(std::ptr::eq(turn.held.0, self), "another descriptor's turn");
                Ok(turn)
            }
            None => Ok(ReadTurn {
                held: self.lock::<READ>()?,
                begun: false,
                failed: 0,
            }),
        }
    }

    /// How much of a buffer of `len` bytes one system call may fill.
    #[inline(always)]
    fn most_at_once(&self, len: usize) -> usize {
        if self.kind.stream {
            len.min(MAX_RW)
        } else {
            len
        }
    }

    /// The usual way to the first try of a read: waits if the read could only meet EAGAIN. False if a
    /// wait could not begin or did not end with a readiness.
    ///
    /// A read that came back short on a TCP stream has emptied it, and until the next event another
    /// one could only meet EAGAIN: it is skipped, and the caller parks at once. Not after a half
    /// close, a hang-up, an error or urgent data, where a short read proves nothing.
    #[inline(always)]
    fn is_ready_to_try(&self) -> bool {
        if self.drained.load(Relaxed) && self.desc.is_quiet(Mode::Read) {
            return park::with_current(|p| p.skip_read(&self.desc));
        }
        self.desc.reset(Mode::Read);
        true
    }

    /// What comes before the first try of a read, in full. The read lock is held.
    ///
    /// A descriptor that is not registered here yet is registered before a wait, and then the kernel
    /// reports whatever is there already.
    #[inline(never)]
    fn before_read(&self) -> Result<(), Error> {
        self.desc.check(Mode::Read)?;
        if !self.is_ready_to_try() {
            self.wait_again(Mode::Read, Reason::Read)?;
        }
        Ok(())
    }

    /// A read of up to `want` bytes has brought `n`.
    #[inline]
    fn has_read(&self, n: usize, want: usize) {
        let short = self.kind.skip_short_read && n != 0 && n < want;
        if short != self.drained.load(Relaxed) {
            self.drained.store(short, Relaxed);
        }
    }

    /// A read has failed. `Ok` is "try again": after a wait, if that was what it took.
    #[inline(never)]
    fn not_read(&self, errno: i32) -> Result<(), Error> {
        match errno {
            libc::EINTR => Ok(()),
            libc::EAGAIN if self.kind.pollable => {
                self.count_eagain();
                self.wait(Mode::Read, Reason::Read)
            }
            errno => Err(Error::Sys {
                call: "read",
                errno,
            }),
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
        let sure = self.drained.load(Relaxed)
            && self.desc.home(Mode::Read) != 0
            && self.desc.is_quiet(Mode::Read);
        if !sure {
            self.desc.reset(Mode::Read);
            if self.is_ready_now(libc::POLLIN | libc::POLLRDHUP)? {
                self.drained.store(false, Relaxed);
                return Ok(());
            }
        }
        loop {
            self.wait(Mode::Read, Reason::Read)?;
            self.drained.store(false, Relaxed);
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
        self.drained.store(false, Relaxed);
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
