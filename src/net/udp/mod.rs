//! UDP.
//!
//! | file           | what it is                                                      |
//! |----------------|-----------------------------------------------------------------|
//! | `conn.rs`      | `UdpConn`: receiving, sending, closing, the addresses           |
//! | `message.rs`   | messages with control data                                      |
//! | `inner.rs`     | what its clones share; errors                                   |
//! | `open.rs`      | making sockets: dialing, listening, listening to a group        |
//! | `multicast.rs` | groups and how far datagrams to them go                         |
//! | `options.rs`   | the other socket options                                        |
//! | `convert.rs`   | the common traits, and std's own sockets                        |
//!
//! Datagrams come and go whole, so nobody takes turns: of several tasks that receive, those who find
//! a datagram just take it, and only those who find none queue (`netpoll`'s `turns`). Go has one lock
//! for all receivers and one for all senders.

#![forbid(unsafe_code)]

mod conn;
mod convert;
mod inner;
mod message;
mod multicast;
mod open;
mod options;

pub use conn::UdpConn;
pub use message::UdpMessage;
pub(super) use open::{dial, listen, listen_multicast};
