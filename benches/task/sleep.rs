//! A thousand sleep for a millisecond at once, so that the kernel's precision is shared among them.

use crate::peers::{in_gopark, in_may, in_thread, in_tokio, time};
use criterion::Criterion;
use std::time::{Duration, Instant};

const SLEEPERS: usize = 1000;
const PAUSE: Duration = Duration::from_millis(1);

pub fn sleep(c: &mut Criterion) {
    let mut g = c.benchmark_group("1000 sleeps of 1 ms at once");
    in_gopark(&mut g, 1, |n| {
        time(n, |_| {
            let sleep = |_| gopark::spawn(|| gopark::sleep(PAUSE));
            let tasks: Vec<_> = (0..SLEEPERS).map(sleep).collect();
            for task in tasks {
                task.join().unwrap();
            }
        })
    });
    in_tokio(&mut g, 1, |n| async move {
        let begun = Instant::now();
        for _ in 0..n {
            let sleep = |_| tokio::spawn(tokio::time::sleep(PAUSE));
            let tasks: Vec<_> = (0..SLEEPERS).map(sleep).collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
        begun.elapsed()
    });
    in_may(&mut g, |n| {
        time(n, |_| {
            let sleep = |_| may::go!(|| may::coroutine::sleep(PAUSE));
            let tasks: Vec<_> = (0..SLEEPERS).map(sleep).collect();
            for task in tasks {
                task.join().unwrap();
            }
        })
    });
    in_thread(&mut g, |n| {
        time(n, |_| {
            let sleep = |_| std::thread::spawn(|| std::thread::sleep(PAUSE));
            let threads: Vec<_> = (0..SLEEPERS).map(sleep).collect();
            for thread in threads {
                thread.join().unwrap();
            }
        })
    });
    g.finish();
}
