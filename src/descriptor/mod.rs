//! `Descriptor`: any open file, with a connection's locks, deadlines and close.
//!
//! The name is the project's word for the thing; `Fd` is the reactor's part of it, `File` is std's,
//! and Go's `os.File` is about paths as well. Pipes, terminals, eventfds, devices and sockets of any
//! family are waited for by the poller. What the poller cannot wait for (regular files) runs on the
//! blocking pool, has no deadlines, and says so.

mod pollable;
mod std_io;

use crate::net::{
    Addr, Cause, HeldFd, OpError,
    copy::Stream,
    fail,
    raw::{self, Raw},
    readiness::{self, Clones},
};
use crate::task::{self, idle::HasFd};
use netpoll::{Error, Fd, Kind, Mode, Partial};
use std::{
    fmt, io,
    ops::ControlFlow,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    sync::Arc,
    time::Instant,
};

/// An open file that tasks and threads may read, write and close at the same time: a pipe, a terminal,
/// an eventfd. Clones are the same descriptor; dropping the last one closes it.
///
/// ```
/// use gopark::Descriptor;
/// gopark::run(|| {
///     let (reader, writer) = std::io::pipe()?;
///     let (reader, writer) = (Descriptor::new(reader)?, Descriptor::new(writer)?);
///     let task = gopark::spawn(move || {
///         let mut buf = [0; 8];
///         reader.read(&mut buf).map(|n| buf[..n].to_vec())
///     });
///     writer.write(b"hello")?;
///     assert_eq!(task.join().unwrap()?, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `os.NewFile` and `os.File`, as far as they are not about paths.
#[derive(Clone)]
pub struct Descriptor(Arc<Inner>);

struct Inner {
    fd: Fd,
    name: Box<str>,
}

impl HasFd for Inner {
    fn fd(&self) -> &Fd {
        &self.fd
    }
}

impl HasFd for Descriptor {
    fn fd(&self) -> &Fd {
        &self.0.fd
    }
}

impl Clones for Descriptor {
    fn shared(&self) -> &impl Raw {
        &*self.0
    }
}

impl Descriptor {
    /// Takes over a descriptor. One that can be waited for is put into non-blocking mode, which
    /// belongs to the open file: duplicates of it, in other processes too, have the same mode.
    ///
    /// # Errors
    /// What the kernel says, most often too many open files.
    pub fn new(fd: impl Into<OwnedFd>) -> io::Result<Descriptor> {
        let fd = fd.into();
        let name = format!("descriptor {}", fd.as_raw_fd());
        Descriptor::named(fd, &name)
    }

    /// [`new`](Descriptor::new), with a name for errors: `read NAME: i/o timeout`.
    ///
    /// ```
    /// use gopark::{Descriptor, net::NetError};
    /// use std::time::Instant;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = Descriptor::named(reader, "jobs")?;
    /// reader.set_read_deadline(Some(Instant::now()))?;
    /// let err = reader.read(&mut [0; 8]).unwrap_err();
    /// assert!(err.is_timeout());
    /// assert_eq!(err.to_string(), "read jobs: i/o timeout");
    /// assert_eq!(reader.name(), "jobs");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`new`](Descriptor::new).
    ///
    /// Go: `os.NewFile`.
    pub fn named(fd: impl Into<OwnedFd>, name: &str) -> io::Result<Descriptor> {
        let fd = fd.into();
        let kind = Kind {
            pollable: pollable::is_pollable(fd.as_fd())?,
            socket: is_socket(fd.as_fd()),
            ..Kind::FILE
        };
        Ok(Descriptor(Arc::new(Inner {
            fd: Fd::new(fd, kind)?,
            name: name.into(),
        })))
    }

