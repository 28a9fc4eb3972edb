//! Closing, half closing and reading nothing, over every network. Follows Go's `net_test.go` and
//! `internal/poll/fd_posix_test.go`; what is over TCP alone is in `tcp_golden_close.rs`.

mod harness;

use gopark::net::{
    Conn, Listener, NetError, PacketConn, TcpConn, UnixConn, dial, listen, listen_packet,
};
use harness::{everywhere, scope, sleep};
use std::{
    any::Any,
    io,
    time::{Duration, Instant},
};

/// The networks of connections, and where to listen.
const STREAMS: [(&str, &str); 3] = [("tcp", "127.0.0.1:0"), ("unix", ""), ("unixpacket", "")];

type Pair = (Box<dyn Conn>, Box<dyn Conn>);

fn pair_of(listener: &dyn Listener, network: &str) -> Pair {
    let dialed = dial(network, &listener.addr().to_string()).unwrap();
    (dialed, listener.accept().unwrap())
}

fn pair_on(network: &str, address: &str) -> Pair {
    pair_of(&*listen(network, address).unwrap(), network)
}

/// Closes the reading half, which not every kind of connection has.
fn close_read(conn: &dyn Conn) -> io::Result<()> {
    let any: &dyn Any = conn;
    match any.downcast_ref::<TcpConn>() {
        Some(tcp) => tcp.close_read(),
        None => any.downcast_ref::<UnixConn>().unwrap().close_read(),
    }
}

/// Follows Go's TestCloseRead.
#[test]
fn after_the_reading_half_is_closed_a_read_sees_the_end() {
    everywhere(|| {
        for (network, address) in STREAMS {
            let (conn, _peer) = pair_on(network, address);
            close_read(&*conn).unwrap();
            assert_eq!(conn.read(&mut [0; 100]).unwrap(), 0, "{network}");
        }
    });
}

/// Follows Go's TestCloseWrite.
#[test]
fn each_end_may_close_its_writing_half_and_hear_the_other_out() {
    everywhere(|| {
        for (network, address) in STREAMS {
            let (client, server) = pair_on(network, address);
            scope(|s| {
                s.spawn(|| {
                    let mut buf = [0; 16];
                    assert_eq!(server.read(&mut buf).unwrap(), 0, "{network}");
                    server.write(b"late").unwrap();
                    server.close_write().unwrap();
                    let err = server.write(b"x").unwrap_err();
                    assert!(!err.is_timeout(), "{network}: {err}");
                    server.close().unwrap();
                });
                client.close_write().unwrap();
                assert!(client.write(b"x").is_err(), "{network}");
                let mut buf = [0; 16];
                assert_eq!(client.read(&mut buf).unwrap(), 4, "{network}");
                assert_eq!(client.read(&mut buf).unwrap(), 0, "{network}");
            });
        }
    });
}

/// Follows Go's TestConnClose.
#[test]
fn a_closed_connection_reads_nothing_and_says_so() {
    everywhere(|| {
        for (network, address) in STREAMS {
            let (conn, _peer) = pair_on(network, address);
            conn.close().unwrap();
            let err = conn.read(&mut [0; 1]).unwrap_err();
            assert!(err.is_closed() && err.bytes() == 0, "{network}: {err}");
            assert!(err.op_error().is_some_and(|op| op.op == "read"), "{err}");
        }
    });
}

/// Follows Go's TestListenerClose.
#[test]
fn a_closed_listener_accepts_nobody_and_says_so() {
    everywhere(|| {
        for (network, address) in STREAMS {
            let listener = listen(network, address).unwrap();
            let queued = dial(network, &listener.addr().to_string()).unwrap();
            listener.close().unwrap();
            let err = listener.accept().map(drop).unwrap_err();
            assert!(err.is_closed() && !err.is_timeout(), "{network}: {err}");
            assert!(err.op_error().is_some_and(|op| op.op == "accept"), "{err}");
            drop(queued);
        }
    });
}

