//! Many requests to another server on may: a coroutine for each of them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use may::net::TcpStream;

use super::Setup;
use crate::serve::rules::{CALL, CALLS, FRAME};

/// Serves until the process ends.
pub fn serve(setup: Setup, upstream: SocketAddr) -> io::Result<()> {
    super::accepting(setup, move |stream| {
        may::go!(move || {
            // The connection's end, in whatever way, is the coroutine's end.
            let _ = ask(stream, setup, upstream);
        });
    })
}

fn ask(mut stream: TcpStream, setup: Setup, upstream: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut others = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let other = TcpStream::connect(upstream)?;
        other.set_nodelay(true)?;
        others.push(other);
    }
    let mut buffer = vec![0; setup.buffer];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let failed = AtomicBool::new(false);
        may::coroutine::scope(|scope| {
            for other in &mut others {
                let failed = &failed;
                may::go!(scope, move || {
                    failed.fetch_or(call(other).is_err(), Ordering::Relaxed);
                });
            }
        });
        if failed.into_inner() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        stream.write_all(&buffer[..count])?;
    }
}

fn call(other: &mut TcpStream) -> io::Result<()> {
    other.write_all(&CALL)?;
    other.read_exact(&mut [0; FRAME])
}
