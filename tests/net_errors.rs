//! Promises about errors: their text is Go's, and `io::Error` answers what Go's errors answer.

mod golden;

use gopark::net::{
    Addr, AddrError, Cause, DnsError, Errno, InvalidAddrError, NetError, OpError, ParseError,
    SyscallError, TcpAddr, Timeout, UnixAddr, UnixNet, UnknownNetworkError,
};
use std::{
    error::Error,
    io::{self, ErrorKind, Read, Write},
};

fn at(port: u16) -> Addr {
    TcpAddr::new([127, 0, 0, 1], port).into()
}

fn boom() -> Cause {
    io::Error::other("boom").into()
}

fn syscall(errno: Errno) -> Cause {
    Cause::syscall("accept4", errno)
}

/// Follows the Go program `error_formatting` and Go's TestErrors and TestContextError.
#[test]
fn every_error_prints_and_answers_as_the_recorded_go_program() {
    let dns = |err: &'static str, name: &str| DnsError::new(err, name);
    let unix = |name: &str| UnixAddr::new(name, UnixNet::Stream);
    let mut ours = Vec::new();
    for cause in [
        OpError::new("dial", "tcp", boom())
            .source(at(1))
            .addr(at(2))
            .into(),
        OpError::new("dial", "tcp", boom()).addr(at(2)).into(),
        OpError::new("read", "tcp", boom()).source(at(1)).into(),
        OpError::new("read", "", boom()).into(),
        OpError::new("read", "", boom()).addr(at(2)).into(),
        OpError::new("read", "unix", boom())
            .source(unix(""))
            .addr(unix("/s"))
            .into(),
        AddrError::new("bad", "x").into(),
        AddrError::new("bad", "").into(),
        ParseError {
            kind: "IP address",
            text: "x".into(),
        }
        .into(),
        UnknownNetworkError("zzz".into()).into(),
        InvalidAddrError("inv".into()).into(),
        DnsError {
            is_not_found: true,
            ..dns("no such host", "h")
        }
        .into(),
        DnsError {
            server: "s:53".into(),
            is_timeout: true,
            ..dns("e", "h")
        }
        .into(),
        DnsError {
            is_temporary: true,
            ..dns("e", "")
        }
        .into(),
        Cause::Closed,
        Cause::WriteToConnected,
        Cause::Timeout(Timeout::Deadline),
        Cause::ClosedPipe,
        Cause::UnexpectedEof,
    ] {
        let text = cause.to_string();
        ours.push(if golden::is_net_error(&cause) {
            let err = io::Error::from(cause);
            let (timeout, temporary) = (err.is_timeout(), err.is_temporary());
            format!("{text:?} net.Error timeout={timeout} temporary={temporary}")
        } else {
            format!("{text:?} not a net.Error")
        });
    }
    for n in [
        0, 4, 11, 23, 24, 32, 99, 100, 101, 103, 104, 107, 110, 111, 113, 41, 133, 9999,
    ] {
        let errno = Errno(n);
        let (timeout, temporary) = (errno.is_timeout(), errno.is_temporary());
        let text = errno.to_string();
        ours.push(format!(
            "errno {n}: {text:?} timeout={timeout} temporary={temporary}"
        ));
    }
    for errno in [
        Errno::ECONNRESET,
        Errno::ECONNABORTED,
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::EINTR,
        Errno::EAGAIN,
        Errno::ETIMEDOUT,
        Errno::EINVAL,
    ] {
        let cause = OpError::new("accept", "tcp", syscall(errno))
            .addr(at(2))
            .into();
        ours.push(format!(
            "wrapped in accept: err={}",
            golden::describe(cause)
        ));
    }
    for op in ["accept", "read"] {
        let cause = OpError::new(op, "tcp", Errno::ECONNABORTED).into();
        ours.push(format!(
            "{op} with a bare ECONNABORTED: err={}",
            golden::describe(cause)
        ));
    }
    let same = Timeout::Deadline == Timeout::Context;
    ours.push(format!(
        "Is(DeadlineExceeded(os), DeadlineExceeded(context))={same} reverse={same}"
    ));
    let is = |n, kind| Errno(n).kind() == kind;
    ours.push(format!(
        "Errno relations: EACCES->ErrPermission={} EPERM->ErrPermission={} EEXIST->ErrExist={} \
         ENOENT->ErrNotExist={} ENOSYS->ErrUnsupported={}",
        is(libc::EACCES, ErrorKind::PermissionDenied),
        is(libc::EPERM, ErrorKind::PermissionDenied),
        is(libc::EEXIST, ErrorKind::AlreadyExists),
        is(libc::ENOENT, ErrorKind::NotFound),
        is(libc::ENOSYS, ErrorKind::Unsupported),
    ));
    golden::compare("error_formatting", &ours);
}

