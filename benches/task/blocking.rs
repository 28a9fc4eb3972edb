//! A closure on a thread where it may block, while its caller waits. For threads: a thread of its own.

use crate::peers::{in_gopark, in_thread, in_tokio, time};
use criterion::Criterion;
use std::hint::black_box;
use std::time::Instant;

pub fn blocking(c: &mut Criterion) {
    let mut g = c.benchmark_group("blocking, an empty closure");
    in_gopark(&mut g, 1, |n| {
        time(n, |i| {
            black_box(gopark::blocking(|| i));
        })
    });
    in_tokio(&mut g, 1, |n| async move {
        let begun = Instant::now();
        for i in 0..n {
            black_box(tokio::task::spawn_blocking(move || i).await.unwrap());
        }
        begun.elapsed()
    });
    in_thread(&mut g, |n| {
        time(n, |i| {
            black_box(std::thread::spawn(move || i).join().unwrap());
        })
    });
    g.finish();
}