/// Follows Go's TestPacketConnClose.
#[test]
fn a_closed_socket_receives_nothing_and_says_so() {
    everywhere(|| {
        for (network, address) in [("udp", "127.0.0.1:0"), ("unixgram", "")] {
            let socket = listen_packet(network, address).unwrap();
            socket.close().unwrap();
            let err = socket.recv_from(&mut [0; 1]).unwrap_err();
            assert!(err.is_closed() && err.bytes() == 0, "{network}: {err}");
        }
    });
}

/// Follows Go's TestZeroByteRead.
#[test]
fn reading_into_nothing_returns_at_once_and_is_no_end() {
    everywhere(|| {
        for (network, address) in STREAMS {
            let (a, b) = pair_on(network, address);
            for conn in [&a, &b] {
                assert_eq!(conn.read(&mut []).unwrap(), 0, "{network}");
            }
            b.write(b"x").unwrap();
            assert_eq!(a.read(&mut [0; 4]).unwrap(), 1, "{network}");
        }
    });
}

/// Lets a read wait over every network, and returns how each ended after `end`.
fn ended_reads(end: impl Fn(&dyn Conn) -> io::Result<()>) -> [io::Error; 3] {
    STREAMS.map(|(network, address)| {
        let (conn, _peer) = pair_on(network, address);
        scope(|s| {
            let read = s.spawn(|| conn.read(&mut [0; 4]));
            assert!(read.is_pending(), "{network}");
            end(&*conn).unwrap();
            read.wait().unwrap_err()
        })
    })
}

/// Follows Go's TestReadTimeoutUnblocksRead.
#[test]
fn a_deadline_set_to_the_past_ends_a_read_that_waits() {
    everywhere(|| {
        for err in ended_reads(|conn| conn.set_read_deadline(Some(Instant::now()))) {
            assert!(err.is_timeout() && err.bytes() == 0, "{err}");
        }
    });
}

/// Follows Go's TestCloseUnblocksRead.
#[test]
fn closing_ends_a_read_that_waits() {
    everywhere(|| {
        for err in ended_reads(|conn| conn.close()) {
            assert!(err.is_closed() && err.bytes() == 0, "{err}");
        }
    });
}

/// Follows Go's TestEOFError: reading nothing is the end of a stream, of datagrams it is an empty one, and
/// an error is an error.
#[test]
fn nothing_read_is_the_end_of_a_stream_and_a_datagram_among_others() {
    everywhere(|| {
        for (network, address) in STREAMS {
            let (conn, peer) = pair_on(network, address);
            peer.write(b"last").unwrap();
            peer.close().unwrap();
            let mut buf = [0; 16];
            assert_eq!(conn.read(&mut buf).unwrap(), 4, "{network}");
            for _ in 0..3 {
                assert_eq!(conn.read(&mut buf).unwrap(), 0, "{network}: it stays");
            }
            conn.set_read_deadline(Some(Instant::now())).unwrap();
            let err = conn.read(&mut buf).unwrap_err();
            assert!(err.is_timeout(), "{network}: an error is no end: {err}");
        }
        for (network, address) in [("udp", "127.0.0.1:0"), ("unixgram", "")] {
            let receiver = listen_packet(network, address).unwrap();
            let at = receiver.local_addr().unwrap();
            let sender = dial(network, &at.to_string()).unwrap();
            sender.write(b"").unwrap();
            sender.write(b"more").unwrap();
            let mut buf = [0; 16];
            let deadline = Instant::now() + Duration::from_secs(50);
            receiver.set_read_deadline(Some(deadline)).unwrap();
            assert_eq!(receiver.recv_from(&mut buf).unwrap().0, 0, "{network}");
            assert_eq!(receiver.recv_from(&mut buf).unwrap().0, 4, "{network}");
        }
    });
}

/// Follows Go's TestNetpollDeadlock: a program whose only task waits for the poller is not stuck.
#[test]
fn dialing_nobody_as_the_first_thing_a_runtime_does_fails_and_the_program_goes_on() {
    let gone = harness::listener();
    let to = gone.local_addr().unwrap().to_string();
    gone.close().unwrap();
    everywhere(|| {
        let err = dial("tcp", &to).map(drop).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::ConnectionRefused);
        sleep(Duration::from_millis(1)); // what still has to work
    });
}
