//! Datagrams: a socket for each thread on the shared port. After an event everything there is gets
//! its answer, until the kernel says that there is no more.

use std::io;
use std::net::UdpSocket;
use std::thread;

use super::{Setup, announce};
use crate::peer::datagram_socket;
use crate::sys::epoll::{self, Epoll, Events};

/// Serves until the process ends.
pub fn serve(setup: Setup) -> io::Result<()> {
    let first = datagram_socket(setup.addr, true)?;
    let addr = first.local_addr()?;
    for _ in 1..setup.workers {
        let socket = datagram_socket(addr, true)?;
        thread::spawn(move || run(&socket, setup.buffer));
    }
    announce::listening(addr, "raw epoll").map_err(io::Error::other)?;
    run(&first, setup.buffer)
}

fn run(socket: &UdpSocket, buffer: usize) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let epoll = Epoll::new()?;
    epoll.add(socket, epoll::STREAM, 0)?;
    let (mut events, mut buffer) = (Events::with_capacity(1), vec![0; buffer]);
    loop {
        epoll.wait(&mut events, None)?;
        loop {
            let answered = socket
                .recv_from(&mut buffer)
                .and_then(|(count, from)| socket.send_to(&buffer[..count], from));
            match answered {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
