//! A thread per connection, blocking calls of `std`.

pub mod fanout;
pub mod shared;
pub mod udp;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::{Setup, announce, listen, passing};
use crate::serve::rules::CROWD_WORK;
use crate::serve::session::{Next, Session, compute};

const NAME: &str = "a thread per connection";

/// Small stacks: the default of 2 MiB is reserved, not used, but counts as mapped.
const STACK: usize = 64 * 1024;

/// Serves until the process ends.
pub fn serve<S: Session>(
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    accepting(setup, move |stream| handle(stream, session(), setup))
}

/// Accepts until the process ends, a thread that calls `handle` for each connection.
fn accepting(
    setup: Setup,
    handle: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
) -> io::Result<()> {
    let listener = listen(setup.addr, false)?;
    announce::listening(listener.local_addr()?, NAME).map_err(io::Error::other)?;
    for _ in 0..setup.crowd * setup.workers {
        thread::spawn(|| {
            loop {
                compute(CROWD_WORK);
                thread::yield_now();
            }
        });
    }
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let handle = handle.clone();
                let work = move || {
                    // The connection's end, in whatever way, is the thread's end.
                    let _ = handle(stream);
                };
                let thread = thread::Builder::new().stack_size(STACK + setup.buffer);
                if thread.spawn(work).is_err() {
                    thread::sleep(Duration::from_millis(10));
                }
            }
            Err(error) if passing(&error) => thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error),
        }
    }
}

fn handle<S: Session>(mut stream: TcpStream, mut session: S, setup: Setup) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; setup.buffer];
    let mut out = Vec::new();
    loop {
        if setup.deadline.is_some() {
            // A deadline, not a timeout: blocking sockets have only the latter, so it is set anew.
            stream.set_read_timeout(setup.deadline)?;
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let cost = session.cost(&buffer[..count]);
        if !cost.is_zero() {
            compute(cost);
        }
        out.clear();
        let (reply, next) = session.answer(&buffer[..count], &mut out);
        stream.write_all(reply)?;
        if next == Next::Close {
            return Ok(());
        }
    }
}
