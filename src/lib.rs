//! Go's network poller for Rust.

#[allow(dead_code, reason = "the task layer is its user")]
mod stack;
