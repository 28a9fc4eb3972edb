//! What every connection must do, on whichever network: eleven promises, each in the hands of a pair.
//!
//! Follows `vendor/golang.org/x/net/nettest/conntest.go` of Go.

#![allow(dead_code, reason = "the networks come one after the other")]

use crate::harness::scope;
use gopark::net::{Conn, is_timeout};
use std::{
    io::{self, Read, Write},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::{Duration, Instant},
};

type Pair = (Box<dyn Conn>, Box<dyn Conn>);

fn past() -> Option<Instant> {
    Some(Instant::now())
}

fn after(millis: u64) -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(millis))
}

fn assert_timed_out(result: io::Result<usize>) -> usize {
    let err = result.expect_err("should have timed out");
    assert!(is_timeout(&err), "{err}");
    gopark::net::NetError::bytes(&err)
}

/// All eleven, each with a new pair.
pub fn all(make: impl Fn() -> Pair) {
    for test in [
        basic_io,
        ping_pong,
        racy_read,
        racy_write,
        read_timeout,
        write_timeout,
        past_timeout,
        present_timeout,
        future_timeout,
        close_timeout,
        concurrent_methods,
    ] {
        let (a, b) = make();
        test(&*a, &*b);
        let _ = (a.close(), b.close());
    }
}

