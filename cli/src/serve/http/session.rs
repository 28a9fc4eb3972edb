//! One HTTP connection.
//!
//! Requests are answered in order, and all the responses to one read leave in one write. A
//! request is answered when its body has been skipped. After a request that cannot be framed
//! nothing more is read, because nobody knows where the next one would start.

use super::chunked::{Chunked, Skipped};
use super::request::{self, Body, Head, Request};
use super::response::{Fate, Response};
use super::site::Site;
use crate::serve::session::{Next, Session};

/// The answer that waits for its request's body to end.
#[derive(Debug)]
struct Pending {
    response: Response<'static>,
    fate: Fate,
    head_only: bool,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum State {
    /// A request's head.
    Head,
    /// A body with that many bytes left, and the answer due at its end.
    Length(u64, Box<Pending>),
    /// A chunked body, and the answer due at its end.
    Chunked(Box<(Chunked, Pending)>),
    /// Nothing: the last response has been given.
    Ended,
}

/// The protocol state of one HTTP connection, no larger than a cache line: with a thousand of them in
/// turn each line is cold.
#[derive(Debug)]
pub struct Http {
    site: Site,
    state: State,
    /// The beginning of a head whose rest has not arrived.
    kept: Vec<u8>,
}

const _: () = assert!(size_of::<Http>() <= 64);

impl Http {
    /// A new connection to `site`.
    pub fn new(site: Site) -> Http {
        Http {
            site,
            state: State::Head,
            kept: Vec::new(),
        }
    }

    /// Takes from the front of `bytes` whatever can be taken; the rest is a partial head.
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match std::mem::replace(&mut self.state, State::Head) {
                State::Head => match request::parse(rest, self.site.limits()) {
                    Head::Whole(request, length) => {
                        at += length;
                        let more = at < bytes.len();
                        self.begin(&request, more, out);
                    }
                    Head::Partial => break,
                    Head::Refused(status) => self.refuse(status, out),
                },
                State::Length(left, pending) => {
                    let run = left.min(rest.len() as u64);
                    at += run as usize;
                    match left - run {
                        0 => self.finish(&pending, out),
                        left => self.state = State::Length(left, pending),
                    }
                }
                State::Chunked(mut body) => match body.0.skip(rest) {
                    Skipped::All => {
                        at = bytes.len();
                        self.state = State::Chunked(body);
                    }
                    Skipped::Ended(length) => {
                        at += length;
                        self.finish(&body.1, out);
                    }
                    Skipped::Refused(status) => self.refuse(status, out),
                },
                State::Ended => {
                    self.state = State::Ended;
                    at = bytes.len();
                }
            }
        }
        at
    }

    /// A head has arrived. `more` says that something of its body, or of the next request, has too.
    fn begin(&mut self, request: &Request<'_>, more: bool, out: &mut Vec<u8>) {
        let fate = match (request.keep_alive, request.old) {
            (false, _) => Fate::Closed,
            (true, true) => Fate::OpenForOld,
            (true, false) => Fate::Open,
        };
        let response = self.site.answer(request);
        let pending = Pending {
            response,
            fate,
            head_only: request.method == "HEAD",
        };
        if request.body == Body::Length(0) {
            return self.finish(&pending, out);
        }
        if request.expects_continue && !more {
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.state = match request.body {
            Body::Length(length) => State::Length(length, Box::new(pending)),
            Body::Chunked => State::Chunked(Box::new((Chunked::new(*self.site.limits()), pending))),
        };
    }

    fn finish(&mut self, pending: &Pending, out: &mut Vec<u8>) {
        pending.response.write(pending.fate, pending.head_only, out);
        self.state = if pending.fate == Fate::Closed {
            State::Ended
        } else {
            State::Head
        };
    }

    fn refuse(&mut self, status: u16, out: &mut Vec<u8>) {
        Response::status(status).write(Fate::Closed, false, out);
        self.state = State::Ended;
    }
}

impl Session for Http {
    const GOES_DEEP: bool = true;

    fn answer<'a>(&mut self, input: &'a [u8], out: &'a mut Vec<u8>) -> (&'a [u8], Next) {
        if self.kept.is_empty() {
            let taken = self.take(input, out);
            self.kept.extend_from_slice(&input[taken..]);
        } else {
            let mut kept = std::mem::take(&mut self.kept);
            kept.extend_from_slice(input);
            let taken = self.take(&kept, out);
            kept.drain(..taken);
            // An idle connection should not hold on to what one long head needed.
            self.kept = if kept.is_empty() { Vec::new() } else { kept };
        }
        let ended = matches!(self.state, State::Ended);
        (out.as_slice(), if ended { Next::Close } else { Next::Read })
    }

    fn late(&mut self, out: &mut Vec<u8>) {
        if !self.idle() {
            self.refuse(408, out);
        }
    }

    fn idle(&self) -> bool {
        matches!(self.state, State::Head | State::Ended) && self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests;
