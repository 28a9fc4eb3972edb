//! An echo server with a thread for each connection, on the reactor alone: no runtime, no tasks.
//!
//! Each thread that has to wait polls for itself; deadlines and close work from any thread.
//!
//! ```text
//! cargo run -p gopark-netpoll --example threads -- 127.0.0.1:7000
//! nc 127.0.0.1 7000
//! ```

use netpoll::{Error, Fd, Kind, Mode, SockAddr};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A client that says nothing for this long is sent away.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest rest after an accept that failed.
const LONGEST_REST: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addr = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:7000".into());
    let listener = TcpListener::bind(&addr)?;
    println!("echoing on {}", listener.local_addr()?);
    let listener = Fd::new(listener.into(), Kind::STREAM)?;
    let mut rest = Duration::ZERO;
    loop {
        let (conn, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(Error::Closing) => return Ok(()),
            Err(err) => {
                // Too many open files, most likely, and the connection is still in the queue.
                // Asking again at once would only burn the processor; the server stays.
                rest = (rest * 2).clamp(Duration::from_millis(5), LONGEST_REST);
                eprintln!("accept: {err}; next try in {rest:?}");
                std::thread::sleep(rest);
                continue;
            }
        };
        rest = Duration::ZERO;
        let conn = Fd::from_nonblocking(conn, Kind::TCP);
        let serve = std::thread::Builder::new().spawn(move || serve(&conn, &peer));
        if let Err(err) = serve {
            // The connection is closed with the closure that owned it.
            eprintln!("no thread for {peer:?}: {err}");
        }
    }
}

fn serve(conn: &Fd, peer: &SockAddr) {
    match echo(conn) {
        Ok(bytes) => println!("{peer:?}: {bytes} bytes, then end of stream"),
        Err(err) => println!("{peer:?}: {err}"),
    }
}

fn echo(conn: &Fd) -> Result<u64, Error> {
    let mut buf = [0; 4096];
    let mut total = 0;
    loop {
        conn.set_deadline(&[Mode::Read, Mode::Write], Some(Instant::now() + PATIENCE))?;
        match conn.read(&mut buf)? {
            0 => return Ok(total),
            n => {
                conn.write(&buf[..n]).map_err(|partial| partial.error)?;
                total += n as u64;
            }
        }
    }
}
