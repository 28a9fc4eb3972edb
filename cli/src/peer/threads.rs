//! A thread per connection, blocking calls of `std`.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::{Setup, announce, listen, passing};
use crate::serve::session::{Next, Session};

/// Serves until the process ends.
pub fn serve<S: Session>(
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    let listener = listen(setup.addr, false)?;
    announce::listening(listener.local_addr()?, "a thread per connection")
        .map_err(io::Error::other)?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let session = session.clone();
                let work = move || {
                    // The connection's end, in whatever way, is the thread's end.
                    let _ = handle(stream, session(), setup.buffer);
                };
                // Small stacks: the default of 2 MiB is reserved, not used, but counts as mapped.
                let thread = thread::Builder::new().stack_size(64 * 1024 + setup.buffer);
                if thread.spawn(work).is_err() {
                    thread::sleep(Duration::from_millis(10));
                }
            }
            Err(error) if passing(&error) => thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error),
        }
    }
}

fn handle<S: Session>(mut stream: TcpStream, mut session: S, buffer: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; buffer];
    let mut out = Vec::new();
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        out.clear();
        let (reply, next) = session.answer(&buffer[..count], &mut out);
        stream.write_all(reply)?;
        if next == Next::Close {
            return Ok(());
        }
    }
}
