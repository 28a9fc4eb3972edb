//! Reading into a buffer that is lent only while there is something in it.
//!
//! A connection that waits with a buffer of its own on its task's stack keeps that memory for as
//! long as it waits, and a thousand of them keep a thousand cold buffers, which the processor's
//! caches feel. A leased read waits with none. When there is data it takes a buffer from its worker,
//! usually the one that the last task has just put back, so it is warm.
//!
//! A buffer belongs to the thread it came from; so does a started task, so a lease may be held
//! across waits. Then the next reader on that worker gets another buffer.

#![forbid(unsafe_code)]

use super::TcpConn;
use crate::sched::buffer::{self, Bytes};
use crate::sched::worker;
use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::marker::PhantomData;
use std::ops::Deref;

/// The size of a lent buffer.
///
/// ```
/// use gopark::net::{TcpConn, TcpListener, LEASE_SIZE};
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let conn = TcpConn::connect(listener.local_addr()?)?;
/// # let (peer, _) = listener.accept()?;
/// peer.write(&vec![0; LEASE_SIZE + 1])?;
/// assert!(conn.read_lease()?.len() <= LEASE_SIZE); // the rest is for the next one
/// # std::io::Result::Ok(())
/// ```
pub const LEASE_SIZE: usize = buffer::SIZE;
/// How many of them a thread keeps beside the one at hand.
const KEPT: usize = 32;

thread_local! {
    /// The idle buffers of a thread, but for the one that a worker has at hand.
    static IDLE: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of this thread; goes back when dropped.
pub(crate) struct Buffer {
    /// `None` only while it is being dropped.
    bytes: Option<Bytes>,
    /// It goes back to the thread it is from.
    stays: PhantomData<*mut ()>,
}

impl Buffer {
    #[inline]
    pub(crate) fn take() -> Buffer {
        let at_hand = worker::current().and_then(|worker| worker.buffer.take());
        Buffer {
            bytes: Some(at_hand.unwrap_or_else(another)),
            stays: PhantomData,
        }
    }
}

impl Drop for Buffer {
    // All of it where it is dropped: then a buffer lives in a register, as a rule.
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(bytes) = self.bytes.take() {
            put_back(bytes);
        }
    }
}

fn put_back(bytes: Bytes) {
    let one_more = match worker::current() {
        Some(worker) => worker.buffer.put(bytes),
        None => Some(bytes),
    };
    if let Some(bytes) = one_more {
        keep(bytes);
    }
}

#[cold]
#[inline(never)]
fn another() -> Bytes {
    IDLE.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
        let bytes = vec![0; LEASE_SIZE].into_boxed_slice();
        bytes.try_into().expect("it has this size")
    })
}

#[cold]
#[inline(never)]
fn keep(bytes: Bytes) {
    // While the thread ends there is nowhere to put it.
    let _ = IDLE.try_with(|idle| {
        let mut idle = idle.borrow_mut();
        if idle.len() < KEPT {
            idle.push(bytes);
        }
    });
}

impl AsMut<[u8]> for Buffer {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes
            .as_deref_mut()
            .map_or(&mut [], |bytes| &mut bytes[..])
    }
}

/// What a leased read has read. The buffer goes back to the worker when this is dropped, so drop it
/// before the next wait. Empty at the end of the stream.
///
/// It stays on its thread:
///
/// ```compile_fail
/// fn send<T: Send>() {}
/// send::<gopark::net::Lease>();
/// ```
///
/// It is a slice of bytes:
///
/// ```
/// use gopark::net::{Lease, TcpConn, TcpListener};
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let conn = TcpConn::connect(listener.local_addr()?)?;
/// # let (peer, _) = listener.accept()?;
/// peer.write(b"hello")?;
/// let lease: Lease = conn.read_lease()?;
/// assert!(lease.starts_with(b"he"));
/// drop(lease); // the next reader of this worker gets the same buffer
/// # std::io::Result::Ok(())
/// ```
pub struct Lease {
    buffer: Buffer,
    start: usize,
    end: usize,
}

impl Lease {
    /// `end` bytes have been read into `buffer`.
    #[inline]
    pub(crate) fn of((buffer, end): (Buffer, usize)) -> Lease {
        Lease {
            buffer,
            start: 0,
            end,
        }
    }
}

impl Deref for Lease {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        self.buffer
            .bytes
            .as_deref()
            .map_or(&[], |bytes| &bytes[self.start..self.end])
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({} bytes)", self.len())
    }
}

