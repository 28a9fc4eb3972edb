//! The head of a request.
//!
//! What is ambiguous is refused. Two servers that read the same bytes as different requests are
//! how requests get smuggled, so a length given twice, or in two ways, or not in plain digits, is
//! a bad request even where a guess would be possible.

use super::{Limits, MAX_HEADERS};
use std::mem::MaybeUninit;

/// What browsers and load generators send fits into so many.
const FEW_HEADERS: usize = 16;

/// What follows the head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    /// That many bytes, perhaps none.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A request that may be answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// HTTP/1.0, where connections close unless asked not to.
    pub old: bool,
    /// The connection stays open after the response.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The body.
    pub body: Body,
}

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Head<'a> {
    /// A whole head, of that many bytes.
    Whole(Request<'a>, usize),
    /// The beginning of one.
    Partial,
    /// Not a request this server takes: the status to refuse it with.
    Refused(u16),
}

/// Reads a request's head from the front of `bytes`.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Head<'a> {
    parse_up_to::<FEW_HEADERS>(bytes, limits).unwrap_or_else(|| parse_all(bytes, limits))
}

/// Apart, so that its table takes stack only when it is needed: gopark's server parses on the worker's
/// stack, but a peer's task that has never gone deeper than its first page of stack keeps to that page, and
/// a thousand connections to a thousand pages.
#[cold]
#[inline(never)]
fn parse_all<'a>(bytes: &'a [u8], limits: &Limits) -> Head<'a> {
    parse_up_to::<MAX_HEADERS>(bytes, limits).unwrap_or(Head::Refused(431))
}

/// [`parse`] with room for `MOST` headers; nothing if there are more.
#[inline(never)]
fn parse_up_to<'a, const MOST: usize>(bytes: &'a [u8], limits: &Limits) -> Option<Head<'a>> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST];
    let mut raw = httparse::Request::new(&mut []);
    let seen = &bytes[..bytes.len().min(limits.head)];
    let head = match raw.parse_with_uninit_headers(seen, &mut headers) {
        Ok(httparse::Status::Complete(length)) => head_of(&raw, length, limits),
        Ok(httparse::Status::Partial) if bytes.len() >= limits.head => Head::Refused(431),
        Ok(httparse::Status::Partial) => Head::Partial,
        Err(httparse::Error::TooManyHeaders) => return None,
        Err(_) => Head::Refused(400),
    };
    Some(head)
}

fn head_of<'a>(raw: &httparse::Request<'_, 'a>, length: usize, limits: &Limits) -> Head<'a> {
    let (Some(method), Some(target), Some(minor)) = (raw.method, raw.path, raw.version) else {
        return Head::Refused(400);
    };
    match Fields::read(raw.headers).and_then(|fields| fields.judge(minor, limits)) {
        Ok((keep_alive, expects_continue, body)) => {
            let path = path(target);
            let old = minor == 0;
            let request = Request {
                method,
                path,
                old,
                keep_alive,
                expects_continue,
                body,
            };
            Head::Whole(request, length)
        }
        Err(status) => Head::Refused(status),
    }
}

