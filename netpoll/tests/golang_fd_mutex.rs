//! What `internal/poll/fd_mutex_test.go` asserts of Go's lock, asserted of ours.
//!
//! The behaviours are Go's (BSD-licensed test suite); the code is ours.

use netpoll::fd_mutex::Side;
use netpoll::{FdMutex, park};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

mod support;

fn rwlock(mutex: &FdMutex, side: Side) -> bool {
    park::with_current(|p| mutex.rwlock(side, p)).unwrap()
}

/// Go: `TestMutexLock`.
#[test]
fn a_fresh_mutex_gives_references_and_both_locks_and_none_is_the_last() {
    let mutex = FdMutex::new();
    assert!(mutex.incref());
    assert!(!mutex.decref());
    for side in [Side::Read, Side::Write] {
        assert!(rwlock(&mutex, side));
        assert!(!mutex.rwunlock(side));
    }
}

/// Go: `TestMutexClose`.
#[test]
fn a_closed_mutex_gives_nothing_more() {
    let mutex = FdMutex::new();
    assert!(mutex.incref_and_close());
    assert!(!mutex.incref());
    assert!(!rwlock(&mutex, Side::Read));
    assert!(!rwlock(&mutex, Side::Write));
    assert!(!mutex.try_rwlock(Side::Read));
    assert!(!mutex.incref_and_close());
}

/// Go: `TestMutexCloseUnblock`.
#[test]
fn closing_ends_everyone_who_waits_for_the_lock_and_the_holder_is_the_last() {
    let mutex = Arc::new(FdMutex::new());
    assert!(rwlock(&mutex, Side::Read));
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let mutex = mutex.clone();
            support::start(move || rwlock(&mutex, Side::Read)).asleep()
        })
        .collect();
    assert!(mutex.incref_and_close());
    for waiter in waiting {
        assert!(!waiter.join(), "a lock of a closed mutex");
    }
    assert!(!mutex.decref(), "the lock is still held");
    assert!(mutex.rwunlock(Side::Read), "now it is the last");
}

/// Go: `TestMutexPanic`.
#[test]
fn giving_back_what_one_does_not_have_panics_and_harms_nothing() {
    let mutex = FdMutex::new();
    let panics = |f: &dyn Fn()| {
        let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it should have panicked");
        let text = payload.downcast::<String>().unwrap();
        assert!(text.contains("inconsistent"), "{text}");
    };
    let decref = || panics(&|| assert!(!mutex.decref()));
    let unlock = |side| panics(&|| assert!(!mutex.rwunlock(side)));
    decref();
    unlock(Side::Read);
    unlock(Side::Write);
    assert!(mutex.incref());
    assert!(!mutex.decref());
    decref();
    for side in [Side::Read, Side::Write] {
        assert!(rwlock(&mutex, side));
        assert!(!mutex.rwunlock(side));
        unlock(side);
    }
    // Usable after all that.
    assert!(mutex.incref() && !mutex.decref());
    assert!(rwlock(&mutex, Side::Read) && !mutex.rwunlock(Side::Read));
    assert!(rwlock(&mutex, Side::Write) && !mutex.rwunlock(Side::Write));
}

/// Go: `TestMutexOverflowPanic`.
#[test]
fn too_many_references_panic_with_a_text_that_says_so() {
    let mutex = FdMutex::new();
    let payload = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..1 << 21 {
            mutex.incref();
        }
    }))
    .expect_err("it should have overflowed");
    let text = payload.downcast::<String>().unwrap();
    assert!(
        text.contains("too many") && !text.contains("inconsistent"),
        "{text}"
    );
}

/// Go: `TestMutexStress`.
#[test]
fn under_stress_each_lock_admits_one_at_a_time_and_the_end_is_clean() {
    const OPERATIONS: u64 = 30_000;
    let mutex = Arc::new(FdMutex::new());
    // Two counters for each side, raised apart: anyone who overlaps sees them differ.
    let pairs: Arc<[[AtomicU64; 2]; 2]> = Arc::default();
    let threads: Vec<_> = (1..=8u64)
        .map(|seed| {
            let (mutex, pairs) = (mutex.clone(), pairs.clone());
            support::start(move || {
                let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                for _ in 0..OPERATIONS {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let (side, [one, two]) = match random % 3 {
                        0 => {
                            assert!(mutex.incref());
                            assert!(!mutex.decref());
                            continue;
                        }
                        1 => (Side::Read, &pairs[0]),
                        _ => (Side::Write, &pairs[1]),
                    };
                    assert!(rwlock(&mutex, side));
                    let before = one.load(Relaxed);
                    assert_eq!(before, two.load(Relaxed), "two hold the lock");
                    one.store(before + 1, Relaxed);
                    two.store(before + 1, Relaxed);
                    assert!(!mutex.rwunlock(side));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(support::Blocked::join);
    assert!(mutex.incref_and_close());
    assert!(mutex.decref());
}

#[test]
fn the_read_lock_and_the_write_lock_do_not_wait_for_each_other() {
    let mutex = FdMutex::new();
    assert!(mutex.try_rwlock(Side::Read));
    assert!(mutex.try_rwlock(Side::Write));
    assert!(!mutex.try_rwlock(Side::Read));
    assert!(!mutex.rwunlock(Side::Read));
    assert!(mutex.try_rwlock(Side::Read));
    assert!(!mutex.rwunlock(Side::Read) && !mutex.rwunlock(Side::Write));
}

#[test]
fn everyone_queued_for_a_lock_gets_it_in_the_end() {
    let mutex = Arc::new(FdMutex::new());
    let through = Arc::new(AtomicUsize::new(0));
    assert!(rwlock(&mutex, Side::Write));
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let (mutex, through) = (mutex.clone(), through.clone());
            support::start(move || {
                assert!(rwlock(&mutex, Side::Write));
                through.fetch_add(1, SeqCst);
                assert!(!mutex.rwunlock(Side::Write));
            })
            .asleep()
        })
        .collect();
    assert!(!mutex.rwunlock(Side::Write));
    waiting.into_iter().for_each(support::Blocked::join);
    assert_eq!(through.load(SeqCst), 8);
}
