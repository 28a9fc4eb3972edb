//! Servers: what they answer, apart from how they wait; and `gopark serve`, where they wait on
//! gopark.

pub mod http;
pub mod rules;
mod scratch;
pub mod session;

mod accepting;
mod connection;
mod crowd;
mod datagrams;
mod drain;
mod fanout;
mod server;
mod shared;
mod stackless;
pub mod stats;
pub use server::command;