#[test]
fn every_cause_has_the_kind_a_rust_program_expects_and_none_is_interrupted() {
    for (cause, kind) in [
        (syscall(Errno::ECONNREFUSED), ErrorKind::ConnectionRefused),
        (syscall(Errno::ECONNRESET), ErrorKind::ConnectionReset),
        (syscall(Errno::ECONNABORTED), ErrorKind::ConnectionAborted),
        (syscall(Errno::EPIPE), ErrorKind::BrokenPipe),
        (syscall(Errno::ENOTCONN), ErrorKind::NotConnected),
        (syscall(Errno::EADDRINUSE), ErrorKind::AddrInUse),
        (syscall(Errno::EADDRNOTAVAIL), ErrorKind::AddrNotAvailable),
        (syscall(Errno::ETIMEDOUT), ErrorKind::TimedOut),
        (Errno::EINVAL.into(), ErrorKind::InvalidInput),
        (Errno::EINTR.into(), ErrorKind::Other),
        (Timeout::Deadline.into(), ErrorKind::TimedOut),
        (Timeout::Context.into(), ErrorKind::TimedOut),
        (Cause::Closed, ErrorKind::NotConnected),
        (Cause::Cancelled, ErrorKind::Other),
        (Cause::Shutdown, ErrorKind::Other),
        (Cause::Unwinding, ErrorKind::Other),
        (Cause::NoDeadline, ErrorKind::Unsupported),
        (Cause::NotPollable, ErrorKind::Unsupported),
        (Cause::UnexpectedEof, ErrorKind::UnexpectedEof),
        (Cause::ClosedPipe, ErrorKind::BrokenPipe),
        (
            AddrError::new("invalid port", "x").into(),
            ErrorKind::InvalidInput,
        ),
        (
            AddrError::new(AddrError::NO_SUITABLE_ADDRESS, "x").into(),
            ErrorKind::AddrNotAvailable,
        ),
        (Cause::NoSuitableAddress, ErrorKind::AddrNotAvailable),
        (
            UnknownNetworkError("x".into()).into(),
            ErrorKind::InvalidInput,
        ),
        (Cause::WriteToConnected, ErrorKind::InvalidInput),
        (Cause::MissingAddress, ErrorKind::InvalidInput),
        (DnsError::no_such_host("x").into(), ErrorKind::NotFound),
        (DnsError::timed_out("x").into(), ErrorKind::TimedOut),
        (DnsError::cancelled("x").into(), ErrorKind::Other),
        (
            io::Error::from(ErrorKind::Interrupted).into(),
            ErrorKind::Other,
        ),
        (
            io::Error::from(ErrorKind::WriteZero).into(),
            ErrorKind::WriteZero,
        ),
    ] {
        assert_eq!(io::Error::from(cause.clone()).kind(), kind, "{cause:?}");
        let wrapped = OpError::new("read", "tcp", cause.clone());
        assert_eq!(
            io::Error::from(wrapped.clone()).kind(),
            kind,
            "{cause:?} in an operation"
        );
        let nested = OpError::new("readfrom", "tcp", wrapped);
        assert_eq!(
            io::Error::from(nested).kind(),
            kind,
            "{cause:?} in two operations"
        );
    }
}

/// Fails every time, and counts how often it was asked.
struct Cancelled(usize);

impl Cancelled {
    fn fail<T>(&mut self) -> io::Result<T> {
        self.0 += 1;
        assert!(self.0 < 3, "tried again after a cancelled operation");
        Err(OpError::new("read", "tcp", Cause::Cancelled).into())
    }
}

impl Read for Cancelled {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.fail()
    }
}

