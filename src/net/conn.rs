//! What all stream connections and all listeners have in common.

#![forbid(unsafe_code)]

use super::{Addr, NetError, copy::Stream, error};
use std::{
    any::Any,
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem,
    sync::Arc,
    time::Instant,
};

/// A connection, whichever network it is on. All its methods may be called from any task and any
/// thread at the same time.
///
/// `Box<dyn Conn>` is what [`dial`](super::dial) returns; it implements [`Read`] and [`Write`], and
/// so does `&dyn Conn`. To get at what only one network has, upcast it:
///
/// ```
/// use gopark::net::{dial, listen, Conn, TcpConn};
/// use std::any::Any;
/// let listener = listen("tcp", "127.0.0.1:0")?;
/// let conn: Box<dyn Conn> = dial("tcp", &listener.addr().to_string())?;
/// let tcp: Box<TcpConn> = (conn as Box<dyn Any>).downcast().expect("a TCP connection");
/// assert!(tcp.nodelay()?);
/// # std::io::Result::Ok(())
/// ```
///
/// A function that takes one serves every network:
///
/// ```
/// use gopark::net::{pipe, Conn, NetError};
/// use std::{io::{self, IoSlice, IoSliceMut}, thread, time::Instant};
/// fn echo(conn: &dyn Conn) -> io::Result<()> {
///     let mut buf = [0; 512];
///     loop {
///         match conn.read(&mut buf)? {
///             0 => return conn.close(),
///             n => conn.write(&buf[..n])?,
///         };
///     }
/// }
/// let (a, b) = pipe();
/// let echoes = thread::spawn(move || echo(&b));
/// let a: Box<dyn Conn> = Box::new(a);
/// assert_eq!(a.write_some(b"one")?, 3);
/// assert_eq!(a.read_vectored(&mut [IoSliceMut::new(&mut [0; 8])])?, 3);
/// assert_eq!(a.write_vectored(&[IoSlice::new(b"two")])?, 3);
/// assert_eq!(a.read(&mut [0; 8])?, 3);
/// assert_eq!(a.local_addr(), a.remote_addr()); // both are `pipe`
/// a.set_read_deadline(Some(Instant::now()))?;
/// assert!(a.read(&mut [0; 8]).unwrap_err().is_timeout());
/// a.set_write_deadline(None)?;
/// a.set_deadline(None)?;
/// assert!(a.close_write().is_err()); // a pipe has no halves
/// a.close()?;
/// # echoes.join().unwrap()?;
/// # io::Result::Ok(())
/// ```
///
/// Go: `net.Conn` (`net/net.go`).
pub trait Conn: Any + Send + Sync + fmt::Debug {
    /// Reads what is there, waiting until something is. `Ok(0)` is the end of the stream, or an
    /// empty buffer.
    ///
    /// # Errors
    /// `read ..: i/o timeout`, `read ..: use of closed network connection`, or what the kernel says.
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `buf`, waiting for room as often as needed.
    ///
    /// # Errors
    /// As [`read`](Conn::read); how many bytes went out is in
    /// [`NetError::bytes`](super::NetError::bytes).
    fn write(&self, buf: &[u8]) -> io::Result<usize>;

    /// Writes `buf` as [`io::Write::write`] promises it: when some bytes went out before an error,
    /// their number is returned and the error comes from the next write.
    ///
    /// # Errors
    /// As [`write`](Conn::write), none of whose bytes went out.
    fn write_some(&self, buf: &[u8]) -> io::Result<usize>;

    /// [`read`](Conn::read) into several buffers.
    ///
    /// # Errors
    /// Those of [`read`](Conn::read).
    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match bufs.iter_mut().find(|buf| !buf.is_empty()) {
            Some(buf) => self.read(buf),
            None => self.read(&mut []),
        }
    }

    /// [`write_some`](Conn::write_some) from several buffers.
    ///
    /// # Errors
    /// Those of [`write_some`](Conn::write_some).
    fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match bufs.iter().find(|buf| !buf.is_empty()) {
            Some(buf) => self.write_some(buf),
            None => self.write_some(&[]),
        }
    }

    /// Writes all of several buffers; what is left in `bufs` afterwards did not go out. Networks that
    /// can do it in one system call do; otherwise each buffer is written by itself.
    ///
    /// ```
    /// use gopark::net::{Conn, UnixConn};
    /// use std::io::IoSlice;
    /// let (a, b) = UnixConn::pair()?;
    /// let (a, b): (Box<dyn Conn>, Box<dyn Conn>) = (Box::new(a), Box::new(b));
    /// let mut bufs = [IoSlice::new(b"head"), IoSlice::new(b"body")];
    /// assert_eq!(a.write_buffers(&mut &mut bufs[..])?, 8);
    /// assert_eq!(b.read(&mut [0; 16])?, 8);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`write`](Conn::write); the bytes of all buffers count.
    fn write_buffers(&self, bufs: &mut &mut [IoSlice<'_>]) -> io::Result<usize> {
        let mut written = 0;
        while let Some(chunk) = bufs.first() {
            match self.write(chunk) {
                Ok(n) => {
                    written += n;
                    *bufs = &mut mem::take(bufs)[1..];
                }
                Err(err) => {
                    IoSlice::advance_slices(bufs, err.bytes());
                    return Err(error::after(written, err));
                }
            }
        }
        Ok(written)
    }

    /// Closes the connection: what waits on it fails, and so does whatever comes later.
    ///
    /// # Errors
    /// `close ..: use of closed network connection` if it is closed already.
    fn close(&self) -> io::Result<()>;

    /// Ends writing: the peer reads the end of the stream after what was written.
    ///
    /// # Errors
    /// `close ..: shutdown: transport endpoint is not connected`; `Unsupported` where a connection
    /// cannot be closed by halves.
    fn close_write(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The kernel's stream behind the connection, if there is one and it can be spliced.
    #[doc(hidden)]
    fn stream(&self) -> Option<&dyn Stream> {
        None
    }

    /// The address of this end, if it has one. It survives closing.
    fn local_addr(&self) -> Option<Addr>;

    /// The address of the other end, if it has one. It survives closing.
    fn remote_addr(&self) -> Option<Addr>;

    /// Sets the moment after which reads fail; `None` is never. It reaches a read that waits, and
    /// stays until it is set again.
    ///
    /// # Errors
    /// `set ..: use of closed network connection`.
    fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()>;

    /// Sets the moment after which writes fail; as [`set_read_deadline`](Conn::set_read_deadline).
    ///
    /// # Errors
    /// `set ..: use of closed network connection`.
    fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()>;

    /// Sets both deadlines.
    ///
    /// # Errors
    /// `set ..: use of closed network connection`.
    fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.set_read_deadline(deadline)?;
        self.set_write_deadline(deadline)
    }
}

