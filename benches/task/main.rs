//! What tasks cost, each beside its counterparts in tokio, may and threads.
//!
//! `cargo bench -p gopark --bench task`, with a part of a name behind `--` to run some of them. Work
//! that a peer does not have is left out; where it is not quite the same, the comment there says so.

#![allow(missing_docs, reason = "criterion's macros")]

mod blocking;
mod give_way;
mod hand_off;
#[path = "../peers/mod.rs"]
mod peers;
mod pipe;
mod scope;
mod sleep;
mod spawn;

use criterion::{criterion_group, criterion_main};

criterion_group! {
    name = benches;
    config = peers::config();
    targets = spawn::one, spawn::many, scope::scope, give_way::switch, give_way::yields,
        hand_off::one_worker, hand_off::two_workers, hand_off::across, pipe::pipe, sleep::sleep,
        blocking::blocking
}
criterion_main!(benches);
