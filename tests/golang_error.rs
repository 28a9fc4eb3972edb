//! Whatever fails names the operation, the network and the addresses, and why. Follows Go's
//! `error_test.go`; the texts are held by the tests named after recordings.

mod harness;

use gopark::net::{
    Addr, Cause, Conn, Dialer, NetError, OpError, PacketConn, Resolver, TcpAddr, UdpAddr, UnixAddr,
    UnixNet, dial, dial_tcp, dial_udp, dial_unix, listen, listen_packet, listen_tcp, listen_udp,
    listen_unix,
};
use gopark::net::{DnsError, Errno, IpVersion};
use harness::{everywhere, scope};
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Whether a cause is of the kind that it should be.
type Fits = fn(&Cause) -> bool;

/// The operation's error, which every failure here has.
fn op<T>(what: &str, result: io::Result<T>) -> OpError {
    let err = match result {
        Ok(_) => panic!("{what}: should have failed"),
        Err(err) => err,
    };
    err.op_error()
        .unwrap_or_else(|| panic!("{what}: {err}"))
        .clone()
}

fn nowhere() -> Dialer {
    Dialer::new().resolver(Resolver::new(|name, _: IpVersion| {
        Err(DnsError::no_such_host(name))
    }))
}

/// Follows Go's TestDialError.
#[test]
fn a_dial_that_fails_says_what_was_dialed_and_why() {
    everywhere(|| {
        let bad_port: Fits = |cause| matches!(cause, Cause::Addr(_) | Cause::Dns(_));
        let no_name: Fits = |cause| matches!(cause, Cause::Dns(_));
        let no_network: Fits = |cause| matches!(cause, Cause::UnknownNetwork(_));
        let from_system: Fits = |cause| matches!(cause, Cause::Syscall(_));
        for (network, address, fits) in [
            ("foo", "", no_network),
            ("bar", "baz", no_network),
            ("datakit", "mh/astro/r70", no_network),
            ("tcp", "127.0.0.1:☺", bad_port),
            ("tcp", "no-such-name.invalid:80", no_name),
            ("tcp", "mh/astro/r70:http", no_name),
            ("tcp", "127.0.0.1:0", from_system),
            ("tcp", "255.255.255.255:1", from_system),
            ("unix", "/etc/file-not-found", from_system),
            ("unixpacket", "/etc/file-not-found", from_system),
            ("unixgram", "/etc/file-not-found", from_system),
        ] {
            let what = format!("{network} {address}");
            let err = op(&what, nowhere().dial(network, address));
            assert_eq!((err.op, &*err.net), ("dial", network), "{err}");
            assert!(fits(&err.err), "{err}: {:?}", err.err);
            assert!(err.source.is_none(), "{err}");
            // What never became an address is in the text of the cause; what did is the address.
            if let (Cause::Syscall(_), Some(addr)) = (&err.err, &err.addr) {
                assert_eq!(addr.to_string(), address);
            }
        }
    });
}

/// Follows Go's TestProtocolDialError.
#[test]
fn a_typed_dial_that_fails_has_the_addresses_it_was_given() {
    everywhere(|| {
        let not_ours: TcpAddr = "203.0.113.1:0".parse::<SocketAddr>().unwrap().into();
        let to: TcpAddr = "127.0.0.1:9".parse::<SocketAddr>().unwrap().into();
        let err = op("tcp", dial_tcp("tcp", Some(&not_ours), &to));
        assert_eq!(err.source, Some(not_ours.clone().into()), "{err}");
        assert_eq!(err.addr, Some(to.clone().into()), "{err}");
        let err = op("unknown", dial_tcp("tcp7", Some(&not_ours), &to));
        assert!(matches!(err.err, Cause::UnknownNetwork(_)), "{err}");
        assert_eq!(err.addr, Some(to.clone().into()), "{err}");

        let from = UdpAddr::new(not_ours.ip.unwrap(), 0);
        let there = UdpAddr::new(to.ip.unwrap(), 9);
        let err = op("udp", dial_udp("udp", Some(&from), &there));
        assert_eq!(err.source, Some(from.into()), "{err}");
        assert_eq!(err.addr, Some(there.into()), "{err}");

        let nobody = UnixAddr::new("/etc/file-not-found", UnixNet::Stream);
        let err = op("unix", dial_unix("unix", None, &nobody));
        assert_eq!((err.source, err.addr), (None, Some(nobody.into())));
        assert_eq!(err.err.errno(), Some(Errno::ENOENT));
    });
}

