//! A connection is dialled: the time until it stands, with Go's options set. Accepting it is not counted.

use crate::peers::{in_gopark, in_may, in_thread, in_tokio};
use criterion::Criterion;
use gopark::net::TcpConn;
use socket2::{SockRef, TcpKeepalive};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Connections in one go; they fit into the queue of a listener.
const BATCH: u64 = 100;

pub fn dial(c: &mut Criterion) {
    let mut g = c.benchmark_group("dial");
    in_gopark(&mut g, 1, |n| dials(n, |at| TcpConn::connect(at).unwrap()));
    in_tokio(&mut g, 1, dials_of_tokio);
    in_may(&mut g, |n| {
        dials(n, |at| {
            let conn = may::net::TcpStream::connect(at).unwrap();
            set_options(conn.inner());
            conn
        })
    });
    in_thread(&mut g, |n| {
        dials(n, |at| {
            let conn = std::net::TcpStream::connect(at).unwrap();
            set_options(&conn);
            conn
        })
    });
    g.finish();
}

/// What `TcpConn::connect` sets, as Go does: no delay, and when to ask whether the other end is alive.
fn set_options(conn: &impl AsFd) {
    let asking = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(15))
        .with_retries(9);
    let conn = SockRef::from(conn);
    conn.set_tcp_nodelay(true).unwrap();
    conn.set_tcp_keepalive(&asking).unwrap();
}

struct Far {
    listener: TcpListener,
    at: SocketAddr,
}

impl Far {
    fn new() -> Far {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        Far { listener, at }
    }

    /// Ends so many connections.
    fn reset(&self, n: u64) {
        for _ in 0..n {
            let (conn, _) = self.listener.accept().unwrap();
            reset_at_close(&conn);
        }
    }
}

/// Its end will be a reset. Otherwise it would hold its port for a minute.
pub fn reset_at_close(conn: &TcpStream) {
    SockRef::from(conn)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// The sizes of the batches that make up `n`.
pub fn batches(n: u64) -> impl Iterator<Item = u64> {
    let rest = n % BATCH;
    let rest = (rest != 0).then_some(rest);
    (0..n / BATCH).map(|_| BATCH).chain(rest)
}

fn dials<C>(n: u64, mut dial: impl FnMut(SocketAddr) -> C) -> Duration {
    let far = Far::new();
    let mut took = Duration::ZERO;
    for batch in batches(n) {
        let mut conns = Vec::with_capacity(BATCH as usize);
        let begun = Instant::now();
        for _ in 0..batch {
            conns.push(dial(far.at));
        }
        took += begun.elapsed();
        far.reset(batch);
    }
    took
}

async fn dials_of_tokio(n: u64) -> Duration {
    let far = Far::new();
    let mut took = Duration::ZERO;
    for batch in batches(n) {
        let mut conns = Vec::with_capacity(BATCH as usize);
        let begun = Instant::now();
        for _ in 0..batch {
            let conn = tokio::net::TcpStream::connect(far.at).await.unwrap();
            set_options(&conn);
            conns.push(conn);
        }
        took += begun.elapsed();
        far.reset(batch);
    }
    took
}
