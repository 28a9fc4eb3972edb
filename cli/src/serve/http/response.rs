//! Writing a response.

use super::date;

/// What a page answers with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The `Allow` line that 405 must have.
    pub allow: Option<&'static str>,
    /// The body.
    pub body: std::borrow::Cow<'a, [u8]>,
}

/// How the connection goes on, as the response must tell the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Open, which is what HTTP/1.1 takes for granted.
    Open,
    /// Open, told to an HTTP/1.0 client, which would take the opposite for granted.
    OpenForOld,
    /// Closed.
    Closed,
}

impl Response<'static> {
    /// A plain page for a status: its number and its name.
    pub fn status(status: u16) -> Response<'static> {
        let body = format!("{status} {}\n", name(status)).into_bytes();
        Response {
            status,
            content_type: "text/plain",
            allow: None,
            body: body.into(),
        }
    }
}

impl Response<'_> {
    /// Appends the response to `out`. A response to HEAD has everything but the body.
    pub fn write(&self, fate: Fate, head_only: bool, out: &mut Vec<u8>) {
        if self.status == 200 {
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: ");
        } else {
            let line = format!(
                "HTTP/1.1 {} {}\r\nContent-Type: ",
                self.status,
                name(self.status)
            );
            out.extend_from_slice(line.as_bytes());
        }
        out.extend_from_slice(self.content_type.as_bytes());
        out.extend_from_slice(b"\r\nContent-Length: ");
        number(self.body.len(), out);
        out.extend_from_slice(b"\r\nServer: gopark\r\nDate: ");
        out.extend_from_slice(&date::now());
        if let Some(allow) = self.allow {
            out.extend_from_slice(b"\r\nAllow: ");
            out.extend_from_slice(allow.as_bytes());
        }
        out.extend_from_slice(match fate {
            Fate::Open => b"\r\n\r\n".as_slice(),
            Fate::OpenForOld => b"\r\nConnection: keep-alive\r\n\r\n",
            Fate::Closed => b"\r\nConnection: close\r\n\r\n",
        });
        if !head_only {
            out.extend_from_slice(&self.body);
        }
    }
}

/// The name of a status.
pub fn name(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

/// Decimal digits, without the machinery of `format!`.
fn number(mut value: usize, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &Response<'_>, fate: Fate, head_only: bool) -> String {
        let mut out = Vec::new();
        response.write(fate, head_only, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_response_has_every_line_a_client_needs() {
        let page = Response {
            status: 200,
            content_type: "text/plain",
            allow: None,
            body: b"Hello, World!".as_slice().into(),
        };
        let written = text(&page, Fate::Open, false);
        let (before, after) = written.split_once("Date: ").unwrap();
        assert_eq!(
            before,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\
             Server: gopark\r\n"
        );
        assert_eq!(&after[date::LENGTH..], "\r\n\r\nHello, World!");
        let head = text(&page, Fate::Open, true);
        assert!(head.contains("Content-Length: 13\r\n") && head.ends_with("\r\n\r\n"));
    }

    #[test]
    fn the_fate_of_the_connection_and_the_methods_allowed_are_told() {
        let page = Response {
            allow: Some("GET, HEAD"),
            ..Response::status(405)
        };
        let written = text(&page, Fate::Closed, false);
        assert!(written.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
        assert!(written.contains("\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n405 Method"));
        let old = text(&Response::status(404), Fate::OpenForOld, false);
        assert!(old.contains("\r\nConnection: keep-alive\r\n\r\n404 Not Found\n"));
    }

    #[test]
    fn lengths_are_written_in_decimal() {
        for value in [0, 7, 10, 999, 1_048_576, usize::MAX] {
            let mut out = Vec::new();
            number(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
