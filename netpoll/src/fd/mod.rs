//! `Fd`: a descriptor that many tasks and threads may use at once.
//!
//! Every operation has the same shape and nothing else: **lock, try, park, retry**.
//!
//! * *lock*: reads and accepts take the read lock of [`FdMutex`], writes the write lock, everything
//!   else only a reference. So concurrent writers take turns whole, and a number is never closed
//!   under anybody's feet.
//! * *try*: the system call. `EINTR` tries again.
//! * *park*: on `EAGAIN` the caller waits in the slot of its direction, which fails at the deadline
//!   and when the descriptor is closed.
//! * *retry*.
//!
//! | file       | operations                                              |
//! |------------|---------------------------------------------------------|
//! | `mod.rs`   | new, lock, reference, deadlines, close                   |
//! | `read.rs`  | read, readv, waiting for readability, the skipped read   |
//! | `read_turn.rs` | a read in pieces, for a small stack while it waits   |
//! | `first_read.rs` | the first read of an accepted connection             |
//! | `write.rs` | write, writev, waiting for writability                   |
//! | `idle.rs`  | waiting for readability without a thread or a task       |
//! | `hold.rs`  | a reference for as long as somebody else uses the number |
//! | `stream.rs`| accept, connect, shutdown                                |
//! | `shared.rs`| datagrams: many at once, no turns                        |
//!
//! Go: `internal/poll/fd_unix.go`.

mod first_read;
mod hold;
mod idle;
mod read;
mod read_turn;
mod shared;
mod stream;
mod write;

pub use hold::Hold;
pub use idle::{Watched, Watcher};
pub use read_turn::ReadTurn;

use crate::desc::{Mode, PollDesc};
use crate::error::{Error, errno};
use crate::fd_mutex::{FdMutex, Side};
use crate::park::{self, Reason};
use crate::slot::Slot;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// The most that one system call is asked to move on a stream. Go: `maxRW`.
const MAX_RW: usize = 1 << 30;

/// The most that the kernel moves in one system call, whatever it is asked. `MAX_RW_COUNT`.
const MAX_RW_COUNT: usize = 0x7fff_f000;

/// The most buffers one `readv` or `writev` takes. `UIO_MAXIOV`.
const MAX_IOV: usize = 1024;

/// What kind of descriptor it is, as far as operations differ.
///
/// ```
/// use netpoll::{Fd, Kind};
/// let (reader, _writer) = std::io::pipe()?;
/// let pipe = Fd::new(reader.into(), Kind::FILE)?;
/// assert!(pipe.kind().pollable && !pipe.kind().socket);
/// assert!(Kind::TCP.skip_short_read && !Kind::STREAM.skip_short_read);
/// assert!(!Kind::DATAGRAM.stream);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// A stream: chunks of at most 1 GiB.
    pub stream: bool,
    /// A socket: writes that meet a broken pipe raise no signal.
    pub socket: bool,
    /// A read shorter than its buffer has emptied it (TCP).
    pub skip_short_read: bool,
    /// epoll can say when it is ready.
    pub pollable: bool,
}

impl Kind {
    /// A TCP connection.
    pub const TCP: Kind = Kind {
        stream: true,
        socket: true,
        skip_short_read: true,
        pollable: true,
    };
    /// Another stream socket (Unix), or a listener. A short read there can be a boundary of control
    /// messages and proves nothing.
    pub const STREAM: Kind = Kind {
        skip_short_read: false,
        ..Kind::TCP
    };
    /// A socket of datagrams or packets.
    pub const DATAGRAM: Kind = Kind {
        stream: false,
        ..Kind::STREAM
    };
    /// A pipe, a terminal, an eventfd.
    pub const FILE: Kind = Kind {
        stream: true,
        socket: false,
        skip_short_read: false,
        pollable: true,
    };
}

