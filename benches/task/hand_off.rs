//! Two executions wake each other in turns: one round is two wake-ups and two parks.

use crate::peers::{self, in_gopark, in_may, in_thread, in_tokio, time};
use criterion::Criterion;
use gopark::task;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Both on the same worker: no system call.
pub fn one_worker(c: &mut Criterion) {
    let mut g = c.benchmark_group("ping-pong on one worker");
    in_gopark(&mut g, 1, of_gopark);
    in_tokio(&mut g, 1, of_tokio);
    in_may(&mut g, of_may);
    g.finish();
}

/// Two workers, and each runtime decides where the two run.
pub fn two_workers(c: &mut Criterion) {
    let mut g = c.benchmark_group("ping-pong with two workers");
    in_gopark(&mut g, 2, of_gopark);
    in_tokio(&mut g, 2, of_tokio);
    g.finish();
}

/// Each on a thread of its own, so that every wake-up crosses threads.
pub fn across(c: &mut Criterion) {
    let mut g = c.benchmark_group("ping-pong across threads");
    let (here, there) = (peers::gopark(1), peers::gopark(1));
    let there = there.handle();
    g.bench_function("gopark", |b| {
        b.iter_custom(|n| {
            let there = there.clone();
            here.run(move || of_gopark_with(n, |other| there.spawn(other)))
        })
    });
    let (here, there) = (peers::tokio(1), peers::tokio(1));
    g.bench_function("tokio", |b| {
        b.iter_custom(|n| {
            let there = there.handle().clone();
            here.block_on(async {
                let first = of_tokio_with(n, move |other| there.spawn(other));
                tokio::spawn(first).await.unwrap()
            })
        })
    });
    in_thread(&mut g, of_threads);
    g.finish();
}

fn of_gopark(n: u64) -> Duration {
    of_gopark_with(n, |other| gopark::spawn(other))
}

type Other = Box<dyn FnOnce() + Send>;

fn of_gopark_with(n: u64, spawn: impl FnOnce(Other) -> gopark::JoinHandle<()>) -> Duration {
    let first = task::current();
    let second = spawn(Box::new(move || {
        for _ in 0..n {
            gopark::park();
            first.unpark();
        }
    }));
    let other = second.task();
    let took = time(n, |_| {
        other.unpark();
        gopark::park();
    });
    second.join().unwrap();
    took
}

async fn of_tokio(n: u64) -> Duration {
    of_tokio_with(n, |other| tokio::spawn(other)).await
}

type OtherFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// With [`Notify`], which is tokio's park and unpark.
async fn of_tokio_with(
    n: u64,
    spawn: impl FnOnce(OtherFuture) -> tokio::task::JoinHandle<()>,
) -> Duration {
    let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (theirs, back) = (ping.clone(), pong.clone());
    let second = spawn(Box::pin(async move {
        for _ in 0..n {
            theirs.notified().await;
            back.notify_one();
        }
    }));
    let begun = Instant::now();
    for _ in 0..n {
        ping.notify_one();
        pong.notified().await;
    }
    let took = begun.elapsed();
    second.await.unwrap();
    took
}

fn of_may(n: u64) -> Duration {
    let first = may::coroutine::current();
    let second = may::go!(move || {
        for _ in 0..n {
            may::coroutine::park();
            first.unpark();
        }
    });
    let other = second.coroutine().clone();
    let took = time(n, |_| {
        other.unpark();
        may::coroutine::park();
    });
    second.join().unwrap();
    took
}

fn of_threads(n: u64) -> Duration {
    let first = std::thread::current();
    let second = std::thread::spawn(move || {
        for _ in 0..n {
            std::thread::park();
            first.unpark();
        }
    });
    let other = second.thread().clone();
    let took = time(n, |_| {
        other.unpark();
        std::thread::park();
    });
    second.join().unwrap();
    took
}
