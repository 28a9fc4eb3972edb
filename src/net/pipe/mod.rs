//! An in-memory connection whose two ends meet.
//!
//! Nothing is buffered: a write waits until readers have taken all of it, and a read takes from one
//! write at most. Each end has a [`Signal`], whose two directions are where its reader and its writer
//! wait and which carries its deadlines, and a [`FdMutex`], by which readers take turns, writers take
//! turns, and the end is closed: the same parts as a descriptor has, without the kernel.
//!
//! | file       | what it is                        |
//! |------------|-----------------------------------|
//! | `mod.rs`   | `PipeConn`                        |
//! | `offer.rs` | the rendezvous of bytes           |
//!
//! What an operation checks, in this order, and what it looks at again after every wait:
//!
//! | | this end closed | the other end closed | deadline passed |
//! |---|---|---|---|
//! | read | `closed pipe` | end of the stream | `read pipe: i/o timeout` |
//! | write | `closed pipe` | `closed pipe` | `write pipe: i/o timeout` |
//! | deadlines | `closed pipe` | `closed pipe` | |
//!
//! Go: `net/pipe.go`.

mod offer;

use super::{
    Addr, Cause, Conn, OpError,
    error::Bare,
    fail,
    own_methods::{own_byte_methods, own_methods},
};
use netpoll::{Error, FdMutex, Mode, Reason, Signal, fd_mutex::Side, park};
use offer::Meeting;
use std::{
    fmt,
    io::{self, Read, Write},
    sync::Arc,
    time::Instant,
};

/// Both ends of a new in-memory connection.
///
/// ```
/// use gopark::net::pipe;
/// use std::io::{Read, Write};
/// gopark::run(|| {
///     let (mut a, mut b) = pipe();
///     let writer = gopark::spawn(move || a.write_all(b"hello"));
///     let mut text = String::new();
///     b.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     writer.join().unwrap()
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.Pipe` (`net/pipe.go`).
pub fn pipe() -> (PipeConn, PipeConn) {
    let ends = Arc::new([End::default(), End::default()]);
    let end = |mine| {
        PipeConn(Arc::new(Holder {
            ends: ends.clone(),
            mine,
        }))
    };
    (end(0), end(1))
}

/// One end of an in-memory connection; [`pipe`] makes two. Clones are the same end. It works between
/// tasks, between plain threads, and between the two.
///
/// Nothing is buffered: [`write`](PipeConn::write) returns when readers have taken all of it. An empty
/// write, too, waits for a reader, and an empty read for a writer.
///
/// Dropping the last clone closes the end.
///
/// ```
/// use gopark::net::{pipe, NetError};
/// use std::time::{Duration, Instant};
/// let (a, b) = pipe();
/// a.set_write_deadline(Some(Instant::now() + Duration::from_millis(2)))?;
/// let err = a.write(b"hello").unwrap_err(); // nobody reads
/// assert_eq!((err.is_timeout(), err.bytes()), (true, 0));
/// b.set_read_deadline(Some(Instant::now()))?;
/// assert_eq!(b.read(&mut [0; 8]).unwrap_err().to_string(), "read pipe: i/o timeout");
/// b.set_deadline(None)?;
/// a.close()?;
/// assert_eq!(b.read(&mut [0; 8])?, 0); // the end
/// # std::io::Result::Ok(())
/// ```
///
/// Go: the type `pipe` (`net/pipe.go`).
#[derive(Clone)]
pub struct PipeConn(Arc<Holder>);

/// What the clones of one end share.
struct Holder {
    ends: Arc<[End; 2]>,
    mine: usize,
}

/// One end.
#[derive(Default)]
struct End {
    /// Who reads and who writes at this end; and whether it is closed.
    locks: FdMutex,
    /// Where its reader and its writer wait.
    signal: Signal,
    /// What its writer offers to the other end's readers.
    written: Meeting,
}

/// A held lock.
struct Held<'a>(&'a End, Side);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // There is nothing to destroy: memory goes when nobody can reach it.
        let _ = self.0.locks.rwunlock(self.1);
    }
}

impl End {
    fn lock(&self, side: Side) -> Result<Held<'_>, Error> {
        let locked = self.locks.try_rwlock(side)
            || park::with_current(|park| self.locks.rwlock(side, park))?;
        if locked {
            Ok(Held(self, side))
        } else {
            Err(Error::Closing)
        }
    }

    fn is_closed(&self) -> bool {
        self.locks.is_closing()
    }

    /// True if it was open.
    fn close(&self) -> bool {
        if !self.locks.incref_and_close() {
            return false;
        }
        let _ = self.locks.decref();
        self.signal.close();
        true
    }
}

impl Holder {
    fn me(&self) -> &End {
        &self.ends[self.mine]
    }

    fn peer(&self) -> &End {
        &self.ends[1 - self.mine]
    }

    fn close(&self) {
        if self.me().close() {
            // Whoever waits at the other end looks again and finds this one closed.
            self.peer().signal.notify(Mode::Read);
            self.peer().signal.notify(Mode::Write);
        }
    }

    fn read(&self, buf: &mut [u8]) -> Result<usize, Error> {
        let (me, peer) = (self.me(), self.peer());
        if me.is_closed() {
            return Err(Error::Closing);
        }
        if peer.is_closed() {
            return Ok(0);
        }
        let _turn = me.lock(Side::Read)?;
        loop {
            // Notifications are forgotten first and the world looked at after.
            let prepared = me.signal.prepare(Mode::Read);
            if prepared != Err(Error::Closing) && peer.is_closed() {
                return Ok(0);
            }
            prepared?;
            if let Some(n) = peer.written.take(buf) {
                peer.signal.notify(Mode::Write);
                return Ok(n);
            }
            me.signal.wait(Mode::Read, Reason::Read)?;
        }
    }

