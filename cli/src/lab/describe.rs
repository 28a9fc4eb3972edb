//! An error in Go's words, all of it: what a Go program learns from `Error`, `Timeout`, `Temporary`,
//! `errors.Is` and `errors.Unwrap`.

use std::error::Error;
use std::io;

use gopark::net::{
    AddrError, Cause, DnsError, Errno, NetError, OpError, ParseError, SyscallError, Timeout,
    UnknownNetworkError,
};
use serde::Serialize;

/// An error, or the end of a stream, which Go counts among them.
#[derive(Debug, Serialize)]
pub struct Told {
    /// As it prints.
    pub text: String,
    /// `Timeout()`; none for an error that has no such method.
    pub timeout: Option<bool>,
    /// `Temporary()`; as above.
    pub temporary: Option<bool>,
    /// What `errors.Is` finds in it.
    pub is: Vec<&'static str>,
    /// The error and what it wraps, outermost first.
    pub chain: Vec<String>,
}

impl Told {
    /// The end of a stream: `Ok(0)` here, `io.EOF` in Go.
    pub fn end() -> Told {
        Told {
            text: "EOF".into(),
            timeout: None,
            temporary: None,
            is: vec!["io.EOF"],
            chain: vec!["EOF".into()],
        }
    }

    /// `err`.
    pub fn of(err: &io::Error) -> Told {
        let mut chain = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = match (err.op_error(), err.net_cause()) {
            (Some(op), _) => Some(op),
            (None, Some(cause)) => Some(cause.as_error()),
            (None, None) => Some(err),
        };
        while let Some(link) = next {
            chain.push(name(link));
            next = link.source();
        }
        let sentinels = [
            ("net.ErrClosed", "ErrClosed"),
            ("os.ErrDeadlineExceeded", "ErrDeadlineExceeded"),
            ("context.Canceled", "net.canceledError"),
            ("context.DeadlineExceeded", "net.timeoutError"),
        ];
        let is = sentinels
            .into_iter()
            .filter(|(_, link)| chain.iter().any(|name| name == link))
            .map(|(sentinel, _)| sentinel)
            .chain(err.errno().and_then(errno_name))
            .collect();
        Told {
            text: err.to_string(),
            timeout: Some(err.is_timeout()),
            temporary: Some(err.is_temporary()),
            is,
            chain,
        }
    }

    /// The words after the text, for readers who want to know what a program can ask.
    pub fn remarks(&self) -> String {
        let asked = [("timeout", self.timeout), ("temporary", self.temporary)];
        let yes = asked
            .into_iter()
            .filter(|(_, answer)| *answer == Some(true));
        let words: Vec<&str> = yes.map(|(word, _)| word).chain(self.is.clone()).collect();
        if words.is_empty() || self.is == ["io.EOF"] {
            String::new()
        } else {
            format!("  ({})", words.join(", "))
        }
    }
}

/// One link of the chain, under the name of Go's type or variable.
fn name(link: &(dyn Error + 'static)) -> String {
    if let Some(err) = link.downcast_ref::<OpError>() {
        return format!("OpError({})", err.op);
    }
    if let Some(err) = link.downcast_ref::<SyscallError>() {
        return format!("SyscallError({})", err.syscall);
    }
    if let Some(errno) = link.downcast_ref::<Errno>() {
        return errno_name(errno.0).map_or_else(|| format!("errno{}", errno.0), str::to_owned);
    }
    if let Some(err) = link.downcast_ref::<DnsError>() {
        return format!(
            "DNSError{{timeout={} temporary={} notfound={}}}",
            err.is_timeout, err.is_temporary, err.is_not_found
        );
    }
    let fixed = match link.downcast_ref::<Timeout>() {
        Some(Timeout::Deadline) => "ErrDeadlineExceeded",
        Some(Timeout::Context) => "net.timeoutError",
        None if link.is::<AddrError>() => "AddrError",
        None if link.is::<ParseError>() => "ParseError",
        None if link.is::<UnknownNetworkError>() => "UnknownNetworkError",
        None => match link.downcast_ref::<Cause>() {
            Some(Cause::Closed) => "ErrClosed",
            Some(Cause::Cancelled) => "net.canceledError",
            Some(Cause::MissingAddress) => "errors.errorString",
            _ => "error",
        },
    };
    fixed.into()
}

/// The numbers that the labs meet.
fn errno_name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::ECONNRESET => "ECONNRESET",
        libc::EPIPE => "EPIPE",
        libc::EADDRINUSE => "EADDRINUSE",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::ETIMEDOUT => "ETIMEDOUT",
        libc::ENOTCONN => "ENOTCONN",
        libc::EINVAL => "EINVAL",
        libc::EMFILE => "EMFILE",
        _ => return None,
    })
}