    /// [`new`](Descriptor::new) from a bare number.
    ///
    /// ```
    /// use gopark::Descriptor;
    /// use std::os::fd::IntoRawFd;
    /// let (reader, writer) = std::io::pipe()?;
    /// let number = writer.into_raw_fd(); // from a C library, say
    /// // SAFETY: it is open, and nobody else owns it.
    /// let writer = unsafe { Descriptor::from_raw(number)? };
    /// assert!(writer.is_pollable());
    /// writer.write(b"x")?;
    /// assert_eq!(Descriptor::new(reader)?.read(&mut [0; 8])?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`new`](Descriptor::new); the number is closed then.
    ///
    /// # Safety
    /// The number is open, and the caller owns it.
    pub unsafe fn from_raw(fd: RawFd) -> io::Result<Descriptor> {
        // SAFETY: contract of this function.
        Descriptor::new(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Whether the poller can wait for it. What it cannot wait for has no deadlines, and runs on the
    /// blocking pool.
    pub fn is_pollable(&self) -> bool {
        self.0.fd.kind().pollable
    }

    /// The name it has in errors.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Reads what is there, waiting until something is. `Ok(0)` is the end of the file, or an empty
    /// `buf`.
    ///
    /// # Errors
    /// `read NAME: i/o timeout`, `read NAME: file already closed`, or what the kernel says.
    ///
    /// Go: `os.File.Read`.
    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let done = self.call(|fd| fd.read(buf));
        done.map_err(|err| self.fail("read", err, 0))
    }

    /// Writes all of `buf`, waiting for room as often as needed, and returns its length.
    ///
    /// # Errors
    /// As [`read`](Descriptor::read); [`NetError::bytes`](crate::net::NetError::bytes) says how many
    /// bytes went out.
    ///
    /// Go: `os.File.Write`.
    pub fn write(&self, buf: &[u8]) -> io::Result<usize> {
        match self.write_all_of(buf) {
            Ok(()) => Ok(buf.len()),
            Err(Partial { written, error }) => Err(self.fail("write", error, written)),
        }
    }

    fn write_all_of(&self, buf: &[u8]) -> Result<(), Partial> {
        self.call(|fd| fd.write(buf))
    }

    /// Runs an operation: where it may block the thread, on the pool.
    fn call<T: Send>(&self, f: impl FnOnce(&Fd) -> T + Send) -> T {
        let fd = &self.0.fd;
        if fd.kind().pollable {
            f(fd)
        } else {
            task::blocking(|| f(fd))
        }
    }

    /// Waits until a read would not block.
    ///
    /// ```
    /// use gopark::Descriptor;
    /// let (reader, writer) = std::io::pipe()?;
    /// let (reader, writer) = (Descriptor::new(reader)?, Descriptor::new(writer)?);
    /// writer.writable()?; // there is room
    /// writer.write(b"hello")?;
    /// reader.readable()?; // holds no buffer while it waits
    /// assert_eq!(reader.read(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read`](Descriptor::read).
    pub fn readable(&self) -> io::Result<()> {
        readiness::readable(&*self.0)
    }

    /// Waits until a write would not block.
    ///
    /// # Errors
    /// Those of [`write`](Descriptor::write).
    pub fn writable(&self) -> io::Result<()> {
        readiness::writable(&*self.0)
    }

    /// Calls `then` in a new task when a read would not block; see
    /// [`TcpConn::on_readable`](crate::net::TcpConn::on_readable).
    ///
    /// ```
    /// use gopark::Descriptor;
    /// gopark::run(|| {
    ///     let (reader, writer) = std::io::pipe()?;
    ///     let (told, hears) = std::io::pipe()?;
    ///     let (told, hears) = (Descriptor::new(told)?, Descriptor::new(hears)?);
    ///     // Until there is something to read, this costs no task and no stack.
    ///     Descriptor::new(reader)?.on_readable(move |reader, result| {
    ///         result.and_then(|()| reader.read(&mut [0; 8])).unwrap();
    ///         hears.write(b"done").unwrap();
    ///     })?;
    ///     Descriptor::new(writer)?.write(b"x")?;
    ///     assert_eq!(told.read(&mut [0; 8])?, 4);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`TcpConn::on_readable`](crate::net::TcpConn::on_readable).
    #[track_caller]
    pub fn on_readable<F>(self, then: F) -> io::Result<()>
    where
        F: FnOnce(Descriptor, io::Result<()>) + Send + 'static,
    {
        readiness::on_readable(self, then)
    }

    /// Calls `handler` in a new task each time that a read would not block, or will fail, until it returns
    /// `Break`; see [`TcpConn::on_each_readable`](crate::net::TcpConn::on_each_readable).
    ///
    /// ```
    /// use gopark::Descriptor;
    /// use std::ops::ControlFlow;
    /// gopark::run(|| {
    ///     let (reader, writer) = std::io::pipe()?;
    ///     let (told, hears) = std::io::pipe()?;
    ///     let (told, hears) = (Descriptor::new(told)?, Descriptor::new(hears)?);
    ///     Descriptor::new(reader)?.on_each_readable(move |reader, readable| {
    ///         match readable.and_then(|()| reader.read(&mut [0; 8])) {
    ///             Ok(n @ 1..) if hears.write(&[n as u8]).is_ok() => ControlFlow::Continue(()),
    ///             _ => ControlFlow::Break(()),
    ///         }
    ///     })?;
    ///     let writer = Descriptor::new(writer)?;
    ///     let mut seen = [0];
    ///     for text in ["a", "bcd"] {
    ///         writer.write(text.as_bytes())?;
    ///         told.read(&mut seen)?;
    ///         assert_eq!(usize::from(seen[0]), text.len());
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`TcpConn::on_readable`](crate::net::TcpConn::on_readable).
    #[track_caller]
    pub fn on_each_readable<F>(self, handler: F) -> io::Result<()>
    where
        F: FnMut(&Descriptor, io::Result<()>) -> ControlFlow<()> + Send + 'static,
    {
        readiness::on_each_readable(self, handler)
    }

