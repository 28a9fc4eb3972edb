//! Messages that carry descriptors and credentials.

use super::{UnixConn, UnixDatagram, inner::Inner, names};
use crate::net::{
    Addr, Cause, ControlMessage, ControlMessages, UnixAddr, UnixNet, fail, message, sys,
};
use netpoll::Mode;
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

/// Linux passes no more descriptors than this with one message (`SCM_MAX_FD`).
const MOST_DESCRIPTORS: usize = 253;

/// Who a process is. Go: `syscall.Ucred`.
///
/// ```
/// use gopark::net::{Credentials, UnixConn};
/// let (a, _b) = UnixConn::pair()?;
/// let Credentials { pid, .. } = a.peer_credentials()?;
/// assert_eq!(pid, std::process::id() as i32);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// What came with a message.
///
/// ```
/// use gopark::net::UnixConn;
/// let (a, b) = UnixConn::pair()?;
/// b.set_pass_credentials(true)?;
/// a.write(b"who am I?")?;
/// let message = b.read_msg(&mut [0; 16], 0, 0)?;
/// assert_eq!(message.credentials.unwrap().pid, std::process::id() as i32);
/// assert!(message.fds.is_empty() && message.from.is_none());
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct UnixMessage {
    /// The bytes that are in the buffer. On a connection, zero with nothing else is its end.
    pub bytes: usize,
    /// The descriptors, with close-on-exec set.
    pub fds: Vec<OwnedFd>,
    /// The sender's credentials, where the receiver asked for them with `set_pass_credentials`.
    pub credentials: Option<Credentials>,
    /// What the kernel says about it: `MSG_TRUNC` if the message did not fit, `MSG_CTRUNC` if there
    /// were more descriptors than asked for; the others are closed.
    pub flags: i32,
    /// Who sent it, if it was a datagram from a socket that has a name.
    pub from: Option<UnixAddr>,
}

impl Inner {
    fn read_msg(&self, buf: &mut [u8], most_fds: usize, flags: i32) -> io::Result<UnixMessage> {
        self.start(Mode::Read);
        let fds = ControlMessage::space(most_fds.min(MOST_DESCRIPTORS) * size_of::<i32>());
        let mut control = vec![0; fds + ControlMessage::space(size_of::<libc::ucred>())];
        // Room for credentials is also room for descriptors, and none may come that nobody wants.
        let flags = flags | libc::MSG_CMSG_CLOEXEC;
        // A stream gives what goes with a byte only to who takes the byte.
        let (mut dummy, real) = ([0], !buf.is_empty() || self.net == UnixNet::Datagram);
        let buf = if real { buf } else { &mut dummy[..] };
        let call = |fd: BorrowedFd<'_>| message::recv_msg(fd, buf, &mut control, flags);
        let done = match self.net {
            UnixNet::Datagram => self.fd.receive_with("recvmsg", call),
            UnixNet::Stream | UnixNet::Packet => self.fd.read_with("recvmsg", call),
        };
        let received = done.map_err(|err| self.fail("read", err))?;
        let mut message = UnixMessage {
            bytes: if real { received.bytes } else { 0 },
            fds: Vec::new(),
            credentials: None,
            flags: received.flags,
            from: names::sender(&received.from, self.net),
        };
        message.unpack(&control[..received.control], most_fds);
        Ok(message)
    }

    fn write_msg(
        &self,
        buf: &[u8],
        fds: &[BorrowedFd<'_>],
        to: Option<&UnixAddr>,
        flags: i32,
    ) -> io::Result<usize> {
        let peer = || self.peer.clone().map(Addr::Unix);
        let named = || to.cloned().map(Addr::Unix);
        let fail = |cause| self.fail_between("write", named(), cause, 0);
        self.start_write("write")?;
        let target = match to {
            Some(to) => self.target(to).map(Some),
            None if self.peer.is_none() => Err(Cause::MissingAddress),
            None => Ok(None),
        };
        let target = target.map_err(fail)?;
        let mut control = Vec::new();
        if !fds.is_empty() {
            let numbers: Vec<u8> = fds
                .iter()
                .flat_map(|fd| fd.as_raw_fd().to_ne_bytes())
                .collect();
            let message = ControlMessage {
                level: libc::SOL_SOCKET,
                kind: libc::SCM_RIGHTS,
                data: &numbers,
            };
            message.append_to(&mut control);
        }
        // A stream carries nothing without a byte.
        let real = !buf.is_empty() || control.is_empty() || self.net == UnixNet::Datagram;
        let bytes = if real { buf } else { &[0][..] };
        let call =
            |fd: BorrowedFd<'_>| message::send_msg(fd, bytes, &control, target.as_ref(), flags);
        let done = match self.net {
            UnixNet::Datagram => self.fd.transmit_with("sendmsg", call),
            UnixNet::Stream | UnixNet::Packet => self.fd.write_with("sendmsg", call),
        };
        match done {
            Ok(n) => Ok(if real { n } else { 0 }),
            Err(err) => {
                let to = named().or_else(peer);
                Err(self.fail_between("write", to, fail::cause(err), 0))
            }
        }
    }
}

impl UnixMessage {
    /// Takes descriptors and credentials out of control data. What was not asked for is closed.
    fn unpack(&mut self, control: &[u8], most_fds: usize) {
        for part in ControlMessages::new(control) {
            match (part.level, part.kind) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    let (numbers, _) = part.data.as_chunks();
                    let fds = numbers.iter().map(|n| i32::from_ne_bytes(*n));
                    self.fds.extend(fds.map(sys::received_descriptor));
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                    if let ([pid, uid, gid], _) = part.data.as_chunks() {
                        self.credentials = Some(Credentials {
                            pid: i32::from_ne_bytes(*pid),
                            uid: u32::from_ne_bytes(*uid),
                            gid: u32::from_ne_bytes(*gid),
                        });
                    }
                }
                _ => {}
            }
        }
        if self.fds.len() > most_fds {
            self.fds.truncate(most_fds);
            self.flags |= libc::MSG_CTRUNC;
        }
    }
}

