//! The traits of all connections.

use super::{UnixConn, UnixDatagram, UnixListener};
use crate::net::{
    Addr, Cause, Conn, Errno, Listener, PacketConn, UnixNet,
    copy::Stream,
    own_methods::{own_datagram_methods, own_methods, own_stream_methods},
};
use std::{
    io::{self, IoSlice, IoSliceMut},
    time::Instant,
};

impl Conn for UnixConn {
    own_stream_methods!();
    own_methods!();

    /// Packets cannot be spliced: their boundaries would be lost.
    fn stream(&self) -> Option<&dyn Stream> {
        (self.0.net == UnixNet::Stream).then_some(&*self.0 as &dyn Stream)
    }

    fn remote_addr(&self) -> Option<Addr> {
        self.0.peer.clone().map(Addr::Unix)
    }

    fn local_addr(&self) -> Option<Addr> {
        Some(self.0.local.clone().into())
    }
}

/// A dialed socket is a connection: each read is a datagram, and so is each write.
impl Conn for UnixDatagram {
    own_datagram_methods!();
    own_methods!();

    fn remote_addr(&self) -> Option<Addr> {
        self.0.peer.clone().map(Addr::Unix)
    }

    fn local_addr(&self) -> Option<Addr> {
        Some(self.0.local.clone().into())
    }
}

impl PacketConn for UnixDatagram {
    own_methods!();

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

    fn local_addr(&self) -> Option<Addr> {
        Some(self.0.local.clone().into())
    }
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
