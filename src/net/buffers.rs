//! Several chunks of bytes, written at once and consumed as they go out.
//!
//! Go: `net.Buffers` (`net/net.go`), `internal/poll/writev.go`.

#![forbid(unsafe_code)]

use super::{Conn, NetError, error};
use std::io::{self, IoSlice, Read, Write};

/// Chunks of bytes to be written. A write consumes what went out, so that after an error the rest can
/// be written again, from where it broke off.
///
/// ```
/// use gopark::net::{Buffers, TcpConn, TcpListener};
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let conn = TcpConn::connect(listener.local_addr()?)?;
/// let mut bufs = Buffers::from_iter([&b"head"[..], b"body"]);
/// assert_eq!(bufs.write_to(&conn)?, 8); // one system call
/// assert!(bufs.is_empty());
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.Buffers` (`net/net.go`).
#[derive(Clone, Debug, Default)]
pub struct Buffers<'a> {
    chunks: Vec<IoSlice<'a>>,
    /// Chunks before this one are consumed.
    first: usize,
}

impl<'a> Buffers<'a> {
    /// No chunks.
    ///
    /// ```
    /// use gopark::net::Buffers;
    /// let mut bufs = Buffers::new();
    /// bufs.push(b"head");
    /// bufs.push(b"body");
    /// assert_eq!((bufs.len(), bufs.left()), (2, 8));
    /// bufs.consume(5); // a whole chunk and one byte of the next
    /// assert_eq!(bufs.iter().collect::<Vec<_>>(), [b"ody"]);
    /// assert!(!bufs.is_empty());
    /// ```
    pub fn new() -> Buffers<'a> {
        Buffers::default()
    }

    /// Adds a chunk at the end.
    pub fn push(&mut self, chunk: &'a [u8]) {
        self.chunks.push(IoSlice::new(chunk));
    }

    /// How many chunks are left, empty ones included.
    pub fn len(&self) -> usize {
        self.chunks.len() - self.first
    }

    /// Whether no chunk is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.iter().map(<[u8]>::len).sum()
    }

    /// The chunks that are left.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks[self.first..].iter().map(|chunk| &**chunk)
    }

    /// Takes `n` bytes off the front: chunks that are used up go, the next one is cut. Empty chunks at
    /// the front go as well.
    ///
    /// ```
    /// let mut bufs = gopark::net::Buffers::from_iter([&b"head"[..], b"body"]);
    /// bufs.consume(6);
    /// assert_eq!((bufs.len(), bufs.left()), (1, 2));
    /// ```
    ///
    /// Go: `Buffers.consume` (`net/net.go`).
    pub fn consume(&mut self, mut n: usize) {
        while let Some(chunk) = self.chunks.get_mut(self.first) {
            if chunk.len() > n {
                chunk.advance(n);
                return;
            }
            n -= chunk.len();
            self.first += 1;
        }
    }

    /// Writes everything to a connection, in as few system calls as its network allows, without
    /// anything of other writers in between. Returns the number of bytes; what is left afterwards did
    /// not go out. (If there are only empty chunks, they stay.)
    ///
    /// After an error the rest can be written again, from where it broke off:
    ///
    /// ```
    /// use gopark::net::{Buffers, NetError, UnixConn};
    /// use std::time::{Duration, Instant};
    /// let (a, b) = UnixConn::pair()?;
    /// let large = vec![7; 4 << 20];
    /// let mut bufs = Buffers::from_iter([&b"head"[..], &large]);
    /// a.set_write_deadline(Some(Instant::now() + Duration::from_millis(5)))?;
    /// let err = bufs.write_to(&a).unwrap_err(); // nobody reads
    /// assert_eq!(err.bytes() + bufs.left(), 4 + large.len());
    /// # drop(b);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `writev tcp A->B: i/o timeout`, and the like; [`NetError::bytes`] says how many bytes went out.
    ///
    /// Go: `Buffers.WriteTo` (`net/net.go`).
    pub fn write_to<C: Conn + ?Sized>(&mut self, conn: &C) -> io::Result<usize> {
        let nothing = self.left() == 0;
        let chunks = self.chunks.len();
        let mut left = &mut self.chunks[self.first..];
        let done = conn.write_buffers(&mut left);
        if !nothing {
            self.first = chunks - left.len();
        }
        if done.is_ok() && !nothing {
            self.consume(0);
        }
        done
    }

    /// Writes everything to any writer, chunk after chunk.
    ///
    /// ```
    /// use gopark::net::Buffers;
    /// let mut bufs = Buffers::from_iter([&b"head"[..], b"body"]);
    /// let mut file = Vec::new(); // any `Write`
    /// assert_eq!(bufs.copy_to(&mut file)?, 8);
    /// assert_eq!(file, b"headbody");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// The writer's; [`NetError::bytes`] says how many bytes it had taken.
    ///
    /// Go: `Buffers.WriteTo` (`net/net.go`), for writers that are no connections.
    pub fn copy_to<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<usize> {
        let mut written = 0;
        while self.left() > 0 {
            self.consume(0);
            let chunk = &self.chunks[self.first];
            match writer.write(chunk) {
                Ok(0) => return Err(error::after(written, io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    written += n;
                    self.consume(n);
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => {
                    self.consume(err.bytes());
                    return Err(error::after(written, err));
                }
            }
        }
        self.first = self.chunks.len();
        Ok(written)
    }
}

impl<'a> FromIterator<&'a [u8]> for Buffers<'a> {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(chunks: I) -> Buffers<'a> {
        Buffers {
            chunks: chunks.into_iter().map(IoSlice::new).collect(),
            first: 0,
        }
    }
}