impl Write for Cancelled {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.fail()
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn stds_loops_do_not_try_again_after_a_cancelled_operation() {
    for err in [
        Cancelled(0).read_exact(&mut [0; 4]).unwrap_err(),
        Cancelled(0).write_all(b"text").unwrap_err(),
        io::copy(&mut Cancelled(0), &mut io::sink()).unwrap_err(),
    ] {
        assert!(err.is_cancelled() && !err.is_timeout() && !err.is_closed());
    }
}

#[test]
fn what_an_operation_knows_is_reachable_through_a_plain_io_error() {
    let err = OpError::new("write", "tcp", Cause::syscall("write", Errno::EPIPE))
        .source(at(1))
        .addr(at(2))
        .bytes(7);
    let err = io::Error::from(err);
    assert_eq!(err.raw_os_error(), None);
    assert_eq!(err.errno(), Some(libc::EPIPE));
    assert_eq!(err.bytes(), 7);
    let op = err.op_error().unwrap();
    assert_eq!((op.op, &*op.net), ("write", "tcp"));
    assert_eq!(
        (op.source.clone(), op.addr.clone()),
        (Some(at(1)), Some(at(2)))
    );
    assert!(matches!(err.net_cause(), Some(Cause::Syscall(err)) if err.syscall == "write"));
    let source = err
        .source()
        .unwrap()
        .downcast_ref::<SyscallError>()
        .unwrap();
    assert_eq!(source.to_string(), "write: broken pipe");
}

#[test]
fn closed_cancelled_and_shut_down_are_told_apart_through_any_nesting() {
    let nest = |cause: Cause| {
        let inner = io::Error::from(OpError::new("write", "tcp", cause));
        io::Error::from(OpError::new("readfrom", "tcp", Cause::from(inner)))
    };
    let answers = |err: &io::Error| (err.is_closed(), err.is_cancelled(), err.is_shutdown());
    let closed = nest(Cause::Closed);
    assert_eq!(
        closed.to_string(),
        "readfrom tcp: write tcp: use of closed network connection"
    );
    assert_eq!(answers(&closed), (true, false, false));
    assert_eq!(answers(&nest(Cause::Cancelled)), (false, true, false));
    assert_eq!(
        answers(&nest(DnsError::cancelled("h").into())),
        (false, true, false)
    );
    let shutdown = nest(Cause::Shutdown);
    assert_eq!(answers(&shutdown), (false, false, true));
    assert!(shutdown.to_string().ends_with(": runtime is shutting down"));
    assert_eq!(answers(&nest(Cause::ClosedPipe)), (false, false, false));
    assert_eq!(nest(syscall(Errno::EMFILE)).errno(), Some(libc::EMFILE));
}

#[test]
fn errors_from_elsewhere_get_sensible_answers() {
    let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
    assert_eq!(
        (refused.errno(), refused.bytes()),
        (Some(libc::ECONNREFUSED), 0)
    );
    assert!(refused.op_error().is_none() && refused.net_cause().is_none());
    assert!(!refused.is_timeout() && !refused.is_temporary() && !refused.is_closed());
    let timed_out = io::Error::from(ErrorKind::TimedOut);
    assert!(timed_out.is_timeout() && timed_out.is_temporary());
    let no_descriptors = io::Error::from_raw_os_error(libc::EMFILE);
    assert!(no_descriptors.is_temporary() && !no_descriptors.is_timeout());
}

/// Follows the Go program `resolver_errors`, and Go's TestDNSErrorUnwrap.
#[test]
fn a_look_up_ended_from_outside_says_by_what() {
    let dial = |err: DnsError| golden::describe(OpError::new("dial", "tcp", err).into());
    let recorded = [
        r#""dial tcp: lookup silent.test: i/o timeout" timeout=true temporary=true is=[context.DeadlineExceeded] chain=[OpError(dial) > DNSError{timeout=true temporary=true notfound=false} > net.timeoutError]"#,
        r#""dial tcp: lookup silent.test: operation was canceled" timeout=false temporary=false is=[context.Canceled] chain=[OpError(dial) > DNSError{timeout=false temporary=false notfound=false} > net.canceledError]"#,
    ];
    assert_eq!(dial(DnsError::timed_out("silent.test")), recorded[0]);
    assert_eq!(dial(DnsError::cancelled("silent.test")), recorded[1]);
}

#[test]
fn an_error_number_is_named_after_its_call_and_anything_else_stays_as_it_is() {
    let named = Cause::from_syscall("bind", io::Error::from_raw_os_error(libc::EADDRINUSE));
    assert_eq!(named.to_string(), "bind: address already in use");
    assert!(matches!(
        Cause::from_syscall("bind", Cause::Closed.into()),
        Cause::Closed
    ));
    let foreign = Cause::from_syscall("bind", io::Error::other("boom"));
    assert_eq!(foreign.to_string(), "boom");
}

/// glibc and Go took their texts from one place; a slip in the table shows here.
#[cfg(target_env = "gnu")]
#[test]
fn error_texts_are_the_c_librarys_but_for_the_first_letter_and_one_old_name() {
    for n in 1..=132 {
        let theirs = io::Error::from_raw_os_error(n).to_string();
        let theirs = theirs.rsplit_once(" (os error").unwrap().0;
        let ours = Errno(n).to_string();
        match n {
            41 | 58 => assert_eq!(ours, format!("errno {n}")),
            116 => assert_eq!(ours, "stale NFS file handle"),
            _ => assert!(
                ours.eq_ignore_ascii_case(theirs),
                "{n}: {ours:?} and {theirs:?}"
            ),
        }
    }
    assert_eq!(
        (Errno(133).to_string(), Errno(-1).to_string()),
        ("errno 133".into(), "errno -1".into())
    );
}

#[test]
fn addresses_and_causes_stay_small() {
    assert!(size_of::<TcpAddr>() <= 40, "{}", size_of::<TcpAddr>());
    assert!(
        size_of::<Option<Addr>>() <= 48,
        "{}",
        size_of::<Option<Addr>>()
    );
    assert!(size_of::<Cause>() <= 56, "{}", size_of::<Cause>());
}
