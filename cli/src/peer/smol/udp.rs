//! Datagrams on smol: a socket that tasks share.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

use smol::{Async, Executor};

use super::Setup;
use crate::peer::{announce, datagram_socket};

/// Serves until the process ends.
pub fn serve(setup: Setup) -> io::Result<()> {
    let socket = Arc::new(Async::<UdpSocket>::new(datagram_socket(
        setup.addr, false,
    )?)?);
    announce::listening(socket.get_ref().local_addr()?, "smol").map_err(io::Error::other)?;
    let executor = Arc::new(Executor::new());
    let receivers: Vec<_> = (0..setup.tasks)
        .map(|_| executor.spawn(receive(Arc::clone(&socket), setup.buffer)))
        .collect();
    super::run(&executor, setup.workers, async {
        for receiver in receivers {
            receiver.await?;
        }
        Ok(())
    })
}

async fn receive(socket: Arc<Async<UdpSocket>>, buffer: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    loop {
        let (count, from) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..count], from).await?;
    }
}