/// A descriptor in non-blocking mode with Go's locks, deadlines and close.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use std::time::{Duration, Instant};
/// use netpoll::{Error, Fd, Kind, Mode};
///
/// let (a, b) = UnixStream::pair()?;
/// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
/// a.write(b"hello").unwrap();
/// let mut buf = [0; 16];
/// assert_eq!(b.read(&mut buf), Ok(5));
///
/// b.set_deadline(&[Mode::Read], Some(Instant::now() + Duration::from_millis(5)))?;
/// assert_eq!(b.read(&mut buf), Err(Error::Timeout));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
// What a read or a write touches comes first, down to the mutex's own first word, in 32 bytes.
#[repr(C)]
pub struct Fd {
    sysfd: RawFd,
    kind: Kind,
    /// What the next read would find, as far as that is known. Written under the read lock.
    known: AtomicU8,
    /// The descriptor was handed out, so a duplicate may outlive ours.
    exposed: AtomicBool,
    destroyed: AtomicBool,
    desc: Arc<PollDesc>,
    mutex: FdMutex,
    /// Where the closer waits for the last operation.
    closer: Slot,
}

/// Nothing: the next read tries.
const UNKNOWN: u8 = 0;
/// The last read has emptied the socket: until the next event another one would be in vain.
const EMPTY: u8 = 1;
/// Nobody has read from it yet, and it was just accepted: what the connections before it tell.
const FRESH: u8 = 2;

/// Which lock is held, where that is known when the program is compiled.
const READ: bool = false;
const WRITE: bool = true;

const fn side(write: bool) -> Side {
    if write { Side::Write } else { Side::Read }
}

/// A held lock; gives it back, and destroys the descriptor if it was the last of a closed one.
#[derive(Debug)]
struct Held<'a, const SIDE: bool>(&'a Fd);

impl<const SIDE: bool> Drop for Held<'_, SIDE> {
    #[inline]
    fn drop(&mut self) {
        if self.0.mutex.rwunlock(side(SIDE)) {
            // Go drops this error too: the closer has long returned, or gets it from its own decref.
            let _ = self.0.destroy();
        }
    }
}

impl Fd {
    /// Takes over a descriptor and makes it non-blocking (where `kind` says it can be waited for).
    /// It is registered with a poller when an operation on it first has to wait.
    ///
    /// # Errors
    /// What `fcntl` says.
    ///
    /// Go: `internal/poll.FD.Init`, which registers at once.
    pub fn new(fd: OwnedFd, kind: Kind) -> std::io::Result<Fd> {
        if kind.pollable {
            set_nonblocking(fd.as_raw_fd(), true)?;
        }
        Ok(Fd::from_nonblocking(fd, kind))
    }

