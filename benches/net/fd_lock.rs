//! What each operation takes first: the descriptor's lock, free. Beside it, locks that guard no number
//! from being closed.

use crate::peers::time;
use criterion::Criterion;
use netpoll::FdMutex;
use netpoll::fd_mutex::Side;
use std::hint::black_box;

pub fn fd_lock(c: &mut Criterion) {
    let mut g = c.benchmark_group("lock of a descriptor");
    g.bench_function("gopark", |b| {
        let lock = FdMutex::new();
        b.iter_custom(|n| {
            time(n, |_| {
                assert!(lock.try_rwlock(black_box(Side::Read)));
                black_box(lock.rwunlock(black_box(Side::Read)));
            })
        });
    });
    g.bench_function("parking_lot's Mutex", |b| {
        let lock = parking_lot::Mutex::new(0_u64);
        b.iter_custom(|n| time(n, |i| *black_box(&lock).lock() = i));
    });
    g.bench_function("std's Mutex", |b| {
        let lock = std::sync::Mutex::new(0_u64);
        b.iter_custom(|n| time(n, |i| *black_box(&lock).lock().unwrap() = i));
    });
    g.finish();
}
