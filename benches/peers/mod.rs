//! The same work, run by each runtime in its own way, on one worker unless a number is given.
//!
//! Each function is given how often to do it and says how long that took, so what surrounds the work
//! is not in the figure. may has one scheduler for the process, hence always one worker.

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use std::time::{Duration, Instant};

pub type Group<'a> = BenchmarkGroup<'a, WallTime>;

pub fn gopark(workers: usize) -> gopark::Runtime {
    gopark::Runtime::builder().workers(workers).build().unwrap()
}

/// The multi-threaded runtime, which is what servers run, whatever the number of threads.
pub fn tokio(workers: usize) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

/// In a task.
pub fn in_gopark(g: &mut Group<'_>, workers: usize, f: impl Fn(u64) -> Duration + Copy + Send) {
    let runtime = gopark(workers);
    g.bench_function("gopark", |b| b.iter_custom(|n| runtime.run(move || f(n))));
}

/// In a spawned future: `block_on` itself would run beside the worker.
pub fn in_tokio<F>(g: &mut Group<'_>, workers: usize, f: impl Fn(u64) -> F)
where
    F: Future<Output = Duration> + Send + 'static,
{
    let runtime = tokio(workers);
    g.bench_function("tokio", |b| {
        b.iter_custom(|n| {
            let task = f(n);
            runtime.block_on(async { tokio::spawn(task).await.unwrap() })
        })
    });
}

/// In a coroutine.
pub fn in_may(g: &mut Group<'_>, f: impl Fn(u64) -> Duration + Copy + Send + 'static) {
    may::config().set_workers(1);
    g.bench_function("may", |b| {
        b.iter_custom(|n| may::go!(move || f(n)).join().unwrap())
    });
}

/// On a plain thread.
pub fn in_thread(g: &mut Group<'_>, f: impl Fn(u64) -> Duration) {
    g.bench_function("threads", |b| b.iter_custom(&f));
}

/// How long it takes to do `f` so many times.
pub fn time(n: u64, mut f: impl FnMut(u64)) -> Duration {
    let begun = Instant::now();
    for i in 0..n {
        f(i);
    }
    begun.elapsed()
}

/// Short runs: a comparison, not a record.
pub fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .without_plots()
}
