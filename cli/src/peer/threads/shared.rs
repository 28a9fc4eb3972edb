//! Many threads on one connection. The kernel's lock of the socket keeps frames whole.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;

use super::{STACK, Setup};
use crate::serve::rules::{FRAME, SHARERS};

/// Serves until the process ends.
pub fn serve(setup: Setup) -> io::Result<()> {
    super::accepting(setup, |stream| share(&stream))
}

fn share(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    thread::scope(|scope| {
        for _ in 1..SHARERS {
            let thread = thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, || answer(stream))?;
        }
        answer(stream)
    })
}

fn answer(mut stream: &TcpStream) -> io::Result<()> {
    let mut frame = [0; FRAME];
    loop {
        let count = stream.read(&mut frame)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&frame[..count])?;
    }
}
