//! Many coroutines on one connection on may: a handle for each direction, behind a lock that waits.

use std::io::{self, Read, Write};
use std::sync::Arc;

use may::net::TcpStream;
use may::sync::Mutex;

use super::Setup;
use crate::serve::rules::{FRAME, SHARERS};

/// Serves until the process ends.
pub fn serve(setup: Setup) -> io::Result<()> {
    super::accepting(setup, |stream| {
        // A connection that cannot be set up is closed, and that is its answer.
        let _ = share(stream);
    })
}

fn share(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let reader = Arc::new(Mutex::new(stream.try_clone()?));
    let writer = Arc::new(Mutex::new(stream));
    for _ in 0..SHARERS {
        let (reader, writer) = (Arc::clone(&reader), Arc::clone(&writer));
        may::go!(move || answer(&reader, &writer));
    }
    Ok(())
}

fn answer(reader: &Mutex<TcpStream>, writer: &Mutex<TcpStream>) -> io::Result<()> {
    let poisoned = || io::Error::other("another coroutine has panicked");
    let mut frame = [0; FRAME];
    loop {
        let count = reader.lock().map_err(|_| poisoned())?.read(&mut frame)?;
        if count == 0 {
            return Ok(());
        }
        let mut writer = writer.lock().map_err(|_| poisoned())?;
        writer.write_all(&frame[..count])?;
    }
}