/// Follows Go's TestDialAddrError.
#[test]
fn an_address_of_the_other_family_has_no_suitable_one() {
    everywhere(|| {
        for (network, address) in [
            ("tcp4", "[::1]:80"),
            ("tcp6", "127.0.0.1:80"),
            ("tcp6", "[::ffff:127.0.0.1]:80"),
            ("udp4", "[::1]:80"),
            ("udp6", "127.0.0.1:80"),
        ] {
            let err = op(network, dial(network, address));
            let Cause::Addr(inner) = &err.err else {
                panic!("{err}: {:?}", err.err)
            };
            assert_eq!(inner.err, "no suitable address found");
            assert!(
                address.contains(&inner.addr) || inner.addr.contains("127.0.0.1"),
                "{err}"
            );
            assert!(err.addr.is_none() && err.source.is_none(), "{err}");
        }
    });
}

/// Listening on `network` failed for a cause that fits, and the error names no end of a connection.
fn assert_no_listener<T>(network: &str, result: io::Result<T>, fits: Fits) {
    let err = op(network, result);
    assert_eq!((err.op, &*err.net), ("listen", network), "{err}");
    assert!(
        fits(&err.err) && err.source.is_none(),
        "{err}: {:?}",
        err.err
    );
}

/// Follows Go's TestListenError, TestListenPacketError and TestProtocolListenError.
#[test]
fn a_listener_that_cannot_be_says_where_it_should_have_been_and_why() {
    everywhere(|| {
        let no_network: Fits = |cause| matches!(cause, Cause::UnknownNetwork(_));
        let bad_port: Fits = |cause| matches!(cause, Cause::Addr(_) | Cause::Dns(_));
        let wrong_kind: Fits = |cause| matches!(cause, Cause::Addr(_));
        let from_system: Fits = |cause| matches!(cause, Cause::Syscall(_));
        for (network, address, fits) in [
            ("foo", "", no_network),
            ("bar", "baz", no_network),
            ("tcp", "127.0.0.1:☺", bad_port),
            ("tcp", "203.0.113.1:0", from_system),
            ("tcp", "127.0.0.1:1000000", bad_port),
            ("unix", "/no/such/folder/socket", from_system),
            ("udp", "127.0.0.1:0", wrong_kind),
            ("unixgram", "/no/such/folder/socket", from_system),
        ] {
            assert_no_listener(network, listen(network, address), fits);
        }
        for (network, address, fits) in [
            ("foo", "", no_network),
            ("udp", "127.0.0.1:☺", bad_port),
            ("udp", "203.0.113.1:0", from_system),
            ("unixgram", "/no/such/folder/socket", from_system),
            ("tcp", "127.0.0.1:0", wrong_kind),
            // Go makes a socket of it, with which nothing can be received.
            ("unix", "/no/such/folder/socket", wrong_kind),
        ] {
            assert_no_listener(network, listen_packet(network, address), fits);
        }
        let not_ours: SocketAddr = "203.0.113.1:0".parse().unwrap();
        let tcp = TcpAddr::from(not_ours);
        let err = op("tcp", listen_tcp("tcp", &tcp));
        assert_eq!(err.addr, Some(tcp.into()));
        let udp = UdpAddr::from(not_ours);
        let err = op("udp", listen_udp("udp", &udp));
        assert_eq!(err.addr, Some(udp.into()));
        let unix = UnixAddr::new("/no/such/folder/socket", UnixNet::Stream);
        let err = op("unix", listen_unix("unix", &unix));
        assert_eq!(
            (err.addr, err.err.errno()),
            (Some(unix.into()), Some(Errno::ENOENT))
        );
    });
}

