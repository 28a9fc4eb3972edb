//! The client's side: many requests under way on one connection.

#![allow(dead_code, reason = "the tests use more than the program")]
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::io::{self, BufReader, BufWriter, Write};
use std::sync::{Mutex, PoisonError};

use gopark::net::TcpConn;

use super::protocol::{Command, Frame, FrameError, Id, LONGEST, read_frame};
use super::window::Window;

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct Requests {
    /// How many.
    pub count: u64,
    /// Sent and not answered, at most.
    pub in_flight: usize,
    /// The payload of each.
    pub payload: Vec<u8>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// Answered, all well.
    pub well: u64,
    /// Answered with another result.
    pub refused: u64,
    /// Sent, but the server stopped before it answered.
    pub unanswered: u64,
}

/// Says who we are and waits for the answer.
///
/// # Errors
/// What reading and writing say, or an answer that is none.
pub fn connect(conn: &TcpConn, name: &str) -> Result<(), FrameError> {
    let hello = Frame::request(Command::Connect, *b"hello\0\0\0", name.as_bytes());
    conn.write(&hello.to_bytes())?;
    match read_frame(&mut BufReader::new(conn), LONGEST)? {
        Some(frame) if frame == Frame::ack(Command::ConnectAck, hello.id, 0) => Ok(()),
        Some(frame) => Err(nonsense(&frame)),
        None => Err(FrameError::Truncated),
    }
}

fn nonsense(frame: &Frame) -> FrameError {
    let text = format!(
        "an answer to nothing: {:?} of {:02x?}",
        frame.command, frame.id
    );
    FrameError::Io(io::Error::new(io::ErrorKind::InvalidData, text))
}

/// Sends requests and checks their answers, which may come in any order. One task writes while
/// another one reads: who only wrote until all is sent would fill both kernels and wait for ever.
///
/// # Errors
/// What reading and writing say, or an answer to what was not asked.
pub fn send_all(conn: &TcpConn, requests: &Requests) -> Result<Outcome, FrameError> {
    let window = Window::new(requests.in_flight);
    let sent = Mutex::new(HashSet::new());
    gopark::scope(|s| {
        let sender = s.spawn(|| {
            let written = write_all(conn, requests, &window, &sent);
            // Tells the server that no more will come; what it answers still does. If that fails,
            // so does the reading.
            let _ = conn.close_write();
            written
        });
        let outcome = read_all(conn, &window, &sent);
        window.close();
        if outcome.is_err() {
            // The sender must not go on.
            let _ = conn.close();
        }
        let written = match sender.join() {
            Ok(written) => written,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let outcome = outcome?;
        // A server that stops makes writing fail, and so does nobody else: then the answers count.
        if outcome.unanswered == 0 {
            written?;
        }
        Ok(outcome)
    })
}

fn write_all(
    conn: &TcpConn,
    requests: &Requests,
    window: &Window,
    sent: &Mutex<HashSet<Id>>,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(16 << 10, conn);
    let mut bytes = Vec::new();
    for number in 0..requests.count {
        if !window.try_take() {
            // What is held back is what the answers are waited for.
            out.flush()?;
            if !window.take() {
                break;
            }
        }
        let id = number.to_be_bytes();
        sent.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
        bytes.clear();
        Frame::request(Command::Submit, id, &requests.payload).encode(&mut bytes);
        out.write_all(&bytes)?;
    }
    out.flush()
}

fn read_all(
    conn: &TcpConn,
    window: &Window,
    sent: &Mutex<HashSet<Id>>,
) -> Result<Outcome, FrameError> {
    let mut stream = BufReader::with_capacity(16 << 10, conn);
    let mut outcome = Outcome::default();
    while let Some(frame) = read_frame(&mut stream, LONGEST)? {
        let asked = || {
            sent.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&frame.id)
        };
        if frame.command != Command::SubmitAck || !asked() {
            return Err(nonsense(&frame));
        }
        match frame.body[..] {
            [0] => outcome.well += 1,
            _ => outcome.refused += 1,
        }
        window.give(1);
    }
    outcome.unanswered = sent.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
    Ok(outcome)
}
