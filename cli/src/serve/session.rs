//! One connection's side of a protocol: bytes in, bytes out, and no socket in sight.
//!
//! Every server here, on gopark as well as on its peers, runs the same sessions. So they answer
//! the same bytes, and a comparison between them compares how they wait.

use std::time::{Duration, Instant};

/// What to do after the reply has been written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Read on.
    Read,
    /// Close the connection.
    Close,
}

/// The protocol state of one connection.
pub trait Session: Send + 'static {
    /// Its answers take much stack: a parser's, say.
    const GOES_DEEP: bool = false;

    /// Takes what one read returned and gives what one write should send. `out` is scratch space,
    /// empty when it comes in; a session that answers with its input leaves it alone.
    fn answer<'a>(&mut self, input: &'a [u8], out: &'a mut Vec<u8>) -> (&'a [u8], Next);

    /// The connection waited too long for the rest of a request. Fills in the last words, if the
    /// protocol has any.
    fn late(&mut self, _out: &mut Vec<u8>) {}

    /// How long the processor has to be kept busy before `input` may be answered. Where that
    /// happens, on the connection's own thread or elsewhere, is the server's choice.
    fn cost(&mut self, _input: &[u8]) -> Duration {
        Duration::ZERO
    }

    /// No request has been begun: closing now loses nothing.
    fn idle(&self) -> bool {
        true
    }
}

/// Sends everything back.
#[derive(Clone, Copy, Debug)]
pub struct Echo;

impl Session for Echo {
    fn answer<'a>(&mut self, input: &'a [u8], _out: &'a mut Vec<u8>) -> (&'a [u8], Next) {
        (input, Next::Read)
    }
}

/// Sends nothing back.
#[derive(Clone, Copy, Debug)]
pub struct Discard;

impl Session for Discard {
    fn answer<'a>(&mut self, _input: &'a [u8], _out: &'a mut Vec<u8>) -> (&'a [u8], Next) {
        (&[], Next::Read)
    }
}

/// Sends everything back, each [`Work::FRAME`] after computing for as long as it asks: its first
/// four bytes are microseconds, the lowest byte first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Where in a frame the next byte belongs.
    at: usize,
    asked: [u8; 4],
}

impl Work {
    /// Bytes in a request.
    pub const FRAME: usize = 64;

    /// The most that one request may ask for: a stray client must not stop the server.
    const MOST: u32 = 100_000;

    /// A request for `micros` of computing.
    pub fn request(micros: u32) -> Vec<u8> {
        let mut request = vec![b'w'; Work::FRAME];
        request[..4].copy_from_slice(&micros.to_le_bytes());
        request
    }
}

impl Session for Work {
    fn answer<'a>(&mut self, input: &'a [u8], _out: &'a mut Vec<u8>) -> (&'a [u8], Next) {
        (input, Next::Read)
    }

    fn cost(&mut self, mut input: &[u8]) -> Duration {
        let mut micros = 0;
        while !input.is_empty() {
            let run = input.len().min(Work::FRAME - self.at);
            for (place, byte) in (self.at..self.asked.len()).zip(&input[..run]) {
                self.asked[place] = *byte;
            }
            // Due with the fourth byte; only then is the number known.
            if (self.at..self.at + run).contains(&(self.asked.len() - 1)) {
                micros += u64::from(u32::from_le_bytes(self.asked).min(Work::MOST));
            }
            self.at = (self.at + run) % Work::FRAME;
            input = &input[run..];
        }
        Duration::from_micros(micros)
    }
}

/// Keeps this thread's processor busy for a time, as a computation would.
pub fn compute(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_costs_what_its_first_four_bytes_ask_for_however_it_arrives() {
        let mut bytes = Work::request(1_000);
        bytes.extend(Work::request(0));
        bytes.extend(Work::request(70_000));
        for pieces in [1, 3, 5, 64, 65, 192] {
            let mut work = Work::default();
            let sum: Duration = bytes.chunks(pieces).map(|piece| work.cost(piece)).sum();
            assert_eq!(sum, Duration::from_micros(71_000), "in pieces of {pieces}");
        }
        let stray = Work::default().cost(&[0xff; 64]);
        assert_eq!(stray, Duration::from_millis(100));
    }
}
