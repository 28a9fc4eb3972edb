//! Many requests to another server on tokio: a task for each of them.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Flavour, Setup};
use crate::serve::rules::{CALL, CALLS, FRAME};

/// Serves until the process ends.
pub fn serve(flavour: Flavour, setup: Setup, upstream: SocketAddr) -> io::Result<()> {
    super::accepting(flavour, setup, move |stream| ask(stream, setup, upstream))
}

async fn ask(mut stream: TcpStream, setup: Setup, upstream: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut others = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let other = TcpStream::connect(upstream).await?;
        other.set_nodelay(true)?;
        others.push(other);
    }
    let mut buffer = vec![0; setup.buffer];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let calls: Vec<_> = others
            .drain(..)
            .map(|other| tokio::spawn(call(other)))
            .collect();
        for call in calls {
            others.push(call.await.map_err(io::Error::other)??);
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

/// Asks, and gives the connection back.
async fn call(mut other: TcpStream) -> io::Result<TcpStream> {
    other.write_all(&CALL).await?;
    other.read_exact(&mut [0; FRAME]).await?;
    Ok(other)
}
