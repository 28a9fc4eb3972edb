//! smol, as its documentation writes a server: an executor run by some threads, and the reactor
//! of `async-io` on a thread of its own.

pub mod fanout;
pub mod shared;
pub mod udp;

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;
use smol::{Async, Executor, Timer, future};

use super::{Setup, announce, listen, passing};
use crate::serve::rules::CROWD_WORK;
use crate::serve::session::{Next, Session, compute};

type Shared = Arc<Executor<'static>>;

/// Serves until the process ends.
pub fn serve<S: Session>(
    setup: Setup,
    session: impl Fn() -> S + Send + Sync + 'static,
) -> io::Result<()> {
    accepting(setup, move |stream, _| handle(stream, session(), setup))
}

/// Accepts until the process ends, a task with what `handle` gives for each connection.
fn accepting<F>(
    setup: Setup,
    handle: impl Fn(TcpStream, &Shared) -> F + Send + Sync + 'static,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = Async::<TcpListener>::new(listen(setup.addr, false)?)?;
    announce::listening(listener.get_ref().local_addr()?, "smol").map_err(io::Error::other)?;
    let executor = Arc::new(Executor::new());
    for _ in 0..setup.crowd * setup.workers {
        let forever = async {
            loop {
                compute(CROWD_WORK);
                future::yield_now().await;
            }
        };
        executor.spawn(forever).detach();
    }
    let accepting = executor.spawn(accept(listener, handle, Arc::clone(&executor)));
    run(&executor, setup.workers, accepting)
}

/// Runs the executor on some threads, this one included, until `work` is done.
fn run<T>(executor: &Shared, workers: usize, work: impl Future<Output = T>) -> T {
    for _ in 1..workers {
        let executor = Arc::clone(executor);
        thread::spawn(move || future::block_on(executor.run(future::pending::<()>())));
    }
    future::block_on(executor.run(work))
}

async fn accept<F>(
    listener: Async<TcpListener>,
    handle: impl Fn(TcpStream, &Shared) -> F,
    executor: Shared,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let work = handle(TcpStream::from(stream), &executor);
                let task = executor.spawn(async move {
                    // The connection's end, in whatever way, is the task's end.
                    let _ = work.await;
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
