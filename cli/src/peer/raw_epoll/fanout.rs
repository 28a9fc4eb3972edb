//! Many requests to another server for each request: all are written, and the answers counted as
//! they come. A client asks again only after its answer, so nothing is ever queued.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::{LISTENER, Setup, announce, listen};
use crate::serve::rules::{CALL, CALLS, FRAME};
use crate::sys::epoll::{self, Epoll, Events};
use crate::sys::socket;

/// A client, and its connections to the other server.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    others: Vec<TcpStream>,
    /// Bytes of answers that are still to come.
    due: usize,
}

/// Serves until the process ends.
pub fn serve(setup: Setup, upstream: SocketAddr) -> io::Result<()> {
    let first = listen(setup.addr, true)?;
    let addr = first.local_addr()?;
    for _ in 1..setup.workers {
        let listener = listen(addr, true)?;
        thread::spawn(move || run(&listener, setup, upstream));
    }
    announce::listening(addr, "raw epoll").map_err(io::Error::other)?;
    run(&first, setup, upstream)
}

/// Tokens: the client's place, and in the upper half 0 for itself or the number of its connection.
fn run(listener: &TcpListener, setup: Setup, upstream: SocketAddr) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new()?;
    epoll.add(listener, epoll::LISTENER, LISTENER)?;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; setup.buffer]);
    loop {
        epoll.wait(&mut events, None)?;
        for event in events.iter() {
            if event.token == LISTENER {
                while let Ok(stream) = socket::accept(listener) {
                    let place = clients.len();
                    clients.push(Some(Client::new(stream, upstream, &epoll, place as u64)?));
                }
                continue;
            }
            let (place, part) = (event.token as u32 as usize, (event.token >> 32) as usize);
            let Some(Some(client)) = clients.get_mut(place) else {
                continue;
            };
            let open = match part {
                _ if !event.readable() => Ok(true),
                0 => client.ask(&mut buffer),
                part => client.heard(part - 1, &mut buffer),
            };
            if !matches!(open, Ok(true)) {
                clients[place] = None;
            }
        }
    }
}

impl Client {
    fn new(
        stream: TcpStream,
        upstream: SocketAddr,
        epoll: &Epoll,
        token: u64,
    ) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        let mut others = Vec::with_capacity(CALLS);
        for part in 1..=CALLS as u64 {
            let other = TcpStream::connect(upstream)?;
            other.set_nodelay(true)?;
            other.set_nonblocking(true)?;
            epoll.add(&other, epoll::STREAM, token | part << 32)?;
            others.push(other);
        }
        epoll.add(&stream, epoll::STREAM, token)?;
        Ok(Client {
            stream,
            request: Vec::new(),
            others,
            due: 0,
        })
    }

    /// The client has said something, or left; that gives `false`.
    fn ask(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        self.request.clear();
        self.request.extend_from_slice(&buffer[..count]);
        for other in &mut self.others {
            other.write_all(&CALL)?;
        }
        self.due = CALLS * FRAME;
        Ok(true)
    }

    /// An answer of the other server. The last of them is the client's.
    fn heard(&mut self, part: usize, buffer: &mut [u8]) -> io::Result<bool> {
        let count = match self.others[part].read(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        self.due = self.due.saturating_sub(count);
        if self.due == 0 {
            self.stream.write_all(&self.request)?;
        }
        Ok(true)
    }
}
