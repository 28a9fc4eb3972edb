//! `PollDesc` under every interleaving: a waiter against events, deadlines, timers, closing and a
//! home that moves.
#![cfg(loom)]

#[path = "support/loom_park.rs"]
mod loom_park;

use loom::sync::Mutex;
use loom::sync::atomic::AtomicBool;
use loom::thread;
use loom_park::{Threaded, model};
use netpoll::desc::{Event, Reactor};
use netpoll::sync::{AtomicUsize, Ordering::Acquire, Ordering::Release, Ordering::SeqCst};
use netpoll::{Error, Mode, Park, PollDesc, Reason, Refusal, Slot, Waiter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const READABLE: Event = Event {
    readable: true,
    writable: false,
    only_error: false,
    no_skip: false,
};

/// A poller of which only the timers and the registration exist.
struct Fake {
    id: u32,
    timers: Mutex<Vec<(u64, Mode)>>,
    fired_up_to: AtomicU64,
    /// A registration finds the descriptor ready and says so, as `EPOLL_CTL_ADD` does.
    fresh_look: bool,
}

impl Fake {
    fn new(id: u32) -> Arc<Fake> {
        Arc::new(Fake {
            id,
            timers: Mutex::new(Vec::new()),
            fired_up_to: AtomicU64::new(0),
            fresh_look: false,
        })
    }

    /// The moment of the next timer.
    fn next(&self) -> Option<u64> {
        self.timers.lock().unwrap().iter().map(|t| t.0).min()
    }

    /// What the poller's thread does when time has come to `now`.
    fn advance(&self, desc: &PollDesc, now: u64) {
        netpoll::clock::set(now);
        let due: Vec<_> = {
            let mut timers = self.timers.lock().unwrap();
            self.fired_up_to.store(now, Relaxed);
            timers.extract_if(.., |(when, _)| *when <= now).collect()
        };
        for (when, mode) in due {
            desc.timer(mode, when, self.id);
        }
    }
}

impl Reactor for Fake {
    fn id(&self) -> u32 {
        self.id
    }
    fn register(&self, _fd: i32, desc: &Arc<PollDesc>, mode: Mode) -> Result<(), Error> {
        // As `registration.rs` does it: move both when nobody seems to wait on the other side.
        let other = mode.other();
        let moves = desc.home(other) == 0 || !desc.is_waited(other);
        desc.set_home(mode, self.id);
        if moves && desc.home(other) != self.id {
            desc.set_home(other, self.id);
            desc.interrupt(other);
        }
        if self.fresh_look {
            desc.event(Event {
                readable: mode == Mode::Read,
                writable: mode == Mode::Write,
                ..Event::default()
            });
        }
        Ok(())
    }
    fn arm(&self, when: u64, _desc: &Arc<PollDesc>, mode: Mode) {
        self.timers.lock().unwrap().push((when, mode));
    }
    fn disarmed(&self) {}
    fn fired_up_to(&self) -> u64 {
        self.fired_up_to.load(Relaxed)
    }
}

fn wait(desc: &Arc<PollDesc>, mode: Mode, fake: &Fake) -> Result<(), Error> {
    let me = Threaded::new();
    let result = desc.wait(0, mode, Reason::Read, &me, fake);
    assert_eq!(me.readied(), me.parked(), "one `ready` for each park");
    result
}

fn start() -> (Arc<PollDesc>, Arc<Fake>) {
    netpoll::clock::set(1000);
    (Arc::new(PollDesc::new()), Fake::new(1))
}

#[test]
fn an_event_always_ends_the_wait_and_two_directions_do_not_mix() {
    model(|| {
        let (desc, fake) = start();
        let writer = {
            let (desc, fake) = (desc.clone(), fake.clone());
            thread::spawn(move || wait(&desc, Mode::Write, &fake))
        };
        let event = {
            let desc = desc.clone();
            thread::spawn(move || desc.event(READABLE))
        };
        assert_eq!(wait(&desc, Mode::Read, &fake), Ok(()));
        event.join().unwrap();
        desc.event(Event {
            writable: true,
            ..Event::default()
        });
        assert_eq!(writer.join().unwrap(), Ok(()));
    });
}

#[test]
fn closing_ends_both_directions_wherever_they_are() {
    model(|| {
        let (desc, fake) = start();
        let writer = {
            let (desc, fake) = (desc.clone(), fake.clone());
            thread::spawn(move || wait(&desc, Mode::Write, &fake))
        };
        let closer = {
            let desc = desc.clone();
            thread::spawn(move || desc.evict())
        };
        assert_eq!(wait(&desc, Mode::Read, &fake), Err(Error::Closing));
        assert_eq!(writer.join().unwrap(), Err(Error::Closing));
        closer.join().unwrap();
    });
}

#[test]
fn an_event_and_closing_at_once_end_the_wait_by_either() {
    model(|| {
        let (desc, fake) = start();
        let event = {
            let desc = desc.clone();
            thread::spawn(move || desc.event(READABLE))
        };
        let closer = {
            let desc = desc.clone();
            thread::spawn(move || desc.evict())
        };
        let first = wait(&desc, Mode::Read, &fake);
        assert!(matches!(first, Ok(()) | Err(Error::Closing)));
        event.join().unwrap();
        closer.join().unwrap();
        assert_eq!(desc.check(Mode::Read), Err(Error::Closing));
    });
}

/// A waiter as a plain thread is one: asleep, it polls for itself. Time passes only while it
/// sleeps, and only once `may_pass` says so: it then goes on to the next timer at once.
#[repr(C)]
struct Sleeper {
    park: Threaded,
    desc: Arc<PollDesc>,
    fake: Arc<Fake>,
    may_pass: Arc<AtomicBool>,
}

// SAFETY: the waiter is that of `park`, which keeps the contract; this adds what a poller does.
unsafe impl Park for Sleeper {
    fn waiter(&self) -> std::ptr::NonNull<Waiter> {
        self.park.waiter()
    }
    fn park(&self, _slot: &Slot, _why: Reason) {
        self.park.count_park();
        // Asleep until woken, or until time may pass and there is something to pass to. A wake-up
        // from before ends `epoll_wait` at once, so it is looked at first.
        let idle = || !self.may_pass.load(Acquire) || self.fake.next().is_none();
        while !self.park.park_while(idle) {
            let when = self.fake.next().expect("only this thread takes timers out");
            let now = when.max(netpoll::clock::now());
            self.fake.advance(&self.desc, now);
        }
    }
    fn may_park(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Waits as a [`Sleeper`] with the deadline `before`, while another thread calls `change` and then
/// lets time pass. Returns how the wait ended, and when.
fn sleep_through(
    before: u64,
    time_passes_before_the_change: bool,
    change: fn(&PollDesc),
) -> (Result<(), Error>, u64) {
    let (desc, fake) = start();
    sleep_on(desc, fake, before, time_passes_before_the_change, change)
}

/// The second half of [`sleep_through`], on a descriptor that may have a past.
fn sleep_on(
    desc: Arc<PollDesc>,
    fake: Arc<Fake>,
    before: u64,
    time_passes_before_the_change: bool,
    change: fn(&PollDesc),
) -> (Result<(), Error>, u64) {
    desc.set_deadline(Mode::Read, before);
    let sleeper = Sleeper {
        park: Threaded::new(),
        desc: desc.clone(),
        fake: fake.clone(),
        may_pass: Arc::new(AtomicBool::new(time_passes_before_the_change)),
    };
    let other = {
        let (desc, may_pass, poke) = (desc.clone(), sleeper.may_pass.clone(), sleeper.park.poke());
        thread::spawn(move || {
            change(&desc);
            poke.with(|| may_pass.store(true, Release));
        })
    };
    let result = desc.wait(0, Mode::Read, Reason::Read, &sleeper, &*fake);
    assert_eq!(sleeper.park.readied(), sleeper.park.parked());
    let at = netpoll::clock::now();
    other.join().unwrap();
    (result, at)
}

#[test]
fn a_deadline_in_the_past_ends_the_wait_at_once_whatever_it_was_before() {
    for before in [0, 5000] {
        model(move || {
            let end = sleep_through(before, false, |desc| desc.set_deadline(Mode::Read, 900));
            assert_eq!(end, (Err(Error::Timeout), 1000));
        });
    }
}

#[test]
fn a_deadline_that_was_moved_is_met_at_its_new_moment_and_no_other() {
    for before in [0, 1400, 3000, 5000] {
        model(move || {
            let end = sleep_through(before, false, |desc| desc.set_deadline(Mode::Read, 3000));
            assert_eq!(end, (Err(Error::Timeout), 3000));
        });
    }
}

#[test]
fn a_deadline_that_was_moved_twice_is_met_at_its_last_moment() {
    model(|| {
        let end = sleep_through(4000, false, |desc| {
            desc.set_deadline(Mode::Read, 2000);
            desc.set_deadline(Mode::Read, 3000);
        });
        assert_eq!(end, (Err(Error::Timeout), 3000));
    });
}

#[test]
fn a_timer_left_behind_by_an_earlier_wait_hides_no_change() {
    model(|| {
        let (desc, fake) = start();
        let nothing = |_: &PollDesc| {};
        let first = sleep_on(desc.clone(), fake.clone(), 1200, true, nothing);
        assert_eq!(first, (Err(Error::Timeout), 1200));
        let change = |desc: &PollDesc| desc.set_deadline(Mode::Read, 3000);
        let second = sleep_on(desc, fake, 5000, false, change);
        assert_eq!(second, (Err(Error::Timeout), 3000));
    });
}

#[test]
fn a_deadline_that_was_cleared_does_not_come() {
    model(|| {
        let end = sleep_through(2000, false, |desc| {
            desc.set_deadline(Mode::Read, 0);
            desc.event(READABLE);
        });
        assert_eq!(end.0, Ok(()));
    });
}

#[test]
fn a_timer_that_comes_while_its_deadline_is_moved_ends_the_wait_at_one_of_the_two() {
    model(|| {
        let end = sleep_through(1400, true, |desc| desc.set_deadline(Mode::Read, 3000));
        assert_eq!(end.0, Err(Error::Timeout));
        assert!(end.1 == 1400 || end.1 == 3000, "{end:?}");
    });
}

#[test]
fn a_timer_an_event_and_closing_race_for_one_waiter() {
    model(|| {
        let (result, _) = sleep_through(1400, true, |desc| desc.event(READABLE));
        assert!(matches!(result, Ok(()) | Err(Error::Timeout)));
        let (result, _) = sleep_through(1400, true, |desc| desc.evict());
        assert!(matches!(result, Err(Error::Closing | Error::Timeout)));
    });
}

#[test]
fn a_home_moved_by_one_direction_is_noticed_by_the_other_before_or_after_it_parks() {
    model(|| {
        let (desc, _) = start();
        let here = Fake {
            id: 1,
            timers: Mutex::new(Vec::new()),
            fired_up_to: AtomicU64::new(0),
            fresh_look: true,
        };
        let there = Fake::new(2);
        desc.set_home(Mode::Read, 1);
        desc.set_home(Mode::Write, 1);
        let reader = {
            let desc = desc.clone();
            thread::spawn(move || wait(&desc, Mode::Read, &here))
        };
        let mover = {
            let desc = desc.clone();
            thread::spawn(move || there.register(0, &desc, Mode::Write).unwrap())
        };
        mover.join().unwrap();
        // An edge comes through the reader's own poller only. If that is no longer its home, the
        // reader must find out by itself and register anew, which looks at the descriptor.
        if desc.home(Mode::Read) == 1 {
            desc.event(READABLE);
        }
        assert_eq!(reader.join().unwrap(), Ok(()));
    });
}

/// A socket as far as the skipped read is concerned: bytes arrive, then the edge.
#[test]
fn a_skipped_read_never_sleeps_on_bytes_that_are_there() {
    model(|| {
        let (desc, fake) = start();
        desc.set_home(Mode::Read, 1);
        desc.set_home(Mode::Write, 1);
        let bytes = Arc::new(AtomicUsize::new(0));
        let peer = {
            let (desc, bytes) = (desc.clone(), bytes.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    bytes.fetch_add(1, SeqCst);
                    desc.event(READABLE);
                }
            })
        };
        let (mut got, mut drained) = (0, false);
        while got < 2 {
            // As `Fd::before_read`, and what follows it.
            if drained && desc.is_quiet(Mode::Read) {
                assert_eq!(wait(&desc, Mode::Read, &fake), Ok(()));
            } else {
                desc.reset(Mode::Read);
            }
            loop {
                // The buffer is larger than all there can be: every read is short.
                let n = bytes.swap(0, SeqCst);
                got += n;
                if n > 0 {
                    drained = true;
                    break;
                }
                assert_eq!(wait(&desc, Mode::Read, &fake), Ok(()));
            }
        }
        peer.join().unwrap();
    });
}

#[test]
fn after_a_half_close_a_short_read_is_not_believed_once_its_event_was_consumed() {
    model(|| {
        let (desc, _) = start();
        let peer = {
            let desc = desc.clone();
            thread::spawn(move || {
                desc.event(Event {
                    no_skip: true,
                    ..READABLE
                });
            })
        };
        // A quiet look is allowed only while the event has not been consumed by this reset.
        let noted = desc.prepare(Mode::Read).is_ok() && !desc.is_quiet(Mode::Read);
        peer.join().unwrap();
        assert!(!desc.is_quiet(Mode::Read), "noted early: {noted}");
        desc.reset(Mode::Read);
        assert!(!desc.is_quiet(Mode::Read), "sticky");
    });
}

#[test]
fn whoever_an_event_woke_sees_what_it_said() {
    model(|| {
        let (desc, fake) = start();
        let peer = {
            let desc = desc.clone();
            thread::spawn(move || {
                desc.event(Event {
                    no_skip: true,
                    ..READABLE
                });
            })
        };
        assert_eq!(wait(&desc, Mode::Read, &fake), Ok(()));
        assert!(
            !desc.is_quiet(Mode::Read),
            "woken before the half close was noted"
        );
        peer.join().unwrap();
    });
}

#[test]
fn an_event_with_only_an_error_ends_the_reader_and_the_next_wait() {
    model(|| {
        let (desc, fake) = start();
        let event = {
            let desc = desc.clone();
            thread::spawn(move || {
                desc.event(Event {
                    only_error: true,
                    writable: true,
                    ..READABLE
                });
            })
        };
        let first = wait(&desc, Mode::Read, &fake);
        assert!(
            matches!(first, Ok(()) | Err(Error::NotPollable)),
            "{first:?}"
        );
        event.join().unwrap();
        // Its edge is consumed; the next wait must not sleep for another.
        let again = wait(&desc, Mode::Read, &fake);
        let again = again.and_then(|()| wait(&desc, Mode::Read, &fake));
        assert_eq!(again, Err(Error::NotPollable));
    });
}
