//! The floor: an epoll loop per thread, written by hand, with nothing between it and the kernel.
//!
//! Each thread has its own listener on the shared port and its own connections. A connection is
//! registered once, edge-triggered for both directions. A read that did not fill the buffer has
//! emptied the socket, so the next one waits for an event; no read is made only to see EAGAIN.
//! One buffer serves all the connections of a thread.

pub mod fanout;
pub mod udp;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use super::{Setup, announce, listen, passing};
use crate::serve::rules::CROWD_WORK;
use crate::serve::session::{Next, Session, compute};
use crate::sys::epoll::{self, Epoll, Event, Events};
use crate::sys::socket;

/// The token of the listener; those of connections are their descriptors.
const LISTENER: u64 = u64::MAX;

/// How often connections are looked over for those past their deadline.
const SWEEP: Duration = Duration::from_secs(1);

/// Serves until the process ends.
pub fn serve<S: Session>(
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + 'static,
) -> io::Result<()> {
    let first = listen(setup.addr, true)?;
    let addr = first.local_addr()?;
    let mut threads = Vec::new();
    for _ in 1..setup.workers {
        let (listener, session) = (listen(addr, true)?, session.clone());
        threads.push(thread::spawn(move || {
            Loop::new(listener, setup, session)?.run()
        }));
    }
    let mut own = Loop::new(first, setup, session)?;
    announce::listening(addr, "raw epoll").map_err(io::Error::other)?;
    own.run()
}

struct Loop<S, F> {
    epoll: Epoll,
    listener: TcpListener,
    /// Connections, at the index of their descriptor.
    conns: Vec<Option<Conn<S>>>,
    buffer: Vec<u8>,
    out: Vec<u8>,
    session: F,
    deadline: Option<Duration>,
    /// When the connections were last looked over for those past their deadline.
    swept: Instant,
    /// A piece of work is to be done between any two waits.
    crowd: bool,
    own_pages: bool,
}

struct Conn<S> {
    stream: TcpStream,
    session: S,
    readable: bool,
    ending: bool,
    /// What the socket would not take. While there is some, nothing is read.
    unsent: Vec<u8>,
    closing: bool,
    /// Data must have come by then.
    deadline: Option<Instant>,
    page: Option<Box<Page>>,
}

/// Memory that no other connection touches: what a stack for each of them costs at the very least,
/// in the processor's tables of pages.
#[repr(align(4096))]
struct Page([u8; 4096]);

/// Whether a connection lives on.
enum Life {
    Open,
    Over,
}

impl<S: Session, F: Fn() -> S> Loop<S, F> {
    fn new(listener: TcpListener, setup: Setup, session: F) -> io::Result<Loop<S, F>> {
        listener.set_nonblocking(true)?;
        let epoll = Epoll::new()?;
        epoll.add(&listener, epoll::LISTENER, LISTENER)?;
        let (buffer, out) = (vec![0; setup.buffer], Vec::new());
        Ok(Loop {
            epoll,
            listener,
            conns: Vec::new(),
            buffer,
            out,
            session,
            deadline: setup.deadline,
            swept: Instant::now(),
            crowd: setup.crowd > 0,
            own_pages: setup.own_pages,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let nap = match self.deadline {
            _ if self.crowd => Some(Duration::ZERO),
            deadline => deadline.map(|_| SWEEP),
        };
        loop {
            if self.crowd {
                compute(CROWD_WORK);
            }
            self.epoll.wait(&mut events, nap)?;
            // The clock is read once for all the events of a wait.
            let now = self.deadline.map(|_| Instant::now());
            let deadline = now.zip(self.deadline).map(|(now, time)| now + time);
            for event in events.iter() {
                if event.token == LISTENER {
                    self.accept()?;
                } else {
                    self.serve(event, deadline);
                }
            }
            if let Some(now) = now
                && now - self.swept >= SWEEP
            {
                self.sweep(now);
            }
        }
    }

    /// Closes the connections that are past their deadline.
    fn sweep(&mut self, now: Instant) {
        self.swept = now;
        for conn in &mut self.conns {
            let late = |conn: &Conn<S>| conn.deadline.is_some_and(|deadline| deadline < now);
            conn.take_if(|conn| late(conn));
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match socket::accept(&self.listener) {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if passing(&error) => {
                    // The listener stays readable; without descriptors that would be a busy loop.
                    thread::sleep(Duration::from_millis(1));
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let index = stream.as_raw_fd() as usize;
            if stream.set_nodelay(true).is_err()
                || self
                    .epoll
                    .add(&stream, epoll::STREAM, index as u64)
                    .is_err()
            {
                continue;
            }
            if self.conns.len() <= index {
                self.conns.resize_with(index + 1, || None);
            }
            self.conns[index] = Some(Conn {
                stream,
                session: (self.session)(),
                readable: false,
                ending: false,
                unsent: Vec::new(),
                closing: false,
                deadline: None,
                page: self.own_pages.then(|| Box::new(Page([0; 4096]))),
            });
        }
    }

    /// An event may be stale: its connection closed earlier in the same batch, the number taken
    /// by a new one. The new one then tries a read too many, which is harmless.
    fn serve(&mut self, event: Event, deadline: Option<Instant>) {
        let index = event.token as usize;
        let Some(Some(conn)) = self.conns.get_mut(index) else {
            return;
        };
        conn.deadline = deadline;
        match conn.serve(event, &mut self.buffer, &mut self.out) {
            Ok(Life::Open) => {}
            Ok(Life::Over) | Err(_) => self.conns[index] = None,
        }
    }
}

impl<S: Session> Conn<S> {
    fn serve(&mut self, event: Event, buffer: &mut [u8], out: &mut Vec<u8>) -> io::Result<Life> {
        if let Some(page) = &mut self.page {
            // Not always the same line of each page: those would share a place in the caches.
            let at = self.stream.as_raw_fd() as usize % 16 * 64;
            page.0[at] = std::hint::black_box(page.0[at].wrapping_add(1));
        }
        self.readable |= event.readable();
        self.ending |= event.ending();
        if !self.unsent.is_empty() {
            if !event.writable() {
                return Ok(Life::Open);
            }
            let sent = write(&mut self.stream, &self.unsent)?;
            self.unsent.drain(..sent);
        }
        while self.unsent.is_empty() {
            if self.closing {
                return Ok(Life::Over);
            }
            if !self.readable {
                return Ok(Life::Open);
            }
            let count = match self.stream.read(buffer) {
                Ok(0) => return Ok(Life::Over),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.readable = count == buffer.len() || self.ending;
            let cost = self.session.cost(&buffer[..count]);
            if !cost.is_zero() {
                compute(cost);
            }
            out.clear();
            let (reply, next) = self.session.answer(&buffer[..count], out);
            self.closing = next == Next::Close;
            let sent = write(&mut self.stream, reply)?;
            self.unsent.extend_from_slice(&reply[sent..]);
        }
        Ok(Life::Open)
    }
}

/// Writes until everything is sent or the socket is full. Gives how much was sent.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
