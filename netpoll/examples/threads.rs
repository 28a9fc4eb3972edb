//! An echo server with a thread for each connection, on the reactor alone: no runtime, no tasks.
//!
//! Each thread that has to wait polls for itself; deadlines and close work from any thread.
//!
//! ```text
//! cargo run -p gopark-netpoll --example threads -- 127.0.0.1:7000
//! nc 127.0.0.1 7000
//! ```

use netpoll::{Error, Fd, Kind, Mode};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A client that says nothing for this long is sent away.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> std::io::Result<()> {
    let addr = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:7000".into());
    let listener = TcpListener::bind(&addr)?;
    println!("echoing on {}", listener.local_addr()?);
    let listener = Fd::new(listener.into(), Kind::STREAM)?;
    loop {
        let (conn, peer) = listener.accept()?;
        let conn = Fd::from_nonblocking(conn, Kind::TCP);
        std::thread::spawn(move || match echo(&conn) {
            Ok(bytes) => println!("{peer:?}: {bytes} bytes, then end of stream"),
            Err(err) => println!("{peer:?}: {err}"),
        });
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
