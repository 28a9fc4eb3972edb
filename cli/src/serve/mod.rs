//! Servers: what they answer, apart from how they wait.

pub mod http;
pub mod session;
