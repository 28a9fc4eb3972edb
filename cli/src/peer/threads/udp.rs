//! Datagrams on threads, which block in `recvfrom` on one socket.

use std::io;
use std::net::UdpSocket;
use std::thread;

use super::{NAME, Setup};
use crate::peer::{announce, datagram_socket};

/// Serves until the process ends.
pub fn serve(setup: Setup) -> io::Result<()> {
    let socket = datagram_socket(setup.addr, false)?;
    announce::listening(socket.local_addr()?, NAME).map_err(io::Error::other)?;
    thread::scope(|scope| {
        for _ in 1..setup.tasks {
            scope.spawn(|| receive(&socket, setup.buffer));
        }
        receive(&socket, setup.buffer)
    })
}

fn receive(socket: &UdpSocket, buffer: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    loop {
        let (count, from) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..count], from)?;
    }
}
