//! Promises about multipath TCP. Where the kernel does not make such sockets the same tests hold what
//! is promised then: plain TCP.

mod harness;
mod nettest;

use gopark::net::{
    Conn, Dialer, KeepAliveConfig, ListenConfig, NetError, TcpConn, TcpListener, copy, file_conn,
};
use harness::{everywhere, option, scope};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// Whether this machine lets us. Go: `canCreateMPTCPSocket` (`net/mptcpsock_linux_test.go`).
fn is_here() -> bool {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)).is_ok()
}

fn listener(multipath: bool) -> TcpListener {
    let config = ListenConfig::new().multipath_tcp(multipath);
    assert_eq!(config.uses_multipath_tcp(), multipath);
    config.bind("127.0.0.1:0").unwrap()
}

fn dial(to: &TcpListener, multipath: bool) -> TcpConn {
    let dialer = Dialer::new().multipath_tcp(multipath);
    assert_eq!(dialer.uses_multipath_tcp(), multipath);
    let to = to.local_addr().unwrap().into();
    dialer.dial_tcp("tcp", &to).unwrap()
}

fn pair(client: bool, server: bool) -> (TcpConn, TcpConn) {
    let listener = listener(server);
    let client = dial(&listener, client);
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(client.local_addr().unwrap(), peer);
    (client, server)
}

fn protocol(conn: &TcpConn) -> i32 {
    conn.with_fd(|fd| option(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL))
        .unwrap()
}

/// Follows Go's TestMultiPathTCP: data goes both ways, and both ends say what they use.
#[test]
fn it_is_used_when_both_ends_ask_for_it_and_only_then() {
    assert!(!Dialer::new().uses_multipath_tcp() && !ListenConfig::new().uses_multipath_tcp());
    everywhere(|| {
        for (client, server) in [(true, true), (true, false), (false, true), (false, false)] {
            let both = client && server && is_here();
            let (c, s) = pair(client, server);
            assert_eq!(c.multipath_tcp().unwrap(), both, "{client} {server}");
            assert_eq!(s.multipath_tcp().unwrap(), both, "{client} {server}");
            // What was asked for, which may be more than what came of it.
            let asked = if client && is_here() {
                libc::IPPROTO_MPTCP
            } else {
                libc::IPPROTO_TCP
            };
            assert_eq!(protocol(&c), asked);
            let mut buf = [0; 16];
            assert_eq!(c.write(b"MPTCP TEST").unwrap(), 10);
            assert_eq!(s.read(&mut buf).unwrap(), 10);
            assert_eq!(s.write(&buf[..10]).unwrap(), 10);
            assert_eq!(c.read(&mut buf).unwrap(), 10);
            assert_eq!(&buf[..10], b"MPTCP TEST");
            c.close().unwrap();
            assert_eq!(s.read(&mut buf).unwrap(), 0);
            let err = c.multipath_tcp().unwrap_err();
            assert!(err.is_closed(), "{err}");
        }
    });
}

#[test]
fn it_is_used_on_both_families_of_addresses() {
    let config = ListenConfig::new().multipath_tcp(true);
    let dialer = Dialer::new().multipath_tcp(true);
    for (on, to) in [
        (":0", "127.0.0.1"),
        (":0", "[::1]"),
        ("[::1]:0", "[::1]"),
        ("127.0.0.1:0", "127.0.0.1"),
    ] {
        let Ok(listener) = config.bind(on) else {
            assert!(on.contains("::1") && TcpListener::bind(on).is_err(), "{on}");
            continue; // a machine without IPv6
        };
        let port = listener.local_addr().unwrap().port();
        let Ok(client) = dialer.dial("tcp", &format!("{to}:{port}")) else {
            assert!(
                to == "[::1]" && TcpListener::bind("[::1]:0").is_err(),
                "{to}"
            );
            continue;
        };
        let client = (client as Box<dyn std::any::Any>).downcast::<TcpConn>();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(client.unwrap().multipath_tcp().unwrap(), is_here(), "{on}");
        assert_eq!(server.multipath_tcp().unwrap(), is_here(), "{on}");
    }
    // Who has fallen back says so on IPv6, too, where the kernel says it in another way.
    let (Ok(plain), Ok(other)) = (TcpListener::bind("[::1]:0"), config.bind("[::1]:0")) else {
        return;
    };
    let client = dial(&plain, true);
    assert!(!client.multipath_tcp().unwrap());
    let client = dial(&other, false);
    assert!(!client.multipath_tcp().unwrap());
    assert!(!other.accept().unwrap().0.multipath_tcp().unwrap());
}

/// Follows Go's nettest.TestConn over multipath TCP.
#[test]
fn it_does_what_every_connection_must() {
    everywhere(|| {
        nettest::all(|| {
            let (c, s) = pair(true, true);
            (Box::new(c) as Box<dyn Conn>, Box::new(s) as Box<dyn Conn>)
        });
    });
}

