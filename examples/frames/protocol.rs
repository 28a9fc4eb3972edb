//! The protocol: frames that say how long they are.
//!
//! ```text
//!  0       4     5              13
//!  +-------+-----+--------------+------------------ - -
//!  | total | cmd | id (8 bytes) | payload, or one result byte
//!  +-------+-----+--------------+------------------ - -
//! ```
//!
//! `total` is the length of the whole frame, itself included, with its highest byte first.
//!
//! | command       |      | after the id                         |
//! |---------------|------|--------------------------------------|
//! | `Connect`     | 0x01 | the client's name                    |
//! | `Submit`      | 0x02 | what is submitted                    |
//! | `ConnectAck`  | 0x81 | one byte: 0 is well, anything else not |
//! | `SubmitAck`   | 0x82 | the same, for the submit with this id  |
//!
//! TCP keeps no boundaries: a read may return half a frame, or three and a half. [`decode`] takes them
//! from a buffer, [`read_frame`] from a stream, and both refuse a length as soon as its four bytes are
//! there, so that nobody waits for, or makes room for, what a broken or hostile peer announces.

#![allow(dead_code, reason = "the server and the client each use a part")]
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, BufRead, Read};

/// The bytes of the length.
const LENGTH: usize = 4;
/// The bytes before the payload, the length included: the shortest frame.
pub const HEAD: usize = 13;
/// What the length of a frame may be unless the program says otherwise.
pub const LONGEST: usize = 4 << 20;

/// What a frame is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Command {
    /// A client says who it is.
    Connect = 0x01,
    /// A client wants something done.
    Submit = 0x02,
    /// The answer to `Connect`.
    ConnectAck = 0x81,
    /// The answer to `Submit`.
    SubmitAck = 0x82,
}

impl Command {
    fn from_byte(byte: u8) -> Result<Command, FrameError> {
        Ok(match byte {
            0x01 => Command::Connect,
            0x02 => Command::Submit,
            0x81 => Command::ConnectAck,
            0x82 => Command::SubmitAck,
            other => return Err(FrameError::UnknownCommand(other)),
        })
    }

    /// Whether it is an answer, with a result byte and nothing else.
    pub fn is_ack(self) -> bool {
        matches!(self, Command::ConnectAck | Command::SubmitAck)
    }
}

/// What the client calls a request; the answer has the same.
pub type Id = [u8; 8];

/// A frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// What it is for.
    pub command: Command,
    /// Which request it is, or answers.
    pub id: Id,
    /// The payload, or the one result byte.
    pub body: Vec<u8>,
}

/// Why bytes are no frame.
#[derive(Debug)]
pub enum FrameError {
    /// A length below that of the shortest frame.
    TooSmall(u32),
    /// A length above what was agreed on.
    TooLarge {
        /// The length.
        length: u32,
        /// What was agreed on.
        longest: usize,
    },
    /// A command nobody knows.
    UnknownCommand(u8),
    /// An answer whose result is not one byte.
    BadResult(usize),
    /// The stream ends inside a frame.
    Truncated,
    /// Reading failed.
    Io(io::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooSmall(length) => {
                write!(f, "frame length too small: {length}, at least {HEAD}")
            }
            FrameError::TooLarge { length, longest } => {
                write!(f, "frame length too large: {length}, at most {longest}")
            }
            FrameError::UnknownCommand(byte) => write!(f, "unknown command: {byte:#04x}"),
            FrameError::BadResult(bytes) => {
                write!(f, "result of wrong length: {bytes} bytes instead of 1")
            }
            FrameError::Truncated => f.write_str("unexpected EOF: the stream ends inside a frame"),
            FrameError::Io(err) => err.fmt(f),
        }
    }
}

impl std::error::Error for FrameError {}

impl From<io::Error> for FrameError {
    fn from(err: io::Error) -> FrameError {
        FrameError::Io(err)
    }
}

impl Frame {
    /// A request.
    pub fn request(command: Command, id: Id, payload: &[u8]) -> Frame {
        Frame {
            command,
            id,
            body: payload.to_vec(),
        }
    }

    /// An answer.
    pub fn ack(command: Command, id: Id, result: u8) -> Frame {
        Frame {
            command,
            id,
            body: vec![result],
        }
    }

    /// Appends the frame's bytes.
    ///
    /// # Panics
    /// If the body has 4 GiB or more, which no length can say.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let total = u32::try_from(HEAD + self.body.len()).expect("a body below 4 GiB");
        out.extend(total.to_be_bytes());
        out.push(self.command as u8);
        out.extend(self.id);
        out.extend(&self.body);
    }

    /// The frame's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + self.body.len());
        self.encode(&mut out);
        out
    }

    /// A frame from what follows the length, of which there are at least nine bytes.
    fn from_packet(packet: &[u8]) -> Result<Frame, FrameError> {
        let [command, rest @ ..] = packet else {
            return Err(FrameError::Truncated);
        };
        let Some((id, body)) = rest.split_first_chunk() else {
            return Err(FrameError::Truncated);
        };
        let command = Command::from_byte(*command)?;
        if command.is_ack() && body.len() != 1 {
            return Err(FrameError::BadResult(body.len()));
        }
        Ok(Frame::request(command, *id, body))
    }
}

/// The bytes that follow a length.
fn after_length(length: [u8; LENGTH], longest: usize) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(length);
    match length as usize {
        total if total < HEAD => Err(FrameError::TooSmall(length)),
        total if total > longest => Err(FrameError::TooLarge { length, longest }),
        total => Ok(total - LENGTH),
    }
}

/// The first frame in `bytes` and how many of them it takes; `None` when it is not all there yet.
///
/// # Errors
/// A length out of range, or a frame that makes no sense.
pub fn decode(bytes: &[u8], longest: usize) -> Result<Option<(Frame, usize)>, FrameError> {
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let len = after_length(*length, longest)?;
    match rest.get(..len) {
        Some(packet) => Ok(Some((Frame::from_packet(packet)?, LENGTH + len))),
        None => Ok(None),
    }
}

/// The next frame of a stream; `None` when it ends between frames.
///
/// # Errors
/// A length out of range, a frame that makes no sense, or what reading says.
pub fn read_frame(stream: &mut impl BufRead, longest: usize) -> Result<Option<Frame>, FrameError> {
    let mut length = [0; LENGTH];
    match read_up_to(stream, &mut length)? {
        0 => return Ok(None),
        LENGTH => {}
        _ => return Err(FrameError::Truncated),
    }
    let len = after_length(length, longest)?;
    // It grows with what comes, not with what was announced.
    let mut packet = Vec::new();
    stream.take(len as u64).read_to_end(&mut packet)?;
    if packet.len() < len {
        return Err(FrameError::Truncated);
    }
    Frame::from_packet(&packet).map(Some)
}

/// Fills `buf` unless the stream ends before, and says how far it came.
fn read_up_to(stream: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match stream.read(&mut buf[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}