    /// Takes over a descriptor that is already in non-blocking mode.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_nonblocking(true)?;
    /// let fd = Fd::from_nonblocking(socket.into(), Kind::DATAGRAM);
    /// assert_eq!(fd.kind(), Kind::DATAGRAM);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_nonblocking(fd: OwnedFd, kind: Kind) -> Fd {
        Fd::with_desc(fd, kind, PollDesc::new(), UNKNOWN)
    }

    #[inline]
    fn with_desc(fd: OwnedFd, kind: Kind, desc: PollDesc, known: u8) -> Fd {
        Fd {
            mutex: FdMutex::new(),
            desc: Arc::new(desc),
            sysfd: fd.into_raw_fd(),
            kind,
            known: AtomicU8::new(known),
            exposed: AtomicBool::new(false),
            destroyed: AtomicBool::new(false),
            closer: Slot::new(),
        }
    }

    /// What kind of descriptor it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    #[inline]
    fn lock<const SIDE: bool>(&self) -> Result<Held<'_, SIDE>, Error> {
        if !self.mutex.try_rwlock(side(SIDE)) {
            self.lock_slow(side(SIDE))?;
        }
        Ok(Held(self))
    }

    #[cold]
    #[inline(never)]
    fn lock_slow(&self, side: Side) -> Result<(), Error> {
        if park::with_current(|p| self.mutex.rwlock(side, p))? {
            Ok(())
        } else {
            Err(Error::Closing)
        }
    }

    /// Waits for an event in one direction, as the task or thread that calls.
    #[inline]
    fn wait(&self, mode: Mode, why: Reason) -> Result<(), Error> {
        if park::with_current(|p| p.wait_once(&self.desc, mode, why)) {
            Ok(())
        } else {
            self.wait_again(mode, why)
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_again(&self, mode: Mode, why: Reason) -> Result<(), Error> {
        park::with_current(|p| p.wait_again(&self.desc, self.sysfd, mode, why))
    }

    /// Tries `call` until it neither is interrupted nor would block.
    fn attempt<T>(
        &self,
        mode: Mode,
        name: &'static str,
        mut call: impl FnMut(RawFd) -> Result<T, i32>,
    ) -> Result<T, Error> {
        let why = if mode == Mode::Read {
            Reason::Read
        } else {
            Reason::Write
        };
        loop {
            match call(self.sysfd) {
                Ok(value) => return Ok(value),
                Err(libc::EINTR) => {}
                Err(libc::EAGAIN) if self.kind.pollable => {
                    self.count_eagain();
                    self.wait(mode, why)?;
                }
                Err(errno) => return Err(Error::Sys { call: name, errno }),
            }
        }
    }

    fn count_eagain(&self) {
        park::with_current(|p| {
            // A thread that cannot get a poller learns that in the wait that follows.
            if let Ok(poller) = p.try_poller() {
                crate::counters::bump(&poller.counters().eagains, 1);
            }
        });
    }

    /// A duplicate with close-on-exec set. It shares the open file, so it keeps a connection open
    /// after this one is closed.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// use std::{io::Write, os::{fd::AsRawFd, unix::net::UnixStream}};
    /// let (a, b) = UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// let mut second = UnixStream::from(a.dup()?);
    /// assert_ne!(second.as_raw_fd(), a.raw());
    /// a.close()?;
    /// second.write_all(b"still open")?;
    /// assert_eq!(b.read(&mut [0; 16]), Ok(10));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], or what `fcntl` says.
    ///
    /// Go: `internal/poll.FD.Dup`.
    pub fn dup(&self) -> Result<OwnedFd, Error> {
        self.exposed.store(true, Ordering::Relaxed);
        self.with(|fd| fd.try_clone_to_owned())?
            .map_err(|err| Error::Sys {
                call: "fcntl",
                errno: err.raw_os_error().unwrap_or(libc::EBADF),
            })
    }

    /// The number, for calls that this crate does not make. It may be closed, and even reused, at
    /// any time unless the caller prevents it: prefer [`Fd::with`].
    pub fn raw(&self) -> RawFd {
        self.exposed.store(true, Ordering::Relaxed);
        self.sysfd
    }

    /// Sets the deadline of the given directions; `None` clears it. An operation that is blocked
    /// notices at once. An expired deadline stays until another is set.
    ///
    /// ```
    /// use netpoll::{Error, Fd, Kind, Mode};
    /// use std::time::{Duration, Instant};
    /// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
    /// let a = Fd::new(a.into(), Kind::STREAM)?;
    /// std::thread::scope(|s| {
    ///     let reader = s.spawn(|| a.read(&mut [0]));
    ///     // It reaches a read that waits already.
    ///     a.set_deadline(&[Mode::Read], Some(Instant::now() + Duration::from_millis(2)))?;
    ///     assert_eq!(reader.join().unwrap(), Err(Error::Timeout));
    ///     a.set_deadline(&[Mode::Read, Mode::Write], None)
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`]; [`Error::NoDeadline`] if the descriptor cannot be waited for.
    ///
    /// Go: `internal/poll.FD.SetDeadline`.
    #[inline]
    pub fn set_deadline(
        &self,
        modes: &[Mode],
        deadline: Option<std::time::Instant>,
    ) -> Result<(), Error> {
        if self.mutex.is_closing() {
            return Err(Error::Closing);
        }
        if !self.kind.pollable {
            return Err(Error::NoDeadline);
        }
        let word = deadline.map_or(0, crate::clock::of);
        for mode in modes {
            self.desc.set_deadline(*mode, word);
        }
        Ok(())
    }

    /// Has [`Fd::close`] been called?
    pub fn is_closing(&self) -> bool {
        self.mutex.is_closing()
    }

    /// Closes: everything that waits on it fails with [`Error::Closing`], and so does whatever
    /// comes later. Returns when the last operation has left and the descriptor is closed; except
    /// for a descriptor that cannot be waited for, which the last operation closes when it is over.
    ///
    /// ```
    /// use netpoll::{Error, Fd, Kind};
    /// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
    /// let a = Fd::new(a.into(), Kind::STREAM)?;
    /// std::thread::scope(|s| {
    ///     let reader = s.spawn(|| a.read(&mut [0]));
    ///     assert_eq!(a.close(), Ok(())); // returns when the reader has left
    ///     assert_eq!(reader.join().unwrap(), Err(Error::Closing));
    /// });
    /// assert!(a.is_closing());
    /// assert_eq!(a.close(), Err(Error::Closing));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`] if it was closed before; what `close` says.
    ///
    /// Go: `internal/poll.FD.Close`.
    pub fn close(&self) -> Result<(), Error> {
        if !self.mutex.incref_and_close() {
            return Err(Error::Closing);
        }
        self.desc.evict();
        let result = if self.mutex.decref() {
            self.destroy()
        } else {
            Ok(())
        };
        if !self.kind.pollable {
            // An operation inside a blocking system call cannot be reached: do not wait for it.
            return result;
        }
        park::with_current(|p| {
            let open = || !self.destroyed.load(Ordering::Acquire);
            // One that may not wait leaves: the last operation closes the descriptor. It must not come
            // near the slot either, where it might meet a wake-up that it would have to wait for.
            while open() && p.may_park().is_ok() {
                self.closer.block(p, Reason::Close, open);
            }
        });
        result
    }

    /// Closes the number. Called once, by whoever gave the last reference back.
    fn destroy(&self) -> Result<(), Error> {
        self.desc
            .deregister(self.sysfd, self.exposed.load(Ordering::Relaxed));
        // SAFETY: the mutex is closed and unreferenced, so nobody uses the number or ever will.
        let done = unsafe { libc::close(self.sysfd) };
        let result = if done < 0 {
            Err(Error::last("close"))
        } else {
            Ok(())
        };
        self.destroyed.store(true, Ordering::Release);
        self.closer.wake(true);
        result
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // `&mut self`: no operation is under way. A closed descriptor is destroyed already.
        if !*self.destroyed.get_mut() {
            let _ = self.mutex.incref_and_close();
            // Nobody waits; but a timer of an earlier wait must find out that nobody wants it.
            self.desc.evict();
            let _ = self.destroy();
        }
    }
}

/// Turns `O_NONBLOCK` on or off.
fn set_nonblocking(fd: RawFd, on: bool) -> std::io::Result<()> {
    // SAFETY: no memory is passed.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let wanted = if on {
        flags | libc::O_NONBLOCK
    } else {
        flags & !libc::O_NONBLOCK
    };
    // SAFETY: no memory is passed.
    if wanted != flags && unsafe { libc::fcntl(fd, libc::F_SETFL, wanted) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}

/// The count a system call returned, or its error number.
#[inline]
fn count(n: isize) -> Result<usize, i32> {
    usize::try_from(n).map_err(|_| errno())
}

/// Takes over a descriptor number that a system call just returned.
fn owned(n: i32) -> Result<OwnedFd, i32> {
    if n < 0 {
        return Err(errno());
    }
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(n) })
}
