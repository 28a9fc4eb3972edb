//! may, as its documentation writes a server: a coroutine per connection, on stacks that may move
//! between threads.

pub mod fanout;
pub mod shared;
pub mod udp;

use std::io::{self, Read, Write};
use std::time::Duration;

use may::net::{TcpListener, TcpStream};
use socket2::SockRef;

use super::{Setup, announce, passing};
use crate::serve::rules::CROWD_WORK;
use crate::serve::session::{Next, Session, compute};

/// Serves until the process ends.
pub fn serve<S: Session>(setup: Setup, session: impl Fn() -> S + Send + 'static) -> io::Result<()> {
    accepting(setup, move |stream| {
        let session = session();
        may::go!(move || {
            // The connection's end, in whatever way, is the coroutine's end.
            let _ = handle(stream, session, setup);
        });
    })
}

/// Accepts until the process ends; `start` starts a coroutine for each connection.
fn accepting(setup: Setup, start: impl Fn(TcpStream) + Send + 'static) -> io::Result<()> {
    may::config().set_workers(setup.workers);
    let listener = TcpListener::bind(setup.addr)?;
    // The same queue as everybody's; bind makes a shorter one.
    SockRef::from(listener.inner()).listen(i32::MAX)?;
    announce::listening(listener.local_addr()?, "may").map_err(io::Error::other)?;
    for _ in 0..setup.crowd * setup.workers {
        may::go!(|| loop {
            compute(CROWD_WORK);
            may::coroutine::yield_now();
        });
    }
    wait(may::go!(move || accept(&listener, start)))
}

fn wait(coroutine: may::coroutine::JoinHandle<io::Result<()>>) -> io::Result<()> {
    match coroutine.join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn accept(listener: &TcpListener, start: impl Fn(TcpStream)) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => start(stream),
            Err(error) if passing(&error) => may::coroutine::sleep(Duration::from_millis(10)),
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
            stream.set_read_timeout(setup.deadline)?;
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        // The runtime has no threads for blocking work of its own.
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
