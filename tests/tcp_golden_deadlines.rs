//! Promises about deadlines: what Go printed is what we print.

mod harness;

use gopark::net::{NetError, TcpConn};
use harness::{
    everywhere, in_some_time, lines::*, pair, scope, sleep, until, until_readable, until_state,
};
use std::{
    io::{self, Read},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn after(time: Duration) -> Option<Instant> {
    Some(Instant::now() + time)
}

/// A moment that is over.
fn past() -> Option<Instant> {
    Some(Instant::now())
}

fn read_text(out: &mut Lines, conn: &TcpConn, what: &str) {
    let mut buf = [0; 16];
    let result = conn.read(&mut buf);
    let text = String::from_utf8_lossy(&buf[..moved(&result)]).into_owned();
    out.read(&format!("{what}{text}"), result);
}

/// Follows the Go program `deadline_read`, and Go's TestReadTimeout.
#[test]
fn a_read_deadline_beats_data_and_end_loses_nothing_and_stays_until_set_again() {
    everywhere(|| {
        let mut out = Lines::new();
        let (client, server) = pair();
        out.name_pair(&client, &server);
        let mut buf = [0; 16];
        out.done("set past", server.set_read_deadline(past()));
        out.read("read, deadline in the past", server.read(&mut buf));
        client.write(b"data").unwrap();
        until_readable(&server, 4);
        let what = "read, deadline in the past although data is waiting";
        out.read(what, server.read(&mut buf));
        let what = "Read(nil) ignores the deadline";
        out.bytes(what, server.read(&mut []));
        let what = "write unaffected by read deadline";
        out.bytes(what, server.write(b"w"));
        client.read(&mut buf).unwrap();
        server.set_read_deadline(None).unwrap();
        read_text(&mut out, &server, "zero time clears it: ");

        let start = Instant::now();
        server.set_read_deadline(after(ms(100))).unwrap();
        let result = server.read(&mut buf);
        let when = elapsed(start, ms(100));
        let err = out.error(result);
        out.print(format!("read, deadline in 100ms: {when} n=0 err={err}"));
        for _ in 0..3 {
            out.read("sticky", server.read(&mut buf));
        }
        out.print("sticky reads returned at once=true");
        client.write(b"late").unwrap();
        until_readable(&server, 4);
        out.read("sticky although data arrived", server.read(&mut buf));
        server.set_read_deadline(after(ms(3_600_000))).unwrap();
        let what = "future deadline revives it, nothing lost: ";
        read_text(&mut out, &server, what);
        server.set_read_deadline(past()).unwrap();
        let err = server.read(&mut buf).unwrap_err();
        let (timeout, kind) = (err.is_timeout(), err.kind() == io::ErrorKind::TimedOut);
        out.print(format!(
            "deadline now: errors.As(net.Error)=true Timeout={timeout} \
             Is(os.ErrDeadlineExceeded)={kind} os.IsTimeout={timeout}"
        ));

        // The loop of many a program: a deadline for each turn, going on after a time-out.
        let timeouts = AtomicUsize::new(0);
        scope(|s| {
            s.spawn(|| {
                until("two timeouts", || timeouts.load(SeqCst) >= 2);
                client.write(b"hello").unwrap();
                until("the data to be read", || timeouts.load(SeqCst) == 0);
                // The end comes to a reader that waits again.
                until("one more timeout", || timeouts.load(SeqCst) >= 1);
                client.close().unwrap();
            });
            loop {
                server.set_read_deadline(after(ms(100))).unwrap();
                match server.read(&mut buf) {
                    Err(err) if err.is_timeout() => {
                        timeouts.fetch_add(1, SeqCst);
                    }
                    Ok(n) if n > 0 => {
                        let text = String::from_utf8_lossy(&buf[..n]);
                        assert!(timeouts.swap(0, SeqCst) >= 2);
                        out.print(format!(
                            "read {n} bytes, content is {text} after timeouts=2"
                        ));
                    }
                    result => break out.read("loop ends", result),
                }
            }
        });
        server.set_read_deadline(past()).unwrap();
        let what = "EOF pending, deadline passed";
        out.read(what, server.read(&mut buf));
        server.set_read_deadline(None).unwrap();
        out.read("deadline cleared", server.read(&mut buf));
        out.compare("deadline_read");
    });
}

/// Follows the Go program `deadline_write`, and Go's TestWriteTimeout.
#[test]
fn a_write_at_its_deadline_says_how_much_went_out_and_exactly_that_arrives() {
    everywhere(|| {
        let mut out = Lines::new();
        let (client, server) = pair();
        out.name_pair(&client, &server);
        let data = vec![0; 65536];
        let (mut total, mut full) = (0, 0);
        client.set_write_deadline(after(ms(300))).unwrap();
        let result = loop {
            match client.write(&data) {
                Ok(n) => {
                    assert_eq!(n, data.len());
                    total += n;
                    full += 1;
                }
                Err(err) => break Err(err),
            }
        };
        let n = moved(&result);
        total += n;
        let (some, short) = (full > 0, n < 65536);
        let err = out.error(result);
        out.print(format!(
            "full writes>0={some} then 0<=n<65536={short} err={err}"
        ));
        out.bytes("sticky", client.write(b"x"));
        out.bytes("sticky even for zero length", client.write(&[]));
        let big = vec![0; 64 << 20];
        scope(|s| {
            let read = s.spawn(|| client.read(&mut [0; 4]));
            let pending = read.is_pending();
            out.print(format!("reads unaffected: pending={pending}"));
            client.set_write_deadline(None).unwrap();
            let drain = s.spawn(|| (&server).read_exact(&mut vec![0; 1 << 20]));
            drain.wait().unwrap();
            let start = Instant::now();
            client.set_write_deadline(after(ms(200))).unwrap();
            let result = client.write(&big);
            let when = elapsed(start, ms(200));
            let n = moved(&result);
            total += n;
            let some = n > 0 && n < big.len();
            let err = out.error(result);
            out.print(format!("huge write: {when} 0<n<len={some} err={err}"));
            client.set_write_deadline(past()).unwrap();
            out.bytes("past deadline writes nothing", client.write(&big));
            client.close_write().unwrap();
            let got = io::copy(&mut &server, &mut io::sink());
            let all = *got.as_ref().unwrap() as usize == total - (1 << 20);
            let err = out.error(got);
            out.print(format!(
                "peer got everything reported (minus 1MiB read before)={all} err={err}"
            ));
            client.close().unwrap();
            assert!(read.wait().unwrap_err().is_closed());
        });
        out.compare("deadline_write");
    });
}

/// Follows the Go program `deadline_pending`, and Go's TestReadTimeoutUnblocksRead and
/// TestReadTimeoutMustNotReturn.
#[test]
fn a_deadline_reaches_operations_that_wait_already() {
    everywhere(|| {
        let mut out = Lines::new();
        let (client, server) = pair();
        out.name_pair(&client, &server);
        let big = vec![0; 64 << 20];
        let far = ms(3_600_000);
        // A read that waits while its deadline is moved, after one tick, and when it ends.
        for (what, first, then) in [
            ("SetReadDeadline(now) during Read", None, 1),
            ("set while blocked", None, 3),
            ("extended while blocked", Some(8), 11),
            ("shortened while blocked", Some(100_000), 2),
        ] {
            let (when, result) = in_some_time(ms(20), |tick| {
                let start = Instant::now();
                let at = |ticks| start + tick * ticks;
                server.set_read_deadline(first.map(at)).unwrap();
                scope(|s| {
                    let mover = s.spawn(|| {
                        // The program's: `when` counts from here, too.
                        sleep(tick);
                        server.set_read_deadline(Some(at(then))).unwrap();
                        first.is_none_or(|first| Instant::now() < at(first))
                    });
                    let result = server.read(&mut [0; 4]);
                    let when = elapsed(start, tick * then);
                    mover.wait().then_some((when, result))
                })
            });
            let err = out.error(result);
            out.print(format!("{what}: {when} n=0 err={err}"));
        }

        let (buf, result) = in_some_time(ms(20), |tick| {
            let start = Instant::now();
            server.set_read_deadline(Some(start + 8 * tick)).unwrap();
            scope(|s| {
                let mover = s.spawn(|| {
                    sleep(tick);
                    server.set_read_deadline(None).unwrap();
                    let in_time = start.elapsed() < 8 * tick;
                    // Until the deadline that was cleared is over.
                    sleep(9 * tick);
                    client.write(b"ok").unwrap();
                    in_time
                });
                let mut buf = [0; 16];
                let result = server.read(&mut buf);
                if !mover.wait() {
                    // It may have timed out, and then the bytes are still there.
                    server.set_read_deadline(None).unwrap();
                    let left = result.is_err().then(|| server.read(&mut buf).unwrap());
                    assert!(left.is_none_or(|n| n == 2));
                    return None;
                }
                Some((buf, result))
            })
        });
        let text = String::from_utf8_lossy(&buf[..moved(&result)]).into_owned();
        let what = "cleared while blocked, data at 200ms: ";
        out.read(&format!("{what}{text}"), result);

        scope(|s| {
            server.set_read_deadline(after(ms(50))).unwrap();
            let read = s.spawn(|| server.read(&mut [0; 4]));
            // It has fired; whoever comes next gets the new one.
            let result = read.wait();
            server.set_read_deadline(after(far)).unwrap();
            out.read("deadline fired, then extended", result);
            let read = s.spawn(|| server.read(&mut [0; 4]));
            out.print(format!("next read pending={}", read.is_pending()));
            server.set_deadline(past()).unwrap();
            out.read("SetDeadline(past) unblocks Read", read.wait());
        });

        let what = "Write after SetDeadline(past)";
        out.bytes(what, server.write(&big));
        server.set_deadline(None).unwrap();
        scope(|s| {
            let write = s.spawn(|| server.write(&big));
            let read = s.spawn(|| server.read(&mut [0; 4]));
            let (w, r) = (write.is_pending(), read.is_pending());
            out.print(format!("write pending={w} read pending={r}"));
            let start = Instant::now();
            server.set_deadline(after(ms(100))).unwrap();
            let err = out.error(read.wait());
            let when = elapsed(start, ms(100));
            out.print(format!("read: {when} n=0 err={err}"));
            let result = write.wait();
            let n = moved(&result);
            let some = n > 0 && n < big.len();
            let err = out.error(result);
            out.print(format!("write: {when} 0<n<len={some} err={err}"));
        });

        server.set_deadline(after(ms(50))).unwrap();
        server.set_write_deadline(None).unwrap();
        let what = "SetDeadline then SetWriteDeadline(zero): read";
        out.read(what, server.read(&mut [0; 4]));
        scope(|s| {
            let write = s.spawn(|| server.write(&big));
            out.print(format!("write pending={}", write.is_pending()));
            server.set_write_deadline(past()).unwrap();
            let result = write.wait();
            let short = moved(&result) < big.len();
            let err = out.error(result);
            out.print(format!("write: n<len={short} err={err}"));
        });

        server.set_read_deadline(after(ms(50))).unwrap();
        scope(|s| {
            for read in [(); 3].map(|()| s.spawn(|| server.read(&mut [0; 4]))) {
                out.read("queued reader", read.wait());
            }
        });
        let distant = |years: u64| after(Duration::from_secs(years * 31_557_600));
        let what = "SetDeadline(year 9999)";
        out.done(what, server.set_deadline(distant(8000)));
        let what = "SetDeadline(1<<62 seconds)";
        out.done(what, server.set_deadline(distant(1_000_000_000)));
        scope(|s| {
            let read = s.spawn(|| server.read(&mut [0; 4]));
            let pending = read.is_pending();
            out.print(format!("pending with far deadline={pending}"));
            client.write(b"end").unwrap();
            out.read("read", read.wait());
        });
        out.compare("deadline_pending");
    });
}

/// Follows Go's TestAcceptTimeout, TestAcceptTimeoutMustReturn and TestAcceptTimeoutMustNotReturn.
#[test]
fn a_listeners_deadline_reaches_accepts_stays_and_is_not_inherited() {
    everywhere(|| {
        let listener = harness::listener();
        let at = listener.local_addr().unwrap();
        listener.set_deadline(past()).unwrap();
        let waiting = TcpConn::connect(at).unwrap();
        for _ in 0..10 {
            let err = listener.accept().unwrap_err();
            assert_eq!(err.to_string(), format!("accept tcp {at}: i/o timeout"));
            assert!(err.is_timeout() && err.is_temporary() && !err.is_closed());
        }
        listener.set_deadline(after(ms(3_600_000))).unwrap();
        let (conn, _) = listener.accept().unwrap();
        listener.set_deadline(past()).unwrap();
        waiting.write(b"x").unwrap();
        assert_eq!(conn.read(&mut [0; 1]).unwrap(), 1);
        scope(|s| {
            listener.set_deadline(None).unwrap();
            let accept = s.spawn(|| listener.accept());
            assert!(accept.is_pending());
            listener.set_deadline(after(ms(10))).unwrap();
            assert!(accept.wait().unwrap_err().is_timeout());

            listener.set_deadline(None).unwrap();
            let accept = s.spawn(|| listener.accept());
            assert!(accept.is_pending());
            listener.close().unwrap();
            let err = accept.wait().unwrap_err();
            assert!(err.is_closed() && !err.is_timeout() && !err.is_temporary());
        });
    });
}

/// Follows Go's TestReadTimeoutMustNotReturn and TestWriteTimeoutMustNotReturn.
#[test]
fn a_deadline_that_was_cleared_ends_nothing_and_closing_does_not_look_like_it() {
    everywhere(|| {
        let (client, server) = pair();
        let big = vec![0; 64 << 20];
        scope(|s| {
            client.set_deadline(past()).unwrap();
            client.set_read_deadline(None).unwrap();
            let read = s.spawn(|| client.read(&mut [0; 1]));
            assert!(read.is_pending());
            client.set_write_deadline(None).unwrap();
            let write = s.spawn(|| client.write(&big));
            assert!(write.is_pending());
            client.close().unwrap();
            for err in [read.wait().unwrap_err(), write.wait().unwrap_err()] {
                assert!(err.is_closed() && !err.is_timeout() && !err.is_temporary());
            }
        });
        drop(server);
    });
}

/// Follows Go's TestVariousDeadlines, TestVariousDeadlines1Proc and TestVariousDeadlines4Proc, the copy
/// being std's.
#[test]
fn deadlines_of_every_length_end_a_copy_with_a_time_out() {
    everywhere(|| {
        let listener = harness::listener();
        let at = listener.local_addr().unwrap();
        let nanos = [1, 2, 5, 50, 100, 200, 500, 750].map(Duration::from_nanos);
        let micros = [1, 5, 25, 250, 500].map(Duration::from_micros);
        let millis = [1, 5, 100, 250].map(Duration::from_millis);
        scope(|s| {
            s.spawn(|| {
                for conn in listener.incoming() {
                    let conn = conn.unwrap();
                    // Sends until the peer has enough of it.
                    while conn.write(&[0; 4096]).is_ok() {}
                }
            });
            for wait in [&nanos[..], &micros, &millis].concat() {
                let conn = TcpConn::connect(at).unwrap();
                let start = Instant::now();
                conn.set_deadline(Some(start + wait)).unwrap();
                let err = io::copy(&mut &conn, &mut io::sink()).unwrap_err();
                assert!(err.is_timeout(), "{err}");
                assert!(start.elapsed() >= wait);
                conn.close().unwrap();
            }
            listener.close().unwrap();
        });
    });
}

/// Follows Go's TestReadWriteDeadlineRace and TestConcurrentSetDeadline.
#[test]
fn deadlines_set_while_others_read_and_write_hurt_nobody() {
    everywhere(|| {
        let (client, server) = pair();
        scope(|s| {
            for conn in [&client, &server] {
                s.spawn(move || {
                    for _ in 0..1000 {
                        let at = Instant::now() + Duration::from_micros(2);
                        conn.set_read_deadline(Some(at)).unwrap();
                        conn.set_write_deadline(Some(at)).unwrap();
                    }
                });
                s.spawn(move || {
                    for _ in 0..1000 {
                        let result = conn.read(&mut [0; 1]);
                        assert!(result.is_ok() || result.unwrap_err().is_timeout());
                    }
                });
                s.spawn(move || {
                    for _ in 0..1000 {
                        let result = conn.write(&[0; 1]);
                        assert!(result.is_ok() || result.unwrap_err().is_timeout());
                    }
                });
            }
        });
        // Whatever happened, a deadline that was cleared leaves a working connection.
        for conn in [&client, &server] {
            conn.set_deadline(None).unwrap();
        }
        client.close_write().unwrap();
        io::copy(&mut &server, &mut io::sink()).unwrap();
        server.close_write().unwrap();
        io::copy(&mut &client, &mut io::sink()).unwrap();
        until_state(&client, "CLOSE");
    });
}

/// Follows Go's TestConcurrentSetDeadline: many timers, each earlier than the last.
#[test]
fn the_earliest_of_many_deadlines_holds_on_every_connection() {
    everywhere(|| {
        let listener = harness::listener();
        let pairs: Vec<_> = (0..10).map(|_| harness::pair_on(&listener)).collect();
        scope(|s| {
            let reads: Vec<_> = pairs
                .iter()
                .map(|(client, _)| s.spawn(|| client.read(&mut [0; 1])))
                .collect();
            for _ in 0..8 {
                let pairs = &pairs;
                s.spawn(move || {
                    for (client, _) in pairs {
                        for left in (0..100).rev() {
                            client.set_read_deadline(after(ms(10 * left))).unwrap();
                        }
                    }
                });
            }
            for read in reads {
                assert!(read.wait().unwrap_err().is_timeout());
            }
        });
    });
}

/// Follows Go's TestReadWriteProlongedTimeout.
#[test]
fn deadlines_that_are_prolonged_with_every_operation_never_come() {
    everywhere(|| {
        let (client, server) = pair();
        scope(|s| {
            s.spawn(|| {
                let mut buf = [0; 1];
                loop {
                    server.set_read_deadline(after(ms(3_600_000))).unwrap();
                    if server.read(&mut buf).unwrap() == 0 {
                        break;
                    }
                    server.set_write_deadline(after(ms(3_600_000))).unwrap();
                    server.write(&buf).unwrap();
                }
            });
            for i in 0..2000u32 {
                client.set_deadline(after(ms(3_600_000))).unwrap();
                let byte = [i as u8];
                client.write(&byte).unwrap();
                let mut back = [0; 1];
                assert_eq!(client.read(&mut back).unwrap(), 1);
                assert_eq!(back, byte);
            }
            client.close_write().unwrap();
        });
    });
}

#[test]
fn a_time_out_holds_for_each_operation_and_gives_way_to_a_deadline_and_back() {
    everywhere(|| {
        let (client, server) = pair();
        let mut buf = [0; 4];
        client.set_read_timeout(Some(ms(30))).unwrap();
        assert_eq!(client.read_timeout().unwrap(), Some(ms(30)));
        assert_eq!(client.write_timeout().unwrap(), None);
        for _ in 0..2 {
            let start = Instant::now();
            let err = client.read(&mut buf).unwrap_err();
            assert!(err.is_timeout() && err.kind() == io::ErrorKind::TimedOut);
            assert!(start.elapsed() >= ms(30), "a time-out is not a deadline");
        }
        server.write(b"x").unwrap();
        until_readable(&client, 1);
        assert_eq!(client.read(&mut buf).unwrap(), 1);
        // Set last, the deadline holds.
        client.set_read_deadline(past()).unwrap();
        assert_eq!(client.read_timeout().unwrap(), None);
        server.write(b"x").unwrap();
        until_readable(&client, 1);
        assert!(client.read(&mut buf).unwrap_err().is_timeout());
        // And so does no time-out.
        client.set_read_timeout(None).unwrap();
        assert_eq!(client.read(&mut buf).unwrap(), 1);
        client.set_write_timeout(Some(ms(50))).unwrap();
        let err = client.write(&vec![0; 64 << 20]).unwrap_err();
        assert!(err.is_timeout() && err.bytes() > 0);
        let err = client.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::InvalidInput);
        client.set_read_timeout(Some(Duration::MAX)).unwrap();
        server.write(b"x").unwrap();
        assert_eq!(client.read(&mut buf).unwrap(), 1);
    });
}
