//! What connections cost, each beside its counterparts in tokio, may and threads.
//!
//! `cargo bench -p gopark --bench net`, with a part of a name behind `--` to run some of them. All of it
//! on loopback, both ends in one process.

#![allow(missing_docs, reason = "criterion's macros")]

mod accept;
mod deadline;
mod dial;
mod echo;
mod fd_lock;
#[path = "../peers/mod.rs"]
mod peers;

use criterion::{criterion_group, criterion_main};

criterion_group! {
    name = benches;
    config = peers::config();
    targets = echo::plain, echo::with_deadline, dial::dial, accept::accept, deadline::forward,
        deadline::back, deadline::set_and_clear, fd_lock::fd_lock
}
criterion_main!(benches);
