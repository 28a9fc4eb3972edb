//! The half on tokio: the same program in its terms.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::board::Board;
use super::half::{self, BUFFER, SIZE};
use crate::failure::Failure;

/// Runs the half.
pub fn run(clients: usize, length: Duration) -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::io("start", &error);
    let board = Arc::new(Board::new());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(cannot)?;
    let empty = half::resident();
    let on_board = Arc::clone(&board);
    let watcher =
        std::thread::spawn(move || half::watch(&on_board, clients, length, empty, Vec::new));
    runtime
        .block_on(serve_and_talk(clients, &board))
        .map_err(cannot)?;
    watcher
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

async fn serve_and_talk(clients: usize, board: &Arc<Board>) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    let mut tasks = Vec::new();
    for client in 0..clients {
        let board = Arc::clone(board);
        tasks.push(tokio::spawn(async move {
            if let Err(error) = talk(addr, client, &board).await {
                board.failed(client, &error);
            }
        }));
    }
    for task in tasks {
        // A client that panicked has said so on standard error.
        let _ = task.await;
    }
    Ok(())
}

async fn echo(mut stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut buffer = [0; BUFFER];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn talk(addr: SocketAddr, client: usize, board: &Board) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; BUFFER];
    while !board.stopped() {
        let sent = Instant::now();
        stream.write_all(&[b'x'; SIZE]).await?;
        let mut filled = 0;
        while filled < SIZE {
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        board.answered(client, sent.elapsed());
    }
    Ok(())
}
