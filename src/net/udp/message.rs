//! Messages with control data.

use super::UdpConn;
use crate::net::{Cause, UdpAddr, fail, message};
use netpoll::Mode;
use std::{io, net::SocketAddr};

/// What [`UdpConn::read_msg`] received.
///
/// ```
/// use gopark::net::{UdpConn, UdpMessage};
/// let server = UdpConn::bind("127.0.0.1:0")?;
/// let client = UdpConn::connect(server.local_addr()?)?;
/// client.send(b"too long")?;
/// let UdpMessage { bytes, flags, .. } = server.read_msg(&mut [0; 3], &mut [], 0)?;
/// assert_eq!((bytes, flags & libc::MSG_TRUNC), (3, libc::MSG_TRUNC));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpMessage {
    /// The bytes of the datagram that are in the buffer.
    pub bytes: usize,
    /// The bytes of control data; [`ControlMessages`](crate::net::ControlMessages) reads them.
    pub control: usize,
    /// What the kernel says about it: `MSG_TRUNC` if the datagram did not fit, `MSG_CTRUNC` if the
    /// control data did not.
    pub flags: i32,
    /// Who sent it.
    pub from: SocketAddr,
}

impl UdpConn {
    /// Waits for a datagram with its control data, `flags` being those of `recvmsg`.
    ///
    /// # Errors
    /// Those of [`recv`](UdpConn::recv), the system call being `recvmsg`.
    ///
    /// ```
    /// use gopark::net::UdpConn;
    /// let (a, b) = (UdpConn::bind("127.0.0.1:0")?, UdpConn::bind("127.0.0.1:0")?);
    /// a.write_msg(b"hello", &[], Some(&b.local_addr()?.into()), 0)?;
    /// let mut buf = [0; 16];
    /// let message = b.read_msg(&mut buf, &mut [], 0)?;
    /// assert_eq!((message.bytes, message.from), (5, a.local_addr()?));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `UDPConn.ReadMsgUDP` (`net/udpsock.go`).
    pub fn read_msg(
        &self,
        buf: &mut [u8],
        control: &mut [u8],
        flags: i32,
    ) -> io::Result<UdpMessage> {
        let (received, from) = self.0.recv_msg(buf, control, flags)?;
        Ok(UdpMessage {
            bytes: received.bytes,
            control: received.control,
            flags: received.flags,
            from,
        })
    }

    /// Sends a datagram with control data, to `to` or, on a dialed socket, to its peer, `flags` being
    /// those of `sendmsg`. Returns how many bytes were sent, control data not counted.
    ///
    /// ```
    /// use gopark::net::UdpConn;
    /// let server = UdpConn::bind("127.0.0.1:0")?;
    /// let client = UdpConn::connect(server.local_addr()?)?;
    /// assert_eq!(client.write_msg(b"hello", &[], None, 0)?, 5); // to its peer
    /// let err = server.write_msg(b"hello", &[], None, 0).unwrap_err();
    /// assert!(err.to_string().ends_with("missing address"));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`send_to`](UdpConn::send_to), the system call being `sendmsg`; `write udp A: missing
    /// address` without one on a socket that was not dialed.
    ///
    /// Go: `UDPConn.WriteMsgUDP` (`net/udpsock.go`).
    pub fn write_msg(
        &self,
        buf: &[u8],
        control: &[u8],
        to: Option<&UdpAddr>,
        flags: i32,
    ) -> io::Result<usize> {
        let inner = &*self.0;
        inner.timeouts.start(&inner.fd, Mode::Write);
        let target = match to {
            Some(to) => inner.target(to).map(Some),
            None if inner.peer.is_none() => Err(Cause::MissingAddress),
            None => Ok(None),
        };
        let target = target.map_err(|cause| inner.fail_send(to, cause))?;
        let done = inner.fd.transmit_with("sendmsg", |fd| {
            message::send_msg(fd, buf, control, target.as_ref(), flags)
        });
        done.map_err(|err| inner.fail_send(to, fail::cause(err)))
    }
}
