//! Datagrams on monoio: a socket for each thread on the shared port, which its tasks share.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::thread;

use super::{Driver, Setup};
use crate::peer::{announce, datagram_socket};

/// Serves until the process ends.
pub fn serve(driver: Driver, setup: Setup) -> io::Result<()> {
    let first = datagram_socket(setup.addr, true)?;
    let addr = first.local_addr()?;
    for _ in 1..setup.workers {
        let socket = datagram_socket(addr, true)?;
        thread::spawn(move || run(driver, socket, setup, None));
    }
    run(driver, first, setup, Some(addr))
}

fn run(
    driver: Driver,
    socket: UdpSocket,
    setup: Setup,
    announced: Option<SocketAddr>,
) -> io::Result<()> {
    socket.set_nonblocking(matches!(driver, Driver::Epoll))?;
    driver.run(async move {
        let socket = Rc::new(monoio::net::udp::UdpSocket::from_std(socket)?);
        if let Some(addr) = announced {
            announce::listening(addr, driver.name()).map_err(io::Error::other)?;
        }
        for _ in 1..setup.tasks {
            monoio::spawn(receive(Rc::clone(&socket), setup.buffer));
        }
        receive(socket, setup.buffer).await
    })
}

async fn receive(socket: Rc<monoio::net::udp::UdpSocket>, size: usize) -> io::Result<()> {
    let mut buffer: Vec<u8> = Vec::with_capacity(size);
    loop {
        let (received, back) = socket.recv_from(buffer).await;
        let (_, from) = received?;
        let (sent, back) = socket.send_to(back, from).await;
        sent?;
        buffer = back;
    }
}
