//! A socket's own methods as those of the common traits.
//!
//! [`Conn`](super::Conn) and [`PacketConn`](super::PacketConn) have methods that every socket has
//! itself, under the same names and with the same types. These macros are the bodies of such impls.

#![forbid(unsafe_code)]

/// What is the same in both traits: closing, and the deadlines.
macro_rules! own_methods {
    () => {
        fn close(&self) -> io::Result<()> {
            self.close()
        }

        fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
            self.set_read_deadline(deadline)
        }

        fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
            self.set_write_deadline(deadline)
        }

        fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
            self.set_deadline(deadline)
        }
    };
}

/// Reading and writing bytes.
macro_rules! own_byte_methods {
    () => {
        fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.read(buf)
        }

        fn write(&self, buf: &[u8]) -> io::Result<usize> {
            self.write(buf)
        }

        fn write_some(&self, buf: &[u8]) -> io::Result<usize> {
            self.write_some(buf)
        }
    };
}

/// What streams, and connections of packets, do with bytes.
macro_rules! own_stream_methods {
    () => {
        $crate::net::own_methods::own_byte_methods!();

        fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.read_vectored(bufs)
        }

        fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.write_some_vectored(bufs)
        }

        fn write_buffers(&self, bufs: &mut &mut [IoSlice<'_>]) -> io::Result<usize> {
            self.write_buffers(bufs)
        }

        fn close_write(&self) -> io::Result<()> {
            self.close_write()
        }
    };
}

/// What sockets of datagrams do when they are dialed: each read is a datagram, and so is each write.
macro_rules! own_datagram_methods {
    () => {
        /// An empty `buf` takes no datagram, as Go's `Read`; the socket's own `recv` with one does.
        fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
            if buf.is_empty() && !self.0.fd.is_closing() {
                return Ok(0);
            }
            self.recv(buf)
        }

        fn write(&self, buf: &[u8]) -> io::Result<usize> {
            self.send(buf)
        }

        fn write_some(&self, buf: &[u8]) -> io::Result<usize> {
            self.send(buf)
        }
    };
}

pub(super) use {own_byte_methods, own_datagram_methods, own_methods, own_stream_methods};
