//! Deadlines, and std's time-outs on top of them.
//!
//! A deadline is a moment, and holds until it is set again. A time-out is a duration, and each
//! operation sets its direction's deadline to so much later when it starts. Of the two, the one that
//! was set last holds.

use super::TcpConn;
use crate::net::{Cause, Errno, fail};
use netpoll::Mode;
use std::{
    io,
    time::{Duration, Instant},
};

impl TcpConn {
    /// Sets the moment after which reads and writes fail with `i/o timeout`; `None` is never. It
    /// reaches operations that already wait, and stays until it is set again, also when it has passed.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// use gopark::net::NetError;
    /// use std::time::{Duration, Instant};
    /// conn.set_read_deadline(Some(Instant::now() + Duration::from_millis(2)))?;
    /// assert!(conn.read(&mut [0; 8]).unwrap_err().is_timeout());
    /// conn.write(b"writes are not concerned")?;
    /// conn.set_write_deadline(Some(Instant::now()))?;
    /// assert!(conn.write(b"now they are").unwrap_err().is_timeout());
    /// conn.set_deadline(None)?; // neither expires any more
    /// conn.write(b"as before")?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `set tcp A: use of closed network connection`.
    ///
    /// Go: `TCPConn.SetDeadline` (`net/net.go`).
    #[inline]
    pub fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set(&[Mode::Read, Mode::Write], deadline)
    }

    /// [`set_deadline`](TcpConn::set_deadline) for reads alone.
    ///
    /// # Errors
    /// Those of [`set_deadline`](TcpConn::set_deadline).
    ///
    /// Go: `TCPConn.SetReadDeadline` (`net/net.go`).
    #[inline]
    pub fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set(&[Mode::Read], deadline)
    }

    /// [`set_deadline`](TcpConn::set_deadline) for writes alone. A write that fails may have sent some
    /// of its bytes.
    ///
    /// # Errors
    /// Those of [`set_deadline`](TcpConn::set_deadline).
    ///
    /// Go: `TCPConn.SetWriteDeadline` (`net/net.go`).
    #[inline]
    pub fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set(&[Mode::Write], deadline)
    }

    #[inline]
    fn set(&self, modes: &[Mode], deadline: Option<Instant>) -> io::Result<()> {
        let inner = &*self.0;
        for &mode in modes {
            if inner.timeout(mode) != 0 {
                inner.set_timeout(mode, 0);
            }
            if mode == Mode::Write {
                inner.forget_timeout();
            }
        }
        let done = inner.fd.set_deadline(modes, deadline);
        done.map_err(|err| inner.fail_here("set", fail::cause(err)))
    }

    /// Sets how long each read may take; `None` is for ever. As
    /// [`std::net::TcpStream::set_read_timeout`], but a read that fails has the kind `TimedOut`.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// use std::{io::ErrorKind, time::Duration};
    /// conn.set_read_timeout(Some(Duration::from_millis(2)))?;
    /// for _ in 0..2 { // each read has its own
    ///     assert_eq!(conn.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
    /// }
    /// conn.set_write_timeout(Some(Duration::from_secs(1)))?;
    /// assert_eq!(conn.read_timeout()?, Some(Duration::from_millis(2)));
    /// assert_eq!(conn.write_timeout()?, Some(Duration::from_secs(1)));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` for a time-out of zero; `set tcp A: use of closed network connection`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_timeout(Mode::Read, timeout)
    }

    /// Sets how long each write may take; as [`set_read_timeout`](TcpConn::set_read_timeout).
    ///
    /// # Errors
    /// Those of [`set_read_timeout`](TcpConn::set_read_timeout).
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_timeout(Mode::Write, timeout)
    }

    fn set_timeout(&self, mode: Mode, timeout: Option<Duration>) -> io::Result<()> {
        let inner = &*self.0;
        if timeout == Some(Duration::ZERO) {
            return Err(inner.fail_here("set", Cause::Errno(Errno::EINVAL)));
        }
        // Whatever deadline there was came from the last operation, or is replaced.
        self.set(&[mode], None)?;
        let nanos = timeout.map_or(0, |timeout| {
            u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)
        });
        inner.set_timeout(mode, nanos);
        Ok(())
    }

    /// How long each read may take.
    ///
    /// # Errors
    /// Never; the result is std's.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.timeout(Mode::Read))
    }

    /// How long each write may take.
    ///
    /// # Errors
    /// Never; the result is std's.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.timeout(Mode::Write))
    }

    fn timeout(&self, mode: Mode) -> Option<Duration> {
        match self.0.timeout(mode) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }
}
