//! Registrations follow those who wait: from thread to thread, both directions apart or together.

mod support;

use netpoll::{Error, Fd, Mode, park};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::channel;
use std::time::Duration;
use support::{BOUND, after, fill, my_handle, register, start, tcp_pair, unix_pair, until};

#[test]
fn a_reader_and_a_writer_blocked_on_different_threads_both_go_on() {
    for reader_first in [true, false] {
        let (a, b) = tcp_pair();
        fill(&a);
        let a = Arc::new(a);
        a.set_deadline(&[Mode::Read, Mode::Write], after(BOUND))
            .unwrap();
        let (r, w) = (a.clone(), a.clone());
        let read = move || r.read(&mut [0; 8]);
        let write = move || w.write(&vec![0; 1 << 22]).map_err(|p| p.error);
        let (reader, writer) = if reader_first {
            let reader = start(read).asleep();
            (reader, start(write).asleep())
        } else {
            let writer = start(write).asleep();
            (start(read).asleep(), writer)
        };
        b.write(b"x").unwrap();
        assert_eq!(reader.join(), Ok(1));
        let b = Arc::new(b);
        let drain = b.clone();
        let drainer = start(move || while let Ok(1..) = drain.read(&mut [0; 1 << 16]) {});
        assert_eq!(writer.join(), Ok(()));
        a.close().unwrap();
        drainer.join();
    }
}

#[test]
fn a_connection_handed_from_thread_to_thread_and_back_is_heard_everywhere() {
    let (a, b) = tcp_pair();
    let echo = start(move || {
        let mut buf = [0; 64];
        while let Ok(n @ 1..) = b.read(&mut buf) {
            b.write(&buf[..n]).unwrap();
        }
    });
    let round = |a: &Fd| {
        let mut buf = [0; 64];
        for i in 0..3u64 {
            a.write(&i.to_le_bytes()).unwrap();
            assert_eq!(a.read(&mut buf), Ok(8));
        }
    };
    a.set_deadline(&[Mode::Read, Mode::Write], after(BOUND))
        .unwrap();
    let (to, from) = channel::<Fd>();
    let (back, home) = channel::<Fd>();
    let other = start(move || {
        for a in from {
            round(&a);
            back.send(a).unwrap();
        }
    });
    let mut a = a;
    for _ in 0..200 {
        round(&a);
        to.send(a).unwrap();
        a = home.recv().unwrap();
    }
    drop(to);
    other.join();
    drop(a);
    echo.join();
}

#[test]
fn threads_that_end_leave_registrations_that_harm_nobody() {
    let (a, b) = tcp_pair();
    let (a, b) = (Arc::new(a), Arc::new(b));
    for _ in 0..50 {
        let r = a.clone();
        start(move || register(&r)).join();
        a.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
        let w = b.clone();
        let me = my_handle();
        let writer = start(move || {
            until("the reader sleeps", || me.is_sleeping());
            w.write(b"x")
        });
        assert_eq!(a.read(&mut [0; 8]), Ok(1));
        writer.join().unwrap();
    }
    a.close().unwrap();
}

#[test]
fn many_readers_and_writers_on_many_threads_move_every_byte() {
    let (a, b) = tcp_pair();
    let (a, b) = (Arc::new(a), Arc::new(b));
    for fd in [&a, &b] {
        fd.set_deadline(&[Mode::Read, Mode::Write], after(BOUND))
            .unwrap();
    }
    const EACH: usize = 300;
    let mut threads = Vec::new();
    for fd in [&a, &b] {
        for _ in 0..3 {
            let w = fd.clone();
            threads.push(start(move || {
                for i in 0..EACH {
                    w.write(&vec![1; 1 + i * 31]).unwrap();
                }
                0
            }));
        }
    }
    let sent = 3 * (0..EACH).map(|i| 1 + i * 31).sum::<usize>();
    let mut readers = Vec::new();
    for fd in [&a, &b] {
        for _ in 0..3 {
            let r = fd.clone();
            readers.push(start(move || {
                let (mut total, mut buf) = (0, [0; 4000]);
                while let n @ 1.. = r.read(&mut buf).unwrap() {
                    total += n;
                }
                total
            }));
        }
    }
    for thread in threads {
        thread.join();
    }
    for fd in [&a, &b] {
        fd.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let got: usize = readers.into_iter().map(support::Blocked::join).sum();
    assert_eq!(got, 2 * sent);
}

/// The counter of registered descriptors goes back to what it was. Go: `TestNetpollWaiters`.
#[test]
fn after_a_conversation_no_descriptor_is_left_in_the_table() {
    let registered = || park::with_current(|p| p.poller().counters().descriptors.load(SeqCst));
    for _ in 0..20 {
        let (a, b) = tcp_pair();
        register(&a);
        a.close().unwrap();
        drop(b);
        park::with_current(|p| p.poller().poll(Some(Duration::ZERO))).unwrap();
        assert_eq!(registered(), 0);
    }
}

fn stale() -> u64 {
    park::with_current(|p| {
        p.poller().poll(Some(Duration::ZERO)).unwrap();
        p.poller().counters().stale_events.load(SeqCst)
    })
}

#[test]
fn a_duplicate_that_outlives_its_descriptor_sends_stale_events_to_nobody() {
    let (a, b) = unix_pair();
    register(&a);
    // A duplicate that the descriptor does not know of: it leaves epoll only with the last one.
    let duplicate = a.with(|fd| fd.try_clone_to_owned().unwrap()).unwrap();
    a.close().unwrap();
    let before = stale();
    // The place in the table is given to another descriptor.
    let (c, _d) = unix_pair();
    register(&c);
    b.write(b"x").unwrap();
    c.set_deadline(&[Mode::Read], after(Duration::from_millis(20)))
        .unwrap();
    assert_eq!(c.read(&mut [0; 8]), Err(Error::Timeout));
    assert!(stale() > before, "the event was not counted as stale");
    drop(duplicate);
}

#[test]
fn a_descriptor_that_was_duplicated_leaves_epoll_when_it_is_closed() {
    let ways: [fn(&Fd) -> OwnedFd; 2] = [
        |a| a.dup().unwrap(),
        |a| a.hold().unwrap().as_fd().try_clone_to_owned().unwrap(),
    ];
    for duplicate in ways {
        let (a, b) = unix_pair();
        register(&a);
        let duplicate = duplicate(&a);
        a.close().unwrap();
        let before = stale();
        b.write(b"x").unwrap();
        assert_eq!(stale(), before);
        drop(duplicate);
    }
}
