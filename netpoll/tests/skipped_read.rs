//! The read that is skipped after a short one: it is skipped where it must fail, and never where
//! something is there.

mod support;

use netpoll::{Error, Fd, Kind, Mode, park};
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use support::{
    BOUND, Blocked, after, is_ready, register, start, std_tcp_pair, tcp_pair, unix_pair, until,
};

fn skipped() -> u64 {
    park::with_current(|p| p.poller().counters().skipped_reads.load(SeqCst))
}

fn eagains() -> u64 {
    park::with_current(|p| p.poller().counters().eagains.load(SeqCst))
}

fn ping_pong(a: &Fd, b: Fd, rounds: u64) {
    let echo = start(move || {
        let mut buf = [0; 64];
        while let n @ 1.. = b.read(&mut buf).unwrap() {
            b.write(&buf[..n]).unwrap();
        }
    });
    let mut buf = [0; 64];
    for i in 0..rounds {
        a.write(&i.to_le_bytes()).unwrap();
        assert_eq!(a.read(&mut buf), Ok(8));
    }
    a.close().unwrap();
    echo.join();
}

#[test]
fn a_tcp_ping_pong_skips_the_read_that_would_fail() {
    let (a, b) = tcp_pair();
    let before = skipped();
    ping_pong(&a, b, 200);
    // Nearly every round: only an echo that was quicker than our poller is not skipped.
    assert!(skipped() - before > 0, "no read was ever skipped");
}

#[test]
fn a_unix_stream_never_skips() {
    let (a, b) = unix_pair();
    let before = skipped();
    ping_pong(&a, b, 200);
    assert_eq!(skipped(), before);
}

/// A connection that has had one short read and was never registered.
fn read_once() -> (Fd, Fd) {
    let (a, b) = tcp_pair();
    a.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
    b.write(b"x").unwrap();
    until("the byte is there", || a.peek(&mut [0; 8]) == Ok(1));
    assert_eq!(a.read(&mut [0; 8]), Ok(1));
    (a, b)
}

#[test]
fn a_descriptor_that_is_not_registered_yet_is_registered_instead_of_tried() {
    let (a, b) = read_once();
    let reader = start(move || a.read(&mut [0; 8]));
    until("it sleeps", || reader.handle.is_sleeping());
    b.write(b"yz").unwrap();
    let handle = reader.handle.clone();
    assert_eq!(reader.join(), Ok(2));
    let counters = handle.counters();
    assert_eq!(counters.registrations.load(SeqCst), 1);
    assert_eq!(counters.skipped_reads.load(SeqCst), 1);
    assert_eq!(counters.eagains.load(SeqCst), 0);
}

#[test]
fn what_came_before_a_descriptor_was_registered_is_found_after_a_skipped_read() {
    let came: [fn(&Fd); 3] = [
        |b| b.write(b"y").unwrap(),
        |b| b.shutdown(std::net::Shutdown::Write).unwrap(),
        |b| b.close().unwrap(),
    ];
    for (came, found) in came.into_iter().zip([1, 0, 0]) {
        let (a, b) = read_once();
        came(&b);
        until("the kernel has it", || is_ready(&a, libc::POLLIN));
        let before = skipped();
        assert_eq!(a.read(&mut [0; 8]), Ok(found));
        assert_eq!(skipped(), before + 1);
    }
}

/// Lets an event come that is noted, with nobody to wake.
fn note_event(a: &Fd) {
    let poll = || park::with_current(|p| p.poller().poll(Some(Duration::ZERO)).unwrap());
    until("the event comes", || poll() > 0);
    a.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
}

#[test]
fn an_event_that_a_read_was_quicker_than_holds_back_no_skip_after_it() {
    let (a, b) = tcp_pair();
    register(&a);
    b.write(b"x").unwrap();
    note_event(&a); // the read below looks for itself
    assert_eq!(a.read(&mut [0; 8]), Ok(1));
    let (before, vain) = (skipped(), eagains());
    // Its deadline may be over before a read begins.
    until("a read waits", || {
        let soon = after(Duration::from_millis(1));
        a.set_deadline(&[Mode::Read], soon).unwrap();
        assert_eq!(a.read(&mut [0; 8]), Err(Error::Timeout));
        skipped() > before
    });
    assert_eq!((skipped(), eagains()), (before + 1, vain));
}

/// What a peer does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Byte,
    /// As much as the reader's buffer holds.
    Full,
    Urgent,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    HalfClose,
    Close,
    Reset,
}

/// When the next thing happens.
#[derive(Clone, Copy, Debug)]
enum Gap {
    None,
    /// When everything sent so far was read.
    Read,
    /// When the reader sleeps.
    Asleep,
}

const BUFFER: usize = 16;

