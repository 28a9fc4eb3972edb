//! Making connections, and shutting half of one.

use super::{Fd, READ, count, owned};
use crate::desc::Mode;
use crate::error::{Error, errno};
use crate::park::Reason;
use crate::sockaddr::SockAddr;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};

impl Fd {
    /// Accepts one connection: its descriptor, non-blocking and close-on-exec, and the peer.
    ///
    /// A connection that was reset before it could be accepted (`ECONNABORTED`) is passed over.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// use std::net::{TcpListener, TcpStream};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let listener = Fd::new(listener.into(), Kind::STREAM)?;
    /// let (conn, peer) = listener.accept()?;
    /// assert_eq!(peer.to_ip(), Some(client.local_addr()?));
    /// let conn = Fd::from_nonblocking(conn, Kind::TCP);
    /// # assert_eq!(conn.write(b"x"), Ok(()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`] or what `accept4` says (too many open files leaves
    /// the connection in the queue).
    ///
    /// Go: `internal/poll.FD.Accept`.
    pub fn accept(&self) -> Result<(OwnedFd, SockAddr), Error> {
        let _held = self.lock::<READ>()?;
        self.desc.prepare(Mode::Read)?;
        loop {
            match accept4(self.sysfd) {
                Ok(accepted) => return Ok(accepted),
                Err(libc::EINTR | libc::ECONNABORTED) => {}
                Err(libc::EAGAIN) if self.kind.pollable => {
                    self.count_eagain();
                    self.wait(Mode::Read, Reason::Read)?;
                }
                Err(errno) => {
                    return Err(Error::Sys {
                        call: "accept4",
                        errno,
                    });
                }
            }
        }
    }

    /// Accepts one connection if one is waiting in the queue.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// use std::net::{TcpListener, TcpStream};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let addr = listener.local_addr()?;
    /// let listener = Fd::new(listener.into(), Kind::STREAM)?;
    /// assert!(listener.try_accept()?.is_none()); // does not wait
    /// let _client = TcpStream::connect(addr)?;
    /// listener.wait_readable()?;
    /// assert!(listener.try_accept()?.is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Fd::accept`].
    pub fn try_accept(&self) -> Result<Option<(OwnedFd, SockAddr)>, Error> {
        let _held = self.lock::<READ>()?;
        self.desc.check(Mode::Read)?;
        loop {
            match accept4(self.sysfd) {
                Ok(accepted) => return Ok(Some(accepted)),
                Err(libc::EINTR | libc::ECONNABORTED) => {}
                Err(libc::EAGAIN) => return Ok(None),
                Err(errno) => {
                    return Err(Error::Sys {
                        call: "accept4",
                        errno,
                    });
                }
            }
        }
    }

    /// Connects, waiting until the peer has answered or the write deadline has passed. The
    /// descriptor must not be shared yet: connecting takes no lock.
    ///
    /// ```
    /// use netpoll::{Fd, Kind, SockAddr};
    /// use std::os::fd::{FromRawFd, OwnedFd};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let flags = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    /// // SAFETY: the descriptor is made here.
    /// let socket = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, flags, 0)) };
    /// let conn = Fd::new(socket, Kind::TCP)?;
    /// conn.connect(&SockAddr::from(listener.local_addr()?))?;
    /// assert_eq!(conn.socket_error(), Ok(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`] or what `connect` says; a refusal that the kernel
    /// reports later has the same name.
    ///
    /// Go: `net.netFD.connect`.
    pub fn connect(&self, peer: &SockAddr) -> Result<(), Error> {
        self.desc.prepare(Mode::Write)?;
        // SAFETY: `peer` is valid for its length.
        if unsafe { libc::connect(self.sysfd, peer.as_ptr(), peer.len()) } == 0 {
            return Ok(());
        }
        match errno() {
            libc::EISCONN => return Ok(()),
            libc::EINPROGRESS | libc::EALREADY | libc::EINTR => {}
            errno => {
                return Err(Error::Sys {
                    call: "connect",
                    errno,
                });
            }
        }
        loop {
            self.wait(Mode::Write, Reason::Write)?;
            match self.socket_error()? {
                libc::EINPROGRESS | libc::EALREADY | libc::EINTR => {}
                libc::EISCONN => return Ok(()),
                // An event can come before the handshake is over; only a peer proves it.
                0 if self.has_peer() => return Ok(()),
                0 => {}
                errno => {
                    return Err(Error::Sys {
                        call: "connect",
                        errno,
                    });
                }
            }
        }
    }

    /// Takes the pending error of the socket; 0 is none.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let a = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// a.connect("127.0.0.1:1")?;
    /// let a = Fd::new(a.into(), Kind::DATAGRAM)?;
    /// a.write(b"to nobody").unwrap();
    /// a.wait_readable()?; // the kernel has heard that nobody listens there
    /// assert_eq!(a.socket_error(), Ok(libc::ECONNREFUSED));
    /// assert_eq!(a.socket_error(), Ok(0)); // it was taken
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `getsockopt` says.
    pub fn socket_error(&self) -> Result<i32, Error> {
        let mut value = 0i32;
        let mut len = size_of::<i32>() as libc::socklen_t;
        let at = (&raw mut value).cast();
        // SAFETY: `at` and `len` describe one `i32`.
        let done =
            unsafe { libc::getsockopt(self.sysfd, libc::SOL_SOCKET, libc::SO_ERROR, at, &mut len) };
        if done < 0 {
            Err(Error::last("getsockopt"))
        } else {
            Ok(value)
        }
    }

    fn has_peer(&self) -> bool {
        let mut peer = SockAddr::empty();
        let (at, len) = peer.as_mut_parts();
        // SAFETY: `at` has room for every address, which `len` says.
        unsafe { libc::getpeername(self.sysfd, at, len) == 0 }
    }

    /// Shuts down reading, writing or both. Takes no lock, so it reaches a blocked operation.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// a.shutdown(std::net::Shutdown::Write)?;
    /// assert_eq!(b.read(&mut [0; 8]), Ok(0)); // the end, in this direction
    /// b.write(b"answer").unwrap();
    /// assert_eq!(a.read(&mut [0; 8]), Ok(6));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`] or what `shutdown` says.
    ///
    /// Go: `internal/poll.FD.Shutdown`.
    pub fn shutdown(&self, how: Shutdown) -> Result<(), Error> {
        let how = match how {
            Shutdown::Read => libc::SHUT_RD,
            Shutdown::Write => libc::SHUT_WR,
            Shutdown::Both => libc::SHUT_RDWR,
        };
        self.with(|fd| {
            // SAFETY: no memory is passed.
            match count(unsafe { libc::shutdown(fd.as_raw_fd(), how) } as isize) {
                Ok(_) => Ok(()),
                Err(errno) => Err(Error::Sys {
                    call: "shutdown",
                    errno,
                }),
            }
        })?
    }
}

fn accept4(listener: i32) -> Result<(OwnedFd, SockAddr), i32> {
    let mut peer = SockAddr::empty();
    let (at, len) = peer.as_mut_parts();
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: `at` has room for every address, which `len` says; the kernel sets it.
    let fd = owned(unsafe { libc::accept4(listener, at, len, flags) })?;
    Ok((fd, peer))
}
