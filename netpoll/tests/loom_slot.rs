//! Every interleaving of one parker with those who make it ready, within loom's bounds.
#![cfg(loom)]

#[path = "support/loom_park.rs"]
mod loom_park;

use loom::sync::Arc;
use loom::thread;
use loom_park::{Threaded, model};
use netpoll::slot::Settled;
use netpoll::sync::{AtomicUsize, Ordering::Relaxed};
use netpoll::{Reason, Slot, Waiter};
use std::ptr::NonNull;

#[test]
fn a_readiness_is_never_lost_and_wakes_exactly_once() {
    model(|| {
        let slot = Arc::new(Slot::new());
        let waker = {
            let slot = slot.clone();
            thread::spawn(move || slot.wake(true))
        };
        let me = Threaded::new();
        assert!(slot.block(&me, Reason::Read, || true));
        waker.join().unwrap();
        assert_eq!(me.readied(), me.parked(), "one `ready` for each park");
        assert!(!slot.is_ready() && !slot.is_waited());
    });
}

#[test]
fn two_wakers_and_one_waiter_make_it_ready_once() {
    model(|| {
        let slot = Arc::new(Slot::new());
        let wakers = [(); 2].map(|()| {
            let slot = slot.clone();
            thread::spawn(move || slot.wake(true))
        });
        let me = Threaded::new();
        assert!(slot.block(&me, Reason::Read, || true));
        for waker in wakers {
            waker.join().unwrap();
        }
        assert_eq!(me.readied(), me.parked());
    });
}

#[test]
fn a_wait_that_looks_at_nothing_is_made_ready_once_or_finds_the_readiness() {
    model(|| {
        let slot = Arc::new(Slot::new());
        let waker = {
            let slot = slot.clone();
            thread::spawn(move || slot.wake(true))
        };
        let notifier = {
            let slot = slot.clone();
            thread::spawn(move || slot.notify())
        };
        let me = Threaded::new();
        assert!(slot.wait(&me, Reason::Join));
        waker.join().unwrap();
        notifier.join().unwrap();
        assert_eq!(me.readied(), me.parked(), "one `ready` for each park");
        assert!(!slot.is_waited());
    });
}

#[test]
fn a_wait_that_looks_at_nothing_can_be_interrupted() {
    model(|| {
        let slot = Arc::new(Slot::new());
        let ended = Arc::new(AtomicUsize::new(0));
        let waker = {
            let (slot, ended) = (slot.clone(), ended.clone());
            thread::spawn(move || {
                slot.wake(false);
                ended.store(1, netpoll::sync::Ordering::SeqCst);
                slot.wake(true);
            })
        };
        let me = Threaded::new();
        while !slot.wait(&me, Reason::Join) {}
        assert_eq!(ended.load(netpoll::sync::Ordering::SeqCst), 1);
        waker.join().unwrap();
        assert_eq!(me.readied(), me.parked());
    });
}

#[test]
fn a_fact_published_before_an_interrupt_is_seen_before_the_park_or_ends_it() {
    model(|| {
        let slot = Arc::new(Slot::new());
        let closed = Arc::new(AtomicUsize::new(0));
        let closer = {
            let (slot, closed) = (slot.clone(), closed.clone());
            thread::spawn(move || {
                closed.store(1, netpoll::sync::Ordering::SeqCst);
                slot.wake(false);
            })
        };
        let me = Threaded::new();
        let look = || closed.load(netpoll::sync::Ordering::SeqCst) == 0;
        while look() {
            assert!(!slot.block(&me, Reason::Read, look));
        }
        closer.join().unwrap();
        assert_eq!(me.readied(), me.parked());
    });
}

#[test]
fn a_readiness_and_an_interrupt_at_once_leave_the_readiness() {
    model(|| {
        let slot = Arc::new(Slot::new());
        let data = Arc::new(AtomicUsize::new(0));
        let event = {
            let (slot, data) = (slot.clone(), data.clone());
            thread::spawn(move || {
                data.store(1, Relaxed);
                slot.wake(true);
            })
        };
        let interrupt = {
            let slot = slot.clone();
            thread::spawn(move || slot.wake(false))
        };
        let me = Threaded::new();
        while !slot.block(&me, Reason::Read, || true) {}
        assert_eq!(data.load(Relaxed), 1, "ready comes after what it tells of");
        event.join().unwrap();
        interrupt.join().unwrap();
        assert_eq!(me.readied(), me.parked());
    });
}

#[test]
fn a_readiness_that_came_before_needs_no_park() {
    model(|| {
        let slot = Slot::new();
        slot.wake(true);
        slot.wake(false);
        let me = Threaded::new();
        assert!(slot.block(&me, Reason::Read, || unreachable!("no last look either")));
        assert_eq!(me.parked(), 0);
        slot.wake(true);
        slot.reset();
        assert!(!slot.block(&me, Reason::Read, || false));
    });
}

/// A waiter without a thread, which counts.
#[repr(C)]
struct Counted {
    waiter: Waiter,
    readied: AtomicUsize,
}

impl Counted {
    fn new() -> Arc<Counted> {
        Arc::new(Counted {
            waiter: Waiter::new(Counted::ready),
            readied: AtomicUsize::new(0),
        })
    }

    unsafe fn ready(waiter: NonNull<Waiter>) {
        // SAFETY: the waiter is the first field, and the test keeps the whole until the end.
        let this = unsafe { waiter.cast::<Counted>().as_ref() };
        this.readied.fetch_add(1, netpoll::sync::Ordering::SeqCst);
    }

    fn at(&self) -> NonNull<Waiter> {
        NonNull::from(self).cast()
    }
}

#[test]
fn a_waiter_without_a_thread_is_made_ready_once_if_it_was_parked_and_else_never() {
    model(|| {
        let slot = Arc::new(Slot::new());
        let closed = Arc::new(AtomicUsize::new(0));
        let waiter = Counted::new();
        let event = {
            let slot = slot.clone();
            thread::spawn(move || slot.wake(true))
        };
        let closer = {
            let (slot, closed) = (slot.clone(), closed.clone());
            thread::spawn(move || {
                closed.store(1, netpoll::sync::Ordering::SeqCst);
                slot.wake(false);
            })
        };
        let look = || closed.load(netpoll::sync::Ordering::SeqCst) == 0;
        // SAFETY: the waiter stays until the end of the model.
        let settled = unsafe { slot.settle(waiter.at(), look) };
        event.join().unwrap();
        closer.join().unwrap();
        let parked = usize::from(settled == Settled::Parked);
        assert_eq!(waiter.readied.load(netpoll::sync::Ordering::SeqCst), parked);
        assert!(!slot.is_waited());
    });
}
