//! Whether a worker has a thread, and whether new tasks may go there.
//!
//! The workers of the start are `OPEN` for life. A spare one comes and goes:
//!
//! | state      | thread | inbox  | new tasks | moved on by                                                   |
//! |------------|--------|--------|-----------|---------------------------------------------------------------|
//! | `ABSENT`   | no     | closed | no        | the watchdog, to `STARTING`                                     |
//! | `STARTING` | soon   | closed | no        | the new thread, to `OPEN`; the watchdog, back, if there is none |
//! | `OPEN`     | yes    | open   | yes       | the watchdog, to `LEAVING`, after a quiet time                  |
//! | `LEAVING`  | yes    | open   | no        | the watchdog, to `OPEN`; the thread, to `ENDING`, when it has nothing left |
//! | `ENDING`   | yes    | closes | no        | the thread: to `ABSENT` as its last act, or to `LEAVING` if something has come |
//! | `GONE`     | no     | closed | no        | nobody: the runtime has ended, which moves a spare one here from anywhere |
//!
//! The state is advice to who places tasks; what decides is the inbox. A push that comes too late
//! is given back by the closed inbox and goes elsewhere. So a task is never handed to a worker without
//! a thread, however old the state is that was read ([`super::inbox`]).

use super::inbox::Inbox;
use super::link::Linked;
use crate::sync::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};

const ABSENT: u32 = 0;
const STARTING: u32 = 1;
const OPEN: u32 = 2;
const LEAVING: u32 = 3;
const ENDING: u32 = 4;
const GONE: u32 = 5;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Presence(AtomicU32);

impl Presence {
    /// A worker of the start.
    pub(crate) fn permanent() -> Presence {
        Presence(AtomicU32::new(OPEN))
    }

    /// A spare one that has not been started. Its inbox must be closed.
    pub(crate) fn absent() -> Presence {
        Presence(AtomicU32::new(ABSENT))
    }

