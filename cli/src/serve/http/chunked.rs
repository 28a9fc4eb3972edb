//! The chunked transfer coding, skipped byte by byte.
//!
//! ```text
//! Size -hex-> Size          Size -;-> Extension     Size -CR-> SizeEnd
//! Extension -CR-> SizeEnd   SizeEnd -LF-> Data, or LineStart after the chunk of size 0
//! Data -all its bytes-> DataCr -CR-> DataLf -LF-> Size
//! LineStart -CR-> End       LineStart -other-> Line -CR-> LineEnd -LF-> LineStart
//! End -LF-> Done
//! ```
//!
//! Line ends are CR LF and nothing else: a lone LF is where readers disagree.

use super::Limits;

/// Where in a chunked body the reader stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Size,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    LineStart,
    Line,
    LineEnd,
    End,
    Done,
}

/// A reader that skips one chunked body.
#[derive(Clone, Debug)]
pub struct Chunked {
    state: State,
    /// The size line being read, then the bytes left of that chunk.
    left: u64,
    digits: u8,
    /// Bytes of data so far.
    data: u64,
    /// Bytes of extensions and trailers so far.
    extra: usize,
    limits: Limits,
}

/// What became of the bytes given to [`Chunked::skip`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Skipped {
    /// All of them belong to the body, and it goes on.
    All,
    /// The body ended after that many of them.
    Ended(usize),
    /// Not a chunked body this server takes: the status to refuse it with.
    Refused(u16),
}

impl Chunked {
    /// A reader at the first byte of a body.
    pub fn new(limits: Limits) -> Chunked {
        Chunked {
            state: State::Size,
            left: 0,
            digits: 0,
            data: 0,
            extra: 0,
            limits,
        }
    }

    /// Skips what belongs to the body.
    pub fn skip(&mut self, bytes: &[u8]) -> Skipped {
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Data {
                let run = self.left.min((bytes.len() - at) as u64);
                at += run as usize;
                self.left -= run;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            match self.step(bytes[at]) {
                Ok(next) => self.state = next,
                Err(status) => return Skipped::Refused(status),
            }
            at += 1;
            if self.state == State::Done {
                return Skipped::Ended(at);
            }
        }
        Skipped::All
    }

    fn step(&mut self, byte: u8) -> Result<State, u16> {
        match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte),
            (State::Size, b';') if self.digits > 0 => Ok(State::Extension),
            (State::Size, b'\r') if self.digits > 0 => Ok(State::SizeEnd),
            (State::Extension, b'\r') => Ok(State::SizeEnd),
            (State::SizeEnd, b'\n') => self.begin(),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => {
                self.digits = 0;
                self.left = 0;
                Ok(State::Size)
            }
            (State::LineStart, b'\r') => Ok(State::End),
            (State::Line, b'\r') => Ok(State::LineEnd),
            (State::LineEnd, b'\n') => Ok(State::LineStart),
            (State::End, b'\n') => Ok(State::Done),
            (State::Extension, _) if text(byte) => self.extra(State::Extension, 400),
            (State::LineStart | State::Line, _) if text(byte) => self.extra(State::Line, 431),
            _ => Err(400),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<State, u16> {
        let value = (byte as char).to_digit(16).ok_or(400u16)?;
        self.digits += 1;
        if self.digits > 16 {
            return Err(400);
        }
        self.left = (self.left << 4) | u64::from(value);
        Ok(State::Size)
    }

    /// A size line has ended.
    fn begin(&mut self) -> Result<State, u16> {
        if self.left == 0 {
            return Ok(State::LineStart);
        }
        self.data = self.data.saturating_add(self.left);
        if self.data > self.limits.body {
            Err(413)
        } else {
            Ok(State::Data)
        }
    }

    fn extra(&mut self, next: State, status: u16) -> Result<State, u16> {
        self.extra += 1;
        if self.extra > self.limits.head {
            Err(status)
        } else {
            Ok(next)
        }
    }
}

/// Bytes that may stand in an extension or a trailer.
fn text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            head: 64,
            body: 100,
        }
    }

    #[test]
    fn a_body_ends_at_its_last_byte_however_it_is_cut() {
        for (text, rest) in [
            ("0\r\n\r\n", ""),
            ("0\r\n\r\n", "GET"),
            ("5\r\nhello\r\n0\r\n\r\n", ""),
            (
                "5;name=\"value\"\r\nhello\r\n00a\r\n0\r\n\r\n01234\r\n000\r\n\r\n",
                "5\r\n",
            ),
            (
                "1\r\nx\r\n0\r\nTrailer: y\r\nOther: z\r\n\r\n",
                "GET / HTTP/1.1",
            ),
            ("F\r\n012345678901234\r\n0\r\n\r\n", ""),
        ] {
            let whole = format!("{text}{rest}");
            let outcome = Chunked::new(limits()).skip(whole.as_bytes());
            assert_eq!(outcome, Skipped::Ended(text.len()), "{whole:?}");
            for cut in 0..text.len() {
                let mut reader = Chunked::new(limits());
                assert_eq!(
                    reader.skip(&whole.as_bytes()[..cut]),
                    Skipped::All,
                    "{whole:?} {cut}"
                );
                let outcome = reader.skip(&whole.as_bytes()[cut..]);
                assert_eq!(outcome, Skipped::Ended(text.len() - cut), "{whole:?} {cut}");
            }
        }
    }

    #[test]
    fn what_is_not_chunked_strictly_is_refused() {
        let long_extension = format!("1;{}\r\n", "x".repeat(100));
        let long_trailer = format!("0\r\nX: {}\r\n", "x".repeat(100));
        for (text, status) in [
            ("\r\n", 400),
            (";x\r\n", 400),
            ("g\r\n", 400),
            ("-1\r\n", 400),
            ("0x1\r\n", 400),
            (" 1\r\n", 400),
            ("1 \r\nx", 400),
            ("1\nx\r\n", 400),
            ("1\r\rx", 400),
            ("1\r\nxy\r\n", 400),
            ("1\r\nx\n0\r\n\r\n", 400),
            ("1;a\nb\r\nx", 400),
            ("0\r\nA: b\n\r\n", 400),
            ("0\r\n\r\r", 400),
            ("10000000000000000\r\n", 400),
            ("ffffffffffffffff\r\n", 413),
            ("65\r\n", 413),
            ("1\r\nx\r\n64\r\n", 413),
            (&long_extension, 400),
            (&long_trailer, 431),
        ] {
            let outcome = Chunked::new(limits()).skip(text.as_bytes());
            assert_eq!(outcome, Skipped::Refused(status), "{text:?}");
        }
    }
}
