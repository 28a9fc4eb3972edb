//! The time limit of a read is moved while nobody reads.
//!
//! gopark moves a deadline. tokio has none on a connection: its counterpart is a `Sleep` that is kept and
//! reset. may and std keep a duration, may in memory, std in the kernel.

use crate::peers::{in_gopark, in_may, in_thread, in_tokio, time};
use criterion::Criterion;
use gopark::net::TcpConn;
use std::future::poll_fn;
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const STEP: Duration = Duration::from_nanos(100);

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// Ever later, as a server does before each read.
pub fn forward(c: &mut Criterion) {
    moved(c, "deadline forward", |at| *at += STEP);
}

/// Ever earlier, and always in the future.
pub fn back(c: &mut Criterion) {
    moved(c, "deadline back", |at| *at -= STEP);
}

fn moved(c: &mut Criterion, name: &str, step: fn(&mut Instant)) {
    let mut g = c.benchmark_group(name);
    in_gopark(&mut g, 1, move |n| {
        let (near, _far) = pair();
        let conn = TcpConn::from_std(near).unwrap();
        let mut at = Instant::now() + HOUR;
        time(n, |_| {
            step(&mut at);
            conn.set_read_deadline(Some(at)).unwrap();
        })
    });
    in_tokio(&mut g, 1, |n| async move {
        let mut at = Instant::now() + HOUR;
        let mut sleep = pin!(tokio::time::sleep_until(at.into()));
        // Polled once, it is among the timers.
        let polled = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        let begun = Instant::now();
        for _ in 0..n {
            step(&mut at);
            sleep.as_mut().reset(at.into());
        }
        begun.elapsed()
    });
    g.finish();
}

/// Set, and taken away again.
pub fn set_and_clear(c: &mut Criterion) {
    let mut g = c.benchmark_group("deadline set and cleared");
    in_gopark(&mut g, 1, |n| {
        let (near, _far) = pair();
        let conn = TcpConn::from_std(near).unwrap();
        let at = Instant::now() + HOUR;
        time(n, |_| {
            conn.set_read_deadline(Some(at)).unwrap();
            conn.set_read_deadline(None).unwrap();
        })
    });
    in_tokio(&mut g, 1, |n| async move {
        let at = tokio::time::Instant::now() + HOUR;
        let begun = Instant::now();
        for _ in 0..n {
            let mut sleep = pin!(tokio::time::sleep_until(at));
            // Polled once, it is among the timers; dropped, it no longer is.
            let polled = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
        }
        begun.elapsed()
    });
    in_may(&mut g, |n| {
        let listener = may::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let conn = may::net::TcpStream::connect(at).unwrap();
        time(n, |_| {
            conn.set_read_timeout(Some(HOUR)).unwrap();
            conn.set_read_timeout(None).unwrap();
        })
    });
    in_thread(&mut g, |n| {
        let (conn, _far) = pair();
        time(n, |_| {
            conn.set_read_timeout(Some(HOUR)).unwrap();
            conn.set_read_timeout(None).unwrap();
        })
    });
    g.finish();
}
