//! Promises about dialing: what Go printed is what we print.

mod harness;

use gopark::net::{
    Addr, CancelToken, Cause, Conn, Dialer, TcpAddr, TcpConn, UdpAddr, UnixAddr, UnixNet, dial,
    dial_tcp, dial_timeout, dial_udp, dial_unix, listen, listen_packet, listen_unix,
};
use harness::{everywhere, full_backlog, lines::*, listener, scope, set_option, until};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// Linux 6.3 and later; the libc crate does not have it.
const IP_LOCAL_PORT_RANGE: i32 = 51;

fn closed_port() -> SocketAddr {
    listener().local_addr().unwrap()
}

/// Follows the Go program `dial_refused`.
#[test]
fn a_refused_dial_names_what_was_dialed_and_what_refused() {
    everywhere(|| {
        let mut out = Lines::new();
        let to = closed_port();
        out.name(to, "SPORT");
        let port = to.port();
        for (network, address) in [
            ("tcp", format!(":{port}")),
            ("tcp", format!("127.0.0.1:{port}")),
            ("tcp", format!("0.0.0.0:{port}")),
            ("tcp", format!("[::1]:{port}")),
            ("tcp", format!("[::]:{port}")),
            ("tcp4", format!(":{port}")),
            ("tcp4", format!("127.0.0.1:{port}")),
            ("tcp6", format!(":{port}")),
            ("tcp6", format!("[::1]:{port}")),
            ("tcp", format!("[::ffff:127.0.0.1]:{port}")),
            ("tcp", "127.0.0.1:0".into()),
            ("tcp", ":0".into()),
            ("tcp", "127.0.0.1:".into()),
        ] {
            let result = dial(network, &address);
            let nil = result.is_err();
            let err = out.error(result);
            out.print(format!(
                "Dial {network} {address}: conn-nil={nil} err={err}"
            ));
        }
        let remote = TcpAddr::from(to);
        let local = TcpAddr::new([127, 0, 0, 9], 0);
        out.done("DialTCP nil laddr", dial_tcp("tcp", None, &remote));
        out.done(
            "DialTCP with laddr 127.0.0.9:0",
            dial_tcp("tcp", Some(&local), &remote),
        );
        let dialer = Dialer::new().local_addr(local);
        out.done(
            "Dialer{LocalAddr 127.0.0.9:0}",
            dialer.dial("tcp", &to.to_string()),
        );
        out.compare("dial_refused");
    });
}

/// Follows the Go program `addr_parse_errors`, its line that connects.
#[test]
fn a_service_may_be_named_in_capital_letters() {
    let mut out = Lines::new();
    match dial("tcp", "127.0.0.1:HTTP") {
        // This machine has a web server.
        Ok(conn) => assert_eq!(conn.remote_addr().unwrap().to_string(), "127.0.0.1:80"),
        refused => {
            out.done("Dial tcp 127.0.0.1:HTTP", refused);
            out.compare_part("addr_parse_errors", "dial");
        }
    }
}

/// Follows the Go program `dial_unreachable`.
#[test]
fn an_address_nobody_can_have_is_unreachable() {
    everywhere(|| {
        let mut out = Lines::new();
        for address in ["127.255.255.255:80", "255.255.255.255:80"] {
            out.done(&format!("Dial tcp {address}"), dial("tcp", address));
        }
        let address = "[ff01::1%lo]:80";
        out.done(&format!("Dial tcp6 {address}"), dial("tcp6", address));
        out.done(
            "UDP dial never contacts the peer",
            dial("udp", "127.0.0.1:9"),
        );
        out.compare("dial_unreachable");
    });
}