/// Short reads prove nothing here, so none is believed: whatever the timing, all bytes arrive.
#[test]
fn bytes_in_pieces_of_every_size_arrive_whole() {
    everywhere(|| {
        let (c, s) = pair(true, true);
        let sent: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        scope(|scope| {
            let write = scope.spawn(|| {
                let mut rest = &sent[..];
                for size in (1..).step_by(7) {
                    let (now, later) = rest.split_at(size.min(rest.len()));
                    c.write(now).unwrap();
                    rest = later;
                    if rest.is_empty() {
                        return c.close_write().unwrap();
                    }
                }
            });
            let mut all = Vec::new();
            (&s).read_to_end(&mut all).unwrap();
            write.wait();
            assert!(all == sent);
        });
    });
}

#[test]
fn both_ends_have_the_options_they_were_told() {
    let keep_alive = KeepAliveConfig {
        enable: true,
        idle: Some(Duration::from_secs(7)),
        interval: Some(Duration::from_secs(3)),
        count: Some(2),
    };
    let listener = ListenConfig::new()
        .multipath_tcp(true)
        .keep_alive(keep_alive)
        .bind("127.0.0.1:0")
        .unwrap();
    for multipath in [true, false] {
        let client = Dialer::new()
            .multipath_tcp(multipath)
            .keep_alive(keep_alive)
            .dial_tcp("tcp", &listener.local_addr().unwrap().into())
            .unwrap();
        let (server, _) = listener.accept().unwrap();
        for conn in [client, server] {
            assert!(conn.nodelay().unwrap());
            let get = |level, name| conn.with_fd(|fd| option(fd, level, name)).unwrap();
            assert_eq!(get(libc::SOL_SOCKET, libc::SO_KEEPALIVE), 1);
            assert_eq!(get(libc::IPPROTO_TCP, libc::TCP_KEEPIDLE), 7);
        }
    }
}

/// As Go's dialMPTCP: what fails is tried again by plain TCP, and the error is the plain one.
#[test]
fn a_dial_that_fails_is_tried_by_plain_tcp() {
    everywhere(|| {
        let gone = listener(false);
        let to = gone.local_addr().unwrap().to_string();
        gone.close().unwrap();
        let sockets = Arc::new(AtomicUsize::new(0));
        let seen = sockets.clone();
        let dialer = Dialer::new().multipath_tcp(true).control(move |_, _, _| {
            seen.fetch_add(1, Relaxed);
            Ok(())
        });
        let err = dialer.dial("tcp", &to).unwrap_err();
        let text = format!("dial tcp {to}: connect: connection refused");
        assert_eq!(err.to_string(), text);
        assert_eq!(sockets.load(Relaxed), if is_here() { 2 } else { 1 });
        // Nothing is tried when there is no time left.
        sockets.store(0, Relaxed);
        let err = dialer.timeout(Duration::ZERO).dial("tcp", &to).unwrap_err();
        assert!(err.is_timeout(), "{err}");
        assert!(sockets.load(Relaxed) <= 1);
    });
}

#[test]
fn a_listen_that_fails_says_what_plain_tcp_says() {
    let taken = listener(true);
    let at = taken.local_addr().unwrap();
    let err = ListenConfig::new().multipath_tcp(true).bind(at);
    let text = format!("listen tcp {at}: bind: address already in use");
    assert_eq!(err.unwrap_err().to_string(), text);
}

#[test]
fn connections_and_listeners_stay_what_they_are_in_other_hands() {
    everywhere(|| {
        let first = listener(true);
        let second = TcpListener::from_std(first.into_std().unwrap()).unwrap();
        let client = dial(&second, true);
        let (server, _) = second.accept().unwrap();
        assert_eq!(server.multipath_tcp().unwrap(), is_here());
        let client = TcpConn::from_std(client.into_std().unwrap()).unwrap();
        assert_eq!(client.multipath_tcp().unwrap(), is_here());
        let again = file_conn(server.dup().unwrap(), "again").unwrap();
        client.write(b"hi").unwrap();
        assert_eq!(again.read(&mut [0; 8]).unwrap(), 2);
    });
}

#[test]
fn copies_between_two_of_them_move_every_byte() {
    everywhere(|| {
        let (a, b) = pair(true, true);
        let (c, d) = pair(true, true);
        let sent = vec![7; 300_000];
        scope(|s| {
            let write = s.spawn(|| {
                a.write(&sent).unwrap();
                a.close_write().unwrap();
            });
            let relay = s.spawn(|| {
                let moved = copy(&b, &c).unwrap();
                c.close_write().unwrap();
                moved
            });
            let mut all = Vec::new();
            (&d).read_to_end(&mut all).unwrap();
            write.wait();
            assert_eq!(relay.wait() as usize, sent.len());
            assert!(all == sent);
        });
    });
}