/// The header fields that decide how a message is framed, and nothing else.
#[derive(Default)]
struct Fields<'a> {
    host: u32,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    close: bool,
    keep_alive: bool,
    expect: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(headers: &[httparse::Header<'a>]) -> Result<Fields<'a>, u16> {
        let mut fields = Fields::default();
        for header in headers {
            let value = header.value.trim_ascii();
            // The length first: it tells most names apart without comparing letters.
            match header.name.len() {
                4 if header.name.eq_ignore_ascii_case("host") => fields.host += 1,
                6 if header.name.eq_ignore_ascii_case("expect") => fields.expect = Some(value),
                10 if header.name.eq_ignore_ascii_case("connection") => fields.connection(value),
                14 if header.name.eq_ignore_ascii_case("content-length") => {
                    once(&mut fields.length, value)?;
                }
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    once(&mut fields.coding, value)?;
                }
                _ => {}
            }
        }
        Ok(fields)
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn judge(self, minor: u8, limits: &Limits) -> Result<(bool, bool, Body), u16> {
        let old = minor == 0;
        if self.host > 1 || (self.host == 0 && !old) {
            return Err(400);
        }
        let body = match (self.length, self.coding) {
            (None, None) => Body::Length(0),
            (Some(digits), None) => Body::Length(length(digits)?),
            // HTTP/1.0 has no codings, so whoever sent this framed it in another way.
            (None, Some(_)) if old => return Err(400),
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Body::Chunked,
            (None, Some(coding)) => return Err(other_coding(coding)),
            (Some(_), Some(_)) => return Err(400),
        };
        if matches!(body, Body::Length(length) if length > limits.body) {
            return Err(413);
        }
        let expects_continue = match self.expect {
            None => false,
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => !old,
            Some(_) => return Err(417),
        };
        let keep_alive = !self.close && (!old || self.keep_alive);
        Ok((keep_alive, expects_continue, body))
    }
}

fn once<'a>(field: &mut Option<&'a [u8]>, value: &'a [u8]) -> Result<(), u16> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(400),
    }
}

/// Digits and nothing else: no sign, no list, no blank.
fn length(digits: &[u8]) -> Result<u64, u16> {
    if digits.is_empty() {
        return Err(400);
    }
    digits.iter().try_fold(0u64, |sum, byte| match byte {
        b'0'..=b'9' => {
            let digit = u64::from(byte - b'0');
            sum.checked_mul(10)
                .and_then(|sum| sum.checked_add(digit))
                .ok_or(400)
        }
        _ => Err(400),
    })
}

