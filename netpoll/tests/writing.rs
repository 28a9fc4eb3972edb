//! Writing: all of it or how much of it, in turns, without spinning.

mod support;

use netpoll::{Error, Fd, Kind, Mode};
use std::io::IoSlice;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use support::{BOUND, after, fill, register, start, tcp_pair, unix_pair, until};

fn drain(fd: &Fd) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = vec![0; 1 << 16];
    while let n @ 1.. = fd.read(&mut buf).unwrap() {
        all.extend_from_slice(&buf[..n]);
    }
    all
}

/// Go: `TestEndlessWrite`.
#[test]
fn a_peers_half_close_does_not_wake_a_writer_that_waits_for_room() {
    // A Unix stream: its room depends on the peer's reads alone, so any retry is a false one.
    let (a, b) = unix_pair();
    let a = Arc::new(a);
    fill(&a);
    a.set_deadline(&[Mode::Write], after(BOUND)).unwrap();
    let w = a.clone();
    let writer = start(move || w.write(&[1; 1 << 16]).map_err(|p| p.error)).asleep();
    let counters = writer.handle.counters();
    let (events, eagains) = (counters.events.load(SeqCst), counters.eagains.load(SeqCst));
    b.shutdown(std::net::Shutdown::Write).unwrap();
    until("the event of the half close has come", || {
        counters.events.load(SeqCst) > events && writer.handle.is_sleeping()
    });
    assert_eq!(a.read(&mut [0; 8]), Ok(0));
    assert!(!writer.is_finished());
    assert_eq!(
        counters.eagains.load(SeqCst),
        eagains,
        "the writer was woken"
    );
    b.close().unwrap();
    let err = writer.join().unwrap_err();
    assert!(
        matches!(err.errno(), Some(libc::ECONNRESET | libc::EPIPE)),
        "{err}"
    );
}

#[test]
fn a_write_larger_than_every_buffer_arrives_whole_and_concurrent_ones_do_not_mix() {
    let (a, b) = tcp_pair();
    let a = Arc::new(a);
    const SIZE: usize = 3 << 20;
    let writers: Vec<_> = (1..=3u8)
        .map(|i| {
            let a = a.clone();
            start(move || a.write(&vec![i; SIZE]))
        })
        .collect();
    let reader = start(move || drain(&b));
    for writer in writers {
        assert_eq!(writer.join(), Ok(()));
    }
    a.close().unwrap();
    let all = reader.join();
    assert_eq!(all.len(), 3 * SIZE);
    let turns = 1 + all.windows(2).filter(|w| w[0] != w[1]).count();
    assert_eq!(turns, 3, "writes were interleaved");
}

#[test]
fn a_write_cut_by_its_deadline_says_exactly_how_much_went_out() {
    for (a, b) in [tcp_pair(), unix_pair()] {
        let big = vec![5; 64 << 20];
        a.set_deadline(&[Mode::Write], after(Duration::from_millis(50)))
            .unwrap();
        let partial = a.write(&big).unwrap_err();
        assert_eq!(partial.error, Error::Timeout);
        assert!(partial.written > 0 && partial.written < big.len());
        a.close().unwrap();
        assert_eq!(drain(&b).len(), partial.written);
    }
}

/// Go: `TestBuffers_WriteTo`.
#[test]
fn writev_of_any_number_of_chunks_arrives_in_order() {
    for chunks in [0, 1, 2, 1023, 1024, 1025, 2048, 4000] {
        for size in [0usize, 1, 700] {
            let (a, b) = tcp_pair();
            let data: Vec<Vec<u8>> = (0..chunks).map(|i| vec![i as u8; size]).collect();
            let expected = data.concat();
            let writer = start(move || {
                let mut bufs: Vec<_> = data.iter().map(|d| IoSlice::new(d)).collect();
                let mut rest = &mut bufs[..];
                let n = a.writev(&mut rest).unwrap();
                assert!(rest.is_empty());
                a.close().unwrap();
                n
            });
            assert!(drain(&b) == expected, "{chunks} chunks of {size}");
            assert_eq!(writer.join(), expected.len());
        }
    }
}

/// Go: `TestWritevError`.
#[test]
fn writev_to_a_peer_that_is_gone_fails_in_the_end() {
    let (a, b) = tcp_pair();
    b.close().unwrap();
    let chunk = vec![0; 65536];
    let err = loop {
        let mut bufs = vec![IoSlice::new(&chunk); 50];
        if let Err(partial) = a.writev(&mut &mut bufs[..]) {
            break partial.error;
        }
    };
    assert!(
        matches!(err.errno(), Some(libc::ECONNRESET | libc::EPIPE)),
        "{err}"
    );
}

