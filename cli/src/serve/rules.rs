//! What all servers of a service have in common, so that a comparison is one.

use std::net::SocketAddr;
use std::time::Duration;

use crate::failure::Failure;

/// Bytes of a frame where many tasks share a connection, and of a request to the other server.
pub const FRAME: usize = 64;

/// Tasks that share a connection.
pub const SHARERS: usize = 16;

/// Requests to the other server, at once, for one request.
pub const CALLS: usize = 100;

/// Tasks for each worker that compute and yield, and never end.
pub const CROWD: usize = 4;

/// How long they compute before they yield.
pub const CROWD_WORK: Duration = Duration::from_micros(50);

/// What is asked of the other server.
pub const CALL: [u8; FRAME] = [b'c'; FRAME];

/// The other server, which has to be given.
pub fn upstream(given: Option<SocketAddr>) -> Result<SocketAddr, Failure> {
    given.ok_or_else(|| Failure::usage("fanout needs --upstream, the address of an echo server"))
}
