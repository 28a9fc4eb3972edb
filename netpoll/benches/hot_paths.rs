//! What an operation pays besides its system call, on one thread.

#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{Criterion, criterion_group, criterion_main};
use netpoll::fd_mutex::Side;
use netpoll::{Fd, FdMutex, Kind, Mode, Park, Poller, Reason, Refusal, Slot, Waiter, clock};
use std::cell::Cell;
use std::hint::black_box;
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Parks by making itself ready: the cost of the slot and nothing else.
#[repr(C)]
struct Immediate {
    waiter: Waiter,
    ready: Cell<bool>,
}

unsafe fn ready(waiter: NonNull<Waiter>) {
    // SAFETY: the waiter is the first field of an `Immediate`, on the one thread there is.
    unsafe { waiter.cast::<Immediate>().as_ref() }
        .ready
        .set(true);
}

// SAFETY: `park` returns when `ready` has been called, which it sees to itself.
unsafe impl Park for Immediate {
    fn waiter(&self) -> NonNull<Waiter> {
        NonNull::from(&self.waiter)
    }
    fn park(&self, slot: &Slot, _why: Reason) {
        slot.wake(true);
        assert!(self.ready.replace(false));
    }
    fn may_park(&self) -> Result<(), Refusal> {
        Ok(())
    }
    fn poller(&self) -> &Poller {
        panic!("a slot does not ask for a poller")
    }
}

fn hot_paths(c: &mut Criterion) {
    // The unit everything below is made of: a machine where this is slow is slow throughout.
    let word = AtomicU64::new(0);
    c.bench_function("one locked exchange", |b| {
        b.iter(|| word.swap(black_box(1), Ordering::SeqCst))
    });

    c.bench_function("clock::now", |b| b.iter(clock::now));
    c.bench_function("Instant::now", |b| b.iter(Instant::now));

    let now = Instant::now();
    c.bench_function("clock::of", |b| b.iter(|| clock::of(black_box(now))));

    let (a, _b) = UnixStream::pair().unwrap();
    let fd = Fd::new(a.into(), Kind::STREAM).unwrap();
    let mut at = Instant::now() + Duration::from_secs(60);
    c.bench_function("set_deadline forward, read", |b| {
        b.iter(|| {
            at += Duration::from_nanos(1);
            fd.set_deadline(&[Mode::Read], Some(at))
        })
    });
    c.bench_function("set_deadline forward, both", |b| {
        b.iter(|| {
            at += Duration::from_nanos(1);
            fd.set_deadline(&[Mode::Read, Mode::Write], Some(at))
        })
    });
    c.bench_function("set_deadline forward, read, with Instant::now", |b| {
        b.iter(|| {
            fd.set_deadline(
                &[Mode::Read],
                Some(Instant::now() + Duration::from_secs(60)),
            )
        })
    });

    let mutex = FdMutex::new();
    c.bench_function("fd lock and unlock", |b| {
        b.iter(|| mutex.try_rwlock(black_box(Side::Read)) && mutex.rwunlock(Side::Read))
    });

    let me = Immediate {
        waiter: Waiter::new(ready),
        ready: Cell::new(false),
    };
    let slot = Slot::new();
    c.bench_function("slot: park and ready", |b| {
        b.iter(|| slot.block(&me, Reason::Read, || true))
    });
    c.bench_function("slot: ready before the park", |b| {
        b.iter(|| {
            slot.wake(true);
            slot.block(&me, Reason::Read, || true)
        })
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .measurement_time(Duration::from_millis(800))
        .warm_up_time(Duration::from_millis(200))
        .without_plots();
    targets = hot_paths
}
criterion_main!(benches);
