//! A socket address as the kernel has it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Where the name in a `sockaddr_un` begins.
const UNIX_PATH_AT: usize = std::mem::offset_of!(libc::sockaddr_un, sun_path);

/// Room for any address, and how much of it is used.
///
/// ```
/// use netpoll::SockAddr;
/// use std::{net::UdpSocket, os::fd::AsRawFd};
/// let socket = UdpSocket::bind("127.0.0.1:0")?;
/// let mut name = SockAddr::empty();
/// let (at, len) = name.as_mut_parts();
/// // SAFETY: there is room for every address, and the length says how much.
/// assert_eq!(unsafe { libc::getsockname(socket.as_raw_fd(), at, len) }, 0);
/// assert_eq!(name.to_ip(), Some(socket.local_addr()?));
/// assert_eq!((name.family(), name.len()), (libc::AF_INET, 16));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct SockAddr {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl SockAddr {
    /// No address yet, with room for any.
    pub fn empty() -> SockAddr {
        SockAddr {
            // SAFETY: all-zero is a valid `sockaddr_storage`.
            storage: unsafe { std::mem::zeroed() },
            len: size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        }
    }

    /// The address for a call that reads it.
    ///
    /// ```
    /// use netpoll::SockAddr;
    /// let addr: std::net::SocketAddr = "127.0.0.1:80".parse().unwrap();
    /// let addr = SockAddr::from(addr);
    /// // SAFETY: a `sockaddr_in` is initialised and begins with its family.
    /// assert_eq!(i32::from(unsafe { (*addr.as_ptr()).sa_family }), libc::AF_INET);
    /// assert!(!addr.is_empty());
    /// ```
    pub fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    /// The address of a Unix socket: a path, or, beginning with a NUL byte, a name in the abstract
    /// namespace. Nothing at all lets the kernel choose an abstract name. `None` if it is too long:
    /// a path has at most 107 bytes, an abstract name 108 with its NUL.
    ///
    /// ```
    /// use netpoll::SockAddr;
    /// let path = SockAddr::unix(b"/run/echo.sock").unwrap();
    /// assert_eq!(path.to_unix(), Some(b"/run/echo.sock".as_slice()));
    /// let hidden = SockAddr::unix(b"\0echo").unwrap(); // in the abstract namespace
    /// assert_eq!(hidden.to_unix(), Some(b"\0echo".as_slice()));
    /// assert!(SockAddr::unix(&[b'x'; 108]).is_none());
    /// ```
    pub fn unix(name: &[u8]) -> Option<SockAddr> {
        const MOST: usize = 108;
        let is_path = name.first().is_some_and(|first| *first != 0);
        let used = name.len() + usize::from(is_path);
        if used > MOST {
            return None;
        }
        let mut sa = SockAddr::empty();
        // SAFETY: the storage is large and aligned enough for every address type, and all its bytes
        // are initialised.
        let a = unsafe { &mut *(&raw mut sa.storage).cast::<libc::sockaddr_un>() };
        a.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in a.sun_path.iter_mut().zip(name) {
            *to = from.cast_signed();
        }
        sa.len = (UNIX_PATH_AT + used) as libc::socklen_t;
        Some(sa)
    }

    /// The name of a Unix socket as [`SockAddr::unix`] takes it, empty if it has none; `None` if it is
    /// another kind of address, or no address at all.
    ///
    /// ```
    /// use netpoll::SockAddr;
    /// assert_eq!(SockAddr::unix(b"").unwrap().to_unix(), Some(b"".as_slice())); // no name
    /// let ip: std::net::SocketAddr = "127.0.0.1:80".parse().unwrap();
    /// assert_eq!(SockAddr::from(ip).to_unix(), None);
    /// ```
    pub fn to_unix(&self) -> Option<&[u8]> {
        let len = self.len as usize;
        if len < UNIX_PATH_AT || self.family() != libc::AF_UNIX {
            return None;
        }
        let used = (len - UNIX_PATH_AT).min(size_of::<libc::sockaddr_un>() - UNIX_PATH_AT);
        // SAFETY: the storage is larger than a `sockaddr_un`, all its bytes are initialised, and
        // `used` does not reach past that type's path.
        let name = unsafe {
            let at = (&raw const self.storage).cast::<u8>().add(UNIX_PATH_AT);
            std::slice::from_raw_parts(at, used)
        };
        if name.first().is_none_or(|first| *first == 0) {
            return Some(name);
        }
        // A path ends at its NUL, which the length counts or not, as whoever bound it did.
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(used);
        Some(&name[..end])
    }

    /// How many bytes of it are used.
    pub fn len(&self) -> libc::socklen_t {
        self.len
    }

    /// Is there no address?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Address and length for a call that writes them.
    pub fn as_mut_parts(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.len)
    }

    /// The address family, `AF_INET` and so on.
    pub fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    /// The address as the standard library has it; `None` if it is not an IP address.
    ///
    /// ```
    /// use netpoll::SockAddr;
    /// let addr: std::net::SocketAddr = "[fe80::1%3]:53".parse().unwrap();
    /// assert_eq!(SockAddr::from(addr).to_ip(), Some(addr));
    /// assert_eq!(SockAddr::unix(b"/run/echo.sock").unwrap().to_ip(), None);
    /// ```
    pub fn to_ip(&self) -> Option<SocketAddr> {
        match self.family() {
            libc::AF_INET => {
                // SAFETY: the family says which type it is; the storage is large and aligned enough.
                let a = unsafe { &*self.as_ptr().cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(a.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let a = unsafe { &*self.as_ptr().cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(a.sin6_addr.s6_addr);
                let port = u16::from_be(a.sin6_port);
                Some(SocketAddrV6::new(ip, port, a.sin6_flowinfo, a.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

impl From<SocketAddr> for SockAddr {
    fn from(addr: SocketAddr) -> SockAddr {
        let mut sa = SockAddr::empty();
        match addr {
            SocketAddr::V4(addr) => {
                // SAFETY: the storage is large and aligned enough for every address type, and all
                // its bytes are initialised.
                let a = unsafe { &mut *(&raw mut sa.storage).cast::<libc::sockaddr_in>() };
                a.sin_family = libc::AF_INET as libc::sa_family_t;
                a.sin_port = addr.port().to_be();
                a.sin_addr.s_addr = u32::from(*addr.ip()).to_be();
                sa.len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            SocketAddr::V6(addr) => {
                // SAFETY: as above.
                let a = unsafe { &mut *(&raw mut sa.storage).cast::<libc::sockaddr_in6>() };
                a.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                a.sin6_port = addr.port().to_be();
                a.sin6_addr.s6_addr = addr.ip().octets();
                a.sin6_flowinfo = addr.flowinfo();
                a.sin6_scope_id = addr.scope_id();
                sa.len = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            }
        }
        sa
    }
}

impl fmt::Debug for SockAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_ip() {
            Some(addr) => addr.fmt(f),
            None => write!(f, "SockAddr(family {}, {} bytes)", self.family(), self.len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ip_address_survives_the_way_to_the_kernel_and_back() {
        for text in ["127.0.0.1:80", "[::1]:443", "[fe80::1%7]:9"] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(SockAddr::from(addr).to_ip(), Some(addr));
            assert_eq!(SockAddr::from(addr).to_unix(), None);
        }
    }

    #[test]
    fn a_unix_name_survives_the_way_to_the_kernel_and_back_unless_it_is_too_long() {
        let abstract_name = [b"\0".as_slice(), &[b'x'; 107]].concat();
        for (name, len) in [
            (b"".as_slice(), 2),
            (b"/tmp/s", 2 + 6 + 1),
            (b"\0abc\0d", 2 + 6),
            (&[b'p'; 107], 2 + 108),
            (&abstract_name, 2 + 108),
        ] {
            let addr = SockAddr::unix(name).unwrap();
            assert_eq!((addr.to_unix(), addr.len()), (Some(name), len));
        }
        assert!(SockAddr::unix(&[b'p'; 108]).is_none());
        assert!(SockAddr::unix(&[0; 109]).is_none());
        let mut none = SockAddr::empty();
        // SAFETY: the pointer is to this address's own length.
        unsafe { *none.as_mut_parts().1 = 0 };
        assert_eq!(none.to_unix(), None);
    }
}