    /// Calls `f` with the descriptor until it returns something, waiting in between until a read would
    /// not block. Other readers wait meanwhile. Do not block in it.
    ///
    /// ```
    /// use gopark::Descriptor;
    /// use std::os::fd::AsRawFd;
    /// let (reader, writer) = std::io::pipe()?;
    /// let (reader, writer) = (Descriptor::new(reader)?, Descriptor::new(writer)?);
    /// writer.write(b"hello")?;
    /// let mut buf = [0u8; 8];
    /// let n = reader.raw_read(|fd| {
    ///     // SAFETY: `buf` is valid for its length.
    ///     let n = unsafe { libc::read(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) };
    ///     usize::try_from(n).ok() // `None` waits, then it is called again
    /// })?;
    /// assert_eq!(&buf[..n], b"hello");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `raw-read NAME: i/o timeout`, `raw-read NAME: file already closed`.
    ///
    /// Go: `syscall.RawConn.Read`.
    pub fn raw_read<T>(&self, f: impl FnMut(BorrowedFd<'_>) -> Option<T>) -> io::Result<T> {
        raw::read(&*self.0, f)
    }

    /// [`raw_read`](Descriptor::raw_read) for system calls that write.
    ///
    /// ```
    /// use gopark::Descriptor;
    /// use std::os::fd::AsRawFd;
    /// let (reader, writer) = std::io::pipe()?;
    /// let writer = Descriptor::new(writer)?;
    /// let n = writer.raw_write(|fd| {
    ///     // SAFETY: the bytes are valid for their length.
    ///     let n = unsafe { libc::write(fd.as_raw_fd(), b"hello".as_ptr().cast(), 5) };
    ///     usize::try_from(n).ok()
    /// })?;
    /// assert_eq!(n, 5);
    /// # drop(reader);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `raw-write NAME: i/o timeout`, `raw-write NAME: file already closed`.
    ///
    /// Go: `syscall.RawConn.Write`.
    pub fn raw_write<T>(&self, f: impl FnMut(BorrowedFd<'_>) -> Option<T>) -> io::Result<T> {
        raw::write(&*self.0, f)
    }

    /// Calls `f` with the descriptor, which stays open until `f` returns whoever closes meanwhile.
    ///
    /// ```
    /// use gopark::Descriptor;
    /// use std::os::fd::AsRawFd;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = Descriptor::new(reader)?;
    /// let number = reader.with_fd(|fd| fd.as_raw_fd())?;
    /// let other = reader.dup()?; // the same pipe under another number
    /// assert_ne!(number, other.as_raw_fd());
    /// reader.close()?;
    /// assert!(reader.with_fd(|_| ()).is_err());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `raw-control NAME: file already closed`.
    ///
    /// Go: `syscall.RawConn.Control`.
    pub fn with_fd<T>(&self, f: impl FnOnce(BorrowedFd<'_>) -> T) -> io::Result<T> {
        raw::control(&*self.0, f)
    }

    /// The descriptor for code that wants an [`AsFd`](std::os::fd::AsFd): the number stays this file's
    /// until the guard is dropped, whoever closes meanwhile. Closing waits for it (not where the poller
    /// cannot wait for the file: there the last guard closes it), so do not close while holding one.
    ///
    /// ```
    /// use gopark::Descriptor;
    /// use std::{io::IsTerminal, os::fd::AsFd};
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = Descriptor::new(reader)?;
    /// let held = reader.hold_fd()?;
    /// assert!(!held.as_fd().is_terminal());
    /// drop(held);
    /// reader.close()?;
    /// assert!(reader.hold_fd().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `raw-control NAME: file already closed`.
    ///
    /// Go: `syscall.RawConn.Control`, which lends the number for one call.
    pub fn hold_fd(&self) -> io::Result<HeldFd<'_>> {
        raw::hold(&*self.0)
    }

    /// A duplicate, which shares the open file and stays open after this one is closed.
    ///
    /// # Errors
    /// `file NAME: file already closed`, or what `fcntl` says.
    pub fn dup(&self) -> io::Result<OwnedFd> {
        raw::dup(&*self.0)
    }

    /// Sets the moment after which reads and writes fail; `None` is never. It reaches operations that
    /// wait.
    ///
    /// ```
    /// use gopark::{Descriptor, net::NetError};
    /// use std::time::{Duration, Instant};
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = Descriptor::new(reader)?;
    /// reader.set_deadline(Some(Instant::now() + Duration::from_millis(2)))?;
    /// assert!(reader.read(&mut [0; 8]).unwrap_err().is_timeout());
    /// reader.set_write_deadline(None)?; // for writes alone
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `set NAME: file type does not support deadline`, `set NAME: file already closed`.
    ///
    /// Go: `os.File.SetDeadline`.
    pub fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set(&[Mode::Read, Mode::Write], deadline)
    }

    /// [`set_deadline`](Descriptor::set_deadline) for reads alone.
    ///
    /// # Errors
    /// Those of [`set_deadline`](Descriptor::set_deadline).
    ///
    /// Go: `os.File.SetReadDeadline`.
    pub fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set(&[Mode::Read], deadline)
    }

