//! Datagrams on may: handles of one socket, a coroutine for each.

use std::io;

use may::net::UdpSocket;

use super::{Setup, wait};
use crate::peer::announce;

/// Serves until the process ends.
pub fn serve(setup: Setup) -> io::Result<()> {
    may::config().set_workers(setup.workers);
    let socket = UdpSocket::bind(setup.addr)?;
    announce::listening(socket.local_addr()?, "may").map_err(io::Error::other)?;
    for _ in 1..setup.tasks {
        let own = socket.try_clone()?;
        may::go!(move || receive(&own, setup.buffer));
    }
    wait(may::go!(move || receive(&socket, setup.buffer)))
}

fn receive(socket: &UdpSocket, buffer: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    loop {
        let (count, from) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..count], from)?;
    }
}