fn urgent(peer: &TcpStream) {
    // SAFETY: one byte is read from a static.
    let n = unsafe { libc::send(peer.as_raw_fd(), b"!".as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(n, 1);
}

fn inline_urgent(fd: &Fd) {
    let on = 1i32;
    fd.with(|fd| {
        let (at, len) = ((&raw const on).cast(), size_of::<i32>() as u32);
        // SAFETY: `at` and `len` describe one `i32`.
        let done = unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_OOBINLINE,
                at,
                len,
            )
        };
        assert_eq!(done, 0);
    })
    .unwrap();
}

/// Reads to the end; how many ordinary bytes came, and how it ended.
fn reader(fd: Arc<Fd>, got: Arc<AtomicUsize>) -> Blocked<(usize, Result<usize, Error>)> {
    start(move || {
        fd.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
        let mut total = 0;
        let mut buf = [0; BUFFER];
        loop {
            match fd.read(&mut buf) {
                Ok(n) if n > 0 => {
                    total += buf[..n].iter().filter(|b| **b == b'.').count();
                    got.store(total, SeqCst);
                }
                end => return (total, end),
            }
        }
    })
}

/// As one that was accepted, or as any other.
fn take(fd: TcpStream, accepted: bool) -> Fd {
    if !accepted {
        return Fd::new(fd.into(), Kind::TCP).unwrap();
    }
    fd.set_nonblocking(true).unwrap();
    Fd::accepted(fd.into(), Kind::TCP)
}

fn play(acts: &[(Act, Gap)], end: End, inline: bool, accepted: bool) {
    let what = format!("{acts:?}, then {end:?}, inline: {inline}, accepted: {accepted}");
    let (fd, mut peer) = std_tcp_pair();
    let fd = Arc::new(take(fd, accepted));
    if inline {
        inline_urgent(&fd);
    }
    let got = Arc::new(AtomicUsize::new(0));
    let reader = reader(fd.clone(), got.clone());
    let mut sent = 0;
    for (act, gap) in acts {
        match gap {
            Gap::None => {}
            Gap::Read => until(&what, || got.load(SeqCst) == sent),
            Gap::Asleep => until(&what, || {
                got.load(SeqCst) == sent && reader.handle.is_sleeping()
            }),
        }
        let n = match act {
            Act::Byte => 1,
            Act::Full => BUFFER,
            Act::Urgent => {
                urgent(&peer);
                continue;
            }
        };
        peer.write_all(&[b'.'; BUFFER][..n]).unwrap();
        sent += n;
    }
    match end {
        End::HalfClose => peer.shutdown(std::net::Shutdown::Write).unwrap(),
        End::Close => drop(peer),
        End::Reset => {
            until(&what, || got.load(SeqCst) == sent);
            let linger = libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            let (at, len) = ((&raw const linger).cast(), size_of_val(&linger) as u32);
            // SAFETY: `at` and `len` describe `linger`.
            let done = unsafe {
                libc::setsockopt(peer.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, at, len)
            };
            assert_eq!(done, 0);
            drop(peer);
        }
    }
    let (total, result) = reader.join();
    assert_eq!(total, sent, "bytes lost: {what}");
    match end {
        End::Reset => assert_eq!(
            result.unwrap_err().errno(),
            Some(libc::ECONNRESET),
            "{what}"
        ),
        _ => assert_eq!(result, Ok(0), "{what}"),
    }
}

/// Every sequence of three things, with every timing between them, up to every kind of end.
fn play_all(acts: [Act; 3], ends: &[End], inline: bool) {
    let gaps = [Gap::None, Gap::Read, Gap::Asleep];
    for code in 0..27usize {
        let which = [code % 3, code / 3 % 3, code / 9];
        for timing in 0..27usize {
            // All timings of the plain sequences would take long: each sequence meets nine.
            if !(code + timing).is_multiple_of(3) {
                continue;
            }
            let when = [timing % 3, timing / 3 % 3, timing / 9];
            let script = [0, 1, 2].map(|i| (acts[which[i]], gaps[when[i]]));
            let end = ends[(code + timing / 3) % ends.len()];
            play(&script, end, inline, code % 2 == 0);
        }
    }
}

#[test]
fn bytes_and_ends_of_stream_arrive_at_every_timing() {
    let acts = [Act::Byte, Act::Full, Act::Byte];
    play_all(acts, &[End::HalfClose, End::Close, End::Reset], false);
}

#[test]
fn urgent_data_at_every_place_holds_back_no_byte() {
    let acts = [Act::Byte, Act::Full, Act::Urgent];
    play_all(acts, &[End::HalfClose, End::Close], false);
}

#[test]
fn urgent_data_in_line_holds_back_no_byte() {
    let acts = [Act::Byte, Act::Full, Act::Urgent];
    play_all(acts, &[End::HalfClose, End::Close], true);
}

