//! Go's network poller for Rust.