    /// [`set_deadline`](Descriptor::set_deadline) for writes alone.
    ///
    /// # Errors
    /// Those of [`set_deadline`](Descriptor::set_deadline).
    ///
    /// Go: `os.File.SetWriteDeadline`.
    pub fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set(&[Mode::Write], deadline)
    }

    fn set(&self, modes: &[Mode], deadline: Option<Instant>) -> io::Result<()> {
        let done = self.0.fd.set_deadline(modes, deadline);
        done.map_err(|err| self.fail("set", err, 0))
    }

    /// Closes the descriptor for all clones: what waits on it fails, and so does whatever comes later.
    ///
    /// ```
    /// use gopark::Descriptor;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = Descriptor::named(reader, "jobs")?;
    /// reader.clone().close()?; // for all clones
    /// let err = reader.read(&mut [0; 8]).unwrap_err();
    /// assert_eq!(err.to_string(), "read jobs: file already closed");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `close NAME: file already closed` if it was closed before, or what `close` says.
    ///
    /// Go: `os.File.Close`.
    pub fn close(&self) -> io::Result<()> {
        let done = self.0.fd.close();
        done.map_err(|err| self.fail("close", err, 0))
    }

    /// What the kernel can splice, if anything: what is waited for (it refuses what is no pipe or
    /// socket, and is asked).
    pub(crate) fn stream(&self) -> Option<&dyn Stream> {
        self.is_pollable().then_some(&*self.0 as &dyn Stream)
    }

    #[cold]
    fn fail(&self, op: &'static str, err: Error, bytes: usize) -> io::Error {
        self.0.fail(op, fail::cause(err), bytes)
    }
}

impl Stream for Inner {
    #[cold]
    fn fail(&self, op: &'static str, cause: Cause, bytes: usize) -> io::Error {
        let cause = match cause {
            Cause::Closed => Cause::ClosedFile,
            cause => cause,
        };
        OpError::new(op, "", cause)
            .addr(Addr::File(self.name.clone()))
            .bytes(bytes)
            .into()
    }
}

impl Raw for Inner {
    fn raw_error(&self, op: &'static str, cause: Cause) -> io::Error {
        self.fail(op, cause, 0)
    }
}

fn is_socket(fd: BorrowedFd<'_>) -> bool {
    socket2::SockRef::from(&fd).r#type().is_ok()
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptor")
            .field("name", &self.0.name)
            .field("pollable", &self.is_pollable())
            .field("closed", &self.0.fd.is_closing())
            .finish()
    }
}
