//! Go's network poller for Rust.

pub mod net;
#[allow(dead_code, reason = "the task layer is its user")]
mod stack;
