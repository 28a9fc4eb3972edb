//! monoio, as its documentation writes a server: a runtime per thread, each with a listener on
//! the shared port, and buffers that are lent to the runtime while it uses them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::TcpStream;
use monoio::{LegacyDriver, RuntimeBuilder};

use super::{Setup, announce, listen, passing};
use crate::serve::session::{Next, Session, compute};

/// Who waits for readiness, or for completion.
#[derive(Clone, Copy)]
enum Driver {
    Epoll,
    Uring,
}

/// Serves on epoll until the process ends.
pub fn serve_epoll<S: Session>(
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    serve(Driver::Epoll, setup, session)
}

/// Serves on io_uring until the process ends. Fails where the kernel has none or forbids it.
pub fn serve_uring<S: Session>(
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    serve(Driver::Uring, setup, session)
}

fn serve<S: Session>(
    driver: Driver,
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    let first = listen(setup.addr, true)?;
    let addr = first.local_addr()?;
    for _ in 1..setup.workers {
        let (listener, session) = (listen(addr, true)?, session.clone());
        thread::spawn(move || run(driver, listener, setup, session, None));
    }
    run(driver, first, setup, session, Some(addr))
}

/// One thread's runtime. `announce` is where it listens, if it is the one to say so.
fn run<S: Session>(
    driver: Driver,
    listener: TcpListener,
    setup: Setup,
    session: impl Fn() -> S + 'static,
    announced: Option<SocketAddr>,
) -> io::Result<()> {
    // io_uring waits by itself, and would take a socket that does not block at its word.
    listener.set_nonblocking(matches!(driver, Driver::Epoll))?;
    match driver {
        Driver::Epoll => RuntimeBuilder::<LegacyDriver>::new()
            .enable_timer()
            .build()?
            .block_on(accept(listener, setup, session, announced, "monoio epoll")),
        Driver::Uring => RuntimeBuilder::<monoio::IoUringDriver>::new()
            .enable_timer()
            .build()?
            .block_on(accept(
                listener,
                setup,
                session,
                announced,
                "monoio io_uring",
            )),
    }
}

async fn accept<S: Session>(
    listener: TcpListener,
    setup: Setup,
    session: impl Fn() -> S,
    announced: Option<SocketAddr>,
    name: &str,
) -> io::Result<()> {
    let listener = monoio::net::TcpListener::from_std(listener)?;
    if let Some(addr) = announced {
        announce::listening(addr, name).map_err(io::Error::other)?;
    }
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let session = session();
                monoio::spawn(async move {
                    // The connection's end, in whatever way, is the task's end.
                    let _ = handle(stream, session, setup).await;
                });
            }
            Err(error) if passing(&error) => monoio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => return Err(error),
        }
    }
}

async fn handle<S: Session>(mut stream: TcpStream, mut session: S, setup: Setup) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer: Vec<u8> = Vec::with_capacity(setup.buffer);
    let mut out = Vec::new();
    loop {
        let read = stream.read(buffer);
        let (count, back) = match setup.deadline {
            Some(time) => monoio::time::timeout(time, read)
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?,
            None => read.await,
        };
        buffer = back;
        let count = count?;
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
        // What is written has to be lent as well; an echo lends what it has read.
        let echoes = reply.as_ptr() == buffer.as_ptr() && reply.len() == buffer.len();
        let lent = if echoes { &mut buffer } else { &mut out };
        let (sent, back) = stream.write_all(std::mem::take(lent)).await;
        *lent = back;
        sent?;
        if next == Next::Close {
            return Ok(());
        }
    }
}