impl<'a> Extend<&'a [u8]> for Buffers<'a> {
    fn extend<I: IntoIterator<Item = &'a [u8]>>(&mut self, chunks: I) {
        self.chunks.extend(chunks.into_iter().map(IoSlice::new));
    }
}

/// Takes from the front, across chunks. `Ok(0)` is the end, where Go says so together with the last
/// bytes; [`Buffers::is_empty`] tells as early.
impl Read for Buffers<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < buf.len()
            && let Some(chunk) = self.chunks.get(self.first)
        {
            let take = chunk.len().min(buf.len() - n);
            buf[n..n + take].copy_from_slice(&chunk[..take]);
            n += take;
            self.consume(take);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows Go's TestBuffers_consume and TestConsume.
    #[test]
    fn consuming_drops_whole_chunks_and_cuts_the_next() {
        let none: &[&[u8]] = &[];
        for (chunks, n, left) in [
            (&[&b"foo"[..], b"bar"][..], 0, &[&b"foo"[..], b"bar"][..]),
            (&[b"foo", b"bar"], 2, &[b"o", b"bar"]),
            (&[b"foo", b"bar"], 3, &[b"bar"]),
            (&[b"foo", b"bar"], 4, &[b"ar"]),
            (&[b"foo", b"bar"], 5, &[b"r"]),
            (&[b"foo", b"bar"], 6, none),
            (&[b"foo", b"bar"], 7, none),
            (&[b"", b"", b""], 0, none),
            (&[b"", b"foo", b""], 3, none),
            (&[b"foo", b""], 2, &[b"o", b""]),
            (&[b"abc", b"de"], usize::MAX, none),
        ] {
            let mut bufs = Buffers::from_iter(chunks.iter().copied());
            bufs.consume(n);
            assert_eq!(bufs.iter().collect::<Vec<_>>(), left, "{chunks:?} {n}");
            assert_eq!(bufs.len(), left.len());
        }
    }

    /// Follows Go's TestBuffers_read.
    #[test]
    fn reading_goes_through_all_chunks_in_order() {
        let story = [
            &b"once "[..],
            b"upon ",
            b"",
            b"a ",
            b"time ",
            b"in ",
            b"Gopherland ... ",
        ];
        let mut bufs = Buffers::from_iter(story);
        let mut text = Vec::new();
        assert_eq!(bufs.read_to_end(&mut text).unwrap(), story.concat().len());
        assert_eq!(text, story.concat());
        assert!(bufs.is_empty());
        assert_eq!(bufs.read(&mut [0; 4]).unwrap(), 0);
    }

    #[test]
    fn a_writer_that_fails_leaves_what_it_did_not_take() {
        struct Three(Vec<u8>);
        impl Write for Three {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                let n = buf.len().min(3 - self.0.len());
                if n == 0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                self.0.extend(&buf[..n]);
                Ok(n)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut bufs = Buffers::from_iter([&b"ab"[..], b"", b"cd"]);
        let err = bufs.copy_to(&mut Three(Vec::new())).unwrap_err();
        assert_eq!((err.bytes(), err.kind()), (3, io::ErrorKind::StorageFull));
        assert_eq!(bufs.iter().collect::<Vec<_>>(), [b"d"]);
    }
}
