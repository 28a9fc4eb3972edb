//! One connection's side of a protocol: bytes in, bytes out, and no socket in sight.
//!
//! Every server here, on gopark as well as on its peers, runs the same sessions. So they answer
//! the same bytes, and a comparison between them compares how they wait.

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
    /// Takes what one read returned and gives what one write should send. `out` is scratch space,
    /// empty when it comes in; a session that answers with its input leaves it alone.
    fn answer<'a>(&mut self, input: &'a [u8], out: &'a mut Vec<u8>) -> (&'a [u8], Next);

    /// The connection waited too long for the rest of a request. Fills in the last words, if the
    /// protocol has any.
    #[cfg_attr(not(any(test, feature = "standin")), allow(dead_code))]
    fn late(&mut self, _out: &mut Vec<u8>) {}

    /// No request has been begun: closing now loses nothing.
    #[cfg_attr(not(any(test, feature = "standin")), allow(dead_code))]
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
#[cfg(feature = "standin")]
#[derive(Clone, Copy, Debug)]
pub struct Discard;

#[cfg(feature = "standin")]
impl Session for Discard {
    fn answer<'a>(&mut self, _input: &'a [u8], _out: &'a mut Vec<u8>) -> (&'a [u8], Next) {
        (&[], Next::Read)
    }
}