    /// Writes all of `buf`, adding to `written` what readers have taken.
    fn write(&self, buf: &[u8], written: &mut usize) -> Result<(), Error> {
        let (me, peer) = (self.me(), self.peer());
        if me.is_closed() || peer.is_closed() {
            return Err(Error::Closing);
        }
        let _turn = me.lock(Side::Write)?;
        // Even an empty write meets a reader.
        loop {
            me.signal.prepare(Mode::Write)?;
            let offer = me.written.offer(&buf[*written..]);
            peer.signal.notify(Mode::Read);
            let mut met = Ok(());
            while met.is_ok() && !offer.is_taken() {
                met = if peer.is_closed() {
                    Err(Error::Closing)
                } else {
                    me.signal.wait(Mode::Write, Reason::Write)
                };
            }
            // A reader may have come first even so.
            match (offer.withdraw(), met) {
                (Some(n), _) => *written += n,
                (None, Err(err)) => return Err(err),
                (None, Ok(())) => unreachable!("the wait for a reader ends with one"),
            }
            if *written == buf.len() {
                return Ok(());
            }
        }
    }

    /// What an operation reports. Only time-outs (and refusals, which Go has not) have an operation.
    #[cold]
    fn fail(op: &'static str, err: Error, bytes: usize) -> io::Error {
        match err {
            Error::Closing => Bare::error(Cause::ClosedPipe, bytes),
            err => OpError::new(op, "pipe", fail::cause(err))
                .bytes(bytes)
                .into(),
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.close();
    }
}

impl PipeConn {
    /// Takes bytes of one write, waiting until there is one; `Ok(0)` is the end of the stream (the
    /// other end is closed), an empty write, or an empty `buf`.
    ///
    /// # Errors
    /// `io: read/write on closed pipe` once this end is closed; `read pipe: i/o timeout`.
    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let done = self.0.read(buf);
        done.map_err(|err| Holder::fail("read", err, 0))
    }

    /// Waits until readers have taken all of `buf`, and returns its length.
    ///
    /// Two readers share one write:
    ///
    /// ```
    /// use gopark::net::pipe;
    /// let (a, b) = pipe();
    /// let writer = std::thread::spawn(move || a.write(b"hello"));
    /// assert_eq!(b.read(&mut [0; 2])?, 2);
    /// assert_eq!(b.read(&mut [0; 8])?, 3);
    /// assert_eq!(writer.join().unwrap()?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `io: read/write on closed pipe` once either end is closed; `write pipe: i/o timeout`. How many
    /// bytes were taken is in [`NetError::bytes`](super::NetError::bytes).
    pub fn write(&self, buf: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        match self.0.write(buf, &mut written) {
            Ok(()) => Ok(written),
            Err(err) => Err(Holder::fail("write", err, written)),
        }
    }

    /// As [`io::Write::write`] wants it: bytes that were taken before an error are reported as
    /// written. The error need not be kept, since its reason stays: a closed end, a deadline.
    fn write_some(&self, buf: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        match self.0.write(buf, &mut written) {
            Err(err) if written == 0 => Err(Holder::fail("write", err, 0)),
            _ => Ok(written),
        }
    }

    /// Closes this end. What waits at either end is over. Closing again does nothing.
    ///
    /// # Errors
    /// Never.
    pub fn close(&self) -> io::Result<()> {
        self.0.close();
        Ok(())
    }

    /// Sets the moment after which reads and writes fail; `None` is never. It reaches operations that
    /// wait.
    ///
    /// # Errors
    /// `io: read/write on closed pipe` once either end is closed.
    pub fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set(&[Mode::Read, Mode::Write], deadline)
    }

    /// [`set_deadline`](PipeConn::set_deadline) for reads alone.
    ///
    /// # Errors
    /// Those of [`set_deadline`](PipeConn::set_deadline).
    pub fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set(&[Mode::Read], deadline)
    }

    /// [`set_deadline`](PipeConn::set_deadline) for writes alone.
    ///
    /// # Errors
    /// Those of [`set_deadline`](PipeConn::set_deadline).
    pub fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set(&[Mode::Write], deadline)
    }

    fn set(&self, modes: &[Mode], deadline: Option<Instant>) -> io::Result<()> {
        if self.0.me().is_closed() || self.0.peer().is_closed() {
            return Err(Cause::ClosedPipe.into());
        }
        for &mode in modes {
            self.0.me().signal.set_deadline(mode, deadline);
        }
        Ok(())
    }
}

impl fmt::Debug for PipeConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeConn")
            .field("closed", &self.0.me().is_closed())
            .field("peer_closed", &self.0.peer().is_closed())
            .finish()
    }
}

impl Conn for PipeConn {
    own_byte_methods!();
    own_methods!();

    fn local_addr(&self) -> Option<Addr> {
        Some(Addr::Pipe)
    }

    fn remote_addr(&self) -> Option<Addr> {
        Some(Addr::Pipe)
    }
}

/// std's traits, for an end and for a reference to one.
macro_rules! std_io {
    ($($conn:ty),*) => {
        $(impl Read for $conn {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                PipeConn::read(self, buf)
            }
        }

        impl Write for $conn {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.write_some(buf)
            }

            /// Does nothing: nothing is held back.
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        })*
    };
}

std_io!(PipeConn, &PipeConn);
