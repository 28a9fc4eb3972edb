//! TCP.
//!
//! | file            | what it is                                                     |
//! |-----------------|----------------------------------------------------------------|
//! | `conn.rs`       | `TcpConn`: reading, writing, closing, the addresses            |
//! | `inner.rs`      | what its clones share; errors, and the address found lazily    |
//! | `std_io.rs`     | std's `Read` and `Write`, and std's own sockets                |
//! | `options.rs`    | socket options                                                 |
//! | `keep_alive.rs` | what a connection does to find out that its peer is gone       |
//! | `connect.rs`    | one attempt to connect to one address                          |
//! | `listener.rs`   | `TcpListener`                                                  |
//! | `multipath.rs`  | multipath TCP, and falling back to plain TCP                   |
//!
//! ## Options
//! Every connection sends small writes at once (`TCP_NODELAY`) and probes an idle peer (every 15 s,
//! nine times), as Go's do. A dialed one costs five system calls for that; an accepted one costs none:
//! Linux copies these options from the listening socket, where they are set once, before it listens.
//!
//! Unlike Go's, listeners are plain TCP unless multipath TCP is asked for: with peers that do not ask
//! nobody could tell but the kernel, which takes a longer way for it.

#![forbid(unsafe_code)]

mod conn;
mod connect;
mod inner;
mod keep_alive;
mod listener;
mod multipath;
mod options;
mod std_io;

pub use conn::TcpConn;
pub(super) use connect::Attempt;
pub use keep_alive::KeepAliveConfig;
pub use listener::{Incoming, TcpListener};
pub(super) use multipath::or_plain;