fn assert_closed<T>(what: &str, result: io::Result<T>) {
    let err = match result {
        Ok(_) => panic!("{what}: it is closed"),
        Err(err) => err,
    };
    assert!(err.is_closed(), "{what}: {err}");
    assert!(!err.is_timeout() && !err.is_temporary(), "{what}: {err}");
}

/// Follows Go's TestCloseError.
#[test]
fn whatever_is_done_with_what_is_closed_says_that_it_is() {
    everywhere(|| {
        let now = Some(Instant::now());
        for (network, address) in [("tcp", "127.0.0.1:0"), ("unix", ""), ("unixpacket", "")] {
            let listener = listen(network, address).unwrap();
            let conn = dial(network, &listener.addr().to_string()).unwrap();
            let _peer = listener.accept().unwrap();
            for _ in 0..3 {
                let first = conn.close();
                if first.is_err() {
                    assert_closed("close", first);
                }
                assert_closed("read", conn.read(&mut [0; 1]));
                assert_closed("write", conn.write(b"x"));
                assert_closed("close_write", conn.close_write());
                assert_closed("set_deadline", conn.set_deadline(now));
                assert_closed("set_read_deadline", conn.set_read_deadline(now));
                assert_closed("set_write_deadline", conn.set_write_deadline(None));
            }
            assert_closed("close", conn.close());
            listener.close().unwrap();
            for _ in 0..3 {
                assert_closed("accept", listener.accept());
                assert_closed("close", listener.close());
            }
        }
        for (network, address) in [("udp", "127.0.0.1:0"), ("unixgram", "")] {
            let socket = listen_packet(network, address).unwrap();
            let at = socket.local_addr().unwrap();
            socket.close().unwrap();
            for _ in 0..3 {
                assert_closed("recv_from", socket.recv_from(&mut [0; 1]));
                assert_closed("send_to", socket.send_to(b"x", &at));
                assert_closed("set_deadline", socket.set_deadline(now));
                assert_closed("close", socket.close());
            }
        }
    });
}

/// Follows Go's TestCloseError, its part about half closing after a reset.
#[test]
fn half_closing_what_the_peer_has_reset_says_that_it_is_not_connected() {
    everywhere(|| {
        let (client, server) = harness::pair();
        server.set_linger(Some(Duration::ZERO)).unwrap();
        server.close().unwrap();
        harness::until_state(&client, "CLOSE");
        for result in [client.close_read(), client.close_write()] {
            let err = op("half close", result);
            assert_eq!(err.op, "close");
            assert_eq!(err.err.errno(), Some(Errno::ENOTCONN), "{err}");
        }
    });
}

/// Follows Go's TestAcceptError.
#[test]
fn an_accept_that_fails_names_the_listener_and_is_temporary_only_at_a_deadline() {
    everywhere(|| {
        let listener = harness::listener();
        let at = Addr::from(TcpAddr::from(listener.local_addr().unwrap()));
        listener.set_deadline(Some(Instant::now())).unwrap();
        for _ in 0..3 {
            let err = listener.accept().map(drop).unwrap_err();
            assert!(err.is_timeout() && err.is_temporary(), "{err}");
            let err = op("accept", Err::<(), _>(err));
            assert_eq!(
                (err.op, err.source, err.addr),
                ("accept", None, Some(at.clone()))
            );
        }
        listener.set_deadline(None).unwrap();
        scope(|s| {
            let accept = s.spawn(|| listener.accept());
            assert!(accept.is_pending());
            listener.close().unwrap();
            let err = accept.wait().map(drop).unwrap_err();
            assert!(err.is_closed() && !err.is_temporary(), "{err}");
            let err = op("accept", Err::<(), _>(err));
            assert_eq!((err.op, err.addr), ("accept", Some(at)));
        });
    });
}