/// Follows the Go program `dial_timeout` and Go's TestDialTimeout.
#[test]
fn a_dial_ends_at_the_earlier_of_time_out_and_deadline() {
    everywhere(|| {
        let (full, _fill) = full_backlog();
        let to = full.local_addr().unwrap();
        let address = to.to_string();
        let mut out = Lines::new();
        out.name(to, "SPORT");
        let ms = Duration::from_millis;

        let start = Instant::now();
        let result = dial_timeout("tcp", &address, ms(200));
        let (when, err) = (elapsed(start, ms(200)), out.timeout(result));
        out.print(format!("DialTimeout 200ms: {when} err={err}"));

        let start = Instant::now();
        let early = Dialer::new()
            .deadline(start + ms(150))
            .timeout(ms(3_600_000));
        let result = early.dial("tcp", &address);
        let (when, err) = (elapsed(start, ms(150)), out.timeout(result));
        out.print(format!("Dialer.Deadline 150ms: {when} err={err}"));

        // A token has no deadline of its own; a dialer has both.
        let start = Instant::now();
        let dialer = Dialer::new().cancel_token(&CancelToken::new());
        let result = dialer.timeout(ms(150)).dial("tcp", &address);
        let (when, err) = (elapsed(start, ms(150)), out.timeout(result));
        out.print(format!("DialContext 150ms: {when} err={err}"));

        let cancelled_after = |dialer: Dialer| {
            let token = CancelToken::new();
            scope(|s| {
                s.spawn(|| {
                    harness::sleep(ms(100)); // the program's, and printed
                    token.cancel();
                });
                dialer.cancel_token(&token).dial("tcp", &address)
            })
        };
        let start = Instant::now();
        let result = cancelled_after(Dialer::new().timeout(ms(100_000)));
        let (when, err) = (elapsed(start, ms(100)), out.error(result));
        out.print(format!("cancel after 100ms: {when} err={err}"));
        let result = cancelled_after(Dialer::new());
        out.done("Dialer.Cancel closed after 100ms", result);

        let past = Instant::now();
        let result = Dialer::new().deadline(past).dial("tcp", &address);
        let line = out.timeout(result);
        out.print(format!("DialTimeout -1ns: err={line}"));
        let line = out.timeout(dial_timeout("tcp", &address, Duration::from_nanos(1)));
        out.print(format!("DialTimeout 1ns: err={line}"));
        let result = Dialer::new().deadline(past).dial("tcp", &address);
        out.done("Dialer.Deadline in 1970", result);
        out.compare("dial_timeout");
        let err = TcpConn::connect_timeout(&to, ms(20)).unwrap_err();
        assert!(gopark::net::is_timeout(&err), "{err}");
        assert_eq!(err.to_string(), format!("dial tcp {to}: i/o timeout"));
    });
}

/// Follows the Go program `dial_bad_network`, but for its part about resolving.
#[test]
fn networks_that_are_none_are_said_to_be_unknown() {
    everywhere(|| {
        let mut out = Lines::new();
        for network in [
            "",
            "tcp5",
            "TCP",
            "foo",
            "tcp:6",
            "ip",
            "ip4",
            "ip:foo",
            "ip4:999999",
            "unixfoo",
            "udp4:1",
        ] {
            out.done(&format!("Dial {network}"), dial(network, "127.0.0.1:80"));
        }
        for network in ["", "tcp5", "udp", "ip4:icmp"] {
            out.done(&format!("Listen {network}"), listen(network, "127.0.0.1:0"));
        }
        for network in ["", "tcp", "foo"] {
            let result = listen_packet(network, "127.0.0.1:0");
            out.done(&format!("ListenPacket {network}"), result);
        }
        for network in ["tcp", "udp", "unix"] {
            out.done(&format!("Dial {network} empty address"), dial(network, ""));
        }
        out.done("DialTCP udp", dial_tcp("udp", None, &TcpAddr::wildcard(0)));
        out.done("DialUDP tcp", dial_udp("tcp", None, &UdpAddr::wildcard(0)));
        let nameless = UnixAddr::new("", UnixNet::Stream);
        out.done("ListenUnix tcp", listen_unix("tcp", &nameless));
        let x = UnixAddr::new("x", UnixNet::Stream);
        out.done("DialUnix tcp", dial_unix("tcp", None, &x));
        let dialer = Dialer::new().local_addr(TcpAddr::wildcard(0));
        let remote = TcpAddr::new([127, 0, 0, 1], 80);
        out.done("Dialer.DialTCP udp", dialer.dial_tcp("udp", &remote));
        out.compare("dial_bad_network");
    });
}

