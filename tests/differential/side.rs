//! One end of the connection, as the [model](crate::model) sees it.
//!
//! What was sent in one direction and not yet read:
//!
//! | [`Flow`]  | meaning                                                       |
//! |-----------|---------------------------------------------------------------|
//! | `Exact`   | it is all in the receiver's queue, and its length is known    |
//! | `Blocked` | a writer is blocked; the length counts all that writers have  |
//! | `Vague`   | a blocked write ended early; the buffers are full             |

use std::collections::VecDeque;

/// How much may be read while a writer is blocked without its noticing.
const NIBBLES_MAX: usize = 16_384;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    Established = 1,
    FinWait1 = 4,
    FinWait2 = 5,
    Close = 7,
    CloseWait = 8,
    LastAck = 9,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Exact,
    Blocked,
    Vague,
}

#[derive(Clone, Debug)]
pub struct Waiting {
    pub id: usize,
    pub len: usize,
}

/// One end of the connection.
#[derive(Clone, Debug)]
pub struct Side {
    pub open: bool,
    pub state: State,
    pub unread: usize,
    pub flow: Flow,
    pub nibbled: usize,
    /// The peer's end of stream has come.
    pub fin: bool,
    /// The socket has an error to report, once.
    pub err: bool,
    pub read_shut: bool,
    pub write_shut: bool,
    pub linger_zero: bool,
    pub past: [bool; 2],
    /// Expires in a moment, with nobody blocked.
    pub soon: [bool; 2],
    pub readers: VecDeque<Waiting>,
    pub writers: VecDeque<Waiting>,
}

impl Side {
    /// An end of a new connection.
    pub fn new() -> Side {
        Side {
            open: true,
            state: State::Established,
            unread: 0,
            flow: Flow::Exact,
            nibbled: 0,
            fin: false,
            err: false,
            read_shut: false,
            write_shut: false,
            linger_zero: false,
            past: [false; 2],
            soon: [false; 2],
            readers: VecDeque::new(),
            writers: VecDeque::new(),
        }
    }

    /// There is nothing to read, not even an end.
    pub fn is_quiet(&self) -> bool {
        self.unread == 0 && self.flow != Flow::Vague && self.is_quiet_but_for_data()
    }

    pub fn is_quiet_but_for_data(&self) -> bool {
        !self.fin && !self.err && !self.read_shut && self.state != State::Close
    }

    /// A read meets the end: of the stream, or by the socket's error, which is then gone.
    pub fn end_of_data(&mut self) {
        if !self.fin {
            self.err = false;
        }
    }

    /// A read of up to `len` bytes.
    pub fn take(&mut self, len: usize) -> Option<()> {
        match self.flow {
            Flow::Exact => self.unread -= len.min(self.unread),
            Flow::Blocked | Flow::Vague => {
                self.nibbled += len;
                if self.nibbled > NIBBLES_MAX {
                    return None;
                }
                self.unread = self.unread.saturating_sub(len);
            }
        }
        Some(())
    }

    pub fn can_send(&self) -> bool {
        let open = matches!(self.state, State::Established | State::CloseWait);
        self.open && open && !self.err && !self.write_shut
    }

    /// It neither sends nor reads any more: data that comes now resets the connection.
    pub fn refuses_data(&self) -> bool {
        let sent_fin = matches!(self.state, State::FinWait1 | State::FinWait2);
        self.open && self.read_shut && sent_fin
    }

    /// Data that it refuses is under way.
    pub fn resets_what_comes(&self) -> bool {
        self.refuses_data() && self.flow != Flow::Exact
    }

    /// Its end of stream is behind data that is still to be sent.
    pub fn has_queued_fin(&self) -> bool {
        matches!(self.state, State::FinWait1 | State::LastAck)
    }
}
