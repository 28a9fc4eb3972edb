//! One connection of the generator.

use std::io::{self, Read, Write};
use std::time::Instant;

use socket2::Socket;

use super::plan::Plan;
use super::reply::{Found, Reply};
use super::tally::Trouble;
use crate::sys::epoll::Event;

/// A connection that is being opened or used. A replacement is a new value.
#[derive(Debug)]
pub struct Conn {
    stream: Socket,
    /// The connection is established.
    pub open: bool,
    readable: bool,
    writable: bool,
    ending: bool,
    /// Bytes of the current batch that are still to be written.
    unsent: usize,
    /// Answers that are still due.
    pub due: usize,
    /// When the current batch was sent, or the connection begun.
    pub since: Instant,
    /// Requests answered on this connection.
    pub served: usize,
    /// When the next request is to be one that stalls the server.
    pub stalls_at: Option<Instant>,
    /// The current batch is one.
    pub stalling: bool,
    reply: Reply,
}

/// What one step on a connection came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Nothing more can be done before the next event.
    Waits,
    /// Bytes arrived, and perhaps answers with them.
    Took(Found, usize),
    /// The server closed, as it had announced or as is its right between requests.
    Closed,
}

impl Conn {
    /// A connection that was just started.
    pub fn new(stream: Socket, plan: &Plan, now: Instant) -> Conn {
        Conn {
            stream,
            open: false,
            readable: false,
            writable: false,
            ending: false,
            unsent: 0,
            due: 0,
            since: now,
            served: 0,
            stalls_at: None,
            stalling: false,
            reply: Reply::new(plan),
        }
    }

    /// The socket, for registering it.
    pub fn stream(&self) -> &Socket {
        &self.stream
    }

    /// Notes what an event says, and whether the connection is now established.
    pub fn notice(&mut self, event: Event) -> io::Result<()> {
        self.readable |= event.readable();
        self.writable |= event.writable();
        self.ending |= event.ending();
        if !self.open && event.writable() {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            self.open = true;
        }
        Ok(())
    }

    /// Nothing is due and nothing is being sent.
    pub fn is_idle(&self) -> bool {
        self.open && self.due == 0 && self.unsent == 0
    }

    /// Begins a batch. The next [`Conn::step`] sends it.
    pub fn begin(&mut self, plan: &Plan, batch: &[u8]) {
        self.unsent = batch.len();
        self.due = plan.pipeline;
    }

    /// The server has said that it closes.
    pub fn closing(&self) -> bool {
        self.reply.closing()
    }

    /// Writes what can be written, and reads once.
    pub fn step(&mut self, batch: &[u8], buffer: &mut [u8]) -> Result<Step, Trouble> {
        while self.unsent > 0 && self.writable {
            let rest = &batch[batch.len() - self.unsent..];
            match self.stream.write(rest) {
                Ok(count) => self.unsent -= count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::from(&error)),
            }
        }
        if !self.readable {
            return Ok(Step::Waits);
        }
        match self.stream.read(buffer) {
            Ok(0) => {
                self.readable = false;
                self.end()
            }
            Ok(count) => {
                // A short read has emptied the socket, unless its end is waiting behind the data.
                self.readable = count == buffer.len() || self.ending;
                let found = self.reply.take(&buffer[..count], batch)?;
                self.due = self.due.checked_sub(found.answers).ok_or(Trouble::Wrong)?;
                Ok(Step::Took(found, count))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(Step::Waits)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                Ok(Step::Took(Found::default(), 0))
            }
            Err(error) => Err(Trouble::from(&error)),
        }
    }

    fn end(&mut self) -> Result<Step, Trouble> {
        if self.due == 0 {
            return Ok(Step::Closed);
        }
        let found = self.reply.end()?;
        match self.due.checked_sub(found.answers) {
            Some(0) => {
                self.due = 0;
                Ok(Step::Took(found, 0))
            }
            _ => Err(Trouble::Eof),
        }
    }
}
