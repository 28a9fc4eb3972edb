//! Networking in Go's words: addresses, names and errors.

mod addr;
mod error;
mod network;
mod resolve;
mod sys;

pub use addr::{
    Addr, Family, IpEndpoint, IpNet, SocketFamily, TcpAddr, UdpAddr, UnixAddr, UnixNet, ZonedIp,
    join_host_port, parse_cidr, parse_ip, split_host_port,
};
pub use error::{
    AddrError, Cause, DnsError, Errno, InvalidAddrError, NetError, OpError, ParseError,
    SyscallError, Timeout, UnknownNetworkError,
};
pub use network::{IpVersion, Network};
pub use resolve::{
    AddrList, HostQuery, Purpose, Resolution, lookup_host, lookup_port, resolve, resolve_ip_addr,
    resolve_tcp_addr, resolve_udp_addr, resolve_unix_addr,
};
