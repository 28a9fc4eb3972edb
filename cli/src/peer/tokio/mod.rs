//! tokio, as its documentation writes an echo server: a task per connection, a buffer per task.

pub mod fanout;
pub mod shared;
pub mod udp;

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use super::{Setup, announce, listen, passing};
use crate::serve::rules::CROWD_WORK;
use crate::serve::session::{Next, Session, compute};

/// Which runtime.
#[derive(Clone, Copy, Debug)]
pub enum Flavour {
    /// Workers that steal from each other.
    MultiThread,
    /// One thread.
    CurrentThread,
}

impl Flavour {
    fn name(self) -> &'static str {
        match self {
            Flavour::MultiThread => "tokio multi_thread",
            Flavour::CurrentThread => "tokio current_thread",
        }
    }

    fn runtime(self, workers: usize) -> io::Result<Runtime> {
        let mut builder = match self {
            Flavour::MultiThread => Builder::new_multi_thread(),
            Flavour::CurrentThread => Builder::new_current_thread(),
        };
        builder.worker_threads(workers).enable_all().build()
    }
}

/// Serves until the process ends.
pub fn serve<S: Session>(
    flavour: Flavour,
    setup: Setup,
    session: impl Fn() -> S + Send + 'static,
) -> io::Result<()> {
    accepting(flavour, setup, move |stream| {
        handle(stream, session(), setup)
    })
}

/// Accepts until the process ends, a task with what `handle` gives for each connection.
fn accepting<F>(
    flavour: Flavour,
    setup: Setup,
    handle: impl Fn(TcpStream) -> F + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = listen(setup.addr, false)?;
    listener.set_nonblocking(true)?;
    flavour.runtime(setup.workers)?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        announce::listening(listener.local_addr()?, flavour.name()).map_err(io::Error::other)?;
        for _ in 0..setup.crowd * setup.workers {
            tokio::spawn(async {
                loop {
                    compute(CROWD_WORK);
                    tokio::task::yield_now().await;
                }
            });
        }
        // Accepting in a task of its own keeps it on the workers, where the connections are.
        let accepting = tokio::spawn(accept(listener, handle));
        accepting.await.map_err(io::Error::other)?
    })
}

async fn accept<F>(listener: TcpListener, handle: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let work = handle(stream);
                tokio::spawn(async move {
                    // The connection's end, in whatever way, is the task's end.
                    let _ = work.await;
                });
            }
            Err(error) if passing(&error) => tokio::time::sleep(Duration::from_millis(10)).await,
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
            Some(time) => tokio::time::timeout(time, stream.read(&mut buffer)).await??,
            None => stream.read(&mut buffer).await?,
        };
        if count == 0 {
            return Ok(());
        }
        let cost = session.cost(&buffer[..count]);
        if setup.offload && !cost.is_zero() {
            tokio::task::spawn_blocking(move || compute(cost))
                .await
                .map_err(io::Error::other)?;
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
