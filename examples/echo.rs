//! An echo server. Try it: `cargo run --release -p gopark --example echo`, then `nc 127.0.0.1 7000`.

use gopark::net::{TcpConn, TcpListener};
use std::{env, io};

fn main() -> io::Result<()> {
    let addr = env::args().nth(1).unwrap_or("127.0.0.1:7000".into());
    gopark::run(|| {
        let listener = TcpListener::bind(&addr)?;
        println!("echoing on {}", listener.local_addr()?);
        loop {
            let (conn, _peer) = listener.accept()?;
            gopark::spawn(move || echo(&conn));
        }
    })
}

fn echo(conn: &TcpConn) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        match conn.read(&mut buf)? {
            0 => return Ok(()),
            n => conn.write(&buf[..n])?,
        };
    }
}
