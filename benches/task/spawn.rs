//! A task is spawned and joined.

use crate::peers::{in_gopark, in_may, in_thread, in_tokio, time};
use criterion::Criterion;
use std::hint::black_box;
use std::time::Instant;

const MANY: u64 = 1000;

/// One at a time: no queue, no second stack.
pub fn one(c: &mut Criterion) {
    let mut g = c.benchmark_group("spawn and join one");
    in_gopark(&mut g, 1, |n| {
        time(n, |i| {
            black_box(gopark::spawn(move || i).join().unwrap());
        })
    });
    in_tokio(&mut g, 1, |n| async move {
        let begun = Instant::now();
        for i in 0..n {
            black_box(tokio::spawn(async move { i }).await.unwrap());
        }
        begun.elapsed()
    });
    in_may(&mut g, |n| {
        time(n, |i| {
            black_box(may::go!(move || i).join().unwrap());
        })
    });
    in_thread(&mut g, |n| {
        time(n, |i| {
            black_box(std::thread::spawn(move || i).join().unwrap());
        })
    });
    g.finish();
}

/// A thousand alive at once.
pub fn many(c: &mut Criterion) {
    let mut g = c.benchmark_group("spawn and join 1000");
    in_gopark(&mut g, 1, |n| {
        time(n, |_| {
            let tasks: Vec<_> = (0..MANY).map(|i| gopark::spawn(move || i)).collect();
            for task in tasks {
                black_box(task.join().unwrap());
            }
        })
    });
    in_tokio(&mut g, 1, |n| async move {
        let begun = Instant::now();
        for _ in 0..n {
            let tasks: Vec<_> = (0..MANY).map(|i| tokio::spawn(async move { i })).collect();
            for task in tasks {
                black_box(task.await.unwrap());
            }
        }
        begun.elapsed()
    });
    in_may(&mut g, |n| {
        time(n, |_| {
            let tasks: Vec<_> = (0..MANY).map(|i| may::go!(move || i)).collect();
            for task in tasks {
                black_box(task.join().unwrap());
            }
        })
    });
    in_thread(&mut g, |n| {
        time(n, |_| {
            let spawn = |i| std::thread::spawn(move || i);
            let threads: Vec<_> = (0..MANY).map(spawn).collect();
            for thread in threads {
                black_box(thread.join().unwrap());
            }
        })
    });
    g.finish();
}