/// Go: `TestBuffers` on a pipe, which has `writev` and not `sendmsg`.
#[test]
fn writev_and_deadlines_work_on_a_pipe() {
    let (r, w) = std::io::pipe().unwrap();
    let (r, w) = (
        Fd::new(r.into(), Kind::FILE).unwrap(),
        Fd::new(w.into(), Kind::FILE).unwrap(),
    );
    register(&r);
    let reader = start(move || drain(&r).len());
    let data = [9; 1 << 20];
    let mut bufs = [IoSlice::new(&data), IoSlice::new(b"tail")];
    assert_eq!(w.writev(&mut &mut bufs[..]), Ok((1 << 20) + 4));
    w.close().unwrap();
    assert_eq!(reader.join(), (1 << 20) + 4);
}

/// Go: `TestZeroByteRead`.
#[test]
fn empty_reads_and_writes_return_at_once() {
    for (a, b) in [tcp_pair(), unix_pair()] {
        assert_eq!(a.read(&mut []), Ok(0));
        assert_eq!(b.write(&[]), Ok(()));
        assert_eq!(b.writev(&mut &mut [][..]), Ok(0));
        b.close().unwrap();
        assert_eq!(a.read(&mut [0; 8]), Ok(0));
    }
}

/// Three gigabytes of address space that are never touched: `/dev/null` only counts them.
/// Go: `TestTCPBig`.
#[test]
fn a_write_of_more_than_one_call_may_move_is_cut_and_completed() {
    const SIZE: usize = 3 << 30;
    // SAFETY: a fresh private mapping; nothing else is passed.
    let at = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        libc::mmap(std::ptr::null_mut(), SIZE, libc::PROT_READ, flags, -1, 0)
    };
    assert_ne!(at, libc::MAP_FAILED);
    // SAFETY: the mapping is that large, readable and all zero; it is never unmapped.
    let zeroes = unsafe { std::slice::from_raw_parts(at.cast::<u8>(), SIZE) };
    let null = std::fs::File::options()
        .write(true)
        .open("/dev/null")
        .unwrap();
    let kind = Kind {
        pollable: false,
        ..Kind::FILE
    };
    let null = Fd::new(null.into(), kind).unwrap();
    assert_eq!(null.write(zeroes), Ok(()));
    assert_eq!(null.writev(&mut &mut [IoSlice::new(zeroes)][..]), Ok(SIZE));
}

fn tcp_socket() -> Fd {
    // SAFETY: no memory is passed; the new descriptor is owned at once.
    let fd = unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let fd = libc::socket(libc::AF_INET, kind, 0);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    };
    Fd::from_nonblocking(fd, Kind::TCP)
}

/// Go: `TestTCPSpuriousConnSetupCompletion`.
#[test]
fn a_connect_that_succeeds_has_a_peer_and_one_that_is_refused_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let fd = Fd::new(listener.try_clone().unwrap().into(), Kind::STREAM).unwrap();
    let fd = Arc::new(fd);
    let l = fd.clone();
    let acceptor = start(move || while l.accept().is_ok() {});
    let dialers: Vec<_> = (0..4)
        .map(|_| {
            start(move || {
                for _ in 0..100 {
                    let conn = tcp_socket();
                    conn.connect(&addr.into()).unwrap();
                    if let Err(partial) = conn.write(b"x") {
                        assert_ne!(partial.error.errno(), Some(libc::ENOTCONN));
                    }
                }
            })
        })
        .collect();
    dialers.into_iter().for_each(support::Blocked::join);
    fd.close().unwrap();
    acceptor.join();
    drop(listener);
    let err = tcp_socket().connect(&addr.into()).unwrap_err();
    assert_eq!(err.errno(), Some(libc::ECONNREFUSED));
}

#[test]
fn a_connect_that_nobody_answers_ends_at_the_write_deadline() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: no memory is passed. A queue of one, which the first connections fill.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let addr = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    for _ in 0..20 {
        let conn = tcp_socket();
        conn.set_deadline(&[Mode::Write], after(Duration::from_millis(50)))
            .unwrap();
        match conn.connect(&addr.into()) {
            Ok(()) => queued.push(conn),
            Err(err) => return assert_eq!(err, Error::Timeout),
        }
    }
    panic!(
        "a listener with a queue of one took {} connections",
        queued.len()
    );
}
