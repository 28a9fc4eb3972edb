//! smol, as its documentation writes a server: an executor run by some threads, and the reactor
//! of `async-io` on a thread of its own.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;
use smol::{Async, Executor, Timer, future};

use super::{Setup, announce, listen, passing};
use crate::serve::session::{Next, Session, compute};

/// Serves until the process ends.
pub fn serve<S: Session>(
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + Sync + 'static,
) -> io::Result<()> {
    let listener = Async::<TcpListener>::new(listen(setup.addr, false)?)?;
    announce::listening(listener.get_ref().local_addr()?, "smol").map_err(io::Error::other)?;
    let executor = Arc::new(Executor::new());
    let on = Arc::clone(&executor);
    let accepting = executor.spawn(accept(listener, setup, session, on));
    for _ in 1..setup.workers {
        let executor = Arc::clone(&executor);
        thread::spawn(move || future::block_on(executor.run(future::pending::<()>())));
    }
    future::block_on(executor.run(accepting))
}

async fn accept<S: Session>(
    listener: Async<TcpListener>,
    setup: Setup,
    session: impl Fn() -> S,
    executor: Arc<Executor<'static>>,
) -> io::Result<()> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (stream, session) = (TcpStream::from(stream), session());
                let task = executor.spawn(async move {
                    // The connection's end, in whatever way, is the task's end.
                    let _ = handle(stream, session, setup).await;
                });
                task.detach();
            }
            Err(error) if passing(&error) => {
                Timer::after(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn handle<S: Session>(mut stream: TcpStream, mut session: S, setup: Setup) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; setup.buffer];
    let mut out = Vec::new();
    loop {
        let count = match setup.deadline {
            Some(time) => future::or(stream.read(&mut buffer), late(time)).await?,
            None => stream.read(&mut buffer).await?,
        };
        if count == 0 {
            return Ok(());
        }
        let cost = session.cost(&buffer[..count]);
        if setup.offload && !cost.is_zero() {
            smol::unblock(move || compute(cost)).await;
        } else if !cost.is_zero() {
            compute(cost);
        }
        out.clear();
        let (reply, next) = session.answer(&buffer[..count], &mut out);
        stream.write_all(reply).await?;
        if next == Next::Close {
            return Ok(());
        }
    }
}

async fn late(time: Duration) -> io::Result<usize> {
    Timer::after(time).await;
    Err(io::ErrorKind::TimedOut.into())
}
