//! What can only be seen from inside a poller.

use super::*;
use crate::park;
use std::os::unix::net::UnixStream;

fn wakes(poller: &Poller) -> u64 {
    poller.counters().wakes.load(Ordering::Relaxed)
}

/// Go: `BenchmarkNetpollBreak`.
#[test]
fn any_number_of_wakes_between_two_sleeps_costs_at_most_one_write() {
    let poller = Poller::new().unwrap();
    for _ in 0..1000 {
        poller.handle().wake();
    }
    assert_eq!(wakes(&poller), 0, "it was not asleep");
    poller.poll(None).unwrap();
    for _ in 0..50 {
        let before = wakes(&poller);
        let handles = [(); 4].map(|()| poller.handle().clone());
        std::thread::scope(|scope| {
            for handle in handles {
                scope.spawn(move || {
                    while !handle.is_sleeping() && wakes_of(&handle) == before {
                        std::thread::yield_now();
                    }
                    for _ in 0..100 {
                        handle.wake();
                    }
                });
            }
            let sleeps = poller.counters().sleeps.load(Ordering::Relaxed);
            poller.poll(None).unwrap();
            let slept = poller.counters().sleeps.load(Ordering::Relaxed) - sleeps;
            assert!(wakes(&poller) - before <= slept);
        });
        // What the stragglers left: at most one poll that does not block, then quiet.
        poller.poll(Some(Duration::from_micros(1))).unwrap();
    }
}

fn wakes_of(handle: &PollerHandle) -> u64 {
    handle.counters().wakes.load(Ordering::Relaxed)
}

#[test]
fn an_event_collected_for_a_place_that_was_given_away_reaches_nobody() {
    let poller = Poller::new().unwrap();
    let (a, _peer) = UnixStream::pair().unwrap();
    let old = Arc::new(PollDesc::new());
    let (key, seq) = poller.register(a.as_raw_fd(), &old, None).unwrap();
    // Out of the table, but not out of epoll: as a close whose event was under way.
    poller.handle().deregister(a.as_raw_fd(), key, seq, false);
    let (b, _other) = UnixStream::pair().unwrap();
    b.set_nonblocking(true).unwrap();
    while std::io::Write::write(&mut &b, &[0; 4096]).is_ok() {}
    let new = Arc::new(PollDesc::new());
    let (reused, _) = poller.register(b.as_raw_fd(), &new, None).unwrap();
    assert_eq!(reused, key, "the place is used again");
    assert_eq!(poller.poll(Some(Duration::ZERO)).unwrap(), 0);
    let stale = poller.counters().stale_events.load(Ordering::Relaxed);
    assert_eq!(stale, 1);
    assert!(new.is_quiet(Mode::Read) && new.is_quiet(Mode::Write));
    assert!(old.is_quiet(Mode::Write));
}

#[test]
fn events_that_were_not_collected_can_be_seen_from_another_thread() {
    let poller = Poller::new().unwrap();
    let handle = poller.handle().clone();
    let seen = move || {
        let handle = handle.clone();
        std::thread::spawn(move || handle.has_events())
            .join()
            .unwrap()
    };
    let (a, peer) = UnixStream::pair().unwrap();
    let desc = Arc::new(PollDesc::new());
    poller.register(a.as_raw_fd(), &desc, None).unwrap();
    poller.poll(Some(Duration::ZERO)).unwrap(); // that it can be written to
    assert!(!seen());
    std::io::Write::write_all(&mut &peer, b"x").unwrap();
    assert!(seen());
    poller.poll(Some(Duration::ZERO)).unwrap();
    assert!(!seen());
    assert!(!poller.is_waited_for(), "nobody waits for either direction");
}

#[test]
fn a_file_that_epoll_does_not_take_is_not_pollable() {
    let poller = Poller::new().unwrap();
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let desc = Arc::new(PollDesc::new());
    let result = poller.register(file.as_raw_fd(), &desc, None);
    assert_eq!(result, Err(Error::NotPollable));
    poller.poll(Some(Duration::ZERO)).unwrap();
    assert_eq!(poller.table.entries.borrow().len(), 0);
}

/// Go: `TestReadError/ErrNotPollable`, which needs `/dev/net/tun`.
#[test]
fn an_unconfigured_tunnel_is_not_pollable_and_hangs_nobody() {
    let tun = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    let Ok(tun) = tun else {
        eprintln!("skipped: no permission for /dev/net/tun, or no such device");
        return;
    };
    let fd = crate::Fd::new(tun.into(), crate::Kind::FILE).unwrap();
    let bound = std::time::Instant::now() + Duration::from_secs(10);
    fd.set_deadline(&[Mode::Read], Some(bound)).unwrap();
    let err = fd.read(&mut [0; 64]).unwrap_err();
    assert!(
        err == Error::NotPollable || err.errno() == Some(libc::EBADFD),
        "{err}"
    );
}

#[test]
fn a_refused_sleep_leaves_a_timer_that_is_forgotten() {
    park::with_current(|p| {
        let poller = p.poller();
        let before = poller.timers();
        let sleep = Arc::new(Sleep::default());
        for _ in 0..200 {
            poller.add_sleep(u64::MAX - 1, sleep.clone());
            poller.handle().disarmed();
        }
        sleep.done.store(true, Ordering::Relaxed);
        poller.poll(Some(Duration::ZERO)).unwrap();
        assert_eq!(poller.timers(), before);
    });
}

