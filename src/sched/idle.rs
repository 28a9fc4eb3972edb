//! Who sleeps, and who is called to look for unstarted tasks.
//!
//! A worker with more unstarted tasks than it can begin at once calls one that sleeps; that one
//! takes some, and calls the next if there are more. At most one is on its way at a time, so a burst
//! of spawns costs one wake-up, not one each.
//!
//! | a worker's word | meaning                           | moved on by                              |
//! |-----------------|-----------------------------------|------------------------------------------|
//! | `BUSY`          | it runs tasks                      | itself, to `IDLE`, before its last look   |
//! | `IDLE`          | it sleeps, or is about to          | itself, to `BUSY`; anybody, to `CALLED`   |
//! | `CALLED`        | it was called, and owes a search   | itself, to `BUSY`                         |
//!
//! The promise: **while somebody offers work and a worker is idle, some worker is called or is
//! searching.** Three rules keep it:
//!
//! * Who offers work publishes it first and looks for idle workers after; who goes to sleep says so
//!   first and looks for work after. One of the two sees the other ([`Idlers::call`], [`Idlers::rest`]).
//! * Who found nobody to call looks once more after giving the `searching` flag back, because others
//!   relied on it meanwhile.
//! * Who was called gives the flag back after its search, and then calls the next if there is more.
//!
//! Go: `runtime/proc.go`, `wakep`, `resetspinning` and the comment "Worker thread parking/unparking".

use crate::sync::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst, fence};

const BUSY: u32 = 0;
const IDLE: u32 = 1;
const CALLED: u32 = 2;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Idlers {
    words: Box<[AtomicU32]>,
    /// How many are not busy. Never counts one whose word does not say so, so that
    /// [`Idlers::call`] does not spin.
    count: AtomicUsize,
    /// One was called and has not looked yet.
    searching: AtomicBool,
}

impl Idlers {
    /// So many workers, all of them busy.
    pub(crate) fn new(workers: usize) -> Idlers {
        Idlers {
            words: (0..workers).map(|_| AtomicU32::new(BUSY)).collect(),
            count: AtomicUsize::new(0),
            searching: AtomicBool::new(false),
        }
    }

    /// Worker `me` is about to sleep. It must look for work once more after this.
    pub(crate) fn rest(&self, me: usize) {
        self.words[me].store(IDLE, SeqCst);
        self.count.fetch_add(1, SeqCst);
        fence(SeqCst);
    }

    /// Worker `me` is back. True if it was called: it must search now, and then say
    /// [`Idlers::search_is_over`].
    #[must_use]
    pub(crate) fn resume(&self, me: usize) -> bool {
        self.count.fetch_sub(1, SeqCst);
        self.words[me].swap(BUSY, SeqCst) == CALLED
    }

    /// Somebody has published work: picks an idle worker to search for it, unless one is on its way
    /// already. The caller wakes the one that is returned. `more` says whether there is work.
    #[must_use]
    pub(crate) fn call(&self, more: impl Fn() -> bool) -> Option<usize> {
        fence(SeqCst);
        loop {
            if self.count.load(SeqCst) == 0 || self.searching.swap(true, SeqCst) {
                return None;
            }
            let free = |word: &AtomicU32| {
                word.load(SeqCst) == IDLE
                    && word.compare_exchange(IDLE, CALLED, SeqCst, SeqCst).is_ok()
            };
            if let Some(called) = self.words.iter().position(free) {
                return Some(called);
            }
            self.searching.store(false, SeqCst);
            fence(SeqCst);
            if !more() {
                return None;
            }
        }
    }

    /// The search that [`Idlers::resume`] asked for is done. Calls the next one if there is more.
    #[must_use]
    pub(crate) fn search_is_over(&self, more: impl Fn() -> bool) -> Option<usize> {
        self.searching.store(false, SeqCst);
        fence(SeqCst);
        if more() { self.call(more) } else { None }
    }

    /// Is any worker idle? A hint.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.count.load(SeqCst) > 0
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;

    /// Workers and the number of tasks on offer.
    struct Model {
        idlers: Idlers,
        work: AtomicUsize,
        /// Like the poller's: a wake-up that comes before the sleep is not lost.
        woken: [AtomicBool; 2],
    }

    impl Model {
        fn offer(&self) {
            self.work.fetch_add(1, SeqCst);
            self.wake(self.idlers.call(|| self.work.load(SeqCst) > 0));
        }
        fn wake(&self, called: Option<usize>) {
            if let Some(called) = called {
                self.woken[called].swap(true, SeqCst); // as the poller's wake-up does
            }
        }
        /// One round of a worker that has nothing to do. False if it would sleep for ever.
        fn round(&self, me: usize) -> bool {
            self.idlers.rest(me);
            if self.work.load(SeqCst) == 0 && !self.woken[me].swap(false, SeqCst) {
                return false;
            }
            if self.idlers.resume(me) {
                self.search();
                self.wake(self.idlers.search_is_over(|| self.work.load(SeqCst) > 0));
            } else {
                self.search();
            }
            true
        }
        fn search(&self) {
            let mut n = self.work.load(SeqCst);
            while n > 0 {
                match self.work.compare_exchange(n, n - 1, SeqCst, SeqCst) {
                    Ok(_) => return,
                    Err(now) => n = now,
                }
            }
        }
    }

    /// Sleepers and offerers at once: afterwards no work is left beside a worker that sleeps uncalled.
    fn nobody_sleeps_beside_work(sleepers: usize, offers: usize) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let model = Arc::new(Model {
                idlers: Idlers::new(2),
                work: AtomicUsize::new(0),
                woken: [AtomicBool::new(false), AtomicBool::new(false)],
            });
            let workers: Vec<_> = (0..sleepers)
                .map(|me| {
                    let model = model.clone();
                    loom::thread::spawn(move || model.round(me))
                })
                .collect();
            let offering: Vec<_> = (1..offers)
                .map(|_| {
                    let model = model.clone();
                    loom::thread::spawn(move || model.offer())
                })
                .collect();
            model.offer();
            offering.into_iter().for_each(|t| t.join().unwrap());
            let awake: Vec<_> = workers.into_iter().map(|t| t.join().unwrap()).collect();
            let asleep = |i: &usize| !awake[*i] && !model.woken[*i].load(SeqCst);
            if model.work.load(SeqCst) > 0 {
                let uncalled = (0..sleepers).filter(asleep).count();
                // Those awake come round again; with none of them, somebody must have been called.
                assert!(
                    awake.contains(&true) || uncalled < sleepers,
                    "work is left and everybody sleeps"
                );
            }
        });
    }

    #[test]
    fn a_worker_that_goes_to_sleep_sees_the_work_or_is_called() {
        nobody_sleeps_beside_work(1, 1);
    }

    #[test]
    fn two_offers_at_once_call_at_least_one() {
        nobody_sleeps_beside_work(1, 2);
    }

    #[test]
    fn two_sleepers_do_not_both_miss_an_offer() {
        nobody_sleeps_beside_work(2, 1);
    }
}
