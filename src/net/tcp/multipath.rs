//! Multipath TCP (RFC 8684): one connection over several paths, such as Wi-Fi and cellular.
//!
//! A socket asks for it by its protocol when it is made. Whether it comes about is decided by both
//! ends and everything between them:
//!
//! | the kernel                  | the peer, and the way to it | the connection is           | `SO_PROTOCOL` | `MPTCP_INFO` |
//! |-----------------------------|-----------------------------|-----------------------------|---------------|--------------|
//! | does not make such sockets  |                             | of plain TCP                | 6             | fails        |
//! | does                        | take part                   | of multipath TCP            | 262           | answers      |
//! | does                        | do not                      | of plain TCP, fallen back   | 262           | fails        |
//! | does, and has accepted it   | had asked for plain TCP     | of plain TCP                | 6             | fails        |
//!
//! Kernels before 5.16 have no `MPTCP_INFO`; there `SO_PROTOCOL` has to do.
//!
//! Go: `net/mptcpsock_linux.go`.

use crate::net::{Cause, Family, SocketFamily, socket, socket::named, sys};
use netpoll::Kind;
use socket2::{Protocol, Socket};
use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::OnceLock,
};

const SOL_MPTCP: i32 = 284;
const MPTCP_INFO: i32 = 1;

/// What this machine's kernel can do.
#[derive(Clone, Copy, Debug)]
struct Support {
    sockets: bool,
    /// It says whether a connection has fallen back.
    info: bool,
}

impl Support {
    const NONE: Support = Support {
        sockets: false,
        info: false,
    };

    /// Asked until there is an answer: an administrator may switch it on, and a lack of descriptors
    /// says nothing.
    fn get() -> Support {
        static KNOWN: OnceLock<Support> = OnceLock::new();
        if let Some(known) = KNOWN.get() {
            return *known;
        }
        match probe(Family::V4).or_else(|_| probe(Family::V6)) {
            Ok(socket) => *KNOWN.get_or_init(|| Support {
                sockets: true,
                // A socket that was just made has not fallen back.
                info: sys::option(socket.as_fd(), SOL_MPTCP, MPTCP_INFO).is_ok(),
            }),
            Err(cause) => match cause.errno().map(|errno| errno.0) {
                // 5.6 and later, and earlier.
                Some(libc::EPROTONOSUPPORT | libc::EINVAL) => *KNOWN.get_or_init(|| Support::NONE),
                _ => Support::NONE,
            },
        }
    }
}

fn probe(family: Family) -> Result<Socket, Cause> {
    let family = SocketFamily {
        family,
        v6_only: false,
    };
    socket::stream(family, Some(Protocol::MPTCP))
}

/// Runs `open` for multipath TCP if that is wanted and the kernel has it, and for plain TCP if not, or
/// if that fails. An error is the plain one's.
pub(in crate::net) fn or_plain<T>(
    wanted: bool,
    open: impl Fn(Option<Protocol>) -> Result<T, Cause>,
) -> Result<T, Cause> {
    if wanted && Support::get().sockets {
        match open(Some(Protocol::MPTCP)) {
            // It may be forbidden here, or lost on the way: plain TCP may do. Nothing may when the
            // time is up or nobody wants it any more.
            Err(cause) if !cause.is_timeout() && !matches!(cause, Cause::Cancelled) => {}
            done => return done,
        }
    }
    open(None)
}

/// Whether the socket was made for multipath TCP.
pub(in crate::net) fn is_multipath(fd: BorrowedFd<'_>) -> bool {
    matches!(
        sys::option(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL),
        Ok(libc::IPPROTO_MPTCP)
    )
}

/// What kind of descriptor a connection is. A short read proves nothing where the bytes of several
/// paths are put together.
pub(in crate::net) fn kind(fd: BorrowedFd<'_>) -> Kind {
    if is_multipath(fd) {
        Kind::STREAM
    } else {
        Kind::TCP
    }
}

/// Whether a connection is of multipath TCP, and has not fallen back.
///
/// # Errors
/// What `getsockopt` says that has another meaning than "no".
pub(super) fn is_used(fd: BorrowedFd<'_>) -> Result<bool, Cause> {
    let protocol = sys::option(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL);
    if named("getsockopt", protocol)? != libc::IPPROTO_MPTCP {
        return Ok(false);
    }
    if !Support::get().info {
        return Ok(true);
    }
    let info = named("getsockopt", sys::option(fd, SOL_MPTCP, MPTCP_INFO));
    match info {
        Ok(_) => Ok(true),
        Err(cause) => match cause.errno().map(|errno| errno.0) {
            // On IPv4, and on IPv6.
            Some(libc::EOPNOTSUPP | libc::ENOPROTOOPT) => Ok(false),
            _ => Err(cause),
        },
    }
}
