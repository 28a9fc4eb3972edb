//! Recorded output of Go programs, and how to say the same in Rust.
//!
//! The `.txt` files are what Go 1.27.3 printed on Linux. A test prints its own lines in the same
//! vocabulary and compares line by line; what differs on purpose stands in `differences.rs`.

#[allow(dead_code, reason = "one test reads all of it")]
pub mod differences;

use differences::{CHANGED, LINES, PARTS};
use gopark::net::{AddrError, Cause, DnsError, Errno, NetError, OpError, ParseError, SyscallError};
use gopark::net::{Timeout, UnknownNetworkError};
use std::{error::Error, fs, io, path::Path};

/// Compares `ours` with what Go's `program` printed, but for intended differences and parts that have
/// tests of their own.
#[allow(dead_code, reason = "some compare parts")]
pub fn compare(program: &str, ours: &[String]) {
    compare_lines(program, None, ours);
}

/// Compares `ours` with a part of what Go's `program` printed.
#[allow(dead_code, reason = "most compare everything")]
pub fn compare_part(program: &str, part: &str, ours: &[String]) {
    compare_lines(program, Some(part), ours);
}

fn compare_lines(program: &str, part: Option<&str>, ours: &[String]) {
    let recorded = recording(program);
    let mut ours = ours.iter();
    let mut before = "";
    for line in recorded.lines() {
        if !is_intended(program, line) && part_of(program, line) == part {
            let expected = changed(program, before, line).unwrap_or(line);
            assert_eq!(ours.next().map(String::as_str), Some(expected), "{program}");
        }
        before = line;
    }
    assert_eq!(
        ours.next(),
        None,
        "{program}: a line that Go does not print"
    );
}

/// What Go's `program` printed.
pub fn recording(program: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{program}.txt"));
    fs::read_to_string(&file).unwrap_or_else(|err| panic!("{}: {err}", file.display()))
}

/// Whether a line of `program` has no counterpart here, on purpose.
pub fn is_intended(program: &str, line: &str) -> bool {
    let mut of_it = LINES.iter().filter(|(of, ..)| *of == program);
    of_it.any(|(_, start, _)| line.starts_with(start))
}

/// The part of `program` that a line belongs to, if not to the rest.
pub fn part_of(program: &str, line: &str) -> Option<&'static str> {
    let mut of_it = PARTS.iter().filter(|(of, ..)| *of == program);
    let (_, part, _) = of_it.find(|(.., start)| line.starts_with(start))?;
    Some(part)
}

/// What stands here in the place of a line of Go's.
fn changed(program: &str, before: &str, line: &str) -> Option<&'static str> {
    let mut of_it = CHANGED.iter().filter(|change| change.program == program);
    let change = of_it.find(|change| change.after == before && change.go == line)?;
    Some(change.gopark)
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
