//! Reading answers: how many have arrived, and are they right?

use super::plan::{Plan, Protocol};
use super::tally::Trouble;
use crate::serve::http::Limits;
use crate::serve::http::chunked::{Chunked, Skipped};

/// What was found in the bytes of one read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// Answers that are now complete.
    pub answers: usize,
    /// How many of those have a status that is an error.
    pub bad_status: usize,
}

/// The reading side of one connection.
#[derive(Debug)]
pub enum Reply {
    /// The same bytes as were sent.
    Echo {
        /// Bytes in one answer.
        size: usize,
        /// Bytes of the current batch that have come back.
        got: usize,
    },
    /// HTTP responses.
    Http(HttpReply),
}

/// Where in an HTTP response the reader stands.
#[derive(Debug, Default)]
pub struct HttpReply {
    /// The beginning of a head.
    kept: Vec<u8>,
    body: Body,
    bad_status: bool,
    closing: bool,
}

#[derive(Debug, Default)]
enum Body {
    /// Before a head.
    #[default]
    Before,
    /// That many bytes to go.
    Length(u64),
    Chunked(Box<Chunked>),
    /// All there is until the connection ends.
    UntilClose,
}

const NO_LIMITS: Limits = Limits {
    head: 64 * 1024,
    body: u64::MAX,
};

impl Reply {
    /// A reader for a new connection.
    pub fn new(plan: &Plan) -> Reply {
        match plan.protocol {
            Protocol::Echo { size } | Protocol::Datagram { size } => Reply::Echo { size, got: 0 },
            Protocol::Http { .. } => Reply::Http(HttpReply::default()),
        }
    }

    /// Takes what one read returned. `batch` is what was sent; the caller makes sure that no more
    /// answers are taken than requests were sent.
    pub fn take(&mut self, bytes: &[u8], batch: &[u8]) -> Result<Found, Trouble> {
        match self {
            Reply::Echo { size, got } => {
                let end = *got + bytes.len();
                if batch.get(*got..end) != Some(bytes) {
                    return Err(Trouble::Wrong);
                }
                let answers = end / *size - *got / *size;
                *got = if end == batch.len() { 0 } else { end };
                Ok(Found {
                    answers,
                    bad_status: 0,
                })
            }
            Reply::Http(http) => http.take(bytes),
        }
    }

    /// The connection has ended while answers were due. Says whether that completes one.
    pub fn end(&self) -> Result<Found, Trouble> {
        match self {
            Reply::Echo { got: 0, .. } => Err(Trouble::Eof),
            Reply::Http(HttpReply {
                body: Body::UntilClose,
                bad_status,
                ..
            }) => Ok(Found {
                answers: 1,
                bad_status: usize::from(*bad_status),
            }),
            Reply::Http(HttpReply {
                body: Body::Before,
                kept,
                ..
            }) if kept.is_empty() => Err(Trouble::Eof),
            _ => Err(Trouble::Short),
        }
    }

    /// The server has announced that it closes the connection after this answer.
    pub fn closing(&self) -> bool {
        matches!(self, Reply::Http(http) if http.closing)
    }
}

impl HttpReply {
    fn take(&mut self, bytes: &[u8]) -> Result<Found, Trouble> {
        if self.kept.is_empty() {
            return self.take_all(bytes);
        }
        let mut whole = std::mem::take(&mut self.kept);
        whole.extend_from_slice(bytes);
        self.take_all(&whole)
    }

