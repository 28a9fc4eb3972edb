//! `host:port` taken apart and put together.

#![forbid(unsafe_code)]

use crate::net::error::AddrError;

/// Splits `host:port`, `[host]:port` or `[host%zone]:port` into host (with zone) and port. Either may
/// be empty. A host with a colon must be in brackets.
///
/// # Errors
/// An [`AddrError`] with the whole text and what is wrong with it.
///
/// ```
/// use gopark::net::split_host_port;
/// assert_eq!(split_host_port("[::1%lo]:http").unwrap(), ("::1%lo", "http"));
/// assert_eq!(split_host_port(":80").unwrap(), ("", "80"));
/// assert_eq!(
///     split_host_port("::1").unwrap_err().to_string(),
///     "address ::1: too many colons in address",
/// );
/// ```
///
/// Go: `net.SplitHostPort` (`net/ipsock.go`).
pub fn split_host_port(text: &str) -> Result<(&str, &str), AddrError> {
    let err = |why| Err(AddrError::new(why, text));
    let Some(colon) = text.rfind(':') else {
        return err("missing port in address");
    };
    // `open` and `close` are where a stray bracket may begin to be looked for.
    let (host, open, close) = if text.starts_with('[') {
        let Some(end) = text.find(']') else {
            return err("missing ']' in address");
        };
        if end + 1 == text.len() {
            return err("missing port in address");
        }
        if end + 1 != colon {
            // Not the bracket before the last colon: another colon is one too many, and anything
            // else makes the bracket part of no host.
            return match text.as_bytes()[end + 1] {
                b':' => err("too many colons in address"),
                _ => err("missing port in address"),
            };
        }
        (&text[1..end], 1, end + 1)
    } else {
        let host = &text[..colon];
        if host.contains(':') {
            return err("too many colons in address");
        }
        (host, 0, 0)
    };
    if text[open..].contains('[') {
        return err("unexpected '[' in address");
    }
    if text[close..].contains(']') {
        return err("unexpected ']' in address");
    }
    Ok((host, &text[colon + 1..]))
}

/// Joins host and port, with brackets around a host that has a colon.
///
/// ```
/// use gopark::net::join_host_port;
/// assert_eq!(join_host_port("::1", "http"), "[::1]:http");
/// assert_eq!(join_host_port("localhost", "80"), "localhost:80");
/// ```
///
/// Go: `net.JoinHostPort` (`net/ipsock.go`).
pub fn join_host_port(host: &str, port: &str) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
