//! std's `Read` and `Write` on a stream connection.
//!
//! Go's write and std's differ in one thing: when some bytes went out before an error, Go returns
//! both, and std the number, the error being the next write's.

#![forbid(unsafe_code)]

/// How many buffers one `write_vectored` takes; the rest is for the next call.
pub(super) const MAX_SLICES: usize = 64;

/// The traits for a connection whose field 0 points to its `fd`, a `start_write` and a `postpone`.
macro_rules! std_io {
    ($conn:ident) => {
        impl $conn {
            #[inline]
            pub(super) fn write_some(&self, buf: &[u8]) -> io::Result<usize> {
                let inner = &*self.0;
                inner.start_write("write")?;
                match inner.fd.write(buf) {
                    Ok(()) => Ok(buf.len()),
                    Err(err) => inner.postpone("write", err),
                }
            }

            pub(super) fn write_some_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                let inner = &*self.0;
                inner.start_write("writev")?;
                // The descriptor advances what it is given, and these belong to the caller.
                let mut copy = [IoSlice::new(&[]); MAX_SLICES];
                let n = bufs.len().min(MAX_SLICES);
                copy[..n].copy_from_slice(&bufs[..n]);
                match inner.fd.writev(&mut &mut copy[..n]) {
                    Ok(n) => Ok(n),
                    Err(err) => inner.postpone("writev", err),
                }
            }
        }

        std_io!(@traits $conn, $conn);
        std_io!(@traits $conn, &$conn);
    };
    (@traits $conn:ident, $by:ty) => {
        impl Read for $by {
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                $conn::read(self, buf)
            }

            #[inline]
            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                $conn::read_vectored(self, bufs)
            }
        }

        impl Write for $by {
            #[inline]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.write_some(buf)
            }

            #[inline]
            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.write_some_vectored(bufs)
            }

            /// Does nothing: nothing is held back.
            #[inline]
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(super) use std_io;
