//! Addresses of Unix sockets.

#![forbid(unsafe_code)]

use crate::net::error::Errno;
use std::{
    ffi::{OsStr, OsString},
    fmt,
    os::{
        linux::net::SocketAddrExt,
        unix::{ffi::OsStrExt, ffi::OsStringExt, net::SocketAddr},
    },
    path::Path,
};

/// The three kinds of Unix socket.
///
/// ```
/// use gopark::net::{Network, UnixNet};
/// assert_eq!(UnixNet::Packet.as_str(), "unixpacket");
/// assert_eq!(Network::parse("unixgram").unwrap(), Network::Unix(UnixNet::Datagram));
/// assert_eq!(UnixNet::default(), UnixNet::Stream);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnixNet {
    /// `unix`: a byte stream.
    #[default]
    Stream,
    /// `unixgram`: datagrams.
    Datagram,
    /// `unixpacket`: a connection that keeps message boundaries.
    Packet,
}

impl UnixNet {
    /// The network's name.
    pub fn as_str(self) -> &'static str {
        match self {
            UnixNet::Stream => "unix",
            UnixNet::Datagram => "unixgram",
            UnixNet::Packet => "unixpacket",
        }
    }
}

/// The address of a Unix socket: a path, or a name starting with `@` (or a NUL byte) in the abstract
/// namespace. The address of a socket nobody named is `@`.
///
/// Names need not be UTF-8; printing replaces what is not.
///
/// ```
/// use gopark::net::{UnixAddr, UnixNet};
/// use std::path::Path;
/// let file = UnixAddr::new("/run/echo.sock", UnixNet::Stream);
/// assert_eq!(file.path(), Some(Path::new("/run/echo.sock")));
/// let hidden = UnixAddr::new("@echo", UnixNet::Stream);
/// assert!(hidden.is_abstract() && hidden.path().is_none());
/// assert_eq!(hidden.to_string(), "@echo");
/// ```
///
/// Go: `net.UnixAddr` (`net/unixsock.go`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UnixAddr {
    /// The path or abstract name; empty lets the kernel choose an abstract one.
    pub name: OsString,
    /// Which kind of socket.
    pub net: UnixNet,
}

impl UnixAddr {
    /// The address `name` on network `net`.
    pub fn new(name: impl Into<OsString>, net: UnixNet) -> UnixAddr {
        UnixAddr {
            name: name.into(),
            net,
        }
    }

    /// The address the kernel reports for a socket of kind `net`.
    ///
    /// ```
    /// use gopark::net::{UnixAddr, UnixNet};
    /// let addr = std::os::unix::net::SocketAddr::from_pathname("/run/echo.sock")?;
    /// let addr = UnixAddr::from_std(&addr, UnixNet::Stream);
    /// assert_eq!(addr, UnixAddr::new("/run/echo.sock", UnixNet::Stream));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(addr: &SocketAddr, net: UnixNet) -> UnixAddr {
        let name = if let Some(path) = addr.as_pathname() {
            path.as_os_str().to_owned()
        } else {
            let mut name = vec![b'@'];
            name.extend_from_slice(addr.as_abstract_name().unwrap_or_default());
            OsString::from_vec(name)
        };
        UnixAddr { name, net }
    }

    /// Whether the name is in the abstract namespace, which has no file.
    pub fn is_abstract(&self) -> bool {
        matches!(self.name.as_bytes().first(), Some(b'@' | 0))
    }

    /// The file of the socket, unless it is abstract or unnamed.
    pub fn path(&self) -> Option<&Path> {
        (!self.name.is_empty() && !self.is_abstract()).then(|| Path::new(&self.name))
    }

    /// The address as the kernel wants it.
    ///
    /// ```
    /// use gopark::net::{Errno, UnixAddr, UnixNet};
    /// use std::os::linux::net::SocketAddrExt;
    /// let hidden = UnixAddr::new("@echo", UnixNet::Stream).to_std().unwrap();
    /// assert_eq!(hidden.as_abstract_name(), Some(b"echo".as_slice()));
    /// let long = UnixAddr::new("x".repeat(108), UnixNet::Stream);
    /// assert_eq!(long.to_std().unwrap_err(), Errno::EINVAL);
    /// ```
    ///
    /// # Errors
    /// `EINVAL` if the name is longer than 107 bytes (108 for an abstract one, its first byte
    /// included) or a path holds a NUL byte. Callers name it after the call they were about to make,
    /// as Go does.
    pub fn to_std(&self) -> Result<SocketAddr, Errno> {
        let addr = if self.is_abstract() {
            SocketAddr::from_abstract_name(&self.name.as_bytes()[1..])
        } else {
            SocketAddr::from_pathname(&self.name)
        };
        addr.map_err(|_| Errno::EINVAL)
    }
}

impl fmt::Display for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", OsStr::display(&self.name))
    }
}
