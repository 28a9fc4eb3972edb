//! Making sockets, and what the machine says about them.
//!
//! Go: `net/sock_posix.go`, `net/sock_linux.go`, `net/ipsock_posix.go`.

#![forbid(unsafe_code)]

use super::{Cause, Family, SocketFamily};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::BorrowedFd,
    sync::{LazyLock, OnceLock},
};

/// Gives the error of system call `name` its name.
pub(super) fn named<T>(name: &'static str, result: io::Result<T>) -> Result<T, Cause> {
    result.map_err(|err| Cause::from_syscall(name, err))
}

/// A stream socket of `family`, non-blocking and close-on-exec, of the default protocol or another.
pub(super) fn stream(family: SocketFamily, protocol: Option<Protocol>) -> Result<Socket, Cause> {
    internet(family, Type::STREAM, protocol)
}

/// A socket of datagrams of `family`, non-blocking and close-on-exec, which may broadcast.
pub(super) fn datagram(family: SocketFamily) -> Result<Socket, Cause> {
    let socket = internet(family, Type::DGRAM, None)?;
    named("setsockopt", socket.set_broadcast(true))?;
    Ok(socket)
}

fn internet(family: SocketFamily, kind: Type, protocol: Option<Protocol>) -> Result<Socket, Cause> {
    let domain = match family.family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = named("socket", Socket::new(domain, kind.nonblocking(), protocol))?;
    if family.family == Family::V6 {
        named("setsockopt", socket.set_only_v6(family.v6_only))?;
    }
    Ok(socket)
}

/// Puts a socket that comes from elsewhere into non-blocking mode.
pub(super) fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<(), Cause> {
    // Go's name for it, which is no system call's.
    named("setnonblock", SockRef::from(&fd).set_nonblocking(true))
}

/// Binds `socket` to `addr`.
pub(super) fn bind(socket: &Socket, addr: SocketAddr) -> Result<(), Cause> {
    named("bind", socket.bind(&SockAddr::from(addr)))
}

/// The address as people write it: an IPv4 address mapped into IPv6 becomes IPv4 again.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => (ip, addr.port()).into(),
        IpAddr::V6(_) => addr,
    }
}

/// The local address of an internet socket.
pub(super) fn local_addr(fd: BorrowedFd<'_>) -> Result<SocketAddr, Cause> {
    let addr = named("getsockname", SockRef::from(&fd).local_addr())?;
    addr.as_socket()
        .map(canonical)
        .ok_or(Cause::NoSuitableAddress)
}

/// The address of the peer of a connected internet socket.
pub(super) fn peer_addr(fd: BorrowedFd<'_>) -> Result<SocketAddr, Cause> {
    let addr = named("getpeername", SockRef::from(&fd).peer_addr())?;
    addr.as_socket()
        .map(canonical)
        .ok_or(Cause::NoSuitableAddress)
}

/// The longest accept queue the machine allows, which every listener asks for.
///
/// Go: `maxListenerBacklog` (`net/sock_linux.go`).
pub(super) fn backlog() -> i32 {
    static BACKLOG: LazyLock<i32> = LazyLock::new(|| {
        let text = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
        parse_backlog(&text)
    });
    *BACKLOG
}

fn parse_backlog(text: &str) -> i32 {
    match text.trim().parse::<u64>() {
        Ok(0) | Err(_) => 128, // SOMAXCONN of the C library
        Ok(n) => i32::try_from(n).unwrap_or(i32::MAX),
    }
}

/// Whether an IPv6 socket of this machine also serves IPv4. Asked until there is an answer.
///
/// Go: `ipStackCapabilities.probe` (`net/ipsock_posix.go`).
pub(super) fn maps_ipv4() -> bool {
    static MAPS: OnceLock<bool> = OnceLock::new();
    if let Some(known) = MAPS.get() {
        return *known;
    }
    let both = SocketFamily {
        family: Family::V6,
        v6_only: false,
    };
    let mapped: Ipv6Addr = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    match stream(both, None).and_then(|socket| bind(&socket, (mapped, 0).into())) {
        // A lack of descriptors says nothing about the machine, and must not be remembered.
        Err(cause) if cause.is_temporary() => true,
        answer => *MAPS.get_or_init(|| answer.is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows Go's TestMaxAckBacklog.
    #[test]
    fn the_backlog_is_the_machines_limit_and_never_nothing() {
        for (text, backlog) in [
            ("4096\n", 4096),
            ("", 128),
            ("0\n", 128),
            ("what\n", 128),
            ("99999999999\n", i32::MAX),
        ] {
            assert_eq!(parse_backlog(text), backlog, "{text:?}");
        }
    }

    #[test]
    fn a_mapped_address_is_shown_as_ipv4_and_no_other_is_changed() {
        for (addr, shown) in [
            ("[::ffff:127.0.0.1]:5", "127.0.0.1:5"),
            ("127.0.0.1:5", "127.0.0.1:5"),
            ("[fe80::1%3]:5", "[fe80::1%3]:5"),
            ("[::1]:5", "[::1]:5"),
        ] {
            assert_eq!(canonical(addr.parse().unwrap()).to_string(), shown);
        }
    }
}
