//! A timer that nobody armed, or that was armed for another moment, wakes nobody.

use netpoll::{Mode, PollDesc, Waiter, clock, park};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// # Safety
/// None is needed: it looks at nothing.
unsafe fn nothing(_: NonNull<Waiter>) {}

static MADE_READY: AtomicUsize = AtomicUsize::new(0);

/// # Safety
/// None is needed: it looks at nothing.
unsafe fn count(_: NonNull<Waiter>) {
    MADE_READY.fetch_add(1, SeqCst);
}

#[test]
fn a_timer_that_is_not_the_armed_one_wakes_nobody() {
    let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
    let desc = Arc::new(PollDesc::new());
    let waiter = Waiter::new(count);
    let deadline = clock::now() + 3_600_000_000_000;
    desc.set_deadline(Mode::Read, deadline);
    park::with_current(|p| {
        let (poller, fd) = (p.poller(), a.as_raw_fd());
        let at = NonNull::from(&waiter);
        // SAFETY: the waiter lives to the end of this function, and so does nobody's interest in it.
        let parked = unsafe { desc.settle(fd, Mode::Read, at, p, poller) };
        assert_eq!(parked, Ok(true));
        // The deadline was moved, and moved back: timers for other moments, and of other pollers.
        desc.timer(Mode::Read, deadline - 1, poller.id());
        desc.timer(Mode::Read, deadline + 1, poller.id());
        desc.timer(Mode::Read, deadline, poller.id() + 1);
        desc.timer(Mode::Write, deadline, poller.id());
        assert_eq!(MADE_READY.load(SeqCst), 0, "a stale timer");
        desc.timer(Mode::Read, deadline, poller.id());
        assert_eq!(MADE_READY.load(SeqCst), 1, "the armed one");
        desc.evict();
        assert_eq!(MADE_READY.load(SeqCst), 1, "it has left its slot");
    });
}

#[test]
fn a_deadline_at_the_end_of_time_takes_one_timer_however_often_it_is_waited_under() {
    let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
    let desc = Arc::new(PollDesc::new());
    let waiter = Waiter::new(nothing);
    let in_a_thousand_years = Instant::now() + Duration::from_secs(1000 * 366 * 86_400);
    desc.set_deadline(Mode::Read, clock::of(in_a_thousand_years));
    park::with_current(|p| {
        let (poller, fd) = (p.poller(), a.as_raw_fd());
        let before = poller.timers();
        for _ in 0..100 {
            let at = NonNull::from(&waiter);
            // SAFETY: the waiter lives to the end of this function, and has left its slot before.
            let parked = unsafe { desc.settle(fd, Mode::Read, at, p, poller) };
            assert_eq!(parked, Ok(true));
            desc.interrupt(Mode::Read);
        }
        assert_eq!(poller.timers(), before + 1);
        desc.evict();
    });
}
