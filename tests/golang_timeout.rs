//! Deadlines that come when they should, and not much later. Follows Go's `timeout_test.go`; what is
//! over TCP alone is in `tcp_golden_deadlines.rs`.

mod harness;

use gopark::net::{Addr, Conn, Dialer, NetError, PacketConn, UdpConn, dial, listen, listen_packet};
use harness::{everywhere, full_backlog, in_some_time, scope};
use std::{
    io,
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);

/// Follows Go's TestDialTimeout: its table, before a server that lets nobody in.
#[test]
fn whatever_limits_a_dial_its_error_is_a_time_out() {
    everywhere(|| {
        let (full, _fill) = full_backlog();
        let to = full.local_addr().unwrap().to_string();
        let before = |time: Duration| Instant::now().checked_sub(time);
        let long_ago = before(50_000 * MS).unwrap_or_else(Instant::now);
        let far = || Instant::now() + 50_000 * MS;
        let dialers = [
            Dialer::new().timeout(Duration::ZERO).deadline(long_ago),
            Dialer::new().deadline(long_ago),
            Dialer::new().timeout(50_000 * MS).deadline(long_ago),
            Dialer::new().timeout(Duration::from_nanos(1)),
            Dialer::new().timeout(Duration::MAX).deadline(long_ago),
            Dialer::new().timeout(MS),
            Dialer::new().deadline(Instant::now() + MS),
            Dialer::new().timeout(MS).deadline(far()),
            Dialer::new()
                .timeout(50_000 * MS)
                .deadline(Instant::now() + MS),
        ];
        for dialer in dialers {
            let begin = Instant::now();
            let err = dialer.dial("tcp", &to).expect_err("nobody was let in");
            assert!(err.is_timeout() && err.is_temporary(), "{err}");
            assert!(err.to_string().ends_with(": i/o timeout"), "{err}");
            assert!(begin.elapsed() < 40_000 * MS, "the longer limit counted");
        }
    });
}

/// How long past its deadline an operation may end, on a machine that does nothing else.
fn latest(wanted: Duration) -> Duration {
    wanted + wanted / 10 + 10 * MS
}

/// Tries longer and longer deadlines until one is met in time: a busy machine misses short ones, but
/// if none of a second is met, something is wrong.
fn meets_some_deadline(what: &str, mut attempt: impl FnMut(Duration) -> io::Error) {
    let mut time = 5 * MS;
    loop {
        let begin = Instant::now();
        let err = attempt(time);
        let taken = begin.elapsed();
        assert!(err.is_timeout(), "{what}: {err}");
        assert!(taken >= time, "{what}: {taken:?} instead of {time:?}");
        if taken <= latest(time) {
            return;
        }
        time = time.max(taken) * 2;
        assert!(time < 60_000 * MS, "{what}: never in time, last {taken:?}");
    }
}

/// Follows Go's TestReadTimeoutFluctuation, TestReadFromTimeoutFluctuation and
/// TestWriteTimeoutFluctuation.
#[test]
fn an_operation_ends_soon_after_its_deadline_and_never_before() {
    everywhere(|| {
        let in_time = |time: Duration| Some(Instant::now() + time);
        let (conn, _peer) = harness::pair();
        meets_some_deadline("read", |time| {
            conn.set_read_deadline(in_time(time)).unwrap();
            conn.read(&mut [0; 256]).unwrap_err()
        });
        let socket = UdpConn::bind("127.0.0.1:0").unwrap();
        meets_some_deadline("recv_from", |time| {
            socket.set_read_deadline(in_time(time)).unwrap();
            socket.recv_from(&mut [0; 256]).unwrap_err()
        });
        // First, all room is used up, so that a write can only wait.
        let block = vec![0; 1 << 20];
        let fill = || loop {
            if let Err(err) = conn.write(&block) {
                return err;
            }
        };
        conn.set_write_deadline(in_time(100 * MS)).unwrap();
        assert!(fill().is_timeout());
        meets_some_deadline("write", |time| {
            conn.set_write_deadline(in_time(time)).unwrap();
            fill()
        });
    });
}

fn assert_timed_out<T: std::fmt::Debug>(result: io::Result<T>) {
    let err = result.unwrap_err();
    assert!(err.is_timeout() && err.is_temporary(), "{err}");
    assert_eq!(err.bytes(), 0);
}

/// Reads what waits, with a deadline that comes soon, but not before.
fn read_before_deadline(mut read: impl FnMut(Option<Instant>) -> io::Result<usize>) -> usize {
    in_some_time(50 * MS, |time| match read(Some(Instant::now() + time)) {
        Err(err) if err.is_timeout() => None,
        read => Some(read.unwrap()),
    })
}

/// Follows Go's TestReadFromTimeout and TestWriteToTimeout, over every network of datagrams.
#[test]
fn a_deadline_beats_a_datagram_that_waits_and_stays() {
    everywhere(|| {
        for (network, address) in [("udp", "127.0.0.1:0"), ("unixgram", "")] {
            let receiver = listen_packet(network, address).unwrap();
            let at = receiver.local_addr().unwrap();
            let sender = dial(network, &at.to_string()).unwrap();
            sender.write(b"READFROM TIMEOUT").unwrap();
            let mut buf = [0; 64];
            receiver.set_read_deadline(Some(Instant::now())).unwrap();
            for _ in 0..3 {
                assert_timed_out(receiver.recv_from(&mut buf));
            }
            let n = read_before_deadline(|deadline| {
                receiver.set_read_deadline(deadline).unwrap();
                receiver.recv_from(&mut buf).map(|(n, _)| n)
            });
            assert_eq!(n, 16);
            for _ in 0..3 {
                assert_timed_out(receiver.recv_from(&mut buf));
            }
            let other = listen_packet(network, address).unwrap();
            other.set_write_deadline(Some(Instant::now())).unwrap();
            for _ in 0..3 {
                assert_timed_out(other.send_to(b"WRITETO TIMEOUT", &at));
            }
            other.set_write_deadline(None).unwrap();
            assert_eq!(other.send_to(b"WRITETO TIMEOUT", &at).unwrap(), 15);
        }
    });
}

/// Follows Go's TestAcceptTimeout and TestAcceptTimeoutMustReturn over networks other than TCP, and
/// TestReadTimeout over a stream of each.
#[test]
fn deadlines_are_the_same_over_every_network_of_streams() {
    everywhere(|| {
        for network in ["unix", "unixpacket"] {
            let listener = listen(network, "").unwrap();
            let Addr::Unix(at) = listener.addr() else {
                panic!("{:?}", listener.addr())
            };
            let dialed: Box<dyn Conn> = dial(network, &at.to_string()).unwrap();
            let conn = listener.accept().unwrap();
            dialed.write(b"READ TIMEOUT").unwrap();
            let mut buf = [0; 64];
            conn.set_read_deadline(Some(Instant::now())).unwrap();
            for _ in 0..3 {
                assert_timed_out(conn.read(&mut buf));
            }
            let n = read_before_deadline(|deadline| {
                conn.set_read_deadline(deadline).unwrap();
                conn.read(&mut buf)
            });
            assert_eq!(n, 12);
            for _ in 0..3 {
                assert_timed_out(conn.read(&mut buf));
            }
            conn.set_deadline(Some(Instant::now())).unwrap();
            conn.set_read_deadline(None).unwrap();
            scope(|s| {
                let read = s.spawn(|| conn.read(&mut [0; 4]));
                assert!(read.is_pending());
                conn.close().unwrap();
                let err = read.wait().unwrap_err();
                assert!(err.is_closed() && !err.is_timeout() && !err.is_temporary());
            });
        }
    });
}
