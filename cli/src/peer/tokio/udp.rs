//! Datagrams on tokio: a socket that tasks share.

use std::io;
use std::sync::Arc;

use tokio::net::UdpSocket;

use super::{Flavour, Setup};
use crate::peer::{announce, datagram_socket};

/// Serves until the process ends.
pub fn serve(flavour: Flavour, setup: Setup) -> io::Result<()> {
    let socket = datagram_socket(setup.addr, false)?;
    socket.set_nonblocking(true)?;
    flavour.runtime(setup.workers)?.block_on(async {
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        announce::listening(socket.local_addr()?, flavour.name()).map_err(io::Error::other)?;
        let receivers: Vec<_> = (0..setup.tasks)
            .map(|_| tokio::spawn(receive(Arc::clone(&socket), setup.buffer)))
            .collect();
        for receiver in receivers {
            receiver.await.map_err(io::Error::other)??;
        }
        Ok(())
    })
}

async fn receive(socket: Arc<UdpSocket>, buffer: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    loop {
        let (count, from) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..count], from).await?;
    }
}
