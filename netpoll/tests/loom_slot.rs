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

/// A waiter that finds, after it has entered, that it must not park; and `others` at the same moment.
/// True if it was told of a readiness.
fn retract_against<const N: usize>(slot: &Arc<Slot>, others: [fn(&Slot); N]) -> bool {
    let others = others.map(|wake| {
        let slot = slot.clone();
        thread::spawn(move || wake(&slot))
    });
    let me = Threaded::new();
    let ready = slot.block(&me, Reason::Read, || false);
    assert!(!slot.is_waited(), "it has left");
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(me.readied(), me.parked(), "one `ready` for each park");
    ready
}

#[test]
fn a_waiter_that_retracts_takes_a_readiness_with_it_or_leaves_it() {
    for wake in [|slot: &Slot| slot.wake(true), Slot::notify] {
        model(move || {
            let slot = Arc::new(Slot::new());
            let told = retract_against(&slot, [wake]);
            assert_ne!(told, slot.is_ready(), "lost, or told of twice");
        });
    }
}

#[test]
fn a_waiter_that_retracts_while_it_is_interrupted_has_seen_no_readiness() {
    model(|| {
        let slot = Arc::new(Slot::new());
        assert!(!retract_against(&slot, [|slot| slot.wake(false)]));
        assert!(!slot.is_ready());
    });
}

#[test]
fn a_waiter_that_retracts_loses_no_readiness_to_an_interrupt() {
    model(|| {
        let slot = Arc::new(Slot::new());
        let both: [fn(&Slot); 2] = [|slot| slot.wake(false), |slot| slot.wake(true)];
        let told = retract_against(&slot, both);
        assert_ne!(told, slot.is_ready(), "lost, or told of twice");
    });
}

/// What a waiter says after a park that `wake` has ended, where the one before was ended by `first`.
fn second_word(first: bool, wake: fn(&Slot)) {
    model(move || {
        let slot = Arc::new(Slot::new());
        let me = Threaded::new();
        let before = {
            let slot = slot.clone();
            thread::spawn(move || {
                while !slot.is_waited() {
                    thread::yield_now();
                }
                slot.wake(first);
            })
        };
        assert_eq!(slot.wait(&me, Reason::Read), first);
        before.join().unwrap();
        let after = {
            let slot = slot.clone();
            thread::spawn(move || {
                while !slot.is_waited() {
                    thread::yield_now();
                }
                wake(&slot);
            })
        };
        let again = slot.block(&me, Reason::Read, || true);
        assert_eq!(again, !first, "the word of the wake-up before");
        after.join().unwrap();
        assert_eq!((me.readied(), me.parked()), (2, 2));
        assert!(!slot.is_ready());
    });
}

#[test]
fn the_word_left_by_whoever_took_a_waiter_out_is_that_of_this_wake_up() {
    second_word(false, |slot| slot.wake(true));
    second_word(false, Slot::notify);
    second_word(true, |slot| slot.wake(false));
}

#[test]
fn what_comes_between_a_wake_up_and_the_return_from_the_park_is_told_of_once() {
    model(|| {
        let slot = Arc::new(Slot::new());
        let data = Arc::new(AtomicUsize::new(0));
        let wakers = [1, 2].map(|bit| {
            let (slot, data) = (slot.clone(), data.clone());
            thread::spawn(move || {
                data.fetch_or(bit, netpoll::sync::Ordering::SeqCst);
                slot.wake(true);
            })
        });
        let me = Threaded::new();
        let mut seen = 0;
        while seen != 3 {
            assert!(slot.block(&me, Reason::Read, || true));
            seen |= data.load(netpoll::sync::Ordering::SeqCst);
        }
        for waker in wakers {
            waker.join().unwrap();
        }
        assert_eq!(me.readied(), me.parked());
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
        match settled {
            Settled::Ready => assert!(!slot.is_ready(), "consumed"),
            Settled::Interrupted => assert!(slot.is_ready(), "lost"),
            Settled::Parked => {} // by whichever of the two
        }
        assert!(!slot.is_waited());
    });
}