/// A descriptor, and the pair whose first half it is of.
type News = (Arc<PollDesc>, [UnixStream; 2]);

/// A poller with `N` descriptors that have something to read, of which it has not heard yet.
fn with_news<const N: usize>() -> (Poller, [News; N]) {
    let poller = Poller::new().unwrap();
    let all = std::array::from_fn(|_| {
        let (a, mut b) = UnixStream::pair().unwrap();
        let desc = Arc::new(PollDesc::new());
        desc.register(a.as_raw_fd(), Mode::Read, &poller).unwrap();
        std::io::Write::write_all(&mut b, b"x").unwrap();
        (desc, [a, b])
    });
    (poller, all)
}

#[test]
fn a_collect_delivers_what_was_left_over_first_and_does_not_wait_then() {
    let (poller, all) = with_news::<3>();
    assert_eq!(poller.collect(None).unwrap(), 3);
    assert!(poller.deliver());
    assert_eq!(poller.undelivered(), 2);
    let sleeps = poller.counters().sleeps.load(Ordering::Relaxed);
    let bound = Some(Duration::from_secs(10)); // reached only if it waits
    assert_eq!(poller.collect(bound).unwrap(), 0);
    assert_eq!(poller.counters().sleeps.load(Ordering::Relaxed), sleeps);
    assert!(all.iter().all(|(desc, _)| !desc.is_quiet(Mode::Read)));
    assert!(!poller.deliver());
}

#[test]
fn an_event_collected_but_not_delivered_when_its_descriptor_is_closed_reaches_nobody() {
    let (poller, [(old, [a, _a]), (next, [_b, _])]) = with_news::<2>();
    assert_eq!(poller.collect(None).unwrap(), 2);
    // Closed, its number free, its place in the table given away.
    old.evict();
    old.deregister(a.as_raw_fd(), false);
    drop(a);
    let (c, _peer) = UnixStream::pair().unwrap();
    let new = Arc::new(PollDesc::new());
    new.register(c.as_raw_fd(), Mode::Read, &poller).unwrap();
    assert_eq!(
        poller.table.entries.borrow().len(),
        2,
        "the place is used again"
    );
    assert!(poller.deliver() && poller.deliver());
    let stale = poller.counters().stale_events.load(Ordering::Relaxed);
    assert_eq!(stale, 1);
    assert!(old.is_quiet(Mode::Read));
    assert!(new.is_quiet(Mode::Read) && new.is_quiet(Mode::Write));
    assert!(!next.is_quiet(Mode::Read), "the one behind it is not lost");
}

#[test]
fn an_event_collected_but_not_delivered_when_its_descriptor_moves_away_comes_anew() {
    let (poller, [(desc, [a, _b])]) = with_news::<1>();
    assert_eq!(poller.collect(None).unwrap(), 1);
    let other = Poller::new().unwrap();
    desc.register(a.as_raw_fd(), Mode::Read, &other).unwrap();
    poller.forget_removed();
    assert!(poller.deliver());
    assert!(desc.is_quiet(Mode::Read), "no news from where it has left");
    assert_eq!(other.poll(Some(Duration::ZERO)).unwrap(), 1);
    assert!(!desc.is_quiet(Mode::Read));
}

/// Parks as a worker does, one event at a time, once the moment `not_before` has come.
#[repr(C)]
struct Late {
    waiter: crate::Waiter,
    woken: Cell<bool>,
    poller: Poller,
    not_before: Cell<u64>,
}

unsafe fn woken(waiter: std::ptr::NonNull<crate::Waiter>) {
    // SAFETY: `repr(C)` puts the waiter first, and `park` has not returned yet.
    unsafe { waiter.cast::<Late>().as_ref() }.woken.set(true);
}

// SAFETY: the waiter lives in `self`, which `park` borrows; `park` consumes one `woken`, and only this
// thread makes it ready.
unsafe impl park::Park for Late {
    fn waiter(&self) -> std::ptr::NonNull<crate::Waiter> {
        std::ptr::NonNull::from(self).cast()
    }
    fn park(&self, _: &crate::Slot, _: park::Reason) {
        while clock::now() < self.not_before.get() {
            std::hint::spin_loop();
        }
        while !self.woken.replace(false) {
            if !self.poller.deliver() {
                self.poller.collect(None).unwrap();
            }
        }
    }
    fn may_park(&self) -> Result<(), park::Refusal> {
        Ok(())
    }
    fn poller(&self) -> &Poller {
        &self.poller
    }
}

#[test]
fn data_that_comes_in_one_batch_with_a_deadline_wins() {
    let (poller, [(desc, [a, _b]), _other]) = with_news::<2>();
    let me = Late {
        waiter: crate::Waiter::new(woken),
        woken: Cell::new(false),
        poller,
        not_before: Cell::new(0),
    };
    let wait = || {
        desc.wait(
            a.as_raw_fd(),
            Mode::Read,
            park::Reason::Read,
            &me,
            &me.poller,
        )
    };
    let deadline = clock::now() + 1_000_000;
    desc.set_deadline(Mode::Read, deadline);
    me.not_before.set(deadline);
    // Parked before either; the poll that follows finds both.
    assert_eq!(wait(), Ok(()));
    assert_eq!(wait(), Err(Error::Timeout));
}
