//! Parking for models: a loom thread that waits for its own flag.
#![allow(dead_code, reason = "each model uses a part")]

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Condvar, Mutex};
use netpoll::{Park, Reason, Refusal, Slot, Waiter};
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Runs `f` under loom with at most three preemptions, unless the environment says otherwise.
pub fn model(f: impl Fn() + Sync + Send + 'static) {
    bounded(3, f);
}

/// Runs `f` under loom with at most `preemptions`, unless the environment says otherwise.
pub fn bounded(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    if builder.preemption_bound.is_none() {
        builder.preemption_bound = Some(preemptions);
    }
    builder.check(f);
}

/// What the parked thread waits for. Apart, because who wakes it may still hold it when the thread
/// is gone. (Loom's own `unpark` also ends a wait for a lock or a join, so it is of no use here.)
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

/// The calling loom thread as a waiter. `ready` counts, so that a model can say "exactly once".
#[repr(C)]
pub struct Threaded {
    waiter: Waiter,
    bell: Arc<Bell>,
    /// From now on it must not park any more.
    pub refused: AtomicBool,
    readied: AtomicUsize,
    parked: Cell<usize>,
}

impl Threaded {
    pub fn new() -> Threaded {
        Threaded {
            waiter: Waiter::new(ready),
            bell: Arc::default(),
            refused: AtomicBool::new(false),
            readied: AtomicUsize::new(0),
            parked: Cell::new(0),
        }
    }

    /// Parks as long as it has not been made ready and `idle` says that there is nothing else to
    /// do; true if it was made ready. `idle` runs again after each [`Poke`].
    pub fn park_while(&self, idle: impl Fn() -> bool) -> bool {
        let mut rung = self.bell.rung.lock().unwrap();
        loop {
            if std::mem::take(&mut *rung) {
                return true;
            }
            if !idle() {
                return false;
            }
            rung = self.bell.changed.wait(rung).unwrap();
        }
    }

    /// What makes it look at `idle` again, for other threads.
    pub fn poke(&self) -> Poke {
        Poke(self.bell.clone())
    }

    /// Notes that it parks; for a `Park` built around this one.
    pub fn count_park(&self) {
        self.parked.set(self.parked.get() + 1);
    }

    /// How often it was made ready.
    pub fn readied(&self) -> usize {
        self.readied.load(Relaxed)
    }

    /// How often it has really parked.
    pub fn parked(&self) -> usize {
        self.parked.get()
    }
}

/// See [`Threaded::poke`].
pub struct Poke(Arc<Bell>);

impl Poke {
    /// Changes something with the thread not in between its look and its wait.
    pub fn with(&self, change: impl FnOnce()) {
        let _rung = self.0.rung.lock().unwrap();
        change();
        self.0.changed.notify_one();
    }
}

unsafe fn ready(waiter: NonNull<Waiter>) {
    // SAFETY: `repr(C)` puts the waiter first, and the parked thread keeps it alive until the bell
    // has rung.
    let park = unsafe { waiter.cast::<Threaded>().as_ref() };
    park.readied.fetch_add(1, Relaxed);
    let bell = park.bell.clone();
    let mut rung = bell.rung.lock().unwrap();
    assert!(!*rung, "made ready twice for one park");
    *rung = true;
    bell.changed.notify_one();
}

// SAFETY: `park` returns only when `ready` has rung the bell, which it consumes; the waiter lives in
// the frame that parks.
unsafe impl Park for Threaded {
    fn waiter(&self) -> NonNull<Waiter> {
        NonNull::from(&self.waiter)
    }

    fn park(&self, _slot: &Slot, _why: Reason) {
        self.count_park();
        assert!(self.park_while(|| true));
    }

    fn may_park(&self) -> Result<(), Refusal> {
        if self.refused.load(Ordering::SeqCst) {
            Err(Refusal::ShuttingDown)
        } else {
            Ok(())
        }
    }
}
