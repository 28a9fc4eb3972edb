//! tokio, as its documentation writes an echo server: a task per connection, a buffer per task.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use super::{Setup, announce, listen, passing};
use crate::serve::session::{Next, Session, compute};

/// Serves on the multi-thread runtime until the process ends.
pub fn serve_multi_thread<S: Session>(
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(setup.workers)
        .enable_all()
        .build()?;
    serve(&runtime, setup, "tokio multi_thread", session)
}

/// Serves on the current-thread runtime until the process ends.
pub fn serve_current_thread<S: Session>(
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    serve(&runtime, setup, "tokio current_thread", session)
}

fn serve<S: Session>(
    runtime: &Runtime,
    setup: Setup,
    name: &str,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    let listener = listen(setup.addr, false)?;
    listener.set_nonblocking(true)?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        announce::listening(listener.local_addr()?, name).map_err(io::Error::other)?;
        // Accepting in a task of its own keeps it on the workers, where the connections are.
        let accepting = tokio::spawn(accept(listener, setup, session));
        accepting.await.map_err(io::Error::other)?
    })
}

async fn accept<S: Session>(
    listener: TcpListener,
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let session = session();
                tokio::spawn(async move {
                    // The connection's end, in whatever way, is the task's end.
                    let _ = handle(stream, session, setup).await;
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
