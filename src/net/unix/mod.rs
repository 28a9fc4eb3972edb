//! Unix sockets.
//!
//! | file            | what it is                                                        |
//! |-----------------|-------------------------------------------------------------------|
//! | `conn.rs`       | `UnixConn`: a connection, of bytes or of packets                  |
//! | `datagram.rs`   | `UnixDatagram`: a socket of datagrams                             |
//! | `listener.rs`   | `UnixListener`, and the file that goes with it                    |
//! | `message.rs`    | messages that carry descriptors and credentials                   |
//! | `inner.rs`      | what the clones of a socket share; errors                         |
//! | `names.rs`      | names, between Go's form and the kernel's                         |
//! | `open.rs`       | making sockets: dialing, listening, pairs                         |
//! | `options.rs`    | buffers, credentials                                              |
//! | `std_io.rs`     | std's `Read` and `Write`, and std's own sockets                   |
//! | `traits.rs`     | the traits of all connections                                     |
//!
//! Go has one type for all three networks. Here connections and datagrams are two, since what one
//! can do the other cannot.

#![forbid(unsafe_code)]

mod conn;
mod datagram;
mod inner;
mod listener;
mod message;
mod names;
mod open;
mod options;
mod std_io;
mod traits;

pub use conn::UnixConn;
pub use datagram::UnixDatagram;
pub use listener::UnixListener;
pub use message::{Credentials, UnixMessage};
pub(super) use open::{dial, dial_gram, listen, listen_gram};
pub(super) use std_io::network;
