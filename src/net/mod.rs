//! Networking in Go's words: connections and listeners, addresses, names and errors.

mod addr;
mod buffers;
mod cancel;
mod conn;
mod connect;
mod control;
pub(crate) mod copy;
mod dial;
mod dial_addr;
mod error;
pub(crate) mod fail;
mod file;
mod flight;
mod held_fd;
mod hook;
mod lease;
mod limits;
mod listen;
mod lookup;
mod message;
mod network;
mod own_methods;
mod packet;
mod pipe;
mod race;
mod rare;
pub(crate) mod raw;
pub(crate) mod readiness;
mod resolve;
mod resolver;
mod serve;
mod socket;
mod std_io;
mod sys;
mod tcp;
mod timeouts;
mod to_addrs;
mod udp;
mod unix;

pub use addr::{
    Addr, Family, IpEndpoint, IpNet, SocketFamily, TcpAddr, UdpAddr, UnixAddr, UnixNet, ZonedIp,
    join_host_port, parse_cidr, parse_ip, split_host_port,
};
pub use buffers::Buffers;
pub use cancel::CancelToken;
pub use conn::{Conn, Listener};
pub use control::{ControlMessage, ControlMessages};
pub use copy::{CopyFrom, CopyTo, copy, copy_bidirectional, copy_n};
pub use dial::{Dialer, dial, dial_timeout};
pub use dial_addr::{dial_tcp, dial_udp, dial_unix, dial_unixgram};
pub use error::{
    AddrError, Cause, DnsError, Errno, InvalidAddrError, NetError, OpError, ParseError,
    SyscallError, Timeout, UnknownNetworkError,
};
pub use file::{file_conn, file_listener, file_packet_conn};
pub use held_fd::HeldFd;
pub use lease::{LEASE_SIZE, Lease, LeasedReader};
pub use listen::{
    ListenConfig, listen, listen_multicast_udp, listen_packet, listen_tcp, listen_udp, listen_unix,
    listen_unixgram,
};
pub use network::{IpVersion, Network};
pub use packet::PacketConn;
pub use pipe::{PipeConn, pipe};
pub use resolve::{
    AddrList, HostQuery, Purpose, Resolution, lookup_port, resolve, resolve_ip_addr,
    resolve_tcp_addr, resolve_udp_addr, resolve_unix_addr,
};
pub use resolver::{Resolver, lookup_host, lookup_ip};
pub use serve::{AcceptFailure, Acceptor, Server, ServerHandle, ServerStats, classify, serve};
pub use tcp::{Incoming, KeepAliveConfig, TcpConn, TcpListener};
pub use to_addrs::ToSocketAddrs;
pub use udp::{UdpConn, UdpMessage};
pub use unix::{Credentials, UnixConn, UnixDatagram, UnixListener, UnixMessage};

use hook::ControlHook;
use limits::Limits;
use std::io;

/// Whether `err` says that a connection or listener is closed on this side; see
/// [`NetError::is_closed`].
///
/// ```
/// use gopark::net::{is_closed, UnixConn};
/// let (a, _b) = UnixConn::pair()?;
/// a.close()?;
/// assert!(is_closed(&a.read(&mut [0; 8]).unwrap_err()));
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `errors.Is(err, net.ErrClosed)`.
pub fn is_closed(err: &io::Error) -> bool {
    NetError::is_closed(err)
}

/// Whether `err` says that time ran out; see [`NetError::is_timeout`].
///
/// ```
/// use gopark::net::{is_timeout, UnixConn};
/// let (a, _b) = UnixConn::pair()?;
/// a.set_read_deadline(Some(std::time::Instant::now()))?;
/// assert!(is_timeout(&a.read(&mut [0; 8]).unwrap_err()));
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.Error.Timeout` (`net/net.go`).
pub fn is_timeout(err: &io::Error) -> bool {
    NetError::is_timeout(err)
}
