//! What all sockets of datagrams have in common.

#![forbid(unsafe_code)]

use super::Addr;
use std::{any::Any, fmt, io, sync::Arc, time::Instant};

/// A socket that sends and receives datagrams, whichever network it is on. All its methods may be
/// called from any task and any thread at the same time, and none of them waits for another.
///
/// `Box<dyn PacketConn>` is what [`listen_packet`](super::listen_packet) returns. To get at what only
/// one network has, upcast it to [`Any`], as with [`Conn`](super::Conn).
///
/// ```
/// use gopark::net::{listen_packet, NetError, PacketConn};
/// use std::time::Instant;
/// let socket: Box<dyn PacketConn> = listen_packet("udp", "127.0.0.1:0")?;
/// let me = socket.local_addr().unwrap();
/// socket.send_to(b"note to self", &me)?;
/// let mut buf = [0; 4];
/// assert_eq!(socket.recv_from(&mut buf)?, (4, Some(me))); // what does not fit is lost
/// socket.set_read_deadline(Some(Instant::now()))?;
/// assert!(socket.recv_from(&mut buf).unwrap_err().is_timeout());
/// socket.set_write_deadline(None)?;
/// socket.set_deadline(None)?;
/// socket.close()?;
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.PacketConn` (`net/net.go`).
pub trait PacketConn: Any + Send + Sync + fmt::Debug {
    /// Waits for a datagram; returns how many of its bytes are in `buf` and who sent it, if the sender
    /// has an address. What does not fit is lost. Zero bytes are a datagram too.
    ///
    /// # Errors
    /// `read ..: i/o timeout`, `read ..: use of closed network connection`, or what the kernel says.
    fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, Option<Addr>)>;

    /// Sends `buf` as one datagram to `addr`.
    ///
    /// # Errors
    /// `write ..: use of WriteTo with pre-connected connection` on a socket that was dialed;
    /// `.. invalid argument` if `addr` is of another network; or what the kernel says.
    fn send_to(&self, buf: &[u8], addr: &Addr) -> io::Result<usize>;

    /// Closes the socket: what waits on it fails, and so does whatever comes later.
    ///
    /// # Errors
    /// `close ..: use of closed network connection` if it is closed already.
    fn close(&self) -> io::Result<()>;

    /// The address of this end. It survives closing.
    fn local_addr(&self) -> Option<Addr>;

    /// Sets the moment after which receiving fails; `None` is never.
    ///
    /// # Errors
    /// `set ..: use of closed network connection`.
    fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()>;

    /// Sets the moment after which sending fails; `None` is never.
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

/// A pointer to a socket is a socket.
macro_rules! pointer_packet_conn {
    ($($pointer:ident),*) => {
        $(impl<C: PacketConn + ?Sized> PacketConn for $pointer<C> {
            fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, Option<Addr>)> {
                (**self).recv_from(buf)
            }

            fn send_to(&self, buf: &[u8], addr: &Addr) -> io::Result<usize> {
                (**self).send_to(buf, addr)
            }

            fn close(&self) -> io::Result<()> {
                (**self).close()
            }

            fn local_addr(&self) -> Option<Addr> {
                (**self).local_addr()
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

pointer_packet_conn!(Box, Arc);
