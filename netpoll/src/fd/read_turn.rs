//! A read in pieces: what nearly every one needs, and the rest.
//!
//! What a function has on the stack while its caller is parked is cold memory for every connection, and
//! errors and loops need much of it. So a read begins with a turn, which waits if a try is certain to
//! be in vain, and goes on with one try. If that is not all, a function of its own does the rest.
//!
//! | stage       | the read lock | what comes before the next try                              |
//! |-------------|---------------|-------------------------------------------------------------|
//! | `Outside`   | not held      | the lock, then what `Begun` has                             |
//! | `Begun`     | held          | the checks, and a wait if a try is certain to be in vain    |
//! | `Disturbed` | held          | the rest of a wait that could not begin, or was interrupted; what comes before an accepted connection's first try |
//! | `Ready`     | held          | nothing                                                     |
//! | `Failed`    | held          | what the error of the last try says: a wait, nothing, the end |
//! | `Done`      | held          | what `Begun` has: it is another read                        |
//!
//! Nothing leads back to `Outside`; the end of a turn unlocks. Whoever comes to `Ready` has used up the
//! readiness that was noted, and owes a try for it. A turn that ends in `Ready` (it was dropped, or the
//! buffer did not come) or in `Failed` leaves that to the next read, which then must not be skipped.

use super::{Fd, Held, READ, side};
use crate::desc::Mode;
use crate::error::Error;
use crate::sys;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Outside,
    Begun,
    Disturbed,
    Ready,
    Failed,
    Done,
}

/// One read of a descriptor, from its lock to its unlock. Dropping it ends the read.
///
/// ```
/// use netpoll::{Fd, Kind};
/// let (a, b) = std::os::unix::net::UnixStream::pair()?;
/// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
/// a.write(b"hello").unwrap();
/// let mut buf = [0; 4];
/// let mut turn = b.read_turn(4);
/// assert_eq!(turn.try_read(&mut buf), Some(4));
/// drop(turn);
/// let mut turn = b.read_turn(4);
/// let read = match turn.try_read(&mut buf) {
///     Some(n) => Ok(n), // as a rule
///     None => turn.read_rest(&mut buf),
/// };
/// assert_eq!(read, Ok(1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ReadTurn<'a> {
    fd: &'a Fd,
    stage: Stage,
    /// Where the last try has failed.
    errno: i32,
}

impl Drop for ReadTurn<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Ready | Stage::Failed) {
            self.fd.owes_a_try();
        }
        if self.stage != Stage::Outside {
            drop(Held::<READ>(self.fd));
        }
    }
}

#[cold]
fn too_short(want: usize) -> ! {
    panic!("the buffer for a read of {want} bytes is shorter than that")
}

impl Fd {
    /// Begins a read of at most `want` bytes, and waits right away if a try is certain to be in vain;
    /// not if `want` is 0. What follows is one of [`ReadTurn`]'s tries.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let b = Fd::new(b.into(), Kind::STREAM)?;
    /// drop(a);
    /// assert_eq!(b.read_turn(8).try_read(&mut [0; 8]), Some(0)); // the end
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)]
    pub fn read_turn(&self, want: usize) -> ReadTurn<'_> {
        let mut turn = ReadTurn {
            fd: self,
            stage: Stage::Outside,
            errno: 0,
        };
        if want != 0 && self.mutex.try_rwlock(side(READ)) {
            turn.stage = Stage::Begun;
            if self.desc.allows(Mode::Read) {
                turn.stage = if self.is_ready_to_try() {
                    Stage::Ready
                } else {
                    Stage::Disturbed
                };
            }
        }
        turn
    }
}

