//! Networking in Go's words: connections and listeners, addresses, names and errors.

mod addr;
mod buffers;
mod conn;
mod dial;
mod error;
mod fail;
mod lease;
mod listen;
mod lookup;
mod network;
mod pipe;
mod resolve;
mod serve;
mod socket;
mod sys;
mod tcp;
mod to_addrs;

pub use addr::{
    Addr, Family, IpEndpoint, IpNet, SocketFamily, TcpAddr, UdpAddr, UnixAddr, UnixNet, ZonedIp,
    join_host_port, parse_cidr, parse_ip, split_host_port,
};
pub use buffers::Buffers;
pub use conn::{Conn, Listener};
pub use dial::{Dialer, dial, dial_tcp, dial_timeout};
pub use error::{
    AddrError, Cause, DnsError, Errno, InvalidAddrError, NetError, OpError, ParseError,
    SyscallError, Timeout, UnknownNetworkError,
};
pub use lease::{LEASE_SIZE, Lease, LeasedReader};
pub use listen::{ListenConfig, listen, listen_tcp};
pub use network::{IpVersion, Network};
pub use pipe::{PipeConn, pipe};
pub use resolve::{
    AddrList, HostQuery, Purpose, Resolution, lookup_host, lookup_port, resolve, resolve_ip_addr,
    resolve_tcp_addr, resolve_udp_addr, resolve_unix_addr,
};
pub use serve::{AcceptFailure, Acceptor, Server, ServerHandle, ServerStats, classify, serve};
pub use tcp::{Incoming, KeepAliveConfig, TcpConn, TcpListener};
pub use to_addrs::ToSocketAddrs;

use std::io;

/// Whether `err` says that a connection or listener is closed on this side; see
/// [`NetError::is_closed`].
pub fn is_closed(err: &io::Error) -> bool {
    NetError::is_closed(err)
}

/// Whether `err` says that time ran out; see [`NetError::is_timeout`].
pub fn is_timeout(err: &io::Error) -> bool {
    NetError::is_timeout(err)
}