/// Somewhere connections come from, whichever network it is on.
///
/// ```
/// use gopark::net::{dial, listen, Listener, NetError};
/// let listener: Box<dyn Listener> = listen("tcp", "127.0.0.1:0")?;
/// assert!(listener.try_accept()?.is_none()); // nobody is there
/// let client = dial("tcp", &listener.addr().to_string())?;
/// let conn = listener.accept()?;
/// client.write(b"hello")?;
/// assert_eq!(conn.read(&mut [0; 8])?, 5);
/// listener.close()?;
/// assert!(listener.accept().unwrap_err().is_closed());
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.Listener` (`net/net.go`).
pub trait Listener: Any + Send + Sync + fmt::Debug {
    /// Waits for the next connection.
    ///
    /// # Errors
    /// `accept ..: use of closed network connection`, or what the kernel says; an error that
    /// [`is_temporary`](super::NetError::is_temporary) is no reason to stop accepting.
    fn accept(&self) -> io::Result<Box<dyn Conn>>;

    /// A connection that is in the queue already, if there is one; never waits.
    ///
    /// # Errors
    /// Those of [`accept`](Listener::accept); `Unsupported` from a listener that has not implemented
    /// it.
    fn try_accept(&self) -> io::Result<Option<Box<dyn Conn>>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Closes the listener: accepts that wait fail.
    ///
    /// # Errors
    /// `close ..: use of closed network connection` if it is closed already.
    fn close(&self) -> io::Result<()>;

    /// The address it listens on. It survives closing.
    fn addr(&self) -> Addr;
}

/// A pointer to a connection is a connection.
macro_rules! pointer_conn {
    ($($pointer:ident),*) => {
        $(impl<C: Conn + ?Sized> Conn for $pointer<C> {
            fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
                (**self).read(buf)
            }

            fn write(&self, buf: &[u8]) -> io::Result<usize> {
                (**self).write(buf)
            }

            fn write_some(&self, buf: &[u8]) -> io::Result<usize> {
                (**self).write_some(buf)
            }

            fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (**self).read_vectored(bufs)
            }

            fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                (**self).write_vectored(bufs)
            }

            fn write_buffers(&self, bufs: &mut &mut [IoSlice<'_>]) -> io::Result<usize> {
                (**self).write_buffers(bufs)
            }

            fn close(&self) -> io::Result<()> {
                (**self).close()
            }

            fn close_write(&self) -> io::Result<()> {
                (**self).close_write()
            }

            fn stream(&self) -> Option<&dyn Stream> {
                (**self).stream()
            }

            fn local_addr(&self) -> Option<Addr> {
                (**self).local_addr()
            }

            fn remote_addr(&self) -> Option<Addr> {
                (**self).remote_addr()
            }

            fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
                (**self).set_read_deadline(deadline)
            }

            fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
                (**self).set_write_deadline(deadline)
            }

            fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
                (**self).set_deadline(deadline)
            }
        })*
    };
}

pointer_conn!(Box, Arc);

impl Read for &dyn Conn {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Conn::read(*self, buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Conn::read_vectored(*self, bufs)
    }
}

impl Write for &dyn Conn {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Conn::write_some(*self, buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Conn::write_vectored(*self, bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Through std's own impls this is also for `Box<dyn Conn>` and `&mut dyn Conn`.
impl Read for dyn Conn {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Conn::read(self, buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Conn::read_vectored(self, bufs)
    }
}

impl Write for dyn Conn {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Conn::write_some(self, buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Conn::write_vectored(self, bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
