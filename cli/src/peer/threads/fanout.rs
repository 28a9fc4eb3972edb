//! Many requests to another server on threads: one for each request.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use super::{STACK, Setup};
use crate::serve::rules::{CALL, CALLS, FRAME};

/// Serves until the process ends.
pub fn serve(setup: Setup, upstream: SocketAddr) -> io::Result<()> {
    super::accepting(setup, move |stream| ask(stream, setup, upstream))
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
        thread::scope(|scope| -> io::Result<()> {
            let mut calls = Vec::with_capacity(CALLS);
            for other in &mut others {
                let thread = thread::Builder::new().stack_size(STACK);
                calls.push(thread.spawn_scoped(scope, || call(other))?);
            }
            for call in calls {
                call.join()
                    .map_err(|_| io::Error::from(ErrorKind::Other))??;
            }
            Ok(())
        })?;
        stream.write_all(&buffer[..count])?;
    }
}

fn call(other: &mut TcpStream) -> io::Result<()> {
    other.write_all(&CALL)?;
    other.read_exact(&mut [0; FRAME])
}
