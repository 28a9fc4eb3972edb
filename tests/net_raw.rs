//! Promises about a program's own system calls, on every kind of socket there is.

mod harness;

use gopark::net::{NetError, TcpListener, UdpConn, UnixConn, UnixDatagram, UnixListener, dial_udp};
use harness::{everywhere, option, pair, scope};
use socket2::SockRef;
use std::{
    io::{ErrorKind, Result},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// A system call of the program's own; `None` is "would block".
type Call<'a> = &'a mut dyn FnMut(BorrowedFd<'_>) -> Option<Vec<u8>>;

/// What every connection has under the same names.
trait Socket: Send + Sync {
    fn raw_read(&self, f: Call<'_>) -> Result<Vec<u8>>;
    fn raw_write(&self, f: Call<'_>) -> Result<Vec<u8>>;
    fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) -> Result<()>;
    fn dup(&self) -> Result<OwnedFd>;
    fn close(&self) -> Result<()>;
    fn set_deadline(&self, deadline: Option<Instant>) -> Result<()>;
    fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()>;
}

macro_rules! sockets {
    ($($socket:ty),*) => {
        $(impl Socket for $socket {
            fn raw_read(&self, f: Call<'_>) -> Result<Vec<u8>> {
                self.raw_read(f)
            }

            fn raw_write(&self, f: Call<'_>) -> Result<Vec<u8>> {
                self.raw_write(f)
            }

            fn with_fd(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) -> Result<()> {
                self.with_fd(|fd| f(fd))
            }

            fn dup(&self) -> Result<OwnedFd> {
                self.dup()
            }

            fn close(&self) -> Result<()> {
                self.close()
            }

            fn set_deadline(&self, deadline: Option<Instant>) -> Result<()> {
                self.set_deadline(deadline)
            }

            fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
                self.set_read_timeout(timeout)
            }
        })*
    };
}

sockets!(gopark::net::TcpConn, UdpConn, UnixConn, UnixDatagram);

fn udp_pair() -> (UdpConn, UdpConn) {
    let first = UdpConn::bind("127.0.0.1:0").unwrap();
    let at = first.local_addr().unwrap();
    let second = UdpConn::connect(at).unwrap();
    let peer = second.local_addr().unwrap();
    first.close().unwrap();
    let first = dial_udp("udp", Some(&at.into()), &peer.into()).unwrap();
    (first, second)
}

/// Both ends of a connection of each kind.
fn each(test: impl Fn(&'static str, &dyn Socket, &dyn Socket)) {
    let (a, b) = pair();
    test("tcp", &a, &b);
    let (a, b) = UnixConn::pair().unwrap();
    test("unix", &a, &b);
    let (a, b) = UnixConn::packet_pair().unwrap();
    test("unixpacket", &a, &b);
    let (a, b) = UnixDatagram::pair().unwrap();
    test("unixgram", &a, &b);
    let (a, b) = udp_pair();
    test("udp", &a, &b);
}

fn recv(fd: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let mut buf = [MaybeUninit::uninit(); 64];
    match SockRef::from(&fd).recv(&mut buf) {
        Ok(n) => {
            // SAFETY: the call has filled the first `n`.
            Some(
                buf[..n]
                    .iter()
                    .map(|b| unsafe { b.assume_init() })
                    .collect(),
            )
        }
        Err(err) if err.kind() == ErrorKind::WouldBlock => None,
        Err(err) => panic!("{err}"),
    }
}

fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> Option<Vec<u8>> {
    match SockRef::from(&fd).send(bytes) {
        Ok(n) => Some(bytes[..n].to_vec()),
        Err(err) if err.kind() == ErrorKind::WouldBlock => None,
        Err(err) => panic!("{err}"),
    }
}

/// Follows Go's TestRawConnReadWrite, "TCP", on everything.
#[test]
fn a_call_that_would_block_waits_and_is_made_again() {
    everywhere(|| {
        each(|net, a, b| {
            scope(|s| {
                let reader = s.spawn(|| {
                    let mut calls = 0;
                    let got = b.raw_read(&mut |fd| {
                        calls += 1;
                        recv(fd)
                    });
                    (got, calls)
                });
                assert!(reader.is_pending(), "{net}");
                let sent = a.raw_write(&mut |fd| send(fd, b"HELLO-R-U-THERE"));
                assert_eq!(sent.unwrap(), b"HELLO-R-U-THERE");
                let (got, calls) = reader.wait();
                assert_eq!(got.unwrap(), b"HELLO-R-U-THERE", "{net}");
                assert!(calls >= 2, "{net}: once before the wait, once after");
            });
        });
    });
}

/// Follows Go's TestRawConnReadWrite, "Deadline".
#[test]
fn after_the_deadline_the_call_is_not_made() {
    everywhere(|| {
        each(|net, a, _b| {
            let past = Instant::now() - Duration::from_secs(1);
            a.set_deadline(Some(past)).unwrap();
            for (op, done) in [
                ("raw-read", a.raw_read(&mut |_| unreachable!())),
                ("raw-write", a.raw_write(&mut |_| unreachable!())),
            ] {
                let err = done.unwrap_err();
                assert!(err.is_timeout(), "{net}: {err}");
                let err = err.op_error().unwrap();
                assert_eq!((err.op, &*err.net), (op, net));
                assert!(err.source.is_some() && err.addr.is_some(), "{err}");
            }
            a.set_deadline(None).unwrap();
            a.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let err = a.raw_read(&mut recv).unwrap_err();
            assert!(err.is_timeout(), "{net}: {err}");
        });
    });
}

#[test]
fn closing_ends_a_call_that_waits_and_every_later_one() {
    everywhere(|| {
        each(|net, a, _b| {
            scope(|s| {
                let reader = s.spawn(|| a.raw_read(&mut recv));
                assert!(reader.is_pending(), "{net}");
                a.close().unwrap();
                assert!(reader.wait().unwrap_err().is_closed(), "{net}");
            });
            for done in [
                a.raw_read(&mut |_| unreachable!()).map(drop),
                a.raw_write(&mut |_| unreachable!()).map(drop),
                a.with_fd(&mut |_| unreachable!()),
                a.dup().map(drop),
            ] {
                assert!(done.unwrap_err().is_closed(), "{net}");
            }
        });
    });
}

/// Follows Go's TestRawConnControl; and closing waits for who looks.
#[test]
fn the_descriptor_stays_open_while_it_is_looked_at() {
    everywhere(|| {
        each(|net, a, _b| {
            let (looking, let_go) = (AtomicBool::new(false), AtomicBool::new(false));
            scope(|s| {
                let look = s.spawn(|| {
                    a.with_fd(&mut |fd| {
                        looking.store(true, Relaxed);
                        harness::until("the closer", || let_go.load(Relaxed));
                        SockRef::from(&fd).r#type().unwrap();
                    })
                });
                harness::until("the look", || looking.load(Relaxed));
                let close = s.spawn(|| a.close());
                assert!(close.is_pending(), "{net}");
                let_go.store(true, Relaxed);
                look.wait().unwrap();
                close.wait().unwrap();
            });
        });
    });
}

#[test]
fn who_receives_datagrams_by_hand_keeps_nobody_from_receiving() {
    everywhere(|| {
        let (a, b) = udp_pair();
        scope(|s| {
            let by_hand = s.spawn(|| b.raw_read(recv));
            let plain = s.spawn(|| b.recv(&mut [0; 8]));
            assert!(by_hand.is_pending() && plain.is_pending());
            a.send(b"one").unwrap();
            a.send(b"two").unwrap();
            assert_eq!(by_hand.wait().unwrap().len(), 3);
            assert_eq!(plain.wait().unwrap(), 3);
        });
    });
}

fn accepts(fd: BorrowedFd<'_>) -> i32 {
    option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)
}

#[test]
fn a_listener_can_be_looked_at_and_doubled() {
    everywhere(|| {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(tcp.with_fd(accepts).unwrap(), 1);
        let unix = UnixListener::bind("").unwrap();
        assert_eq!(unix.with_fd(accepts).unwrap(), 1);
        let doubles = [tcp.dup().unwrap(), unix.dup().unwrap()];
        tcp.close().unwrap();
        unix.close().unwrap();
        for double in &doubles {
            assert_eq!(accepts(double.as_fd()), 1);
        }
        let at = tcp.local_addr().unwrap();
        for (err, text) in [
            (
                tcp.with_fd(|_| ()).unwrap_err(),
                format!("raw-control tcp {at}: use of closed network connection"),
            ),
            (
                tcp.dup().unwrap_err(),
                format!("file tcp {at}: use of closed network connection"),
            ),
            (
                unix.dup().unwrap_err(),
                format!(
                    "file unix {}: use of closed network connection",
                    unix.local_addr()
                ),
            ),
        ] {
            assert_eq!(err.to_string(), text);
        }
    });
}
