//! What the experiments need to begin, and how they wait for what is to be seen.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gopark::ScopedJoinHandle;
use gopark::net::{TcpConn, TcpListener};

use super::kernel;
use super::report::Report;

/// How long something must stay blocked to count as blocked.
const TICK: Duration = Duration::from_millis(60);

/// How long anything that must come may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A listener on a port the kernel chose.
pub fn listener() -> io::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0")
}

/// Both ends of a connection: the dialer's and the accepted one.
pub fn pair_on(listener: &TcpListener) -> io::Result<(TcpConn, TcpConn)> {
    let client = TcpConn::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    Ok((client, server))
}

/// A connection, introduced in the report.
pub fn pair(report: &Report) -> io::Result<(TcpConn, TcpConn)> {
    let (client, server) = pair_on(&listener()?)?;
    report.pair(&client, &server)?;
    Ok((client, server))
}

/// An address nobody listens on any more.
pub fn closed_port() -> io::Result<SocketAddr> {
    listener()?.local_addr()
}

/// Whether the job stays blocked for a while.
pub fn is_pending<T>(job: &ScopedJoinHandle<'_, T>) -> bool {
    let end = Instant::now() + TICK;
    while Instant::now() < end {
        if job.is_finished() {
            return false;
        }
        gopark::sleep(Duration::from_millis(2));
    }
    true
}

/// The result of a task. If it panicked, so does the lab.
pub fn join<T>(job: ScopedJoinHandle<'_, T>) -> T {
    job.join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What the kernel says about this end.
pub fn seen(conn: &TcpConn) -> io::Result<kernel::Socket> {
    kernel::socket(conn.local_addr()?, conn.peer_addr()?)
}

/// The state of this end, for `ss` and `netstat` alike.
pub fn state(conn: &TcpConn) -> io::Result<&'static str> {
    Ok(seen(conn)?.state)
}

/// Waits until the kernel has brought this end into `state`.
pub fn until_state(conn: &TcpConn, state: &str) -> io::Result<()> {
    until(state, || Ok(seen(conn)?.state == state))
}

/// Waits until exactly so many bytes have come and were not read.
pub fn until_waiting(conn: &TcpConn, bytes: usize) -> io::Result<()> {
    until("the data", || Ok(seen(conn)?.waiting == bytes))
}

/// Waits until `condition` holds.
pub fn until(what: &str, condition: impl Fn() -> io::Result<bool>) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    while !condition()? {
        if Instant::now() > end {
            let text = format!("{what} did not come within {} s", PATIENCE.as_secs());
            return Err(io::Error::other(text));
        }
        gopark::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// A moment that is over.
pub fn past() -> Option<Instant> {
    Some(Instant::now())
}

/// So many milliseconds from now.
pub fn after(ms: u64) -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(ms))
}

/// Whether something took as long as it should. Never late: the machine may be busy.
pub fn elapsed(since: Instant, ms: u64) -> &'static str {
    if since.elapsed() + Duration::from_millis(5) < Duration::from_millis(ms) {
        "early"
    } else {
        "on-time"
    }
}
