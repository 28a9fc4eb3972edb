//! Many tasks on one connection on tokio: the halves of a connection, each behind a lock that waits.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;

use super::{Flavour, Setup};
use crate::serve::rules::{FRAME, SHARERS};

/// Serves until the process ends.
pub fn serve(flavour: Flavour, setup: Setup) -> io::Result<()> {
    super::accepting(flavour, setup, share)
}

async fn share(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let (reader, writer) = (Arc::new(Mutex::new(reader)), Arc::new(Mutex::new(writer)));
    for _ in 1..SHARERS {
        // They all meet the same end, and one of them tells of it.
        tokio::spawn(answer(Arc::clone(&reader), Arc::clone(&writer)));
    }
    answer(reader, writer).await
}

async fn answer(
    reader: Arc<Mutex<OwnedReadHalf>>,
    writer: Arc<Mutex<OwnedWriteHalf>>,
) -> io::Result<()> {
    let mut frame = [0; FRAME];
    loop {
        let count = reader.lock().await.read(&mut frame).await?;
        if count == 0 {
            return Ok(());
        }
        writer.lock().await.write_all(&frame[..count]).await?;
    }
}
