//! The traits of all connections.

use super::{UnixConn, UnixDatagram, UnixListener};
use crate::net::{Addr, Cause, Conn, Errno, Listener, PacketConn, UnixNet, copy::Stream};
use std::{
    io::{self, IoSlice, IoSliceMut},
    time::Instant,
};

/// What is the same in every trait: closing, and the deadlines.
macro_rules! shared_methods {
    () => {
        fn close(&self) -> io::Result<()> {
            self.close()
        }

        fn local_addr(&self) -> Option<Addr> {
            Some(self.0.local.clone().into())
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

impl Conn for UnixConn {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.write(buf)
    }

    fn write_some(&self, buf: &[u8]) -> io::Result<usize> {
        self.write_some(buf)
    }

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

    /// Packets cannot be spliced: their boundaries would be lost.
    fn stream(&self) -> Option<&dyn Stream> {
        (self.0.net == UnixNet::Stream).then_some(&*self.0 as &dyn Stream)
    }

    fn remote_addr(&self) -> Option<Addr> {
        self.0.peer.clone().map(Addr::Unix)
    }

    shared_methods!();
}

/// A dialed socket is a connection: each read is a datagram, and so is each write.
impl Conn for UnixDatagram {
    /// An empty `buf` takes no datagram, as Go's `Read`; [`UnixDatagram::recv`] with one does.
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

    fn remote_addr(&self) -> Option<Addr> {
        self.0.peer.clone().map(Addr::Unix)
    }

    shared_methods!();
}

impl PacketConn for UnixDatagram {
    fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, Option<Addr>)> {
        let (n, from) = self.recv_from(buf)?;
        Ok((n, from.map(Addr::Unix)))
    }

    fn send_to(&self, buf: &[u8], addr: &Addr) -> io::Result<usize> {
        match addr {
            Addr::Unix(addr) => self.send_to(buf, addr),
            _ => {
                let (to, cause) = (Some(addr.clone()), Cause::Errno(Errno::EINVAL));
                Err(self.0.fail_between("write", to, cause, 0))
            }
        }
    }

    shared_methods!();
}

impl Listener for UnixListener {
    fn accept(&self) -> io::Result<Box<dyn Conn>> {
        let (conn, _) = self.accept()?;
        Ok(Box::new(conn))
    }

    fn try_accept(&self) -> io::Result<Option<Box<dyn Conn>>> {
        let accepted = self.try_accept()?;
        Ok(accepted.map(|(conn, _)| Box::new(conn) as Box<dyn Conn>))
    }

    fn close(&self) -> io::Result<()> {
        self.close()
    }

    fn addr(&self) -> Addr {
        self.addr()
    }
}
