//! The gopark command.
fn main() {}
