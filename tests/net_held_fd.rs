//! Promises about the descriptor of a socket that somebody holds for a while.

mod harness;

use gopark::{
    Descriptor,
    net::{HeldFd, NetError, TcpConn, TcpListener, UdpConn, UnixConn, UnixDatagram, UnixListener},
};
use harness::{everywhere, listener, option, pair, scope, set_option};
use socket2::SockRef;
use std::{
    fs::{File, Metadata},
    io::Result,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::fs::MetadataExt,
    },
};

/// What everything with a descriptor has under the same names.
trait Lends: AsRawFd + Send + Sync {
    fn hold_fd(&self) -> Result<HeldFd<'_>>;
    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) -> Result<()>;
    fn close(&self) -> Result<()>;
}

macro_rules! lends {
    ($($lender:ty),*) => {
        $(impl Lends for $lender {
            fn hold_fd(&self) -> Result<HeldFd<'_>> {
                self.hold_fd()
            }

            fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) -> Result<()> {
                self.with_fd(|fd| f(fd))
            }

            fn close(&self) -> Result<()> {
                self.close()
            }
        })*
    };
}

lends!(
    TcpConn,
    TcpListener,
    UdpConn,
    UnixConn,
    UnixDatagram,
    UnixListener,
    Descriptor
);

/// One of each socket, and of what else is waited for.
fn each(test: impl Fn(&'static str, &dyn Lends)) {
    let (conn, _peer) = pair();
    test("tcp", &conn);
    test("a TCP listener", &listener());
    test("udp", &UdpConn::bind("127.0.0.1:0").unwrap());
    let (conn, _peer) = UnixConn::pair().unwrap();
    test("unix", &conn);
    let (conn, _peer) = UnixConn::packet_pair().unwrap();
    test("unixpacket", &conn);
    let (conn, _peer) = UnixDatagram::pair().unwrap();
    test("unixgram", &conn);
    test("a Unix listener", &UnixListener::bind("").unwrap());
    let (reader, _writer) = std::io::pipe().unwrap();
    test("a pipe", &Descriptor::new(reader).unwrap());
}

/// Which open file is behind a number.
fn file(fd: impl AsFd) -> (u64, u64) {
    let again = File::from(fd.as_fd().try_clone_to_owned().unwrap());
    let found: Metadata = again.metadata().unwrap();
    (found.dev(), found.ino())
}

/// Many new files: one of them would get the number if it were free.
fn assert_nobody_gets(number: RawFd, what: &str) {
    let others: Vec<_> = (0..100).map(|_| File::open("/dev/null").unwrap()).collect();
    assert!(others.iter().all(|f| f.as_raw_fd() != number), "{what}");
}

#[test]
fn the_number_that_is_held_is_the_sockets_own() {
    everywhere(|| {
        each(|what, socket| {
            let (first, second) = (socket.hold_fd().unwrap(), socket.hold_fd().unwrap());
            for held in [&first, &second] {
                assert_eq!(held.as_raw_fd(), socket.as_raw_fd(), "{what}");
                assert_eq!(held.as_fd().as_raw_fd(), socket.as_raw_fd(), "{what}");
                socket
                    .with_fd(&mut |fd| assert_eq!(file(fd), file(held), "{what}"))
                    .unwrap();
            }
            drop((first, second));
            socket.close().unwrap();
        });
    });
}

#[test]
fn a_close_meanwhile_does_not_free_the_number_before_the_last_guard_is_dropped() {
    everywhere(|| {
        each(|what, socket| {
            let (first, second) = (socket.hold_fd().unwrap(), socket.hold_fd().unwrap());
            let (number, before) = (first.as_raw_fd(), file(&first));
            scope(|s| {
                let close = s.spawn(|| socket.close());
                assert!(close.is_pending(), "{what}");
                assert_nobody_gets(number, what);
                assert_eq!(file(&first), before, "{what}");
                drop(first);
                assert!(close.is_pending(), "{what}: there is another guard");
                assert_nobody_gets(number, what);
                assert_eq!(file(&second), before, "{what}");
                s.spawn(move || drop(second)).wait(); // wherever it is
                close.wait().unwrap();
            });
        });
    });
}

#[test]
fn a_close_meanwhile_ends_what_others_wait_for_at_once() {
    everywhere(|| {
        let (conn, _peer) = pair();
        let listener = listener();
        scope(|s| {
            let read = s.spawn(|| conn.read(&mut [0; 8]));
            let accept = s.spawn(|| listener.accept().map(drop));
            assert!(read.is_pending() && accept.is_pending());
            let (held, held_too) = (conn.hold_fd().unwrap(), listener.hold_fd().unwrap());
            assert!(read.is_pending() && accept.is_pending(), "nobody minds");
            let closes = [s.spawn(|| conn.close()), s.spawn(|| listener.close())];
            assert!(read.wait().unwrap_err().is_closed());
            assert!(accept.wait().unwrap_err().is_closed());
            assert!(conn.write(b"x").unwrap_err().is_closed());
            assert!(conn.hold_fd().unwrap_err().is_closed());
            assert!(closes.iter().all(harness::Job::is_pending));
            drop((held, held_too));
            for close in closes {
                close.wait().unwrap();
            }
        });
    });
}

#[test]
fn nobody_waits_for_the_guard_but_who_closes() {
    everywhere(|| {
        let (a, b) = pair();
        let held = a.hold_fd().unwrap();
        a.write(b"out").unwrap();
        assert_eq!(b.read(&mut [0; 8]).unwrap(), 3);
        b.write(b"in").unwrap();
        assert_eq!(a.read(&mut [0; 8]).unwrap(), 2);
        a.set_nodelay(false).unwrap();
        drop(a.dup().unwrap());
        drop(held);
    });
}

#[test]
fn what_is_not_waited_for_closes_with_the_last_guard_and_keeps_nobody() {
    everywhere(|| {
        let regular = Descriptor::new(File::open("/proc/self/exe").unwrap()).unwrap();
        assert!(!regular.is_pollable());
        let held = regular.hold_fd().unwrap();
        let before = file(&held);
        regular.close().unwrap();
        assert_nobody_gets(held.as_raw_fd(), "a regular file");
        assert_eq!(file(&held), before);
        drop(held);
        assert!(regular.hold_fd().unwrap_err().is_closed());
    });
}

/// The text that Go's `RawConn.Control` ends with was recorded for `with_fd`, in `local_closed_ops`.
#[test]
fn holding_what_is_closed_fails_as_gos_control_does() {
    everywhere(|| {
        each(|what, socket| {
            socket.close().unwrap();
            let err = socket.hold_fd().unwrap_err();
            assert!(err.is_closed() && !err.is_timeout(), "{what}: {err}");
            let control = socket.with_fd(&mut |_| unreachable!()).unwrap_err();
            assert_eq!(err.to_string(), control.to_string(), "{what}");
        });
        let (conn, _peer) = pair();
        let here = conn.local_addr().unwrap();
        conn.close().unwrap();
        assert_eq!(
            conn.hold_fd().unwrap_err().to_string(),
            format!("raw-control tcp {here}: use of closed network connection")
        );
        let listener = listener();
        let at = listener.local_addr().unwrap();
        listener.close().unwrap();
        assert_eq!(
            listener.hold_fd().unwrap_err().to_string(),
            format!("raw-control tcp {at}: use of closed network connection")
        );
    });
}

#[test]
fn code_that_takes_an_as_fd_sets_options_through_the_guard() {
    fn keep_alive(fd: BorrowedFd<'_>) -> i32 {
        option(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE)
    }
    everywhere(|| {
        let (conn, _peer) = pair();
        for on in [false, true] {
            let held = conn.hold_fd().unwrap();
            SockRef::from(&held).set_keepalive(on).unwrap();
            drop(held);
            assert_eq!(conn.with_fd(keep_alive).unwrap(), i32::from(on));
        }
        // By value too: the guard itself is `AsFd`, and goes with the call.
        let held = conn.hold_fd().unwrap();
        set_option(held, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 0);
        assert_eq!(conn.with_fd(keep_alive).unwrap(), 0);
        conn.close().unwrap();
    });
}