/// Only as many buffers as one call takes are offered, so a full read of those is not a short one.
#[test]
fn a_readv_of_more_buffers_than_one_call_takes_does_not_pass_for_short() {
    use std::io::IoSliceMut;
    let (a, b) = tcp_pair();
    register(&a);
    a.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
    b.write(&[1; 2000]).unwrap();
    until("all of it is there", || a.peek(&mut [0; 2000]) == Ok(2000));
    // Their edge is consumed: a wait from here on would be for ever.
    park::with_current(|p| p.poller().poll(Some(Duration::ZERO))).unwrap();
    let mut bytes = [0u8; 2000];
    let mut bufs: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
    assert_eq!(a.readv(&mut bufs), Ok(1024));
    assert_eq!(a.readv(&mut bufs), Ok(976));
}

#[test]
fn empty_buffers_before_the_first_real_one_are_no_end_of_stream() {
    use std::io::IoSliceMut;
    let (a, b) = tcp_pair();
    b.write(b"hello").unwrap();
    let mut empty: Vec<[u8; 0]> = vec![[]; 1500];
    let mut real = [0; 5];
    let mut bufs: Vec<_> = empty.iter_mut().map(|b| IoSliceMut::new(b)).collect();
    bufs.push(IoSliceMut::new(&mut real));
    assert_eq!(a.readv(&mut bufs), Ok(5));
    assert_eq!(a.readv(&mut bufs[..1500]), Ok(0));
}

#[test]
fn waiting_for_readability_takes_nothing_and_never_sleeps_on_bytes() {
    let (a, b) = tcp_pair();
    a.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
    let a = Arc::new(a);
    let waiter = {
        let a = a.clone();
        start(move || {
            for round in 0..100 {
                a.wait_readable()?;
                a.wait_readable()?;
                // Alternately all of it, or byte by byte: a full buffer proves nothing.
                let mut buf = [0; 4];
                let want = if round % 2 == 0 { 2 } else { 1 };
                let mut left = 2;
                while left > 0 {
                    a.wait_readable()?;
                    left -= a.read(&mut buf[..want.min(left)])?;
                }
            }
            Ok::<_, Error>(())
        })
    };
    for _ in 0..100 {
        b.write(b"xy").unwrap();
    }
    assert_eq!(waiter.join(), Ok(()));
}

/// A read stops at the mark: short, with more behind it, and all of it told of by one event that is
/// consumed already.
#[test]
fn a_short_read_that_stopped_at_the_urgent_mark_is_not_believed() {
    stops_at_the_mark(false);
    stops_at_the_mark(true);
}

fn stops_at_the_mark(accepted: bool) {
    let (a, mut peer) = std_tcp_pair();
    let a = take(a, accepted);
    register(&a);
    peer.write_all(b"abc").unwrap();
    urgent(&peer);
    peer.write_all(b"def").unwrap();
    // What can be read ends at the mark; what the other side's kernel has been told of does not.
    until("all of it is there", || {
        let mut n = 0i32;
        // SAFETY: TIOCOUTQ writes one `i32`.
        let done = unsafe { libc::ioctl(peer.as_raw_fd(), libc::TIOCOUTQ, &mut n) };
        (done, n) == (0, 0)
    });
    park::with_current(|p| p.poller().poll(Some(Duration::ZERO))).unwrap();
    a.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
    let mut buf = [0; 16];
    assert_eq!(a.read(&mut buf), Ok(3));
    assert_eq!(&buf[..3], b"abc");
    assert_eq!(a.read(&mut buf), Ok(3));
    assert_eq!(&buf[..3], b"def");
}

/// A connection whose last read was short and on which bytes have come since: told of by an event that
/// is noted, with nobody to wake.
fn told_of_more() -> (Fd, Fd) {
    let (a, b) = read_once();
    register(&a);
    b.write(b"yz").unwrap();
    note_event(&a);
    (a, b)
}

#[test]
fn a_turn_that_is_dropped_without_a_try_holds_back_no_byte() {
    let (a, _b) = told_of_more();
    drop(a.read_turn(8));
    assert_eq!(a.read(&mut [0; 8]), Ok(2));
}

#[test]
fn a_turn_that_is_dropped_after_a_try_in_vain_lets_the_next_reader_in() {
    let (a, b) = tcp_pair();
    let mut turn = a.read_turn(8);
    assert_eq!(turn.try_read(&mut [0; 8]), None);
    drop(turn);
    b.write(b"x").unwrap();
    assert_eq!(start(move || a.read(&mut [0; 8])).join(), Ok(1));
}

#[test]
fn a_buffer_that_panics_instead_of_coming_holds_back_no_byte() {
    let (a, _b) = told_of_more();
    let lend = || -> Vec<u8> { panic!("no buffer today") };
    let read = std::panic::AssertUnwindSafe(|| a.read_lent(8, lend).map(|_| ()));
    assert!(std::panic::catch_unwind(read).is_err());
    let short = std::panic::AssertUnwindSafe(|| a.read_lent(8, || [0u8; 1]).map(|_| ()));
    assert!(std::panic::catch_unwind(short).is_err());
    assert_eq!(a.read(&mut [0; 8]), Ok(2));
}
