//! The poller's sleep and its removal list, against everyone who wakes it.
#![cfg(loom)]

#[path = "support/loom_park.rs"]
mod loom_park;

use loom::sync::Arc;
use loom::thread;
use loom_park::model;
use netpoll::removed::Removed;
use netpoll::sync::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use netpoll::wake_state::WakeState;

/// The eventfd: a count that the sleeper takes away.
#[derive(Default)]
struct EventFd {
    count: loom::sync::Mutex<usize>,
    changed: loom::sync::Condvar,
}

impl EventFd {
    fn write(&self) {
        *self.count.lock().unwrap() += 1;
        self.changed.notify_one();
    }
    fn read(&self) {
        let mut count = self.count.lock().unwrap();
        while *count == 0 {
            count = self.changed.wait(count).unwrap();
        }
        *count = 0;
    }
}

/// One round of `Poller::poll`: sleeps unless notified.
fn poll(state: &WakeState, eventfd: &EventFd) {
    if state.try_sleep() {
        eventfd.read();
    }
    state.wake_up();
}

#[test]
fn what_is_published_before_a_wake_is_found_after_the_poll_by_however_many_wakers() {
    model(|| {
        let state = Arc::new(WakeState::new());
        let eventfd = Arc::new(EventFd::default());
        let inbox = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
        let writes = Arc::new(AtomicUsize::new(0));
        let wakers = inbox.clone().map(|entry| {
            let (state, eventfd, writes) = (state.clone(), eventfd.clone(), writes.clone());
            thread::spawn(move || {
                // As weak as an inbox may be: only the wake-up orders it.
                entry.store(1, Relaxed);
                if state.notify() {
                    writes.fetch_add(1, SeqCst);
                    eventfd.write();
                }
            })
        });
        let mut polls = 0;
        while inbox.iter().any(|entry| entry.load(Relaxed) == 0) {
            poll(&state, &eventfd);
            polls += 1;
        }
        for waker in wakers {
            waker.join().unwrap();
        }
        let writes = writes.load(SeqCst);
        assert!(
            writes <= polls,
            "at most one write for each sleep: {writes} for {polls}"
        );
    });
}

#[test]
fn a_poll_that_ends_by_itself_loses_no_notification() {
    model(|| {
        let state = Arc::new(WakeState::new());
        let inbox = Arc::new(AtomicUsize::new(0));
        let waker = {
            let (state, inbox) = (state.clone(), inbox.clone());
            thread::spawn(move || {
                inbox.store(1, Relaxed);
                state.notify()
            })
        };
        // An event, not the eventfd, ends this sleep.
        let slept = state.try_sleep();
        state.wake_up();
        let seen = inbox.load(Relaxed) == 1;
        let may_sleep_again = state.try_sleep();
        assert!(
            seen || !may_sleep_again || waker.join().unwrap(),
            "asleep with an entry unseen and nobody about to write (slept before: {slept})"
        );
    });
}

#[test]
fn every_removed_entry_is_forgotten_once_and_the_flag_never_hides_one() {
    model(|| {
        let removed = Arc::new(Removed::new());
        let threads = [1, 2].map(|key| {
            let removed = removed.clone();
            thread::spawn(move || removed.push(key, 0))
        });
        let mut seen = removed.take();
        seen.extend(removed.take());
        for thread in threads {
            thread.join().unwrap();
        }
        seen.extend(removed.take());
        seen.sort_unstable();
        assert_eq!(seen, [(1, 0), (2, 0)]);
        assert_eq!(removed.take(), []);
    });
}
