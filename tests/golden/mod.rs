//! Recorded output of Go programs, and how to say the same in Rust.
//!
//! The `.txt` files are what Go 1.27.3 printed on Linux. A test prints its own lines in the same
//! vocabulary and compares line by line; lines that have no counterpart are named, with the reason.

#[allow(dead_code, reason = "not every test has differences")]
pub mod intended;

use gopark::net::{AddrError, Cause, DnsError, Errno, NetError, OpError, ParseError, SyscallError};
use gopark::net::{Timeout, UnknownNetworkError};
use std::{error::Error, io};

/// Compares `ours` with the lines of `recorded` that do not begin with one of `without_counterpart`
/// (beginning, reason).
pub fn compare(recorded: &str, ours: &[String], without_counterpart: &[(&str, &str)]) {
    let mut ours = ours.iter();
    let mut used = vec![false; without_counterpart.len()];
    for line in recorded.lines() {
        if let Some(i) = without_counterpart
            .iter()
            .position(|(start, _)| line.starts_with(start))
        {
            used[i] = true;
            continue;
        }
        assert_eq!(ours.next().map(String::as_str), Some(line));
    }
    assert_eq!(ours.next(), None, "a line that Go does not print");
    for ((start, _), used) in without_counterpart.iter().zip(used) {
        assert!(used, "no recorded line begins with {start:?}");
    }
}

/// Text, `Timeout()`, `Temporary()`, what the error is, and its chain.
pub fn describe(cause: Cause) -> String {
    let text = cause.to_string();
    let no_net_error = !is_net_error(&cause);
    let mut links = Vec::new();
    let mut next = Some(cause.as_error());
    while let Some(err) = next {
        links.push(link(err));
        next = err.source();
    }
    let mut is: Vec<&str> = Vec::new();
    for (name, link) in [
        ("net.ErrClosed", "ErrClosed"),
        ("os.ErrDeadlineExceeded", "ErrDeadlineExceeded"),
        ("io.ErrClosedPipe", "ErrClosedPipe"),
        ("context.Canceled", "net.canceledError"),
        ("context.DeadlineExceeded", "net.timeoutError"),
        ("net.ErrWriteToConnected", "ErrWriteToConnected"),
        ("fs.ErrNotExist", "ENOENT"),
    ] {
        if links.iter().any(|l| l == link) {
            is.push(name);
        }
    }
    let err = io::Error::from(cause);
    assert_eq!(err.to_string(), text, "io::Error prints the same");
    is.extend(err.errno().and_then(|errno| errno_name(Errno(errno))));
    let asked = if no_net_error {
        "timeout=- temporary=-".to_owned()
    } else {
        format!(
            "timeout={} temporary={}",
            err.is_timeout(),
            err.is_temporary()
        )
    };
    format!(
        "{text:?} {asked} is=[{}] chain=[{}]",
        is.join(" "),
        links.join(" > ")
    )
}

/// Whether Go's error has `Timeout` and `Temporary` methods at all.
pub fn is_net_error(cause: &Cause) -> bool {
    !matches!(
        cause,
        Cause::ClosedPipe | Cause::UnexpectedEof | Cause::WriteToConnected | Cause::MissingAddress
    )
}

/// One link of an error chain under the name the golden programs give it.
fn link(err: &(dyn Error + 'static)) -> String {
    if let Some(err) = err.downcast_ref::<OpError>() {
        format!("OpError({})", err.op)
    } else if let Some(err) = err.downcast_ref::<SyscallError>() {
        format!("SyscallError({})", err.syscall)
    } else if let Some(errno) = err.downcast_ref::<Errno>() {
        errno_name(*errno).map_or_else(|| format!("errno{}", errno.0), str::to_owned)
    } else if err.is::<AddrError>() {
        "AddrError".into()
    } else if err.is::<ParseError>() {
        "ParseError".into()
    } else if err.is::<UnknownNetworkError>() {
        "UnknownNetworkError".into()
    } else if let Some(err) = err.downcast_ref::<DnsError>() {
        format!(
            "DNSError{{timeout={} temporary={} notfound={}}}",
            err.is_timeout, err.is_temporary, err.is_not_found
        )
    } else if let Some(timeout) = err.downcast_ref::<Timeout>() {
        match timeout {
            Timeout::Deadline => "ErrDeadlineExceeded".into(),
            Timeout::Context => "net.timeoutError".into(),
        }
    } else if let Some(cause) = err.downcast_ref::<Cause>() {
        match cause {
            Cause::Closed => "ErrClosed".into(),
            Cause::ClosedPipe => "ErrClosedPipe".into(),
            Cause::Cancelled => "net.canceledError".into(),
            Cause::MissingAddress => "errors.errorString".into(),
            Cause::WriteToConnected => "ErrWriteToConnected".into(),
            other => panic!("no name for {other:?}"),
        }
    } else {
        panic!("no name for {err:?}")
    }
}

/// The numbers the golden programs know by name.
fn errno_name(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ECONNREFUSED => "ECONNREFUSED",
        Errno::ECONNRESET => "ECONNRESET",
        Errno::ECONNABORTED => "ECONNABORTED",
        Errno::EMFILE => "EMFILE",
        Errno::EAGAIN => "EAGAIN",
        Errno::ETIMEDOUT => "ETIMEDOUT",
        Errno::EINVAL => "EINVAL",
        Errno::EPIPE => "EPIPE",
        Errno::EADDRINUSE => "EADDRINUSE",
        Errno::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        Errno::ENETUNREACH => "ENETUNREACH",
        Errno::EHOSTUNREACH => "EHOSTUNREACH",
        Errno::ENOTCONN => "ENOTCONN",
        Errno::EACCES => "EACCES",
        Errno::EPERM => "EPERM",
        Errno::EBADF => "EBADF",
        Errno::EMSGSIZE => "EMSGSIZE",
        Errno::EAFNOSUPPORT => "EAFNOSUPPORT",
        Errno::EPROTOTYPE => "EPROTOTYPE",
        Errno::EDESTADDRREQ => "EDESTADDRREQ",
        Errno::EISCONN => "EISCONN",
        Errno::ENOTSOCK => "ENOTSOCK",
        Errno::EOPNOTSUPP => "EOPNOTSUPP",
        Errno::EINPROGRESS => "EINPROGRESS",
        Errno::ENOENT => "ENOENT",
        Errno(libc::ENOTDIR) => "ENOTDIR",
        _ => return None,
    })
}
