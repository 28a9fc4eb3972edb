//! Names of Unix sockets, between Go's form and the kernel's.
//!
//! | name in a program            | in the kernel                                   |
//! |------------------------------|-------------------------------------------------|
//! | a path                       | the path                                        |
//! | `@` or NUL, then anything    | NUL, then the same: an abstract name            |
//! | nothing                      | nothing; binding to it makes up an abstract name |
//!
//! The other way round, what has no name is `@`, except as the sender of a datagram, where it is none.

use crate::net::{Errno, UnixAddr, UnixNet};
use netpoll::SockAddr;
use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// The address as the kernel wants it; `EINVAL` if it is too long, or a path with a NUL.
pub(super) fn to_kernel(addr: &UnixAddr) -> Result<SockAddr, Errno> {
    let name = addr.name.as_bytes();
    let kernel = match name.first() {
        Some(b'@') => SockAddr::unix(&[b"\0", &name[1..]].concat()),
        Some(0) | None => SockAddr::unix(name),
        Some(_) if name.contains(&0) => None,
        Some(_) => SockAddr::unix(name),
    };
    kernel.ok_or(Errno::EINVAL)
}

/// The address of an end that the kernel names.
pub(super) fn from_kernel(addr: &SockAddr, net: UnixNet) -> UnixAddr {
    let name = match addr.to_unix().unwrap_or_default() {
        [] => b"@".to_vec(),
        [0, rest @ ..] => [b"@", rest].concat(),
        path => path.to_vec(),
    };
    UnixAddr::new(OsString::from_vec(name), net)
}

/// The sender of a datagram; `None` if it has no name.
pub(super) fn sender(addr: &SockAddr, net: UnixNet) -> Option<UnixAddr> {
    let name = addr.to_unix()?;
    (!name.is_empty()).then(|| from_kernel(addr, net))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_what_the_kernel_has_and_back() {
        for (name, kernel, back) in [
            ("/s", &b"/s"[..], "/s"),
            ("@a", b"\0a", "@a"),
            ("\0a", b"\0a", "@a"),
            ("@", b"\0", "@"),
            ("", b"", "@"),
        ] {
            let addr = UnixAddr::new(name, UnixNet::Stream);
            let made = to_kernel(&addr).unwrap();
            assert_eq!(made.to_unix(), Some(kernel), "{name:?}");
            assert_eq!(from_kernel(&made, UnixNet::Stream).to_string(), back);
            let named = sender(&made, UnixNet::Stream).is_some();
            assert_eq!(named, !name.is_empty());
        }
        for name in [
            "a\0b".to_owned(),
            "p".repeat(108),
            format!("@{}", "x".repeat(108)),
        ] {
            let addr = UnixAddr::new(name, UnixNet::Stream);
            assert_eq!(to_kernel(&addr).err(), Some(Errno::EINVAL));
        }
    }
}