impl UnixConn {
    /// Reads as [`read`](UnixConn::read), and with it up to `most_fds` descriptors that the peer sent,
    /// `flags` being those of `recvmsg`. An empty `buf` takes the one byte that carries them, if there
    /// are any to be had.
    ///
    /// # Errors
    /// Those of [`read`](UnixConn::read), the system call being `recvmsg`.
    ///
    /// ```
    /// use gopark::net::UnixConn;
    /// use std::{fs::File, io::Read, os::fd::AsFd};
    /// let (a, b) = UnixConn::pair()?;
    /// let file = File::open("/proc/self/comm")?;
    /// a.write_msg(b"a file", &[file.as_fd()], 0)?;
    /// let mut buf = [0; 16];
    /// let message = b.read_msg(&mut buf, 1, 0)?;
    /// assert_eq!(&buf[..message.bytes], b"a file");
    /// let mut text = String::new();
    /// File::from(message.fds.into_iter().next().unwrap()).read_to_string(&mut text)?;
    /// assert!(!text.is_empty());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `UnixConn.ReadMsgUnix` (`net/unixsock.go`) with `syscall.ParseUnixRights`.
    pub fn read_msg(&self, buf: &mut [u8], most_fds: usize, flags: i32) -> io::Result<UnixMessage> {
        self.0.read_msg(buf, most_fds, flags)
    }

    /// Writes once, and sends descriptors with it; the peer gets duplicates. `flags` are those of
    /// `sendmsg`. On a stream fewer bytes than given may go out, whose number is returned; the
    /// descriptors have gone with the first, and [`write`](UnixConn::write) sends the rest. An empty
    /// `buf` sends one byte that carries them.
    ///
    /// # Errors
    /// Those of [`write`](UnixConn::write), the system call being `sendmsg`.
    ///
    /// Go: `UnixConn.WriteMsgUnix` (`net/unixsock.go`) with `syscall.UnixRights`.
    pub fn write_msg(&self, buf: &[u8], fds: &[BorrowedFd<'_>], flags: i32) -> io::Result<usize> {
        self.0.write_msg(buf, fds, None, flags)
    }
}

impl UnixDatagram {
    /// Waits for a datagram, and up to `most_fds` descriptors that came with it, `flags` being those of
    /// `recvmsg`.
    ///
    /// ```
    /// use gopark::net::UnixDatagram;
    /// use std::os::fd::AsFd;
    /// let (a, b) = UnixDatagram::pair()?;
    /// let (reader, _writer) = std::io::pipe()?;
    /// a.write_msg(b"a pipe", &[reader.as_fd()], None, 0)?;
    /// let message = b.read_msg(&mut [0; 16], 1, 0)?;
    /// assert_eq!((message.bytes, message.fds.len()), (6, 1));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`recv`](UnixDatagram::recv), the system call being `recvmsg`.
    ///
    /// Go: `UnixConn.ReadMsgUnix` (`net/unixsock.go`).
    pub fn read_msg(&self, buf: &mut [u8], most_fds: usize, flags: i32) -> io::Result<UnixMessage> {
        self.0.read_msg(buf, most_fds, flags)
    }

    /// Sends a datagram, and descriptors with it, to `to` or, on a dialed socket, to its peer.
    ///
    /// # Errors
    /// Those of [`send_to`](UnixDatagram::send_to), the system call being `sendmsg`; `write unixgram A:
    /// missing address` without one on a socket that was not dialed.
    ///
    /// Go: `UnixConn.WriteMsgUnix` (`net/unixsock.go`).
    pub fn write_msg(
        &self,
        buf: &[u8],
        fds: &[BorrowedFd<'_>],
        to: Option<&UnixAddr>,
        flags: i32,
    ) -> io::Result<usize> {
        self.0.write_msg(buf, fds, to, flags)
    }
}
