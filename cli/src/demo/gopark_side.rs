//! The half on gopark.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::board::Board;
use super::half::{self, BUFFER, Counters, SIZE};
use crate::failure::Failure;
use gopark::net::{TcpConn, TcpListener};

/// Runs the half.
pub fn run(clients: usize, length: Duration) -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::io("start", &error);
    let board = Arc::new(Board::new());
    let runtime = Arc::new(gopark::Runtime::builder().build().map_err(cannot)?);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(cannot)?;
    let addr = listener.local_addr().map_err(cannot)?;
    let empty = half::resident();
    let watched = Arc::clone(&runtime);
    let on_board = Arc::clone(&board);
    let watcher = std::thread::spawn(move || {
        half::watch(&on_board, clients, length, empty, || counters(&watched))
    });
    runtime.run(|| {
        drop(gopark::spawn(move || {
            while let Ok((conn, _)) = listener.accept() {
                drop(gopark::spawn(move || echo(&conn)));
            }
        }));
        let tasks: Vec<_> = (0..clients)
            .map(|client| {
                let board = Arc::clone(&board);
                gopark::spawn(move || {
                    if let Err(error) = talk(addr, client, &board) {
                        board.failed(client, &error);
                    }
                })
            })
            .collect();
        for task in tasks {
            // A client that panicked has said so on standard error.
            let _ = task.join();
        }
    });
    watcher
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn echo(conn: &TcpConn) {
    let mut buffer = [0; BUFFER];
    while let Ok(count @ 1..) = conn.read(&mut buffer) {
        if conn.write(&buffer[..count]).is_err() {
            return;
        }
    }
}

fn talk(addr: SocketAddr, client: usize, board: &Board) -> io::Result<()> {
    let conn = TcpConn::connect(addr)?;
    let mut buffer = [0; BUFFER];
    while !board.stopped() {
        let sent = Instant::now();
        conn.write(&[b'x'; SIZE])?;
        let mut filled = 0;
        while filled < SIZE {
            match conn.read(&mut buffer[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        board.answered(client, sent.elapsed());
    }
    Ok(())
}

fn counters(runtime: &gopark::Runtime) -> Counters {
    let all = runtime.metrics().total;
    let named = [
        ("task switches", all.switches),
        ("parks", all.parks),
        ("skipped reads (system calls saved)", all.skipped_reads),
        ("reads and writes in vain (EAGAIN)", all.eagains),
        ("polls (epoll_wait)", all.polls),
        ("events", all.events),
    ];
    named
        .map(|(name, count)| (name.to_string(), count))
        .to_vec()
}
