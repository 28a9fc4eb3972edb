//! Many requests to another server on monoio: a task for each of them.

use std::io;
use std::net::SocketAddr;

use monoio::io::{AsyncReadRent, AsyncReadRentExt, AsyncWriteRentExt};
use monoio::net::TcpStream;

use super::{Driver, Setup};
use crate::serve::rules::{CALL, CALLS, FRAME};

/// Serves until the process ends.
pub fn serve(driver: Driver, setup: Setup, upstream: SocketAddr) -> io::Result<()> {
    super::accepting(driver, setup, move |stream| ask(stream, setup, upstream))
}

async fn ask(mut stream: TcpStream, setup: Setup, upstream: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut others = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let other = TcpStream::connect_addr(upstream).await?;
        other.set_nodelay(true)?;
        others.push((other, Vec::with_capacity(FRAME)));
    }
    let mut buffer: Vec<u8> = Vec::with_capacity(setup.buffer);
    loop {
        let (count, back) = stream.read(buffer).await;
        if count? == 0 {
            return Ok(());
        }
        let calls: Vec<_> = others
            .drain(..)
            .map(|(other, answer)| monoio::spawn(call(other, answer)))
            .collect();
        for call in calls {
            others.push(call.await?);
        }
        let (sent, back) = stream.write_all(back).await;
        sent?;
        buffer = back;
    }
}

/// Asks, and gives the connection back, with the room for the answer.
async fn call(mut other: TcpStream, answer: Vec<u8>) -> io::Result<(TcpStream, Vec<u8>)> {
    let (sent, _) = other.write_all(&CALL[..]).await;
    sent?;
    let (got, answer) = other.read_exact(answer).await;
    got?;
    Ok((other, answer))
}
