//! Hot paths of tasks: giving way, waking one another, starting and ending.

use crate::times;
use gopark::{net, park, spawn, task, yield_now};
use std::hint::black_box;
use std::io;

/// Two tasks give way in turns.
pub fn yields(n: u64) -> io::Result<()> {
    let half = move || {
        times(n / 2, |_| {
            yield_now();
            Ok(())
        })
    };
    let other = spawn(half);
    half()?;
    other.join().unwrap()
}

/// Two tasks wake each other; one wake-up and one park each time.
pub fn hand_off(n: u64) -> io::Result<()> {
    let first = task::current();
    let second = spawn(move || {
        for _ in 0..n / 2 {
            park();
            first.unpark();
        }
    });
    let other = second.task();
    times(n / 2, |_| {
        other.unpark();
        park();
        Ok(())
    })?;
    second.join().unwrap();
    Ok(())
}

/// One byte through a pipe in memory, from a task to another that waits for it.
pub fn pipe(n: u64) -> io::Result<()> {
    let (near, far) = net::pipe();
    let reader = spawn(move || -> io::Result<()> {
        let mut buf = [0; 64];
        for _ in 0..n {
            black_box(far.read(&mut buf)?);
        }
        Ok(())
    });
    times(n, |_| near.write(b"x").map(drop))?;
    reader.join().unwrap()
}

/// One task at a time.
pub fn spawn_join(n: u64) -> io::Result<()> {
    times(n, |i| {
        black_box(spawn(move || i).join().unwrap());
        Ok(())
    })
}

/// Fifty tasks at once: fewer than the stacks that a worker keeps, so that it trims none meanwhile.
pub fn spawn_join_batch(n: u64) -> io::Result<()> {
    let mut tasks = Vec::with_capacity(50);
    times(n, |_| {
        tasks.extend((0..50).map(|i| spawn(move || i)));
        for task in tasks.drain(..) {
            black_box(task.join().unwrap());
        }
        Ok(())
    })
}

/// A scope with one task that borrows.
pub fn scope(n: u64) -> io::Result<()> {
    times(n, |i| {
        let mut out = 0;
        gopark::scope(|s| {
            s.spawn(|| out = i);
        });
        black_box(out);
        Ok(())
    })
}