impl TcpConn {
    /// Reads what is there, at most [`LEASE_SIZE`] bytes, into a buffer lent by the worker. The caller
    /// waits without one. An empty lease is the end of the stream.
    ///
    /// # Errors
    /// Those of [`TcpConn::read`].
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// # let (peer, _) = listener.accept()?;
    /// peer.write(b"hello")?;
    /// assert_eq!(*conn.read_lease()?, *b"hello");
    /// peer.close()?;
    /// assert!(conn.read_lease()?.is_empty());
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn read_lease(&self) -> io::Result<Lease> {
        self.read_lease_of(LEASE_SIZE)
    }

    /// [`read_lease`](TcpConn::read_lease) of at most `most` bytes, from 1 to [`LEASE_SIZE`]: others
    /// are not lent.
    ///
    /// ```
    /// use gopark::net::{TcpConn, TcpListener};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// # let (peer, _) = listener.accept()?;
    /// peer.write(b"headbody")?;
    /// assert_eq!(*conn.read_lease_of(4)?, *b"head");
    /// assert_eq!(*conn.read_lease()?, *b"body");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`TcpConn::read`].
    #[inline(always)]
    pub fn read_lease_of(&self, most: usize) -> io::Result<Lease> {
        self.lease(most.clamp(1, LEASE_SIZE))
    }

    /// A buffered reader that holds a buffer only while there is unread data in it.
    ///
    /// ```
    /// # use gopark::net::{TcpConn, TcpListener};
    /// use std::io::BufRead;
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let conn = TcpConn::connect(listener.local_addr()?)?;
    /// # let (peer, _) = listener.accept()?;
    /// peer.write(b"one\ntwo\n")?;
    /// let mut lines = conn.leased().lines();
    /// assert_eq!(lines.next().unwrap()?, "one");
    /// assert_eq!(lines.next().unwrap()?, "two");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn leased(&self) -> LeasedReader<'_> {
        LeasedReader {
            conn: self,
            lease: None,
        }
    }
}

/// A buffered reader over leased reads. See [`TcpConn::leased`].
///
/// ```
/// use gopark::net::{TcpConn, TcpListener};
/// use std::io::{BufRead, Read};
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let conn = TcpConn::connect(listener.local_addr()?)?;
/// # let (peer, _) = listener.accept()?;
/// peer.write(b"length 4\nbody")?;
/// let (mut reader, mut line, mut body) = (conn.leased(), String::new(), [0; 4]);
/// reader.read_line(&mut line)?;
/// assert_eq!((&*line, reader.buffer()), ("length 4\n", b"body".as_slice()));
/// reader.read_exact(&mut body)?;
/// assert!(reader.buffer().is_empty()); // and no buffer is held
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct LeasedReader<'a> {
    conn: &'a TcpConn,
    lease: Option<Lease>,
}

impl LeasedReader<'_> {
    /// What was read and not yet consumed.
    pub fn buffer(&self) -> &[u8] {
        self.lease.as_deref().unwrap_or(&[])
    }
}

impl BufRead for LeasedReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.lease.is_none() {
            let lease = self.conn.read_lease()?;
            if lease.is_empty() {
                return Ok(&[]);
            }
            self.lease = Some(lease);
        }
        Ok(self.buffer())
    }

    fn consume(&mut self, n: usize) {
        if let Some(lease) = &mut self.lease {
            lease.start += n.min(lease.len());
            if lease.is_empty() {
                self.lease = None;
            }
        }
    }
}

impl Read for LeasedReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.lease.is_none() && buf.len() >= LEASE_SIZE {
            return self.conn.read(buf);
        }
        let n = {
            let mut rest = self.fill_buf()?;
            rest.read(buf)?
        };
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_lends_the_buffer_that_came_back_last_and_never_one_that_is_lent() {
        let runtime = crate::Runtime::builder().workers(1).build().unwrap();
        runtime.run(|| {
            let at = |buffer: &Buffer| buffer.bytes.as_deref().unwrap().as_ptr().addr();
            let (first, second) = (Buffer::take(), Buffer::take());
            let (one, other) = (at(&first), at(&second));
            assert_ne!(one, other);
            drop(first);
            // Another task, the same worker.
            let again = crate::spawn(move || at(&Buffer::take()) == one);
            assert!(again.join().unwrap());
            drop(second);
            assert_eq!(at(&Buffer::take()), other);
            let both = [Buffer::take(), Buffer::take()];
            let mut both = both.each_ref().map(at);
            both.sort();
            let mut expected = [one, other];
            expected.sort();
            assert_eq!(both, expected, "none was lost");
        });
    }
}
