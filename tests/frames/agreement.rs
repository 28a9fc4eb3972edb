//! What must hold for any bytes whatever: both ways of taking frames from them agree, however the
//! stream is cut, and a frame that was taken is made of exactly the bytes it came from.

use super::protocol::{Frame, FrameError, decode, read_frame};
use std::io::{self, BufRead, Read};

/// The longest frame. Small, so that lengths beyond it are common.
pub const LONGEST: usize = 1000;

/// Panics unless everything holds for `stream`, cut as `seed` says.
pub fn check(stream: &[u8], seed: u64) {
    let (whole, end) = from_buffer(stream);
    let (read, read_end) = from_stream(&mut Cut::new(stream, seed));
    assert_eq!(whole, read);
    assert_eq!(end, read_end);
    let again: Vec<u8> = whole.iter().flat_map(Frame::to_bytes).collect();
    assert!(stream.starts_with(&again));
    if end.is_none() {
        assert_eq!(again.len(), stream.len());
    }
}

/// The frames in front, and why there are no more, unless the stream ends there.
fn from_buffer(mut bytes: &[u8]) -> (Vec<Frame>, Option<String>) {
    let mut frames = Vec::new();
    loop {
        match decode(bytes, LONGEST) {
            Ok(Some((frame, len))) => {
                frames.push(frame);
                bytes = &bytes[len..];
            }
            Ok(None) if bytes.is_empty() => return (frames, None),
            Ok(None) => return (frames, Some(FrameError::Truncated.to_string())),
            Err(err) => return (frames, Some(err.to_string())),
        }
    }
}

/// The same from a stream.
pub fn from_stream(stream: &mut impl BufRead) -> (Vec<Frame>, Option<String>) {
    let mut frames = Vec::new();
    loop {
        match read_frame(stream, LONGEST) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(err) => return (frames, Some(err.to_string())),
        }
    }
}

/// A stream that comes in pieces.
#[derive(Debug)]
pub struct Cut<'a> {
    bytes: &'a [u8],
    random: u64,
    /// What is left of the piece.
    piece: usize,
}

impl<'a> Cut<'a> {
    /// `bytes`, cut as `seed` says.
    pub fn new(bytes: &'a [u8], seed: u64) -> Cut<'a> {
        Cut {
            bytes,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            piece: 0,
        }
    }
}

impl BufRead for Cut<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece == 0 {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            self.piece = (self.random % 20) as usize + 1;
        }
        Ok(&self.bytes[..self.piece.min(self.bytes.len())])
    }

    fn consume(&mut self, n: usize) {
        self.bytes = &self.bytes[n..];
        self.piece -= n;
    }
}

impl Read for Cut<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buf)?;
        self.consume(n);
        Ok(n)
    }
}
