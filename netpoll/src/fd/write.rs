//! Writing: all of it, or an error that says how much.

use super::{Fd, Held, MAX_IOV, MAX_RW, WRITE, count, side};
use crate::desc::Mode;
use crate::error::{Error, Partial};
use crate::park::Reason;
use crate::sys;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

impl Fd {
    /// Writes all of `buf`, waiting for room as often as needed. The lock is held throughout, so
    /// the bytes of one call are contiguous on the stream. An empty buffer makes one system call,
    /// which reports a broken pipe.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// assert_eq!(a.write(b"all of it"), Ok(()));
    /// b.close()?;
    /// let failed = a.write(b"too late").unwrap_err();
    /// assert_eq!((failed.written, failed.error.errno()), (0, Some(libc::EPIPE)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`] or what `write` says, with the bytes that went out.
    ///
    /// Go: `internal/poll.FD.Write`.
    #[inline]
    pub fn write(&self, buf: &[u8]) -> Result<(), Partial> {
        // Nearly every write: nobody else is writing, nothing forbids it, and there is room for all of it.
        // The rest is elsewhere, so that this is short: nothing in it can panic with the lock held.
        if !self.mutex.try_rwlock(side(WRITE)) {
            return self.write_in_turn(buf);
        }
        // A readiness noted earlier stays: nearly every event also says "writable", and forgetting
        // it before each write would have each event note it anew. What is stale about it costs one
        // more try, and only a write that found no room.
        if !self.desc.allows(Mode::Write) {
            return self.write_held(Held(self), buf);
        }
        match self.send(&buf[..self.chunk(buf.len())]) {
            Ok(n) if n == buf.len() => {
                drop(Held::<WRITE>(self));
                Ok(())
            }
            first => self.write_rest(Held(self), buf, first),
        }
    }

    /// [`Fd::write`] behind another write, or of a closed descriptor.
    #[cold]
    #[inline(never)]
    fn write_in_turn(&self, buf: &[u8]) -> Result<(), Partial> {
        match self.lock::<WRITE>() {
            Ok(held) => self.write_held(held, buf),
            Err(error) => Err(Partial { written: 0, error }),
        }
    }

    /// [`Fd::write`] with the lock, in full.
    #[cold]
    #[inline(never)]
    fn write_held(&self, held: Held<'_, WRITE>, buf: &[u8]) -> Result<(), Partial> {
        let checked = self.desc.check(Mode::Write);
        checked.map_err(|error| Partial { written: 0, error })?;
        let first = self.send(&buf[..self.chunk(buf.len())]);
        self.write_rest(held, buf, first)
    }

    /// How much of so many bytes one call is asked to write.
    #[inline]
    fn chunk(&self, len: usize) -> usize {
        if self.kind.stream {
            len.min(MAX_RW)
        } else {
            len
        }
    }

    /// Goes on after a first call.
    #[inline(never)]
    fn write_rest(
        &self,
        _held: Held<'_, WRITE>,
        buf: &[u8],
        first: Result<usize, i32>,
    ) -> Result<(), Partial> {
        let mut written = 0;
        let fail = |written, error| Partial { written, error };
        let mut sent = first;
        loop {
            match sent {
                Ok(n) => {
                    let want = self.chunk(buf.len() - written);
                    assert!(
                        n <= want,
                        "invalid return from write: got {n} from a write of {want}"
                    );
                    written += n;
                    if written == buf.len() {
                        return Ok(());
                    }
                    if n == 0 {
                        return Err(fail(written, Error::UnexpectedEof));
                    }
                }
                Err(libc::EINTR) => {}
                Err(libc::EAGAIN) if self.kind.pollable => {
                    self.count_eagain();
                    self.wait(Mode::Write, Reason::Write)
                        .map_err(|e| fail(written, e))?;
                }
                Err(errno) => {
                    return Err(fail(
                        written,
                        Error::Sys {
                            call: "write",
                            errno,
                        },
                    ));
                }
            }
            let rest = &buf[written..];
            sent = self.send(&rest[..self.chunk(rest.len())]);
        }
    }

    #[inline]
    fn send(&self, buf: &[u8]) -> Result<usize, i32> {
        // SAFETY: `buf` is valid for its length.
        unsafe { sys::write(self.sysfd, self.kind.socket, buf.as_ptr(), buf.len()) }
    }

