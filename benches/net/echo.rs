//! 64 bytes go to the other end of a connection and come back. Both ends run on one worker.

use crate::peers::{in_gopark, in_may, in_thread, in_tokio, time};
use criterion::Criterion;
use gopark::net::{TcpConn, TcpListener};
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ANY: &str = "127.0.0.1:0";
const MESSAGE: [u8; 64] = [7; 64];
const LIMIT: Duration = Duration::from_secs(60);

pub fn plain(c: &mut Criterion) {
    let mut g = c.benchmark_group("echo of 64 bytes");
    in_gopark(&mut g, 1, |n| of_gopark(n, false));
    in_tokio(&mut g, 1, |n| of_tokio(n, false));
    in_may(&mut g, |n| of_may(n, None));
    in_thread(&mut g, |n| of_threads(n, None));
    g.finish();
}

/// Every read may take a minute. gopark sets the deadline before each, as Go programs do; tokio has
/// `timeout` around each; the others set it once for the connection.
pub fn with_deadline(c: &mut Criterion) {
    let mut g = c.benchmark_group("echo of 64 bytes, reads with a time limit");
    in_gopark(&mut g, 1, |n| of_gopark(n, true));
    in_tokio(&mut g, 1, |n| of_tokio(n, true));
    in_may(&mut g, |n| of_may(n, Some(LIMIT)));
    in_thread(&mut g, |n| of_threads(n, Some(LIMIT)));
    g.finish();
}

fn of_gopark(n: u64, limited: bool) -> Duration {
    let receive = move |conn: &TcpConn, buf: &mut [u8]| {
        if limited {
            conn.set_read_deadline(Some(Instant::now() + LIMIT))
                .unwrap();
        }
        conn.read(buf).unwrap()
    };
    let listener = TcpListener::bind(ANY).unwrap();
    let near = TcpConn::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let echo = gopark::spawn(move || {
        let mut buf = [0; 64];
        while receive(&far, &mut buf) == 64 {
            far.write(&buf).unwrap();
        }
    });
    let mut buf = [0; 64];
    let took = time(n, |_| {
        near.write(&MESSAGE).unwrap();
        assert_eq!(receive(&near, &mut buf), 64);
    });
    near.close().unwrap();
    echo.join().unwrap();
    took
}

async fn receive(conn: &mut tokio::net::TcpStream, buf: &mut [u8], limited: bool) -> usize {
    if limited {
        let read = tokio::time::timeout(LIMIT, conn.read(buf)).await;
        read.unwrap().unwrap()
    } else {
        conn.read(buf).await.unwrap()
    }
}

async fn of_tokio(n: u64, limited: bool) -> Duration {
    let listener = tokio::net::TcpListener::bind(ANY).await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut near = tokio::net::TcpStream::connect(at).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let echo = tokio::spawn(async move {
        let mut buf = [0; 64];
        while receive(&mut far, &mut buf, limited).await == 64 {
            far.write_all(&buf).await.unwrap();
        }
    });
    let mut buf = [0; 64];
    let begun = Instant::now();
    for _ in 0..n {
        near.write_all(&MESSAGE).await.unwrap();
        assert_eq!(receive(&mut near, &mut buf, limited).await, 64);
    }
    let took = begun.elapsed();
    drop(near);
    echo.await.unwrap();
    took
}

fn of_may(n: u64, limit: Option<Duration>) -> Duration {
    let listener = may::net::TcpListener::bind(ANY).unwrap();
    let at = listener.local_addr().unwrap();
    let near = may::net::TcpStream::connect(at).unwrap();
    let (far, _) = listener.accept().unwrap();
    for conn in [&near, &far] {
        conn.set_nodelay(true).unwrap();
        conn.set_read_timeout(limit).unwrap();
    }
    let echo = may::go!(move || echo(far));
    let took = ask(near, n);
    echo.join().unwrap();
    took
}

fn of_threads(n: u64, limit: Option<Duration>) -> Duration {
    let listener = std::net::TcpListener::bind(ANY).unwrap();
    let at = listener.local_addr().unwrap();
    let near = std::net::TcpStream::connect(at).unwrap();
    let (far, _) = listener.accept().unwrap();
    for conn in [&near, &far] {
        conn.set_nodelay(true).unwrap();
        conn.set_read_timeout(limit).unwrap();
    }
    let echo = std::thread::spawn(move || echo(far));
    let took = ask(near, n);
    echo.join().unwrap();
    took
}

fn echo(mut far: impl Read + Write) {
    let mut buf = [0; 64];
    while far.read(&mut buf).unwrap() == 64 {
        far.write_all(&buf).unwrap();
    }
}

fn ask(mut near: impl Read + Write, n: u64) -> Duration {
    let mut buf = [0; 64];
    time(n, |_| {
        near.write_all(&MESSAGE).unwrap();
        assert_eq!(near.read(&mut buf).unwrap(), 64);
    })
}
