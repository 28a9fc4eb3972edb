//! Deadlines of descriptors: sticky, movable while blocked, precise, and never early.
//!
//! Behaviours of Go's `net/timeout_test.go` and of `nettest.TestConn`, at the level of the descriptor.

mod support;

use netpoll::{Error, Fd, Kind, Mode, clock, park};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};
use support::{BOUND, after, fill, my_handle, past, start, tcp_pair, unix_pair, until};

const BOTH: [Mode; 2] = [Mode::Read, Mode::Write];

fn timers() -> usize {
    park::with_current(|p| p.poller().timers())
}

/// Go: `PastTimeout`, `ReadTimeout`, `WriteTimeout`, `TestReadTimeout`.
#[test]
fn a_deadline_in_the_past_beats_ready_data_sticks_and_touches_only_its_direction() {
    for (a, b) in [tcp_pair(), unix_pair()] {
        b.write(b"ready").unwrap();
        a.set_deadline(&[Mode::Read], past()).unwrap();
        for _ in 0..3 {
            assert_eq!(a.read(&mut [0; 8]), Err(Error::Timeout));
            assert_eq!(a.read(&mut []), Ok(0), "an empty read does not look");
        }
        assert_eq!(a.write(b"x"), Ok(()));
        a.set_deadline(&[Mode::Write], past()).unwrap();
        a.set_deadline(&[Mode::Read], None).unwrap();
        for _ in 0..3 {
            let partial = a.write(b"x").unwrap_err();
            assert_eq!((partial.written, partial.error), (0, Error::Timeout));
            let partial = a.write(b"").unwrap_err();
            assert_eq!(partial.error, Error::Timeout, "an empty write does look");
        }
        assert_eq!(a.read(&mut [0; 8]), Ok(5));
        a.set_deadline(&BOTH, after(BOUND)).unwrap();
        assert_eq!(a.write(b"y"), Ok(()));
    }
}

/// Go: `PresentTimeout`, `TestReadTimeoutUnblocksRead`.
#[test]
fn a_deadline_moved_to_the_past_ends_a_blocked_read_and_a_blocked_write() {
    let (a, _b) = tcp_pair();
    let a = Arc::new(a);
    fill(&a);
    a.set_deadline(&BOTH, after(BOUND)).unwrap();
    let (r, w) = (a.clone(), a.clone());
    let reader = start(move || r.read(&mut [0; 8])).asleep();
    let writer = start(move || w.write(&[0; 1 << 22])).asleep();
    let set = Instant::now();
    a.set_deadline(&BOTH, past()).unwrap();
    assert_eq!(reader.join(), Err(Error::Timeout));
    assert_eq!(writer.join().map_err(|p| p.error), Err(Error::Timeout));
    assert!(set.elapsed() < BOUND);
}

/// Go: `FutureTimeout`.
#[test]
fn a_deadline_in_the_future_ends_a_blocked_read_and_write_not_before_it() {
    let (a, b) = tcp_pair();
    let full = fill(&a);
    let a = Arc::new(a);
    let deadline = Instant::now() + Duration::from_millis(50);
    a.set_deadline(&BOTH, Some(deadline)).unwrap();
    let (r, w) = (a.clone(), a.clone());
    let reader = start(move || (r.read(&mut [0; 8]), Instant::now()));
    let writer = start(move || (w.write(&[0; 1 << 22]).unwrap_err(), Instant::now()));
    let (read, at) = reader.join();
    assert_eq!(read, Err(Error::Timeout));
    assert!(at >= deadline, "early");
    let (partial, at) = writer.join();
    assert_eq!(partial.error, Error::Timeout);
    assert!(at >= deadline, "early");
    // It works again afterwards, and nothing was lost.
    a.set_deadline(&BOTH, None).unwrap();
    let mut left = full + partial.written;
    let mut buf = vec![0; 1 << 16];
    while left > 0 {
        left -= b.read(&mut buf).unwrap();
    }
    b.write(b"again").unwrap();
    assert_eq!(a.read(&mut buf), Ok(5));
}

