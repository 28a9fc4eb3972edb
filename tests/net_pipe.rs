//! Promises about in-memory connections: a write meets its readers, and nothing is ever lost between.

mod harness;
mod nettest;

use gopark::net::{Cause, Conn, NetError, PipeConn, pipe};
use harness::{after, everywhere, in_some_time, lines::*, scope, until};
use std::{
    io::{self, Read, Write},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

fn past() -> Option<Instant> {
    Some(Instant::now() - Duration::from_secs(1))
}

/// Follows Go's TestPipe: nettest.TestConn over net.Pipe, all eleven of it.
#[test]
fn a_pipe_keeps_the_eleven_promises_of_a_connection() {
    everywhere(|| {
        nettest::all(|| {
            let (a, b) = pipe();
            (Box::new(a), Box::new(b))
        });
    });
}

/// Follows the Go program `net_pipe`.
#[test]
fn writes_meet_reads_deadlines_end_both_and_closing_says_which_end_closed() {
    everywhere(|| {
        let mut out = Lines::new();
        let (a, b) = pipe();
        let (local, remote) = (
            Conn::local_addr(&a).unwrap(),
            Conn::remote_addr(&a).unwrap(),
        );
        out.print(format!("addr {}/{local} {remote}", local.network()));
        let mut buf = [0; 3];
        scope(|s| {
            let w = s.spawn(|| a.write(b"hello"));
            out.print(format!("write pending without reader={}", w.is_pending()));
            let n = b.read(&mut buf);
            out.bytes("Read hel", n);
            assert_eq!(&buf, b"hel");
            out.print(format!("write still pending={}", w.is_pending()));
            let n = b.read(&mut buf);
            out.bytes("Read lo", n);
            out.bytes("Write", w.wait());
            let w = s.spawn(|| a.write(b""));
            out.print(format!("zero Write pending={}", w.is_pending()));
            out.bytes("Read", b.read(&mut buf));
            out.bytes("zero Write", w.wait());
            let z = s.spawn(|| b.read(&mut []));
            out.print(format!("Read(nil) pending={}", z.is_pending()));
            let w = s.spawn(|| a.write(b"q"));
            out.bytes("Read(nil) meets a Write", z.wait());
            out.print(format!("that Write is still pending={}", w.is_pending()));
            b.read(&mut buf).unwrap();
            w.wait().unwrap();
        });
        a.set_read_deadline(past()).unwrap();
        out.bytes("Read past deadline", a.read(&mut buf));
        a.set_read_deadline(None).unwrap();
        let start = Instant::now();
        a.set_read_deadline(after(80)).unwrap();
        let done = a.read(&mut buf);
        let when = elapsed(start, Duration::from_millis(80));
        out.print(format!(
            "Read deadline: {when} n={} err={}",
            moved(&done),
            out.error(done)
        ));
        scope(|s| {
            s.spawn(|| b.read(&mut [0; 3]));
            // The reader has to come before the deadline.
            let cut = in_some_time(Duration::from_millis(80), |time| {
                a.set_write_deadline(Some(Instant::now() + time)).unwrap();
                let result = a.write(b"abcdef");
                (moved(&result) > 0).then_some(result)
            });
            out.bytes("Write deadline, 3 bytes consumed", cut);
            a.set_deadline(None).unwrap();
            let r = s.spawn(|| a.read(&mut [0; 4]));
            assert!(r.is_pending());
            a.set_read_deadline(Some(Instant::now())).unwrap();
            out.bytes("pending Read, SetReadDeadline(now)", r.wait());
            a.set_deadline(None).unwrap();
            let r = s.spawn(|| a.read(&mut [0; 4]));
            let r2 = s.spawn(|| b.read(&mut [0; 4]));
            assert!(r.is_pending() && r2.is_pending());
            out.done("Close", a.close());
            out.bytes("local pending Read", r.wait());
            out.read("remote pending Read", r2.wait());
        });
        out.bytes("local Read", a.read(&mut buf));
        out.bytes("local Write", a.write(&buf));
        out.read("remote Read", b.read(&mut buf));
        out.bytes("remote Write", b.write(&buf));
        out.done("local SetDeadline", a.set_deadline(None));
        out.done("remote SetDeadline", b.set_deadline(None));
        out.done("Close again", a.close());
        out.done("remote Close", b.close());
        out.bytes("remote Read after its own Close", b.read(&mut buf));
        let (a, b) = pipe();
        scope(|s| {
            let w = s.spawn(|| a.write(b"abcdef"));
            b.read(&mut buf).unwrap();
            b.close().unwrap();
            out.bytes("Write cut short by remote Close", w.wait());
        });
        let (a, b) = pipe();
        scope(|s| {
            for i in 0..4 {
                let a = &a;
                s.spawn(move || a.write(&[b'a' + i; 4]).unwrap());
            }
            let mut whole = [0; 16];
            for byte in whole.chunks_mut(1) {
                assert_eq!(b.read(byte).unwrap(), 1);
            }
            let ok = whole.chunks(4).all(|word| word == [word[0]; 4]);
            out.print(format!("writes not interleaved={ok}"));
        });
        out.compare("net_pipe");
    });
}

/// Follows Go's TestPipeCloseError.
#[test]
fn a_closed_end_says_so_and_the_other_end_sees_the_end_of_the_stream() {
    everywhere(|| {
        let (a, b) = pipe();
        a.close().unwrap();
        let is_closed_pipe = |err: io::Error| {
            assert!(matches!(err.net_cause(), Some(Cause::ClosedPipe)), "{err}");
            assert_eq!(err.kind(), io::ErrorKind::BrokenPipe);
            assert!(!err.is_timeout());
        };
        is_closed_pipe(a.read(&mut [0]).unwrap_err());
        is_closed_pipe(a.write(b"x").unwrap_err());
        is_closed_pipe(a.set_deadline(None).unwrap_err());
        assert_eq!(b.read(&mut [0]).unwrap(), 0);
        is_closed_pipe(b.write(b"x").unwrap_err());
        is_closed_pipe(b.set_deadline(None).unwrap_err());
    });
}

#[test]
fn dropping_the_last_clone_of_an_end_closes_it() {
    everywhere(|| {
        let (a, b) = pipe();
        let again = a.clone();
        drop(a);
        scope(|s| {
            let r = s.spawn(|| b.read(&mut [0]));
            assert!(r.is_pending());
            drop(again);
            assert_eq!(r.wait().unwrap(), 0);
        });
    });
}

#[test]
fn a_task_and_a_plain_thread_meet_in_the_middle() {
    let (a, b) = pipe();
    let thread = thread::spawn(move || {
        let mut b = b;
        let mut buf = Vec::new();
        let n = b.read_to_end(&mut buf);
        (n.unwrap(), buf)
    });
    gopark::run(move || {
        let mut a = a;
        for i in 0..500u32 {
            a.write_all(&i.to_le_bytes()).unwrap();
        }
    });
    let (n, buf) = thread.join().unwrap();
    assert_eq!(n, 2000);
    for (i, word) in buf.chunks(4).enumerate() {
        assert_eq!(word, (i as u32).to_le_bytes());
    }
}

/// Bytes are neither lost nor doubled when deadlines cut writes short at random moments: what the
/// writers say went out is what the readers got.
#[test]
fn what_a_cut_write_says_went_out_is_what_was_read() {
    everywhere(|| {
        let (a, b) = pipe();
        let (sent, got) = (AtomicUsize::new(0), AtomicUsize::new(0));
        scope(|s| {
            let writers: Vec<_> = (0..3)
                .map(|i| {
                    let (a, sent) = (&a, &sent);
                    s.spawn(move || {
                        for k in 0..200 {
                            let done = a.write(&[i; 37]);
                            sent.fetch_add(moved(&done), SeqCst);
                            if let Err(err) = done {
                                assert!(err.is_timeout(), "{err}");
                                a.set_write_deadline(None).unwrap();
                            }
                            if k % 3 == 0 {
                                a.set_write_deadline(Some(
                                    Instant::now() + Duration::from_micros(30),
                                ))
                                .unwrap();
                            }
                        }
                    })
                })
                .collect();
            for _ in 0..2 {
                s.spawn(|| {
                    let mut buf = [0; 10];
                    loop {
                        match b.read(&mut buf) {
                            Ok(0) => return,
                            Ok(n) => drop(got.fetch_add(n, SeqCst)),
                            Err(err) => panic!("{err}"),
                        }
                    }
                });
            }
            for writer in writers {
                writer.wait();
            }
            a.close().unwrap();
        });
        assert_eq!(sent.load(SeqCst), got.load(SeqCst));
    });
}

#[test]
fn stds_write_reports_what_was_taken_and_the_error_comes_next() {
    everywhere(|| {
        let (a, b) = pipe();
        scope(|s| {
            let w = s.spawn(|| {
                let mut w = &a;
                (Write::write(&mut w, b"abcdef"), Write::write(&mut w, b"x"))
            });
            assert_eq!(b.read(&mut [0; 2]).unwrap(), 2);
            b.close().unwrap();
            let (first, next) = w.wait();
            assert_eq!(first.unwrap(), 2);
            assert_eq!(next.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        });
    });
}

#[test]
fn the_end_of_a_runtime_ends_operations_on_pipes() {
    let runtime = gopark::Runtime::builder().workers(2).build().unwrap();
    let (a, b) = pipe();
    let started = std::sync::Arc::new(AtomicUsize::new(0));
    let count = |conn: &PipeConn| (conn.clone(), started.clone());
    let (conn, up) = count(&a);
    let reader = runtime.handle().spawn(move || {
        up.fetch_add(1, SeqCst);
        conn.read(&mut [0])
    });
    let (conn, up) = count(&a);
    let writer = runtime.handle().spawn(move || {
        up.fetch_add(1, SeqCst);
        conn.write(&[0; 8])
    });
    until("both to run", || started.load(SeqCst) == 2);
    assert_eq!(b.read(&mut [0; 5]).unwrap(), 5);
    let report = runtime.shutdown_timeout(Duration::from_secs(20));
    assert!(report.is_clean(), "{report}");
    assert!(reader.join().unwrap().unwrap_err().is_shutdown());
    let err = writer.join().unwrap().unwrap_err();
    assert!(err.is_shutdown(), "{err}");
    assert_eq!(err.bytes(), 5);
    // Nothing of the writer's is on offer any more.
    b.set_read_deadline(Some(Instant::now())).unwrap();
    assert!(b.read(&mut [0]).unwrap_err().is_timeout());
}