/// A body whose last coding is not `chunked` has no end that can be found; one that is coded in
/// other ways first could be framed, but not understood.
fn other_coding(value: &[u8]) -> u16 {
    let mut codings = value.rsplit(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let last_is_chunked = codings
        .next()
        .is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
    let others = codings.any(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    if last_is_chunked && !others { 501 } else { 400 }
}

/// The path of a request target: `/a?b` and `http://host/a?b` both ask for `/a`.
fn path(target: &str) -> &str {
    let target = if target.starts_with('/') {
        target
    } else {
        after_host(target)
    };
    // Byte by byte: it is short, and a search that pays on long ones is more code than the rest.
    let query = target.bytes().position(|byte| byte == b'?');
    query.map_or(target, |at| &target[..at])
}

/// The target without its scheme and host, if it has them.
#[cold]
fn after_host(target: &str) -> &str {
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('?') => match rest.find(['/', '?']) {
            Some(end) if rest[end..].starts_with('/') => &rest[end..],
            _ => "/",
        },
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head<'_> {
        parse(text.as_bytes(), &Limits::default())
    }

    fn whole(text: &str) -> Request<'_> {
        match head(text) {
            Head::Whole(request, length) if length == text.len() => request,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_target_is_reduced_to_its_path() {
        for (target, expected) in [
            ("/", "/"),
            ("/stats?pretty=1", "/stats"),
            ("http://example.org/plaintext?x", "/plaintext"),
            ("http://example.org", "/"),
            ("/redirect?to=http://example.org/x", "/redirect"),
            ("*", "*"),
            ("http://example.org?x", "/"),
            ("http://example.org?to=/admin", "/"),
            ("//example.org/x", "//example.org/x"),
            ("a?b://c/d", "a"),
            ("://x", "/"),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(whole(&text).path, expected, "{target}");
        }
    }

    #[test]
    fn a_connection_stays_open_as_its_version_and_options_say() {
        for (version, connection, keep_alive) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: foo, Close\r\n", false),
            ("1.1", "Connection: keep-alive\r\n", true),
            (
                "1.1",
                "Connection: keep-alive\r\nConnection: close\r\n",
                false,
            ),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let text = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
            let request = whole(&text);
            assert_eq!(request.keep_alive, keep_alive, "{text:?}");
            assert_eq!(request.old, version == "1.0");
        }
    }

    #[test]
    fn a_body_is_as_long_as_its_one_plain_length_says() {
        for (fields, body) in [
            ("", Body::Length(0)),
            ("Content-Length: 0\r\n", Body::Length(0)),
            ("content-LENGTH:  17 \r\n", Body::Length(17)),
            ("Content-Length: 00017\r\n", Body::Length(17)),
            ("Content-Length: 1048576\r\n", Body::Length(1 << 20)),
            ("Transfer-Encoding: chunked\r\n", Body::Chunked),
            ("Transfer-Encoding: CHUNKED\r\n", Body::Chunked),
        ] {
            let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            assert_eq!(whole(&text).body, body, "{fields:?}");
        }
    }

    #[test]
    fn whatever_frames_a_request_doubtfully_is_refused() {
        for (fields, status) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", 400),
            ("Content-Length: 5, 5\r\n", 400),
            ("Content-Length: +5\r\n", 400),
            ("Content-Length: -5\r\n", 400),
            ("Content-Length: 0x5\r\n", 400),
            ("Content-Length: 5 5\r\n", 400),
            ("Content-Length:\r\n", 400),
            ("Content-Length: 99999999999999999999999\r\n", 400),
            ("Content-Length: 1048577\r\n", 413),
            ("Content-Length : 5\r\n", 400),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                400,
            ),
            ("Transfer-Encoding: chunked, chunked\r\n", 400),
            ("Transfer-Encoding: chunked, identity\r\n", 400),
            ("Transfer-Encoding: identity\r\n", 400),
            ("Transfer-Encoding: xchunked\r\n", 400),
            ("Transfer-Encoding: gzip, chunked\r\n", 501),
            ("Transfer-Encoding\r\n", 400),
            ("Transfer-Encoding:\r\n chunked\r\n", 400),
            ("Host: b\r\n", 400),
            ("Expect: something\r\n", 417),
            ("X: a\0b\r\n", 400),
            ("X Y: b\r\n", 400),
        ] {
            let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            assert_eq!(head(&text), Head::Refused(status), "{fields:?}");
        }
    }

    #[test]
    fn what_is_not_a_request_is_refused() {
        for text in [
            "hello\r\n\r\n",
            "GET\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            "GET / a HTTP/1.1\r\nHost: a\r\n\r\n",
            "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "\x16\x03\x01\x02\0\x01\0\x01",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(head(text), Head::Refused(400), "{text:?}");
        }
    }

    #[test]
    fn a_head_in_pieces_is_partial_until_its_last_byte() {
        let text =
            "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(head(&text[..end]), Head::Partial, "{end}");
        }
        let more = format!("{text}abcGET");
        let Head::Whole(request, length) = head(&more) else {
            panic!()
        };
        assert_eq!(
            (length, request.method, request.expects_continue),
            (text.len(), "POST", true)
        );
    }

    #[test]
    fn a_head_that_is_too_large_is_refused_with_431() {
        let with_headers = |number: usize| {
            let fields: String = (1..number).map(|n| format!("X{n}: y\r\n")).collect();
            format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
        };
        assert!(matches!(head(&with_headers(64)), Head::Whole(..)));
        assert_eq!(head(&with_headers(65)), Head::Refused(431));

        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        let filled =
            |total: usize| format!("{start}{}\r\n\r\n", "x".repeat(total - start.len() - 4));
        assert!(matches!(head(&filled(16 * 1024)), Head::Whole(..)));
        assert_eq!(head(&filled(16 * 1024 + 1)), Head::Refused(431));
        let unfinished = format!("{start}{}", "x".repeat(20_000));
        assert_eq!(head(&unfinished), Head::Refused(431));
    }
}