/// Follows the Go program `dial_local_addr` and Go's TestDialerLocalAddr.
#[test]
fn a_local_address_must_fit_and_must_be_free() {
    everywhere(|| {
        let listener = listener();
        let to = listener.local_addr().unwrap();
        let address = to.to_string();
        let mut out = Lines::new();
        out.name(to, "SPORT");
        let not_ours = TcpAddr::new([203, 0, 113, 1], 0);
        let from = |local: Addr| Dialer::new().local_addr(local);
        out.done(
            "LocalAddr not ours",
            from(not_ours.clone().into()).dial("tcp", &address),
        );
        out.done(
            "DialTCP laddr not ours",
            dial_tcp("tcp", Some(&not_ours), &to.into()),
        );
        out.done("Listen on address not ours", listen("tcp", "203.0.113.1:0"));
        out.done(
            "ListenPacket on address not ours",
            listen_packet("udp", "203.0.113.1:0"),
        );
        out.done(
            "LocalAddr port already listening",
            from(listener.addr()).dial("tcp", "127.0.0.1:1"),
        );
        out.done(
            "LocalAddr of wrong type",
            from(UdpAddr::wildcard(0).into()).dial("tcp", &address),
        );
        let v6 = TcpAddr::new(std::net::Ipv6Addr::LOCALHOST, 0);
        out.done(
            "LocalAddr of wrong family",
            from(v6.into()).dial("tcp", &address),
        );
        out.done(
            "LocalAddr unix for tcp",
            from(UnixAddr::new("x", UnixNet::Stream).into()).dial("tcp", &address),
        );

        // The one port that the kernel may choose has a connection to the same address already.
        let holder = TcpConn::connect(to).unwrap();
        let taken = holder.local_addr().unwrap();
        let calls = Arc::new(AtomicU32::new(0));
        let counted = calls.clone();
        let port = i32::from(taken.port());
        let one_port = Dialer::new().control(move |_, _, socket| {
            counted.fetch_add(1, Ordering::SeqCst);
            set_option(
                socket,
                libc::IPPROTO_IP,
                IP_LOCAL_PORT_RANGE,
                port << 16 | port,
            );
            Ok(())
        });
        let tried = || calls.swap(0, Ordering::SeqCst);
        let result = one_port.dial("tcp", &address);
        let line = out.error(result);
        out.print(format!(
            "no free ports: sockets tried={} err={line}",
            tried()
        ));
        out.name(taken, "LPORT");
        let result = one_port
            .local_addr(TcpAddr::from(taken))
            .dial("tcp", &address);
        let line = out.error(result);
        out.print(format!(
            "explicit local port in use: sockets tried={} err={line}",
            tried()
        ));
        drop(holder);
        out.compare("dial_local_addr");
        // A local address that is ours is where the connection comes from.
        let conn = from(TcpAddr::new([127, 0, 0, 9], 0).into())
            .dial("tcp", &address)
            .unwrap();
        let (_, holder) = listener.accept().unwrap();
        assert_eq!(holder, taken);
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip().to_string(), "127.0.0.9");
        assert_eq!(conn.local_addr().unwrap().to_string(), peer.to_string());
    });
}

/// Follows Go's TestDialTimeoutMaxDuration.
#[test]
fn a_time_out_beyond_the_end_of_time_is_none() {
    everywhere(|| {
        let listener = listener();
        let to = listener.local_addr().unwrap();
        dial_timeout("tcp", &to.to_string(), Duration::MAX).unwrap();
        TcpConn::connect_timeout(&to, Duration::MAX).unwrap();
        let err = TcpConn::connect_timeout(&to, Duration::ZERO).unwrap_err();
        assert_eq!(err.kind(), std::io::ErrorKind::InvalidInput);
    });
}

/// Follows Go's TestCancelAfterDial: what limited the dial does not limit the connection.
#[test]
fn the_deadline_of_a_dial_is_over_when_the_connection_is_there() {
    everywhere(|| {
        let listener = listener();
        let to = listener.local_addr().unwrap();
        let soon = Instant::now() + Duration::from_secs(2);
        let conn = Dialer::new().deadline(soon).dial("tcp", &to.to_string());
        let conn = conn.unwrap();
        let (server, _) = listener.accept().unwrap();
        let left = soon.saturating_duration_since(Instant::now());
        // Nothing may happen at that moment, so it has to pass.
        harness::sleep(left + Duration::from_millis(1));
        conn.write(b"still good").unwrap();
        assert_eq!(server.read(&mut [0; 16]).unwrap(), 10);
    });
}

