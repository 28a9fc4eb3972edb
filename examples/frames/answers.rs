//! The answers of one connection on their way out.

#![forbid(unsafe_code)]

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gopark::net::TcpConn;

use super::metrics::Metrics;
use super::protocol::Frame;
use super::window::Window;

/// Any task may answer. Whoever finds nobody writing writes, and goes on with what has gathered
/// meanwhile: many answers leave in one write, and no task exists only to write.
///
/// A request keeps its place in the window until its answer is out, so a client that does not read
/// its answers stops being read from, and then, at the deadline, is cut.
#[derive(Debug)]
pub struct Answers<'a> {
    conn: &'a TcpConn,
    metrics: &'a Metrics,
    /// How long one write may take.
    patience: Duration,
    /// The requests that are not answered yet.
    pub window: Window,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    frames: usize,
    /// Somebody writes, and will look again.
    writing: bool,
    /// Why no more answers can be sent.
    failure: Option<io::Error>,
}

impl<'a> Answers<'a> {
    /// No answers yet, and at most `in_flight` at once.
    pub fn new(
        conn: &'a TcpConn,
        metrics: &'a Metrics,
        in_flight: usize,
        patience: Duration,
    ) -> Answers<'a> {
        Answers {
            conn,
            metrics,
            patience,
            window: Window::new(in_flight),
            waiting: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an answer, now or with the ones before it, and gives back its place then.
    pub fn send(&self, frame: &Frame) {
        let mut waiting = self.lock();
        frame.encode(&mut waiting.bytes);
        waiting.frames += 1;
        if waiting.writing {
            return;
        }
        waiting.writing = true;
        while waiting.frames > 0 {
            let bytes = std::mem::take(&mut waiting.bytes);
            let frames = std::mem::take(&mut waiting.frames);
            let broken = waiting.failure.is_some();
            drop(waiting);
            let written = if broken { Ok(()) } else { self.write(&bytes) };
            if written.is_ok() && !broken {
                self.metrics.acks.add(frames);
                self.metrics.writes.add(1);
            }
            if written.is_err() {
                // Whoever reads from it finds it closed, and asks for the reason here.
                let _ = self.conn.close();
            }
            waiting = self.lock();
            waiting.failure = written.err().or(waiting.failure.take());
            self.window.give(frames);
        }
        waiting.writing = false;
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let deadline = Instant::now().checked_add(self.patience);
        self.conn.set_write_deadline(deadline)?;
        self.conn.write(bytes).map(drop)
    }

    /// Why answers could not be sent, if so.
    pub fn take_failure(&self) -> Option<io::Error> {
        self.lock().failure.take()
    }
}
