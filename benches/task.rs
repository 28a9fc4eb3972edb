//! What tasks cost, each beside tokio's counterpart: spawn and join, yield, hand-off, timers.
//!
//! `cargo bench -p gopark --bench task`. One worker unless the name says otherwise; tokio's
//! one-worker runtime is its multi-threaded one with one thread, which is what servers run.

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use gopark::{Runtime, park, sleep, spawn, task, yield_now};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn gopark(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().unwrap()
}

fn tokio(workers: usize) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(workers)
        .enable_time()
        .build()
        .unwrap()
}

/// Measures `rounds` of something inside a task.
fn in_task(g: &mut BenchmarkGroup<'_, WallTime>, workers: usize, f: fn(u64) -> Duration) {
    let runtime = gopark(workers);
    g.bench_function("gopark", |b| b.iter_custom(|n| runtime.run(move || f(n))));
}

fn in_tokio<F>(g: &mut BenchmarkGroup<'_, WallTime>, workers: usize, f: fn(u64) -> F)
where
    F: Future<Output = Duration> + Send + 'static,
{
    let runtime = tokio(workers);
    g.bench_function("tokio", |b| {
        b.iter_custom(|n| runtime.block_on(async { tokio::spawn(f(n)).await.unwrap() }))
    });
}

fn spawning(c: &mut Criterion) {
    let mut g = c.benchmark_group("spawn and join one");
    in_task(&mut g, 1, |n| {
        let begun = Instant::now();
        for i in 0..n {
            black_box(spawn(move || i).join().unwrap());
        }
        begun.elapsed()
    });
    in_tokio(&mut g, 1, |n| async move {
        let begun = Instant::now();
        for i in 0..n {
            black_box(tokio::spawn(async move { i }).await.unwrap());
        }
        begun.elapsed()
    });
    g.finish();

    let mut g = c.benchmark_group("spawn and join 1000");
    in_task(&mut g, 1, |n| {
        let begun = Instant::now();
        for _ in 0..n {
            let tasks: Vec<_> = (0..1000).map(|i| spawn(move || i)).collect();
            for task in tasks {
                black_box(task.join().unwrap());
            }
        }
        begun.elapsed()
    });
    in_tokio(&mut g, 1, |n| async move {
        let begun = Instant::now();
        for _ in 0..n {
            let tasks: Vec<_> = (0..1000).map(|i| tokio::spawn(async move { i })).collect();
            for task in tasks {
                black_box(task.await.unwrap());
            }
        }
        begun.elapsed()
    });
    g.finish();
}

/// `tasks` tasks yield until there were `n` yields in all.
fn yields(tasks: u64, n: u64) -> Duration {
    let begun = Instant::now();
    let each = n.div_ceil(tasks);
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            spawn(move || {
                for _ in 0..each {
                    yield_now();
                }
            })
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    begun.elapsed()
}

async fn tokio_yields(tasks: u64, n: u64) -> Duration {
    let begun = Instant::now();
    let each = n.div_ceil(tasks);
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            tokio::spawn(async move {
                for _ in 0..each {
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    begun.elapsed()
}

fn yielding(c: &mut Criterion) {
    let mut g = c.benchmark_group("yield among 2");
    in_task(&mut g, 1, |n| yields(2, n));
    in_tokio(&mut g, 1, |n| tokio_yields(2, n));
    g.finish();
    let mut g = c.benchmark_group("yield among 1000");
    in_task(&mut g, 1, |n| {
        yields(1000, n.max(100_000)) * n as u32 / n.max(100_000) as u32
    });
    in_tokio(&mut g, 1, |n| async move {
        tokio_yields(1000, n.max(100_000)).await * n as u32 / n.max(100_000) as u32
    });
    g.finish();
}

/// Two tasks wake each other `n` times; one hand-off is half a round.
fn hand_off(n: u64) -> Duration {
    let first = task::current();
    let second = spawn(move || {
        for _ in 0..n {
            park();
            first.unpark();
        }
    });
    let other = second.task();
    yield_now();
    let begun = Instant::now();
    for _ in 0..n {
        other.unpark();
        park();
    }
    let took = begun.elapsed();
    second.join().unwrap();
    took
}

async fn tokio_hand_off(n: u64) -> Duration {
    let (ping, pong) = (
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let (theirs, back) = (ping.clone(), pong.clone());
    let second = tokio::spawn(async move {
        for _ in 0..n {
            theirs.notified().await;
            back.notify_one();
        }
    });
    let begun = Instant::now();
    for _ in 0..n {
        ping.notify_one();
        pong.notified().await;
    }
    let took = begun.elapsed();
    second.await.unwrap();
    took
}

fn handing_off(c: &mut Criterion) {
    for (name, workers) in [
        ("ping-pong on one worker", 1),
        ("ping-pong with two workers", 2),
    ] {
        let mut g = c.benchmark_group(name);
        in_task(&mut g, workers, hand_off);
        in_tokio(&mut g, workers, tokio_hand_off);
        g.finish();
    }
    // A thread and a task: every wake-up crosses threads.
    let mut g = c.benchmark_group("ping-pong across threads");
    let runtime = gopark(1);
    g.bench_function("gopark", |b| {
        b.iter_custom(|n| {
            let me = task::current();
            let second = runtime.handle().spawn(move || {
                for _ in 0..n {
                    park();
                    me.unpark();
                }
            });
            let other = second.task();
            let begun = Instant::now();
            for _ in 0..n {
                other.unpark();
                park();
            }
            let took = begun.elapsed();
            second.join().unwrap();
            took
        });
    });
    let runtime = tokio(1);
    g.bench_function("tokio", |b| {
        b.iter_custom(|n| runtime.block_on(tokio_hand_off(n)))
    });
    g.finish();
}

fn timers(c: &mut Criterion) {
    // A thousand sleepers at once, so that the kernel's precision is shared among them.
    let mut g = c.benchmark_group("1000 sleeps of 1 ms at once");
    in_task(&mut g, 1, |n| {
        let begun = Instant::now();
        for _ in 0..n {
            let tasks: Vec<_> = (0..1000)
                .map(|_| spawn(|| sleep(Duration::from_millis(1))))
                .collect();
            for task in tasks {
                task.join().unwrap();
            }
        }
        begun.elapsed()
    });
    in_tokio(&mut g, 1, |n| async move {
        let begun = Instant::now();
        for _ in 0..n {
            let sleep = || tokio::spawn(tokio::time::sleep(Duration::from_millis(1)));
            let tasks: Vec<_> = (0..1000).map(|_| sleep()).collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
        begun.elapsed()
    });
    g.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = spawning, yielding, handing_off, timers
}
criterion_main!(benches);