impl ReadTurn<'_> {
    /// One try, if nothing else comes first and none has succeeded. `None` leaves the read to
    /// [`ReadTurn::read_rest`].
    #[inline(always)]
    pub fn try_read(&mut self, buf: &mut [u8]) -> Option<usize> {
        if self.stage != Stage::Ready {
            return None;
        }
        let want = self.fd.most_at_once(buf.len());
        // SAFETY: `buf` is valid for `want` bytes of writing.
        unsafe { self.attempt(want, buf.as_mut_ptr()) }
    }

    /// [`ReadTurn::try_read`] of up to `want` bytes, not 0, into a buffer of at least that size that is
    /// asked for when the try is made, and dropped if it fails. `None` leaves the read to
    /// [`ReadTurn::read_lent_rest`].
    ///
    /// # Panics
    /// If the buffer is too short.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// a.write(b"hello").unwrap();
    /// let buffer = || vec![0; 64];
    /// let mut turn = b.read_turn(64);
    /// let (buf, n) = match turn.try_read_lent(64, buffer) {
    ///     Some(lent) => lent,
    ///     None => turn.read_lent_rest(64, buffer)?,
    /// };
    /// assert_eq!(&buf[..n], b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)]
    pub fn try_read_lent<B: AsMut<[u8]>>(
        &mut self,
        want: usize,
        lend: impl FnOnce() -> B,
    ) -> Option<(B, usize)> {
        if self.stage != Stage::Ready {
            return None;
        }
        let mut buf = lend();
        let Some(room) = buf.as_mut().get_mut(..want) else {
            // A buffer that is alive where something may panic has to be on the stack.
            drop(buf);
            too_short(want)
        };
        let at = room.as_mut_ptr();
        // SAFETY: `at` is valid for `want` bytes, and outlives the try.
        let n = unsafe { self.attempt(want, at) }?;
        Some((buf, n))
    }

    /// The try itself: the turn is ready.
    ///
    /// # Safety
    /// `at` is valid for `want` bytes of writing.
    #[inline(always)]
    unsafe fn attempt(&mut self, want: usize, at: *mut u8) -> Option<usize> {
        let fd = self.fd;
        // SAFETY: contract of this function.
        match unsafe { sys::read(fd.sysfd, fd.kind.socket, at, want) } {
            Ok(n) => {
                fd.has_read(n, want);
                self.stage = Stage::Done;
                Some(n)
            }
            Err(errno) => {
                (self.stage, self.errno) = (Stage::Failed, errno);
                None
            }
        }
    }

    /// The rest of [`Fd::read`].
    ///
    /// ```
    /// use netpoll::{Error, Fd, Kind, Mode};
    /// let (_a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let b = Fd::new(b.into(), Kind::STREAM)?;
    /// b.set_deadline(&[Mode::Read], Some(std::time::Instant::now()))?;
    /// let mut turn = b.read_turn(4);
    /// assert_eq!(turn.try_read(&mut [0; 4]), None); // `read_rest` says why
    /// assert_eq!(turn.read_rest(&mut [0; 4]), Err(Error::Timeout));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Fd::read`].
    #[cold]
    #[inline(never)]
    pub fn read_rest(mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.lock()?;
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            self.go_on()?;
            if let Some(n) = self.try_read(buf) {
                return Ok(n);
            }
        }
    }

    /// The rest of [`Fd::read_lent`]; [`ReadTurn::try_read_lent`] has an example.
    ///
    /// # Errors
    /// Those of [`Fd::read`].
    ///
    /// # Panics
    /// If a buffer is too short.
    #[cold]
    #[inline(never)]
    pub fn read_lent_rest<B: AsMut<[u8]>>(
        mut self,
        want: usize,
        mut lend: impl FnMut() -> B,
    ) -> Result<(B, usize), Error> {
        self.lock()?;
        loop {
            self.go_on()?;
            if let Some(lent) = self.try_read_lent(want, &mut lend) {
                return Ok(lent);
            }
        }
    }

    fn lock(&mut self) -> Result<(), Error> {
        if self.stage == Stage::Outside {
            // Given back by this turn's own end.
            std::mem::forget(self.fd.lock::<READ>()?);
            self.stage = Stage::Begun;
        }
        Ok(())
    }

    /// Does what comes before the next try. The lock is held.
    fn go_on(&mut self) -> Result<(), Error> {
        // Where this ends in an error, the readiness is not used up.
        match std::mem::replace(&mut self.stage, Stage::Begun) {
            Stage::Outside | Stage::Begun | Stage::Done => self.fd.before_read()?,
            Stage::Disturbed => self.fd.skip_on()?,
            Stage::Failed => self.fd.not_read(self.errno)?,
            Stage::Ready => {}
        }
        self.stage = Stage::Ready;
        Ok(())
    }
}