    fn take_all(&mut self, bytes: &[u8]) -> Result<Found, Trouble> {
        let mut found = Found::default();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.body {
                Body::Before => match self.head(rest)? {
                    Some(length) => at += length,
                    None => {
                        self.kept = rest.to_vec();
                        break;
                    }
                },
                Body::Length(left) => {
                    let run = (*left).min(rest.len() as u64);
                    *left -= run;
                    at += run as usize;
                }
                Body::Chunked(body) => match body.skip(rest) {
                    Skipped::All => at = bytes.len(),
                    Skipped::Ended(length) => {
                        at += length;
                        self.body = Body::Length(0);
                    }
                    Skipped::Refused(_) => return Err(Trouble::Wrong),
                },
                Body::UntilClose => at = bytes.len(),
            }
            if matches!(self.body, Body::Length(0)) {
                self.body = Body::Before;
                found.answers += 1;
                found.bad_status += usize::from(self.bad_status);
            }
        }
        Ok(found)
    }

    /// Reads a head, if there is a whole one, and decides how its body ends.
    fn head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Trouble> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() > NO_LIMITS.head => {
                return Err(Trouble::Wrong);
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Trouble::Wrong),
        };
        let status = response.code.ok_or(Trouble::Wrong)?;
        if (100..200).contains(&status) {
            // An interim response: the real one follows.
            return Ok(Some(length));
        }
        self.bad_status = !(200..400).contains(&status);
        self.closing = response.version == Some(0);
        self.body = Body::UntilClose;
        for header in response.headers.iter() {
            let value = header.value.trim_ascii();
            if header.name.eq_ignore_ascii_case("content-length") {
                let text = std::str::from_utf8(value).map_err(|_| Trouble::Wrong)?;
                self.body = Body::Length(text.parse().map_err(|_| Trouble::Wrong)?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                self.body = Body::Chunked(Box::new(Chunked::new(NO_LIMITS)));
            } else if header.name.eq_ignore_ascii_case("connection") {
                self.closing = value.eq_ignore_ascii_case(b"close");
            }
        }
        if matches!(status, 204 | 304) {
            self.body = Body::Length(0);
        }
        self.closing |= matches!(self.body, Body::UntilClose);
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(pieces: &[&str]) -> (Result<Found, Trouble>, HttpReply) {
        let mut reply = HttpReply::default();
        let mut sum = Found::default();
        for piece in pieces {
            match reply.take(piece.as_bytes()) {
                Ok(found) => {
                    sum.answers += found.answers;
                    sum.bad_status += found.bad_status;
                }
                Err(trouble) => return (Err(trouble), reply),
            }
        }
        (Ok(sum), reply)
    }

    #[test]
    fn an_echo_is_right_when_it_is_what_was_sent() {
        let batch = b"abcabc";
        let mut reply = Reply::Echo { size: 3, got: 0 };
        let answers = |reply: &mut Reply, bytes: &[u8]| reply.take(bytes, batch).map(|f| f.answers);
        assert_eq!(answers(&mut reply, b"ab"), Ok(0));
        assert_eq!(reply.end(), Err(Trouble::Short));
        assert_eq!(answers(&mut reply, b"ca"), Ok(1));
        assert_eq!(answers(&mut reply, b"bc"), Ok(1));
        assert_eq!(reply.end(), Err(Trouble::Eof));
        assert_eq!(answers(&mut reply, b"abcabc"), Ok(2));
        assert_eq!(answers(&mut reply, b"x"), Err(Trouble::Wrong));
        assert_eq!(answers(&mut reply, b"abcabca"), Err(Trouble::Wrong));
    }

    #[test]
    fn responses_are_counted_however_they_are_cut() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
                    HTTP/1.1 100 Continue\r\n\r\n\
                    HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n0\r\n\r\n\
                    HTTP/1.1 204 No Content\r\n\r\n\
                    HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let expected = Ok(Found {
            answers: 4,
            bad_status: 1,
        });
        assert_eq!(http(&[text]).0, expected);
        for cut in 1..text.len() {
            assert_eq!(
                http(&[&text[..cut], &text[cut..]]).0,
                expected,
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_response_without_a_length_ends_with_its_connection() {
        let (found, reply) = http(&["HTTP/1.0 200 OK\r\n\r\nsome ", "text"]);
        assert_eq!(found, Ok(Found::default()));
        let reply = Reply::Http(reply);
        assert!(reply.closing());
        assert_eq!(
            reply.end(),
            Ok(Found {
                answers: 1,
                bad_status: 0
            })
        );
    }

    #[test]
    fn an_early_end_is_short_in_a_response_and_eof_before_one() {
        for (text, trouble) in [
            ("", Trouble::Eof),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Trouble::Eof),
            ("HTTP/1.1 2", Trouble::Short),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
                Trouble::Short,
            ),
        ] {
            assert_eq!(Reply::Http(http(&[text]).1).end(), Err(trouble), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_http_is_wrong() {
        for text in [
            "hello\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        ] {
            assert_eq!(http(&[text]).0, Err(Trouble::Wrong), "{text:?}");
        }
    }
}
