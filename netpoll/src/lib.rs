//! Go's netpoller as a crate.
