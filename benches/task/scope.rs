//! Ten tasks that borrow from whoever spawns them. tokio has no such thing.

use crate::peers::{in_gopark, in_may, in_thread, time};
use criterion::Criterion;
use std::hint::black_box;

pub fn scope(c: &mut Criterion) {
    let mut g = c.benchmark_group("scope of 10");
    in_gopark(&mut g, 1, |n| {
        time(n, |i| {
            let mut out = [0; 10];
            gopark::scope(|s| {
                for place in &mut out {
                    s.spawn(move || *place = i);
                }
            });
            black_box(out);
        })
    });
    in_may(&mut g, |n| {
        time(n, |i| {
            let mut out = [0; 10];
            may::coroutine::scope(|s| {
                for place in &mut out {
                    may::go!(s, move || *place = i);
                }
            });
            black_box(out);
        })
    });
    in_thread(&mut g, |n| {
        time(n, |i| {
            let mut out = [0; 10];
            std::thread::scope(|s| {
                for place in &mut out {
                    s.spawn(move || *place = i);
                }
            });
            black_box(out);
        })
    });
    g.finish();
}
