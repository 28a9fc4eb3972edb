//! Waits that end by a panic: nobody is left in a slot, or the process ends.

use netpoll::slot::Settled;
use netpoll::{Reason, Slot, Waiter, park};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::ptr::NonNull;

const CHILD: &str = "NETPOLL_TEST_CHILD";

/// Runs `body`, which must not come back, in a process of its own: this test again. What it says on its
/// way must contain `words`.
fn aborts(test: &str, words: &str, body: fn()) {
    if std::env::var_os(CHILD).is_some() {
        let _ = catch_unwind(body);
        // Whoever reads this was left with a waiter that somebody may still follow.
        std::process::exit(0);
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(CHILD, "1");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    assert!(text.contains(words), "{text}");
}

/// The message of a panic in `f`.
fn panics<T: std::fmt::Debug>(f: impl FnOnce() -> T) -> &'static str {
    let panic = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    panic.downcast_ref::<&str>().unwrap()
}

unsafe fn nobody(_: NonNull<Waiter>) {
    unreachable!("it never waited");
}

#[test]
fn a_last_look_that_panics_leaves_the_slot_empty() {
    let slot = Slot::new();
    let looks = || -> bool {
        assert!(slot.is_waited());
        panic!("in the last look")
    };
    let block = || park::with_current(|p| slot.block(p, Reason::Sync, looks));
    assert_eq!(panics(block), "in the last look");
    assert!(!slot.is_waited());
    let waiter = Waiter::new(nobody);
    // SAFETY: the waiter outlives its stay in the slot.
    let settle = |look: &dyn Fn() -> bool| unsafe { slot.settle(NonNull::from(&waiter), look) };
    assert_eq!(panics(|| settle(&looks)), "in the last look");
    assert!(!slot.is_waited());
    // And what comes meanwhile is not lost.
    let woken = || -> bool {
        slot.wake(true);
        panic!("after an event")
    };
    assert_eq!(panics(|| settle(&woken)), "after an event");
    assert_eq!(settle(&|| unreachable!("it is ready")), Settled::Ready);
    slot.wake(true);
    assert!(park::with_current(|p| slot.wait(p, Reason::Sync)));
}

#[test]
fn a_last_look_that_panics_when_somebody_has_taken_the_waiter_out_ends_the_process() {
    let me = "a_last_look_that_panics_when_somebody_has_taken_the_waiter_out_ends_the_process";
    aborts(me, "in the last look", || {
        let slot = Slot::new();
        park::with_current(|p| {
            slot.block(p, Reason::Sync, || {
                // Its wake-up is owed, and may be on its way for as long as it likes.
                assert_eq!(slot.unblock(true), Some(p.waiter()));
                panic!("in the last look")
            })
        });
    });
}

#[test]
fn a_thread_whose_poller_fails_while_it_is_in_a_slot_ends_the_process() {
    let me = "a_thread_whose_poller_fails_while_it_is_in_a_slot_ends_the_process";
    aborts(me, "epoll_wait failed", || {
        let slot = Slot::new();
        park::with_current(|p| {
            p.poller();
            break_every_epoll();
            slot.wait(p, Reason::Sync);
        });
    });
}

/// Puts another file under the number of each epoll of this process.
fn break_every_epoll() {
    let null = std::fs::File::open("/dev/null").unwrap();
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        let is_epoll = std::fs::read_link(&path)
            .is_ok_and(|what| what.to_string_lossy().contains("eventpoll"));
        let Some(number) = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
        else {
            continue;
        };
        if is_epoll {
            // SAFETY: only numbers change hands; whoever waits on one of them is what this is about.
            assert_eq!(unsafe { libc::dup2(null.as_raw_fd(), number) }, number);
        }
    }
}
