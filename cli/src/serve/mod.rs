//! Servers: what they answer, apart from how they wait; and `gopark serve`, where they wait on
//! gopark.

pub mod http;
pub mod session;

#[cfg(feature = "standin")]
mod connection;
#[cfg(feature = "standin")]
mod drain;
#[cfg(feature = "standin")]
mod server;
#[cfg(feature = "standin")]
pub use server::command;
