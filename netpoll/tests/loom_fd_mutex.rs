//! The descriptor lock and its semaphore under every interleaving, within loom's bounds.
#![cfg(loom)]

#[path = "support/loom_park.rs"]
mod loom_park;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use loom_park::{Threaded, bounded, model};
use netpoll::fd_mutex::Side;
use netpoll::sema::Sema;
use netpoll::{FdMutex, Park, Refusal};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Enters the lock, touches what it guards, leaves. `None` if closed, else "was it the last?".
fn pass(mutex: &FdMutex, side: Side, guarded: &UnsafeCell<usize>) -> Option<bool> {
    let me = Threaded::new();
    if !mutex.rwlock(side, &me).unwrap() {
        assert_eq!(me.readied(), me.parked());
        return None;
    }
    // SAFETY: the lock under test is held; loom reports any overlap.
    guarded.with_mut(|n| unsafe { *n += 1 });
    assert_eq!(me.readied(), me.parked());
    Some(mutex.rwunlock(side))
}

#[test]
fn three_readers_exclude_each_other_and_all_get_through() {
    bounded(2, || {
        let mutex = Arc::new(FdMutex::new());
        let guarded = Arc::new(UnsafeCell::new(0));
        let readers = [(); 2].map(|()| {
            let (mutex, guarded) = (mutex.clone(), guarded.clone());
            thread::spawn(move || pass(&mutex, Side::Read, &guarded))
        });
        assert_eq!(pass(&mutex, Side::Read, &guarded), Some(false));
        for reader in readers {
            assert_eq!(reader.join().unwrap(), Some(false));
        }
        // SAFETY: everyone else has ended.
        guarded.with(|n| assert_eq!(unsafe { *n }, 3));
        assert!(mutex.incref_and_close());
        assert!(mutex.decref());
    });
}

#[test]
fn a_barging_reader_takes_a_free_lock_and_the_waiter_still_gets_it() {
    model(|| {
        let mutex = Arc::new(FdMutex::new());
        let guarded = Arc::new(UnsafeCell::new(0));
        let waiter = {
            let (mutex, guarded) = (mutex.clone(), guarded.clone());
            thread::spawn(move || pass(&mutex, Side::Write, &guarded))
        };
        let mut mine = 0;
        for _ in 0..2 {
            if mutex.try_rwlock(Side::Write) {
                // SAFETY: the lock is held.
                guarded.with_mut(|n| unsafe { *n += 1 });
                mine += 1;
                assert!(!mutex.rwunlock(Side::Write));
            }
        }
        assert_eq!(waiter.join().unwrap(), Some(false));
        // SAFETY: everyone else has ended.
        guarded.with(|n| assert_eq!(unsafe { *n }, mine + 1));
    });
}

#[test]
fn close_against_a_reader_a_writer_and_a_reference_has_exactly_one_last() {
    bounded(2, || {
        let mutex = Arc::new(FdMutex::new());
        let last = Arc::new(AtomicUsize::new(0));
        let sides = [Side::Read, Side::Write].map(|side| {
            let (mutex, last) = (mutex.clone(), last.clone());
            thread::spawn(move || {
                if pass(&mutex, side, &UnsafeCell::new(0)) == Some(true) {
                    last.fetch_add(1, Relaxed);
                }
                if mutex.incref() && mutex.decref() {
                    last.fetch_add(1, Relaxed);
                }
            })
        });
        assert!(mutex.incref_and_close());
        if mutex.decref() {
            last.fetch_add(1, Relaxed);
        }
        assert!(!mutex.incref_and_close());
        for side in sides {
            side.join().unwrap();
        }
        assert_eq!(last.load(Relaxed), 1);
    });
}

#[test]
fn close_ends_everyone_who_waits_for_the_lock() {
    bounded(2, || {
        let mutex = Arc::new(FdMutex::new());
        assert!(mutex.try_rwlock(Side::Read));
        let waiters = [(); 2].map(|()| {
            let mutex = mutex.clone();
            thread::spawn(move || pass(&mutex, Side::Read, &UnsafeCell::new(0)))
        });
        assert!(mutex.incref_and_close());
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), None);
        }
        assert!(!mutex.decref());
        assert!(
            mutex.rwunlock(Side::Read),
            "the holder's was the last reference"
        );
    });
}

#[test]
fn two_closers_of_which_one_wins() {
    model(|| {
        let mutex = Arc::new(FdMutex::new());
        let other = {
            let mutex = mutex.clone();
            thread::spawn(move || mutex.incref_and_close() && mutex.decref())
        };
        let mine = mutex.incref_and_close() && mutex.decref();
        assert!(mine ^ other.join().unwrap());
    });
}

#[test]
fn a_release_is_taken_by_a_waiter_or_banked() {
    model(|| {
        let sema = Arc::new(Sema::new());
        let threads = [(); 2].map(|()| {
            let sema = sema.clone();
            thread::spawn(move || sema.release())
        });
        let me = Threaded::new();
        sema.acquire(&me).unwrap();
        sema.acquire(&me).unwrap();
        assert_eq!(me.readied(), me.parked());
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Whoever waits when the runtime shuts down either leaves empty-handed, and the release stays for
/// somebody else, or has taken it; it is never gone.
#[test]
fn a_refused_waiter_never_takes_a_release_with_it() {
    bounded(3, || {
        let sema = Arc::new(Sema::new());
        let refused = {
            let sema = sema.clone();
            thread::spawn(move || {
                let me = Stopped::new();
                let result = sema.acquire(&me);
                assert_eq!(me.park.readied(), me.park.parked());
                result
            })
        };
        sema.release();
        let taken = refused.join().unwrap().is_ok();
        if taken {
            sema.release();
        }
        // Banked once in either case: this must not park for ever.
        sema.acquire(&Threaded::new()).unwrap();
    });
}

/// A waiter that is refused at a moment the model picks: a shutdown thread sets the word and then
/// interrupts the slot it sits in.
#[repr(C)]
struct Stopped {
    park: Threaded,
    shutdown: std::cell::RefCell<Option<thread::JoinHandle<()>>>,
    word: Arc<loom::sync::atomic::AtomicBool>,
}

impl Stopped {
    fn new() -> Stopped {
        Stopped {
            park: Threaded::new(),
            shutdown: std::cell::RefCell::new(None),
            word: Arc::new(loom::sync::atomic::AtomicBool::new(false)),
        }
    }
}

// SAFETY: as `Threaded`, to which it leaves everything.
unsafe impl Park for Stopped {
    fn waiter(&self) -> std::ptr::NonNull<netpoll::Waiter> {
        self.park.waiter()
    }
    fn park(&self, slot: &netpoll::Slot, why: netpoll::Reason) {
        // The runtime's shutdown finds the slot that its task parks in and interrupts it.
        struct At(*const netpoll::Slot);
        // SAFETY: the thread is joined before the slot's frame ends.
        unsafe impl Send for At {}
        let (at, word) = (At(slot), self.word.clone());
        let stop = thread::spawn(move || {
            let at = at;
            word.store(true, loom::sync::atomic::Ordering::SeqCst);
            // SAFETY: as above.
            unsafe { &*at.0 }.wake(false);
        });
        self.park.park(slot, why);
        stop.join().unwrap();
    }
    fn may_park(&self) -> Result<(), Refusal> {
        if self.word.load(loom::sync::atomic::Ordering::SeqCst) {
            Err(Refusal::ShuttingDown)
        } else {
            Ok(())
        }
    }
}