/// Go: `TestReadTimeoutMustNotReturn`, `TestAcceptTimeoutMustNotReturn`.
#[test]
fn a_deadline_that_was_cleared_does_not_end_a_read_or_an_accept() {
    let (a, _b) = tcp_pair();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = Fd::new(listener.into(), Kind::STREAM).unwrap();
    for fd in [&a, &listener] {
        fd.set_deadline(&BOTH, past()).unwrap();
        fd.set_deadline(&[Mode::Read], None).unwrap();
    }
    let (a, listener) = (Arc::new(a), Arc::new(listener));
    let (r, l) = (a.clone(), listener.clone());
    let reader = start(move || r.read(&mut [0; 8])).asleep();
    let accepter = start(move || l.accept().map(drop)).asleep();
    // The deadlines are long over: were there timers left, they would come now, wherever they are.
    park::with_current(|p| p.poller().poll(Some(Duration::ZERO))).unwrap();
    let (reader, accepter) = (reader.turn(), accepter.turn());
    a.close().unwrap();
    listener.close().unwrap();
    assert_eq!(reader.join(), Err(Error::Closing));
    assert_eq!(accepter.join(), Err(Error::Closing));
}

/// Go: `TestAcceptTimeout`, `TestAcceptTimeoutMustReturn`.
#[test]
fn an_accept_times_out_and_keeps_doing_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = Fd::new(listener.into(), Kind::STREAM).unwrap();
    listener
        .set_deadline(&[Mode::Read], after(Duration::from_millis(10)))
        .unwrap();
    for _ in 0..10 {
        assert_eq!(listener.accept().map(drop), Err(Error::Timeout));
    }
}

#[test]
fn a_deadline_moved_again_and_again_while_blocked_counts_only_as_it_stands() {
    let (a, b) = tcp_pair();
    let a = Arc::new(a);
    let far = || a.set_deadline(&[Mode::Read], after(Duration::from_secs(20)));
    let mut first = Duration::from_millis(20);
    let (reader, begin) = loop {
        let begin = Instant::now();
        a.set_deadline(&[Mode::Read], Some(begin + first)).unwrap();
        let r = a.clone();
        let reader = start(move || r.read(&mut [0; 8]));
        until("it sleeps", || {
            reader.handle.is_sleeping() || reader.is_finished()
        });
        far().unwrap();
        if begin.elapsed() < first {
            break (reader, begin);
        }
        // The machine is busy: it was not moved in time.
        a.set_deadline(&[Mode::Read], past()).unwrap();
        assert_eq!(reader.join(), Err(Error::Timeout));
        first *= 2;
    };
    // Pushed along in front of the reader: the timer comes, finds it moved, and is set again.
    while begin.elapsed() < 6 * first {
        far().unwrap();
        std::thread::yield_now();
    }
    assert!(
        !reader.is_finished(),
        "timed out at a deadline that was moved"
    );
    b.write(b"x").unwrap();
    assert_eq!(reader.join(), Ok(1));
    let r = a.clone();
    let reader = start(move || r.read(&mut [0; 8])).asleep();
    for ms in [9000, 400, 8000, 20] {
        a.set_deadline(&[Mode::Read], after(Duration::from_millis(ms)))
            .unwrap();
    }
    let set = Instant::now();
    assert_eq!(reader.join(), Err(Error::Timeout));
    assert!(
        set.elapsed() < Duration::from_secs(8),
        "the earlier deadline was missed"
    );
}

/// Go: `TestVariousDeadlines`.
#[test]
fn deadlines_of_every_size_end_a_stream_that_never_stops() {
    let (a, b) = tcp_pair();
    let a = Arc::new(a);
    let w = a.clone();
    let writer = start(move || while w.write(&[0; 4096]).is_ok() {});
    for nanos in [
        1, 10_000, 50_000, 150_000, 500_000, 1_000_000, 7_000_000, 50_000_000,
    ] {
        let deadline = Instant::now() + Duration::from_nanos(nanos);
        b.set_deadline(&[Mode::Read], Some(deadline)).unwrap();
        let mut buf = [0; 4096];
        let err = loop {
            if let Err(err) = b.read(&mut buf) {
                break err;
            }
        };
        assert_eq!(err, Error::Timeout);
        assert!(Instant::now() >= deadline);
    }
    a.close().unwrap();
    writer.join();
}

