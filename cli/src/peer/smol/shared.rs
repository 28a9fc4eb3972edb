//! Many tasks on one connection on smol: a handle for each direction, behind a lock that waits.

use std::io;
use std::sync::Arc;

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::lock::Mutex;
use smol::net::TcpStream;

use super::{Setup, Shared};
use crate::serve::rules::{FRAME, SHARERS};

/// Serves until the process ends.
pub fn serve(setup: Setup) -> io::Result<()> {
    super::accepting(setup, |stream, executor| {
        share(stream, Arc::clone(executor))
    })
}

async fn share(stream: TcpStream, executor: Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let reader = Arc::new(Mutex::new(stream.clone()));
    let writer = Arc::new(Mutex::new(stream));
    for _ in 1..SHARERS {
        // They all meet the same end, and one of them tells of it.
        let task = executor.spawn(answer(Arc::clone(&reader), Arc::clone(&writer)));
        task.detach();
    }
    answer(reader, writer).await
}

async fn answer(reader: Arc<Mutex<TcpStream>>, writer: Arc<Mutex<TcpStream>>) -> io::Result<()> {
    let mut frame = [0; FRAME];
    loop {
        let count = reader.lock().await.read(&mut frame).await?;
        if count == 0 {
            return Ok(());
        }
        writer.lock().await.write_all(&frame[..count]).await?;
    }
}
