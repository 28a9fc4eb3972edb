//! The errors of network operations: what failed, where and why, in Go's words.

#![forbid(unsafe_code)]

mod addr;
mod bare;
mod cause;
mod dns;
mod errno;
mod errno_table;
mod ext;
mod io_error;
mod op;
mod sentinel;

pub(crate) use bare::{Bare, after, with_bytes};

pub use addr::{AddrError, InvalidAddrError, ParseError, UnknownNetworkError};
pub use cause::Cause;
pub use dns::DnsError;
pub use errno::{Errno, SyscallError};
pub use ext::NetError;
pub use op::OpError;
pub use sentinel::Timeout;