/// Go: `TestReadWriteDeadlineRace`.
#[test]
fn deadlines_of_two_microseconds_that_race_with_reads_and_writes_leave_nobody_behind() {
    let (a, b) = tcp_pair();
    let (a, b) = (Arc::new(a), Arc::new(b));
    let threads = [
        {
            let a = a.clone();
            start(move || {
                for _ in 0..1000 {
                    a.set_deadline(&BOTH, after(Duration::from_micros(2)))
                        .unwrap();
                }
            })
        },
        {
            let a = a.clone();
            start(move || {
                for _ in 0..1000 {
                    let _ = a.read(&mut [0; 1]);
                }
            })
        },
        {
            let a = a.clone();
            start(move || {
                for _ in 0..1000 {
                    let _ = a.write(&[0; 1]);
                }
            })
        },
    ];
    // Always bytes to read, so that the reader ends whatever the deadlines say.
    b.write(&[0; 2000]).unwrap();
    threads.into_iter().for_each(support::Blocked::join);
    a.set_deadline(&BOTH, None).unwrap();
    assert_eq!(a.write(b"x"), Ok(()));
}

/// Go: `TestConcurrentSetDeadline`.
#[test]
fn many_threads_that_move_many_deadlines_backwards_leave_the_timers_sane() {
    let (a, _b) = tcp_pair();
    let a = Arc::new(a);
    let r = a.clone();
    let reader = start(move || (r.read(&mut [0; 8]), timers())).asleep();
    let setters: Vec<_> = (0..8)
        .map(|_| {
            let a = a.clone();
            start(move || {
                for hours in (1..=100).rev() {
                    a.set_deadline(&BOTH, after(Duration::from_secs(hours * 3600)))
                        .unwrap();
                }
            })
        })
        .collect();
    setters.into_iter().for_each(support::Blocked::join);
    a.close().unwrap();
    let (result, timers) = reader.join();
    assert_eq!(result, Err(Error::Closing));
    assert!(timers < 200, "{timers} timers for one reader");
}

/// Go: `RacyRead`, `RacyWrite`.
#[test]
fn ten_readers_with_short_deadlines_fail_only_by_timeout() {
    let (a, b) = tcp_pair();
    let (a, b) = (Arc::new(a), Arc::new(b));
    let stop = Arc::new(AtomicBool::new(false));
    let w = (b.clone(), stop.clone());
    let flood = start(move || {
        while !w.1.load(SeqCst) {
            let _ = w.0.write(&[0; 1024]);
            w.0.set_deadline(&[Mode::Write], after(Duration::from_millis(1)))
                .unwrap();
        }
    });
    let readers: Vec<_> = (0..10)
        .map(|_| {
            let a = a.clone();
            start(move || {
                for _ in 0..100 {
                    if let Err(err) = a.read(&mut [0; 1024]) {
                        assert_eq!(err, Error::Timeout);
                        a.set_deadline(&[Mode::Read], after(Duration::from_millis(1)))
                            .unwrap();
                    }
                }
            })
        })
        .collect();
    readers.into_iter().for_each(support::Blocked::join);
    stop.store(true, SeqCst);
    a.close().unwrap();
    flood.join();
}

/// Go: `ConcurrentMethods`.
#[test]
fn all_operations_at_once_neither_hang_nor_break() {
    let (a, b) = tcp_pair();
    let (a, b) = (Arc::new(a), Arc::new(b));
    let e = b.clone();
    let echo = start(move || {
        let mut buf = [0; 4096];
        while let Ok(n @ 1..) = e.read(&mut buf) {
            e.write(&buf[..n]).unwrap();
        }
    });
    a.set_deadline(&BOTH, after(BOUND)).unwrap();
    let threads: Vec<_> = (0..100)
        .map(|i| {
            let a = a.clone();
            start(move || match i % 4 {
                0 => drop(a.read(&mut [0; 8])),
                1 => a.write(&[1; 8]).unwrap(),
                2 => a.set_deadline(&[Mode::Read], after(BOUND)).unwrap(),
                _ => a.set_deadline(&BOTH, after(BOUND)).unwrap(),
            })
        })
        .collect();
    threads.into_iter().for_each(support::Blocked::join);
    a.close().unwrap();
    echo.join();
}

#[test]
fn a_deadline_set_forward_touches_no_heap() {
    let (a, b) = tcp_pair();
    let a = Arc::new(a);
    a.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
    let r = a.clone();
    let reader = start(move || {
        let before = timers();
        let n = r.read(&mut [0; 8]);
        (n, timers() - before)
    })
    .asleep();
    // A new registration reports at once that there is room to write: that wakes the poller once.
    let counters = reader.handle.counters();
    support::until("it sleeps again after the first event", || {
        counters.events.load(SeqCst) >= 1 && reader.handle.is_sleeping()
    });
    let sleeps = reader.handle.counters().sleeps.load(SeqCst);
    for i in 0..10_000 {
        a.set_deadline(&[Mode::Read], after(BOUND + Duration::from_millis(i)))
            .unwrap();
    }
    assert_eq!(
        reader.handle.counters().sleeps.load(SeqCst),
        sleeps,
        "it was woken"
    );
    b.write(b"x").unwrap();
    assert_eq!(reader.join(), (Ok(1), 1), "one timer, as at the start");
}