    /// May new tasks go there? Advice: see the module's text.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Relaxed) == OPEN
    }

    /// Is it open, or about to be?
    pub(crate) fn is_coming(&self) -> bool {
        matches!(self.0.load(Relaxed), STARTING | OPEN)
    }

    /// It has been asked to leave.
    #[inline]
    pub(crate) fn is_leaving(&self) -> bool {
        self.0.load(Relaxed) == LEAVING
    }

    /// Has it a thread that runs tasks?
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.0.load(Relaxed), OPEN | LEAVING)
    }

    /// Has it no thread, and none about to come?
    pub(crate) fn is_away(&self) -> bool {
        matches!(self.0.load(Relaxed), ABSENT | GONE)
    }

    /// Is its thread about to end, and another one to be possible?
    pub(crate) fn is_ending(&self) -> bool {
        self.0.load(Relaxed) == ENDING
    }

    /// The watchdog is about to start a thread. False if there is one.
    pub(crate) fn starts(&self) -> bool {
        self.moves(ABSENT, STARTING)
    }

    /// No thread could be started.
    pub(crate) fn did_not_start(&self) {
        let moved = self.moves(STARTING, ABSENT);
        debug_assert!(moved, "nobody else moves it");
    }

    /// The thread is there.
    pub(crate) fn begins<T: Linked>(&self, inbox: &Inbox<T>) {
        inbox.reopen();
        let moved = self.moves(STARTING, OPEN);
        debug_assert!(moved, "nobody else moves it");
    }

    /// The watchdog asks it to leave.
    pub(crate) fn asks_to_leave(&self) -> bool {
        self.moves(OPEN, LEAVING)
    }

    /// The watchdog wants it to stay after all.
    pub(crate) fn calls_back(&self) -> bool {
        self.moves(LEAVING, OPEN)
    }

    /// The thread has nothing left: may it end? Its inbox is closed then.
    pub(crate) fn tries_to_end<T: Linked>(&self, inbox: &Inbox<T>) -> bool {
        if !self.moves(LEAVING, ENDING) {
            return false;
        }
        let closed = inbox.close_if_empty();
        if !closed {
            let moved = self.moves(ENDING, LEAVING);
            debug_assert!(moved, "nobody else moves it");
        }
        closed
    }

    /// The last act of the thread, if [`Presence::tries_to_end`] has let it go; false if it had not.
    pub(crate) fn has_ended(&self) -> bool {
        self.moves(ENDING, ABSENT)
    }

    /// The last act of the thread at the end of the runtime. Its inbox is closed.
    pub(crate) fn has_ended_for_good(&self) {
        self.0.store(GONE, SeqCst);
    }

    fn moves(&self, from: u32, to: u32) -> bool {
        self.0.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::sched::link::Link;
    use crate::sync::AtomicUsize;
    use loom::sync::Arc;
    use std::ptr::NonNull;

    struct Item(Link<Item>);

    impl Linked for Item {
        fn link(&self) -> &Link<Item> {
            &self.0
        }
    }

    struct Spare {
        presence: Presence,
        inbox: Inbox<Item>,
        /// What its threads have run, and what pushers kept because they got it back.
        run: AtomicUsize,
        kept: AtomicUsize,
        /// Whether a thread is in [`Spare::work`].
        threads: AtomicUsize,
    }

    impl Spare {
        fn open() -> Spare {
            Spare {
                presence: Presence::permanent(),
                inbox: Inbox::new(),
                run: AtomicUsize::new(0),
                kept: AtomicUsize::new(0),
                threads: AtomicUsize::new(0),
            }
        }

        fn place(&self) {
            let item = NonNull::from(Box::leak(Box::new(Item(Link::new()))));
            // SAFETY: new, in no list, alive until it is opened.
            let placed = self.presence.is_open() && unsafe { self.inbox.push(item) }.is_ok();
            if !placed {
                self.kept.fetch_add(1, SeqCst);
                // SAFETY: not pushed or given back.
                drop(unsafe { Box::from_raw(item.as_ptr()) });
            }
        }

        fn take(&self) {
            // SAFETY: called by whoever is the thread at this moment; `work` checks that it is one.
            unsafe {
                self.inbox.take(|item| {
                    drop(Box::from_raw(item.as_ptr()));
                    self.run.fetch_add(1, SeqCst);
                });
            }
        }

        /// A thread's rounds, until it may end. False if it goes on with more of them.
        fn work(&self, rounds: usize) -> bool {
            assert_eq!(self.threads.fetch_add(1, SeqCst), 0, "two threads");
            for _ in 0..rounds {
                self.take();
                if self.presence.tries_to_end(&self.inbox) {
                    self.threads.fetch_sub(1, SeqCst);
                    assert!(self.presence.has_ended());
                    return true;
                }
            }
            self.threads.fetch_sub(1, SeqCst);
            false
        }
    }

    #[test]
    fn a_task_placed_on_a_worker_that_leaves_and_comes_back_runs_once_or_goes_elsewhere() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let spare = Arc::new(Spare::open());
            let pusher = {
                let spare = spare.clone();
                loom::thread::spawn(move || spare.place())
            };
            // The watchdog: asks it to leave, and starts another thread if it has left.
            let watchdog = {
                let spare = spare.clone();
                loom::thread::spawn(move || {
                    spare.presence.asks_to_leave();
                    if spare.presence.starts() {
                        spare.presence.begins(&spare.inbox);
                        assert!(!spare.work(1), "nobody asked this one to leave");
                    }
                })
            };
            spare.work(2);
            pusher.join().unwrap();
            watchdog.join().unwrap();
            if spare.presence.is_here() {
                spare.take(); // its thread goes on
            }
            let (run, kept) = (spare.run.load(SeqCst), spare.kept.load(SeqCst));
            assert_eq!((run + kept, run * kept), (1, 0), "lost or doubled");
        });
    }

    #[test]
    fn one_that_is_called_back_stays_or_has_ended_and_can_be_started() {
        loom::model(|| {
            let spare = Arc::new(Spare::open());
            spare.presence.asks_to_leave();
            let thread = {
                let spare = spare.clone();
                loom::thread::spawn(move || spare.work(1))
            };
            let stays = spare.presence.calls_back();
            let left = thread.join().unwrap();
            assert_ne!(stays && spare.presence.is_open(), left);
            assert_eq!(spare.presence.starts(), left);
        });
    }
}
