//! 64 bytes through a pipe, from one execution to another that waits for them.
//!
//! `gopark::net::pipe` has no buffer, as Go's `net.Pipe`; tokio's `duplex` has one, here of just one
//! message; threads have the kernel's pipe.

use crate::peers::{in_gopark, in_thread, in_tokio, time};
use criterion::Criterion;
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MESSAGE: [u8; 64] = [7; 64];

pub fn pipe(c: &mut Criterion) {
    let mut g = c.benchmark_group("pipe, 64 bytes");
    in_gopark(&mut g, 1, of_gopark);
    in_tokio(&mut g, 1, of_tokio);
    in_thread(&mut g, of_threads);
    g.finish();
}

fn of_gopark(n: u64) -> Duration {
    let (near, far) = gopark::net::pipe();
    let reader = gopark::spawn(move || {
        let mut buf = [0; 64];
        (0..n).for_each(|_| assert_eq!(far.read(&mut buf).unwrap(), 64));
    });
    let took = time(n, |_| assert_eq!(near.write(&MESSAGE).unwrap(), 64));
    reader.join().unwrap();
    took
}

async fn of_tokio(n: u64) -> Duration {
    let (mut near, mut far) = tokio::io::duplex(64);
    let reader = tokio::spawn(async move {
        let mut buf = [0; 64];
        for _ in 0..n {
            far.read_exact(&mut buf).await.unwrap();
        }
    });
    let begun = Instant::now();
    for _ in 0..n {
        near.write_all(&MESSAGE).await.unwrap();
    }
    let took = begun.elapsed();
    reader.await.unwrap();
    took
}

fn of_threads(n: u64) -> Duration {
    let (mut far, mut near) = std::io::pipe().unwrap();
    let reader = std::thread::spawn(move || {
        let mut buf = [0; 64];
        (0..n).for_each(|_| far.read_exact(&mut buf).unwrap());
    });
    let took = time(n, |_| near.write_all(&MESSAGE).unwrap());
    reader.join().unwrap();
    took
}
