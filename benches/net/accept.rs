//! A connection that waits in the listener's queue is accepted. tokio and may register it with epoll at
//! once, gopark when somebody first waits on it, a thread never: that is part of what is compared.

use crate::dial::{batches, reset_at_close};
use crate::peers::{in_gopark, in_may, in_thread, in_tokio};
use criterion::Criterion;
use gopark::net::TcpListener;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const ANY: &str = "127.0.0.1:0";

pub fn accept(c: &mut Criterion) {
    let mut g = c.benchmark_group("accept");
    in_gopark(&mut g, 1, |n| {
        let listener = TcpListener::bind(ANY).unwrap();
        let at = listener.local_addr().unwrap();
        accepts(n, at, || listener.accept().unwrap())
    });
    in_tokio(&mut g, 1, accepts_of_tokio);
    in_may(&mut g, |n| {
        let listener = may::net::TcpListener::bind(ANY).unwrap();
        let at = listener.local_addr().unwrap();
        accepts(n, at, || listener.accept().unwrap())
    });
    in_thread(&mut g, |n| {
        let listener = std::net::TcpListener::bind(ANY).unwrap();
        let at = listener.local_addr().unwrap();
        accepts(n, at, || listener.accept().unwrap())
    });
    g.finish();
}

/// Connections in the queue of the listener at `at`.
fn queued(n: u64, at: SocketAddr) -> Vec<TcpStream> {
    let dial = |_| {
        let conn = TcpStream::connect(at).unwrap();
        reset_at_close(&conn);
        conn
    };
    (0..n).map(dial).collect()
}

fn accepts<C>(n: u64, at: SocketAddr, mut accept: impl FnMut() -> C) -> Duration {
    let mut took = Duration::ZERO;
    for batch in batches(n) {
        let far = queued(batch, at);
        let mut conns = Vec::with_capacity(far.len());
        let begun = Instant::now();
        for _ in 0..batch {
            conns.push(accept());
        }
        took += begun.elapsed();
        drop(far);
    }
    took
}

async fn accepts_of_tokio(n: u64) -> Duration {
    let listener = tokio::net::TcpListener::bind(ANY).await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut took = Duration::ZERO;
    for batch in batches(n) {
        let far = queued(batch, at);
        let mut conns = Vec::with_capacity(far.len());
        let begun = Instant::now();
        for _ in 0..batch {
            conns.push(listener.accept().await.unwrap());
        }
        took += begun.elapsed();
        drop(far);
    }
    took
}
