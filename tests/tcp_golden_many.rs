//! Many connections, few threads. Alone in its file: it counts the threads of the process.

mod harness;

use gopark::{
    Runtime,
    net::{NetError, TcpConn},
};
use harness::lines::Lines;
use std::{fs, io::Read};

/// Follows the Go program `goroutine_per_conn`.
#[test]
fn five_hundred_connections_wait_on_few_threads_and_all_are_served() {
    const CONNECTIONS: usize = 500;
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let mut out = Lines::new();
    runtime.run(|| {
        let listener = harness::listener();
        let to = listener.local_addr().unwrap();
        let acceptor = listener.clone();
        let server = gopark::spawn(move || {
            let err = loop {
                match acceptor.accept() {
                    Ok((conn, _)) => gopark::spawn(move || serve(&conn)),
                    Err(err) => break err,
                };
            };
            assert!(err.is_closed(), "{err}");
        });
        let conns: Vec<_> = (0..CONNECTIONS)
            .map(|_| TcpConn::connect(to).unwrap())
            .collect();
        let tasks = || runtime.metrics().total.alive;
        harness::until("a task for each connection", || {
            tasks() > CONNECTIONS as u64
        });
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let threads = status
            .lines()
            .find_map(|line| line.strip_prefix("Threads:"))
            .unwrap();
        let threads: usize = threads.trim().parse().unwrap();
        out.print(format!(
            "connections={CONNECTIONS} goroutines>{CONNECTIONS}=true threads<20={}",
            threads < 20
        ));
        let ok = gopark::scope(|s| {
            let echo = |(i, conn)| s.spawn(move || (0..20).all(|k| echoes(conn, i, k)));
            let jobs: Vec<_> = conns.iter().enumerate().map(echo).collect();
            jobs.into_iter()
                .filter_map(|job| job.join().ok())
                .filter(|ok| *ok)
                .count()
        });
        out.print(format!("echo ok on {ok} connections"));
        drop(conns);
        out.done("listener close", listener.close());
        server.join().unwrap();
    });
    out.compare("goroutine_per_conn");
}

fn serve(conn: &TcpConn) {
    let mut buf = [0; 128];
    while let Ok(n) = conn.read(&mut buf)
        && n > 0
    {
        if conn.write(&buf[..n]).is_err() {
            break;
        }
    }
}

/// Whether a message comes back as it was sent.
fn echoes(mut conn: &TcpConn, i: usize, k: usize) -> bool {
    let message = format!("conn {i} message {k}");
    let mut back = vec![0; message.len()];
    conn.write(message.as_bytes()).is_ok()
        && conn.read_exact(&mut back).is_ok()
        && back == message.as_bytes()
}
