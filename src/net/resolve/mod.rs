//! From names and texts to addresses.

#![forbid(unsafe_code)]

mod addr_list;
mod address;
mod domain_name;
mod host;
mod port;
mod tables;

pub use addr_list::AddrList;
pub use address::{
    HostQuery, Purpose, Resolution, resolve, resolve_ip_addr, resolve_tcp_addr, resolve_udp_addr,
    resolve_unix_addr,
};
pub(crate) use host::{Known, ask_system, known};
pub use port::lookup_port;
pub(crate) use tables::lookup_protocol;