    /// Writes all of several buffers as one stretch of the stream, in as few system calls as the
    /// kernel allows. What is left in `bufs` afterwards is what did not go out.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// use std::io::IoSlice;
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// let mut bufs = [IoSlice::new(b"head"), IoSlice::new(b"body")];
    /// let mut bufs = &mut bufs[..];
    /// assert_eq!(a.writev(&mut bufs), Ok(8));
    /// assert!(bufs.is_empty()); // nothing is left to write
    /// assert_eq!(b.read(&mut [0; 64]), Ok(8));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Fd::write`], the call being `writev`.
    ///
    /// Go: `internal/poll.FD.Writev`.
    pub fn writev(&self, bufs: &mut &mut [IoSlice<'_>]) -> Result<usize, Partial> {
        let mut written = 0;
        let fail = |written, error| Partial { written, error };
        let _held = self.lock::<WRITE>().map_err(|e| fail(0, e))?;
        self.desc.prepare(Mode::Write).map_err(|e| fail(0, e))?;
        loop {
            IoSlice::advance_slices(bufs, 0); // drops leading empty buffers
            if bufs.is_empty() {
                return Ok(written);
            }
            let (at, n) = (bufs.as_ptr().cast::<libc::iovec>(), bufs.len().min(MAX_IOV));
            let sent = if self.kind.socket {
                // SAFETY: all-zero is a valid empty `msghdr`.
                let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
                msg.msg_iov = at.cast_mut();
                msg.msg_iovlen = n;
                // SAFETY: `IoSlice` has the layout of `iovec`; the kernel only reads through it.
                count(unsafe { libc::sendmsg(self.sysfd, &msg, libc::MSG_NOSIGNAL) })
            } else {
                // SAFETY: as above; `n` is at most 1024.
                count(unsafe { libc::writev(self.sysfd, at, n as i32) })
            };
            match sent {
                Ok(0) => return Err(fail(written, Error::UnexpectedEof)),
                Ok(n) => {
                    written += n;
                    IoSlice::advance_slices(bufs, n);
                }
                Err(libc::EINTR) => {}
                Err(libc::EAGAIN) if self.kind.pollable => {
                    self.count_eagain();
                    self.wait(Mode::Write, Reason::Write)
                        .map_err(|e| fail(written, e))?;
                }
                Err(errno) => {
                    return Err(fail(
                        written,
                        Error::Sys {
                            call: "writev",
                            errno,
                        },
                    ));
                }
            }
        }
    }

    /// Waits until a write would not block: there is room, or an error is there. The peer's half
    /// close does not count.
    ///
    /// ```
    /// use netpoll::{Error, Fd, Kind, Mode};
    /// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
    /// let a = Fd::new(a.into(), Kind::STREAM)?;
    /// assert_eq!(a.wait_writable(), Ok(())); // there is room
    /// a.set_deadline(&[Mode::Write], Some(std::time::Instant::now()))?;
    /// assert_eq!(a.wait_writable(), Err(Error::Timeout));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`] or [`Error::Timeout`].
    ///
    /// Go: `internal/poll.FD.WaitWrite`, which does not look whether it must wait.
    pub fn wait_writable(&self) -> Result<(), Error> {
        let _held = self.lock::<WRITE>()?;
        self.desc.prepare(Mode::Write)?;
        while !self.is_ready_now(libc::POLLOUT)? {
            self.wait(Mode::Write, Reason::Write)?;
        }
        Ok(())
    }

    /// Runs `call` under the write lock until it does not say EAGAIN (`sendto`, `sendmsg`,
    /// `sendfile`, a user's own). `name` is the system call that errors name. `call` returns the
    /// error number that it met.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// use std::os::fd::AsRawFd;
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// let sent = a.write_with("send", |fd| {
    ///     // SAFETY: the buffer is valid for its length.
    ///     let n = unsafe { libc::send(fd.as_raw_fd(), b"hello".as_ptr().cast(), 5, libc::MSG_NOSIGNAL) };
    ///     usize::try_from(n).map_err(|_| std::io::Error::last_os_error().raw_os_error().unwrap())
    /// });
    /// assert_eq!((sent, b.read(&mut [0; 64])), (Ok(5), Ok(5)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`], or what `call` says.
    ///
    /// Go: `internal/poll.FD.RawWrite`, and the other users of `waitWrite`.
    pub fn write_with<T>(
        &self,
        name: &'static str,
        mut call: impl FnMut(BorrowedFd<'_>) -> Result<T, i32>,
    ) -> Result<T, Error> {
        let _held = self.lock::<WRITE>()?;
        self.desc.prepare(Mode::Write)?;
        self.attempt(Mode::Write, name, |fd| {
            // SAFETY: the lock's reference keeps the descriptor open.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            call(fd)
        })
    }
}