/// A megabyte goes there and back unharmed, and its end is seen.
/// Go: `BasicIO`.
fn basic_io(a: &dyn Conn, b: &dyn Conn) {
    let want: Vec<u8> = (0..1u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let got = scope(|s| {
        s.spawn(|| {
            for chunk in want.chunks(1024) {
                (&mut { a }).write_all(chunk).unwrap();
            }
            a.close().unwrap();
        });
        let got = s.spawn(|| {
            let mut got = Vec::new();
            (&mut { b }).read_to_end(&mut got).unwrap();
            got
        });
        got.wait()
    });
    assert!(got == want);
    b.close().unwrap();
}

/// Two ends take turns with one counter.
/// Go: `PingPong`.
fn ping_pong(a: &dyn Conn, b: &dyn Conn) {
    let play = |mut conn: &dyn Conn| {
        let mut buf = [0; 8];
        let mut last = 0;
        loop {
            match conn.read_exact(&mut buf) {
                Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => break,
                result => result.unwrap(),
            }
            let value = u64::from_le_bytes(buf);
            assert!(last == 0 || value == last + 2);
            if value == 1000 {
                break;
            }
            last = value;
            conn.write_all(&(value + 1).to_le_bytes()).unwrap();
        }
        conn.close().unwrap();
    };
    scope(|s| {
        s.spawn(|| play(a));
        s.spawn(|| play(b));
        (&mut { a }).write_all(&0u64.to_le_bytes()).unwrap();
    });
}

/// Readers whose deadlines come all the time see time-outs and nothing worse.
/// Go: `RacyRead`.
fn racy_read(a: &dyn Conn, b: &dyn Conn) {
    scope(|s| {
        s.spawn(|| while b.write(&[7; 1024]).is_ok() {});
        a.set_read_deadline(after(1)).unwrap();
        let readers = [(); 10].map(|()| {
            s.spawn(|| {
                for _ in 0..100 {
                    if let Err(err) = a.read(&mut [0; 1024]) {
                        assert!(is_timeout(&err), "{err}");
                        a.set_read_deadline(after(1)).unwrap();
                    }
                }
            })
        });
        for reader in readers {
            reader.wait();
        }
        b.close().unwrap();
    });
}

/// Writers whose deadlines come all the time see time-outs and nothing worse.
/// Go: `RacyWrite`.
fn racy_write(a: &dyn Conn, b: &dyn Conn) {
    scope(|s| {
        s.spawn(|| while matches!(b.read(&mut [0; 1024]), Ok(n) if n > 0) {});
        a.set_write_deadline(after(1)).unwrap();
        let writers = [(); 10].map(|()| {
            s.spawn(|| {
                for _ in 0..100 {
                    if let Err(err) = a.write(&[7; 1024]) {
                        assert!(is_timeout(&err), "{err}");
                        a.set_write_deadline(after(1)).unwrap();
                    }
                }
            })
        });
        for writer in writers {
            writer.wait();
        }
        a.close().unwrap();
    });
}

/// A read deadline that is over ends reads and leaves writes alone.
/// Go: `ReadTimeout`.
fn read_timeout(a: &dyn Conn, b: &dyn Conn) {
    scope(|s| {
        s.spawn(|| while matches!(b.read(&mut [0; 1024]), Ok(n) if n > 0) {});
        a.set_read_deadline(past()).unwrap();
        assert_eq!(assert_timed_out(a.read(&mut [0; 1024])), 0);
        assert_eq!(a.write(&[7; 1024]).unwrap(), 1024);
        a.close().unwrap();
    });
}

/// A write deadline that is over ends writes and leaves reads alone.
/// Go: `WriteTimeout`.
fn write_timeout(a: &dyn Conn, b: &dyn Conn) {
    scope(|s| {
        s.spawn(|| while b.write(&[7; 1024]).is_ok() {});
        a.set_write_deadline(past()).unwrap();
        assert_eq!(assert_timed_out(a.write(&[7; 1024])), 0);
        assert!(a.read(&mut [0; 1024]).unwrap() > 0);
        b.close().unwrap();
    });
}

/// Deadlines that are over end everything, and cleared nothing.
/// Go: `PastTimeout`.
fn past_timeout(a: &dyn Conn, b: &dyn Conn) {
    scope(|s| {
        s.spawn(|| echo(b));
        round_trip(a);
        a.set_deadline(past()).unwrap();
        assert_eq!(assert_timed_out(a.write(&[7; 1024])), 0);
        assert_eq!(assert_timed_out(a.read(&mut [0; 1024])), 0);
        round_trip(a);
        a.close().unwrap();
    });
}

/// Deadlines in the past reach what waits already.
/// Go: `PresentTimeout`.
fn present_timeout(a: &dyn Conn, _b: &dyn Conn) {
    let set = AtomicBool::new(false);
    scope(|s| {
        let read = s.spawn(|| {
            assert_eq!(assert_timed_out(a.read(&mut [0; 1024])), 0);
            assert!(set.load(SeqCst), "a read timed out before it should");
        });
        let write = s.spawn(|| {
            assert_timed_out(write_until_error(a));
            assert!(set.load(SeqCst), "a write timed out before it should");
        });
        assert!(read.is_pending() && write.is_pending());
        set.store(true, SeqCst);
        a.set_read_deadline(past()).unwrap();
        a.set_write_deadline(past()).unwrap();
    });
}

/// Deadlines to come end what waits when they come, and the connection is good afterwards.
/// Go: `FutureTimeout`.
fn future_timeout(a: &dyn Conn, b: &dyn Conn) {
    a.set_deadline(after(100)).unwrap();
    scope(|s| {
        s.spawn(|| assert_eq!(assert_timed_out(a.read(&mut [0; 1024])), 0));
        s.spawn(|| assert_timed_out(write_until_error(a)));
    });
    scope(|s| {
        s.spawn(|| echo(b));
        resynchronise(a);
        round_trip(a);
        a.close().unwrap();
    });
}

/// Closing ends what waits, whatever the deadline.
/// Go: `CloseTimeout`.
fn close_timeout(a: &dyn Conn, _b: &dyn Conn) {
    a.set_deadline(after(3_600_000)).unwrap();
    scope(|s| {
        let read = s.spawn(|| {
            let result = a.read(&mut [0; 1024]);
            assert!(!is_timeout(&result.expect_err("closed")));
        });
        let write = s.spawn(|| {
            let result = write_until_error(a);
            assert!(!is_timeout(&result.expect_err("closed")));
        });
        assert!(read.is_pending() && write.is_pending());
        a.close().unwrap();
    });
}

/// All methods at the same time.
/// Go: `ConcurrentMethods`.
fn concurrent_methods(a: &dyn Conn, b: &dyn Conn) {
    scope(|s| {
        s.spawn(|| echo(b));
        scope(|s| {
            for _ in 0..100 {
                s.spawn(|| {
                    let _ = a.read(&mut [0; 1024]);
                });
                s.spawn(|| {
                    let _ = a.write(&[7; 1024]);
                });
                s.spawn(|| a.set_deadline(after(10)).unwrap());
                s.spawn(|| a.set_read_deadline(after(10)).unwrap());
                s.spawn(|| a.set_write_deadline(after(10)).unwrap());
                s.spawn(|| assert!(a.local_addr().is_some()));
                s.spawn(|| assert!(a.remote_addr().is_some()));
            }
        });
        resynchronise(a);
        round_trip(a);
        a.close().unwrap();
    });
}

fn write_until_error(conn: &dyn Conn) -> io::Result<usize> {
    loop {
        conn.write(&[7; 1024])?;
    }
}

/// Sends back what comes.
fn echo(mut conn: &dyn Conn) {
    let mut buf = [0; 1024];
    while let Ok(n) = conn.read(&mut buf)
        && n > 0
    {
        if conn.write_all(&buf[..n]).is_err() {
            break;
        }
    }
}

/// A word goes there and comes back.
fn round_trip(mut conn: &dyn Conn) {
    conn.set_deadline(after(3_600_000)).unwrap();
    let word = *b"nonsense";
    conn.write_all(&word).unwrap();
    let mut back = [0; 8];
    conn.read_exact(&mut back).unwrap();
    assert_eq!(back, word);
}

/// Reads whatever is still under way to come back: a mark that no test writes ends it.
fn resynchronise(mut conn: &dyn Conn) {
    conn.set_deadline(after(3_600_000)).unwrap();
    scope(|s| {
        s.spawn(move || (&mut { conn }).write_all(&[0xff]).unwrap());
        let mut buf = [0; 1024];
        loop {
            let n = Read::read(&mut conn, &mut buf).unwrap();
            assert!(n > 0);
            if buf[n - 1] == 0xff {
                break;
            }
        }
    });
}
