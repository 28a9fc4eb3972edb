//! Servers: what they answer, apart from how they wait; and `gopark serve`, where they wait on
//! gopark.

pub mod http;
pub mod session;

mod connection;
mod drain;
mod server;
pub mod stats;
pub use server::command;
