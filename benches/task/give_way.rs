//! Tasks give way to one another.

use crate::peers::{in_gopark, in_may, in_tokio, time};
use corosensei::{Coroutine, CoroutineResult};
use criterion::Criterion;
use std::time::{Duration, Instant};

/// Two switches and nothing else, onto a stack and back: the floor under everything that waits.
pub fn switch(c: &mut Criterion) {
    let mut g = c.benchmark_group("switch to a stack and back");
    g.bench_function("corosensei", |b| {
        b.iter_custom(|n| {
            let mut there = Coroutine::<(), (), ()>::new(move |yielder, ()| {
                for _ in 0..n {
                    yielder.suspend(());
                }
            });
            let took = time(n, |_| {
                there.resume(());
            });
            let ended = there.resume(());
            assert!(matches!(ended, CoroutineResult::Return(())));
            took
        })
    });
    g.finish();
}

/// One yield among so many tasks which do nothing else.
pub fn yields(c: &mut Criterion) {
    for tasks in [2, 1000] {
        // Criterion tries with few, which would leave most tasks nothing to do.
        let scaled = move |n: u64, run: Duration, ran: u64| run.mul_f64(n as f64 / ran as f64);
        let at_least = move |n: u64| n.max(tasks * 100).next_multiple_of(tasks);
        let mut g = c.benchmark_group(format!("yield among {tasks}"));
        in_gopark(&mut g, 1, |n| {
            scaled(n, yields_of_gopark(tasks, at_least(n)), at_least(n))
        });
        in_tokio(&mut g, 1, |n| async move {
            scaled(n, yields_of_tokio(tasks, at_least(n)).await, at_least(n))
        });
        in_may(&mut g, move |n| {
            scaled(n, yields_of_may(tasks, at_least(n)), at_least(n))
        });
        g.finish();
    }
}

fn yields_of_gopark(tasks: u64, n: u64) -> Duration {
    let begun = Instant::now();
    let each = move || (0..n / tasks).for_each(|_| gopark::yield_now());
    let tasks: Vec<_> = (0..tasks).map(|_| gopark::spawn(each)).collect();
    for task in tasks {
        task.join().unwrap();
    }
    begun.elapsed()
}

async fn yields_of_tokio(tasks: u64, n: u64) -> Duration {
    let begun = Instant::now();
    let each = move || async move {
        for _ in 0..n / tasks {
            tokio::task::yield_now().await;
        }
    };
    let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(each())).collect();
    for task in tasks {
        task.await.unwrap();
    }
    begun.elapsed()
}

fn yields_of_may(tasks: u64, n: u64) -> Duration {
    let begun = Instant::now();
    let each = move || (0..n / tasks).for_each(|_| may::coroutine::yield_now());
    let tasks: Vec<_> = (0..tasks).map(|_| may::go!(each)).collect();
    for task in tasks {
        task.join().unwrap();
    }
    begun.elapsed()
}
