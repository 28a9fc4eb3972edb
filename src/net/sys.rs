//! The few questions only libc can answer. All unsafe code of this area is here.

use super::Family;
use super::error::Errno;
use netpoll::SockAddr;
use std::{
    ffi::{CStr, CString, c_char},
    io, mem, net,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

/// Sets a socket option whose value is one number.
pub(super) fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let len = size_of::<i32>() as libc::socklen_t;
    let at = (&raw const value).cast();
    // SAFETY: `at` and `len` describe one `i32`, which the call only reads.
    let done = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, at, len) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Asks for a socket option whose value is, or begins with, one number.
pub(super) fn option(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    let mut value = 0i32;
    let mut len = size_of::<i32>() as libc::socklen_t;
    let at = (&raw mut value).cast();
    // SAFETY: `at` and `len` describe one `i32`; the call writes no more.
    let done = unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, at, &raw mut len) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value)
}

/// Sends to IPv4 groups through the interface with number `index`.
pub(super) fn set_multicast_interface_v4(fd: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    let interface = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: 0 },
        imr_address: libc::in_addr { s_addr: 0 },
        imr_ifindex: index.cast_signed(),
    };
    let len = size_of::<libc::ip_mreqn>() as libc::socklen_t;
    let at = (&raw const interface).cast();
    let (level, name) = (libc::IPPROTO_IP, libc::IP_MULTICAST_IF);
    // SAFETY: `at` and `len` describe one `ip_mreqn`, which the call only reads.
    let done = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, at, len) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Binds a socket to an address of any kind.
pub(super) fn bind(fd: BorrowedFd<'_>, addr: &SockAddr) -> io::Result<()> {
    // SAFETY: `addr` is valid for its length.
    let done = unsafe { libc::bind(fd.as_raw_fd(), addr.as_ptr(), addr.len()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The address of this end of a socket of any kind.
pub(super) fn getsockname(fd: BorrowedFd<'_>) -> io::Result<SockAddr> {
    let mut addr = SockAddr::empty();
    let (at, len) = addr.as_mut_parts();
    // SAFETY: `at` has room for every address, which `len` says.
    let done = unsafe { libc::getsockname(fd.as_raw_fd(), at, len) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(addr)
}

/// The address of the other end of a connected socket of any kind.
pub(super) fn getpeername(fd: BorrowedFd<'_>) -> io::Result<SockAddr> {
    let mut addr = SockAddr::empty();
    let (at, len) = addr.as_mut_parts();
    // SAFETY: `at` has room for every address, which `len` says.
    let done = unsafe { libc::getpeername(fd.as_raw_fd(), at, len) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(addr)
}

/// Who was at the other end of a Unix connection when it was made: process, user, group.
pub(super) fn peer_credentials(fd: BorrowedFd<'_>) -> io::Result<(i32, u32, u32)> {
    let mut who = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    let at = (&raw mut who).cast();
    let (level, name) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
    // SAFETY: `at` and `len` describe one `ucred`.
    let done = unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, at, &raw mut len) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((who.pid, who.uid, who.gid))
}

/// Takes over a descriptor that came with a message.
pub(super) fn received_descriptor(number: i32) -> OwnedFd {
    // SAFETY: the kernel made this descriptor for the receiver of the message, and the caller reads
    // each number of a message once.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// The index of the network interface called `name`.
pub(super) fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the pointer is to a NUL-terminated string that outlives the call, which keeps nothing.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The name of the network interface with number `index`.
pub(super) fn interface_name(index: u32) -> Option<String> {
    let mut name = [0 as c_char; libc::IF_NAMESIZE];
    // SAFETY: the buffer has IF_NAMESIZE bytes, which is what the call may write, and lives as long.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr()) };
    if found.is_null() {
        return None;
    }
    // SAFETY: on success the call has filled `name` with a NUL-terminated string within its bounds.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    Some(name.to_string_lossy().into_owned())
}

/// Why `getaddrinfo` failed.
#[derive(Debug)]
pub(super) enum LookupFailure {
    /// There is no such name, or it has no address of this family.
    NotFound,
    /// The system failed beneath the resolver.
    System(Errno),
    /// What the resolver says, and whether asking again may help.
    Other { text: String, temporary: bool },
}

/// An IP address with the number of its scope; 0 is none.
pub(super) type ScopedIp = (net::IpAddr, u32);

/// Asks the system's resolver for the addresses of `name`. Blocks, for as long as name servers take.
pub(super) fn getaddrinfo(
    name: &str,
    family: Option<Family>,
) -> Result<Vec<ScopedIp>, LookupFailure> {
    let name = CString::new(name).map_err(|_| LookupFailure::NotFound)?;
    // SAFETY: addrinfo is plain integers and pointers, for all of which zero is a valid value and the
    // one getaddrinfo wants in unused fields of its hints.
    let mut hints: libc::addrinfo = unsafe { mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    hints.ai_family = match family {
        None => libc::AF_UNSPEC,
        Some(Family::V4) => libc::AF_INET,
        Some(Family::V6) => libc::AF_INET6,
    };
    let mut list: *mut libc::addrinfo = ptr::null_mut();
    // SAFETY: name and hints are valid for the call, and `list` is a place for its one result.
    let code = unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &hints, &mut list) };
    if code != 0 {
        return Err(failure(code));
    }
    let mut found = Vec::new();
    let mut next = list;
    while !next.is_null() {
        // SAFETY: `next` is a non-null node of the list that getaddrinfo made; freed only below.
        let node = unsafe { &*next };
        found.extend(address(node));
        next = node.ai_next;
    }
    // SAFETY: `list` came from a successful getaddrinfo, is freed once, and no node is used after.
    unsafe { libc::freeaddrinfo(list) };
    Ok(found)
}

/// The address in one node of getaddrinfo's list.
fn address(node: &libc::addrinfo) -> Option<ScopedIp> {
    match node.ai_family {
        libc::AF_INET => {
            // SAFETY: for AF_INET ai_addr points to a sockaddr_in, valid as long as the node;
            // read_unaligned asks nothing of its alignment.
            let addr = unsafe { node.ai_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            Some((
                net::Ipv4Addr::from(addr.sin_addr.s_addr.to_ne_bytes()).into(),
                0,
            ))
        }
        libc::AF_INET6 => {
            // SAFETY: for AF_INET6 ai_addr points to a sockaddr_in6, valid as long as the node;
            // read_unaligned asks nothing of its alignment.
            let addr = unsafe { node.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some((
                net::Ipv6Addr::from(addr.sin6_addr.s6_addr).into(),
                addr.sin6_scope_id,
            ))
        }
        _ => None,
    }
}

/// Translates a resolver code. "No data" and "no such family" mean that the name has no address we
/// could use, which callers cannot treat differently from a name that does not exist.
fn failure(code: i32) -> LookupFailure {
    /// glibc's `EAI_ADDRFAMILY`, which the libc crate does not have for Linux.
    const EAI_ADDRFAMILY: i32 = -9;
    match code {
        libc::EAI_NONAME | libc::EAI_NODATA | EAI_ADDRFAMILY => LookupFailure::NotFound,
        libc::EAI_SYSTEM => LookupFailure::System(match Errno::last() {
            // The resolver was seen to fail here with errno 0 when descriptors had run out.
            Errno(0) => Errno::EMFILE,
            errno => errno,
        }),
        _ => {
            // SAFETY: gai_strerror returns a static NUL-terminated string for any code.
            let text = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
            LookupFailure::Other {
                text: text.to_string_lossy().into_owned(),
                temporary: code == libc::EAI_AGAIN,
            }
        }
    }
}