/// Follows Go's sequence of dialSerial: the first address that answers wins; else the first error.
#[test]
fn several_addresses_are_tried_in_order_and_the_first_error_is_returned() {
    everywhere(|| {
        let listener = listener();
        let (closed, open) = (closed_port(), listener.local_addr().unwrap());
        let conn = TcpConn::connect([closed, open]).unwrap();
        assert_eq!(conn.peer_addr().unwrap(), open);
        let other: SocketAddr = "127.255.255.255:1".parse().unwrap();
        let err = TcpConn::connect([closed, other]).unwrap_err();
        let text = format!("dial tcp {closed}: connect: connection refused");
        assert_eq!(err.to_string(), text);
        let err = TcpConn::connect(Vec::new()).unwrap_err();
        assert_eq!(err.to_string(), "dial tcp: missing address");
        let err = TcpConn::connect("localhost").unwrap_err();
        assert_eq!(
            err.to_string(),
            "dial tcp: address localhost: missing port in address"
        );
    });
}

/// Follows Go's TestDialLocal and TestDialListenerAddr.
#[test]
fn this_machine_is_reached_without_a_host_by_name_and_through_the_wildcard_of_the_other_family() {
    everywhere(|| {
        let listener = listener();
        let port = listener.local_addr().unwrap().port();
        dial("tcp", &format!(":{port}")).unwrap();
        dial("tcp", &format!("localhost:{port}")).unwrap();
        TcpConn::connect(("localhost", port)).unwrap();
        dial("tcp", &format!("[::]:{port}")).unwrap();
    });
}

/// Follows Go's selfConnect: only what the kernel chose is an accident.
#[test]
fn a_connection_to_itself_is_handed_out_to_whoever_chose_the_local_port() {
    everywhere(|| {
        let to = TcpAddr::from(closed_port());
        let conn = dial_tcp("tcp", Some(&to), &to).unwrap();
        assert_eq!(conn.local_addr().unwrap(), conn.peer_addr().unwrap());
        conn.write(b"echo").unwrap();
        let mut buf = [0; 8];
        assert_eq!(conn.read(&mut buf).unwrap(), 4);
    });
}

/// Follows Go's TestTCPSpuriousConnSetupCompletion.
#[test]
fn whoever_gets_a_connection_can_use_it() {
    everywhere(|| {
        let listener = listener();
        let to = listener.local_addr().unwrap();
        const DIALERS: usize = 8;
        const EACH: usize = 40;
        scope(|s| {
            s.spawn(|| {
                for _ in 0..DIALERS * EACH {
                    drop(listener.accept().unwrap());
                }
            });
            for _ in 0..DIALERS {
                s.spawn(|| {
                    for _ in 0..EACH {
                        let conn = TcpConn::connect(to).unwrap();
                        if let Err(err) = conn.write(b"x") {
                            let kind = err.kind();
                            assert_ne!(kind, std::io::ErrorKind::NotConnected, "{err}");
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn a_boxed_connection_reads_writes_and_tells_its_addresses() {
    everywhere(|| {
        use std::io::{Read, Write};
        let listener = listen("tcp", "127.0.0.1:0").unwrap();
        let mut client: Box<dyn Conn> = dial("tcp", &listener.addr().to_string()).unwrap();
        let server = listener.accept().unwrap();
        client.write_all(b"hello").unwrap();
        let mut buf = [0; 5];
        (&*server).read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"hello");
        assert_eq!(client.remote_addr(), server.local_addr());
        assert_eq!(client.local_addr(), server.remote_addr());
        client.close().unwrap();
        assert!(gopark::net::is_closed(
            &Read::read(&mut client, &mut buf).unwrap_err()
        ));
        until("the end", || server.read(&mut [0; 1]).unwrap() == 0);
        let err = client.close().unwrap_err();
        let op = gopark::net::NetError::op_error(&err).unwrap();
        assert!(matches!(op.err, Cause::Closed));
    });
}