/// Runs `f` with a helper that writes one byte to what it is given as soon as this thread sleeps.
fn with_late_writer(rounds: usize, mut f: impl FnMut(&dyn Fn(Fd))) {
    let me = support::my_handle();
    let (tx, rx) = std::sync::mpsc::channel::<Fd>();
    let helper = std::thread::spawn(move || {
        for fd in rx {
            support::until("the reader sleeps", || me.is_sleeping());
            fd.write(b"x").unwrap();
        }
    });
    for _ in 0..rounds {
        f(&|fd| tx.send(fd).unwrap());
    }
    drop(tx);
    helper.join().unwrap();
}

#[test]
fn a_thousand_closed_connections_with_far_deadlines_leave_no_thousand_timers() {
    with_late_writer(1000, |write_late| {
        let (a, b) = unix_pair();
        a.set_deadline(&[Mode::Read], after(Duration::from_secs(3600)))
            .unwrap();
        write_late(b);
        assert_eq!(a.read(&mut [0; 8]), Ok(1));
    });
    assert!(timers() < 200, "{} timers are left", timers());
}

#[test]
fn a_connection_handed_to_and_fro_leaves_its_timers_on_neither_thread() {
    let (a, b) = unix_pair();
    let (to, from) = std::sync::mpsc::channel::<Fd>();
    let (back, home) = std::sync::mpsc::channel::<Fd>();
    // Both sides are echoed by a third thread, but only to one who waits already.
    let other = start(move || {
        for a in from {
            a.write(b"x").unwrap();
            assert_eq!(a.read(&mut [0; 8]), Ok(1));
            back.send(a).unwrap();
        }
        timers()
    });
    let readers = [my_handle(), other.handle.clone()];
    let echo = start(move || {
        let mut buf = [0; 8];
        while let Ok(n @ 1..) = b.read(&mut buf) {
            until("the reader waits", || {
                readers.iter().any(netpoll::PollerHandle::is_sleeping)
            });
            b.write(&buf[..n]).unwrap();
        }
    });
    let mut a = a;
    for i in 0..1000 {
        // A new far deadline each time, as a server does.
        a.set_deadline(&[Mode::Read], after(Duration::from_secs(3600 - i)))
            .unwrap();
        a.write(b"x").unwrap();
        assert_eq!(a.read(&mut [0; 8]), Ok(1));
        to.send(a).unwrap();
        a = home.recv().unwrap();
    }
    drop(to);
    let there = other.join();
    assert!(
        timers() < 200 && there < 200,
        "{} here, {there} there",
        timers()
    );
    drop(a);
    echo.join();
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

#[test]
fn two_hundred_microseconds_are_not_rounded_to_a_millisecond() {
    let (a, _b) = tcp_pair();
    let mut last = Duration::ZERO;
    // A machine that is busy may need several tries; one that rounds never gets there.
    for _ in 0..50 {
        last = median(
            (0..21)
                .map(|_| {
                    let begin = Instant::now();
                    let deadline = begin + Duration::from_micros(200);
                    a.set_deadline(&[Mode::Read], Some(deadline)).unwrap();
                    assert_eq!(a.read(&mut [0; 8]), Err(Error::Timeout));
                    assert!(Instant::now() >= deadline, "early");
                    begin.elapsed()
                })
                .collect(),
        );
        if last < Duration::from_micros(800) {
            return;
        }
    }
    panic!("the median of 200 microseconds was {last:?}");
}

#[test]
fn sleeping_until_a_moment_is_never_early_and_the_past_is_no_sleep() {
    park::with_current(|p| {
        netpoll::sleep::sleep_until(1, p, p.poller()).unwrap();
        for micros in [1, 300, 1500, 5000] {
            let when = clock::now() + micros * 1000;
            netpoll::sleep::sleep_until(when, p, p.poller()).unwrap();
            assert!(clock::now() >= when);
        }
    });
}
