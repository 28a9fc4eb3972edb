//! A server that sends back what it gets, over every network and every way to write its address.
//! Follows Go's `server_test.go` and `protoconn_test.go`.

mod harness;

use gopark::net::{
    Addr, Conn, Listener, NetError, PacketConn, UnixAddr, UnixNet, dial, join_host_port, listen,
    listen_packet, listen_tcp, listen_unix, listen_unixgram,
};
use harness::{after, everywhere, scope, soon};
use std::io;

/// Sends back what each of `clients` connections says first.
fn transpond(listener: &dyn Listener, clients: usize) {
    scope(|s| {
        for _ in 0..clients {
            let conn = listener.accept().unwrap();
            s.spawn(move || {
                conn.set_deadline(soon()).unwrap();
                let mut buf = [0; 64];
                let n = conn.read(&mut buf).unwrap();
                assert_eq!(conn.write(&buf[..n]).unwrap(), n);
                assert_eq!(conn.read(&mut buf).unwrap(), 0, "the client closes first");
            });
        }
    });
}

fn ask(conn: &dyn Conn, who: usize) {
    conn.set_deadline(soon()).unwrap();
    let question = format!("transceiver {who}");
    assert_eq!(conn.write(question.as_bytes()).unwrap(), question.len());
    let mut buf = [0; 64];
    let n = conn.read(&mut buf).unwrap();
    assert_eq!(&buf[..n], question.as_bytes());
    conn.close().unwrap();
}

fn port(addr: &Addr) -> String {
    match addr {
        Addr::Tcp(at) => at.port.to_string(),
        Addr::Udp(at) => at.port.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A network without its transport, and a host.
type Place = (&'static str, &'static str);

/// Where to listen, and what to dial then.
const FORMS: [(Place, Place); 13] = [
    (("", ""), ("", "127.0.0.1")),
    (("", "0.0.0.0"), ("", "127.0.0.1")),
    (("", "::ffff:0.0.0.0"), ("", "127.0.0.1")),
    (("", "::"), ("", "::1")),
    (("", ""), ("", "::1")),
    (("", ""), ("4", "127.0.0.1")),
    (("", ""), ("6", "::1")),
    (("", "127.0.0.1"), ("", "127.0.0.1")),
    (("", "::ffff:127.0.0.1"), ("", "127.0.0.1")),
    (("", "::1"), ("", "::1")),
    (("4", ""), ("4", "127.0.0.1")),
    (("6", ""), ("6", "::1")),
    (("6", "::1"), ("6", "::1")),
];

/// Follows Go's TestTCPServer.
#[test]
fn a_tcp_server_serves_whoever_finds_it_by_any_form_of_its_address() {
    everywhere(|| {
        for ((version1, host1), (version2, host2)) in FORMS {
            const CLIENTS: usize = 3;
            let network = format!("tcp{version1}");
            let listener = listen(&network, &join_host_port(host1, "0")).unwrap();
            let to = join_host_port(host2, &port(&listener.addr()));
            scope(|s| {
                s.spawn(|| transpond(&*listener, CLIENTS));
                for who in 0..CLIENTS {
                    let (to, network) = (&to, format!("tcp{version2}"));
                    s.spawn(move || ask(&*dial(&network, to).unwrap(), who));
                }
            });
        }
    });
}

/// Follows Go's TestUnixAndUnixpacketServer.
#[test]
fn a_unix_server_serves_whoever_knows_its_name() {
    everywhere(|| {
        for network in ["unix", "unixpacket"] {
            const CLIENTS: usize = 3;
            let listener = listen(network, "").unwrap();
            let to = listener.addr().to_string();
            scope(|s| {
                s.spawn(|| transpond(&*listener, CLIENTS));
                for who in 0..CLIENTS {
                    let to = &to;
                    s.spawn(move || {
                        let conn = dial(network, to).unwrap();
                        assert_eq!(conn.remote_addr().unwrap().to_string(), *to);
                        ask(&*conn, who);
                    });
                }
            });
        }
    });
}

/// Sends back `datagrams` to whoever sent them.
fn reflect(socket: &dyn PacketConn, datagrams: usize) {
    socket.set_deadline(soon()).unwrap();
    let mut buf = [0; 64];
    for _ in 0..datagrams {
        let (n, from) = socket.recv_from(&mut buf).unwrap();
        let from = from.expect("whoever wants an answer has a name");
        assert_eq!(socket.send_to(&buf[..n], &from).unwrap(), n);
    }
}

/// Follows Go's TestUDPServer: clients that dial, and clients that do not.
#[test]
fn a_udp_server_answers_whoever_finds_it_by_any_form_of_its_address() {
    everywhere(|| {
        for ((version1, host1), (version2, host2)) in FORMS {
            let network = format!("udp{version1}");
            let server = listen_packet(&network, &join_host_port(host1, "0")).unwrap();
            let to = join_host_port(host2, &port(&server.local_addr().unwrap()));
            let network = format!("udp{version2}");
            scope(|s| {
                s.spawn(|| reflect(&*server, 2));
                let dialed = dial(&network, &to).unwrap();
                ask(&*dialed, 1);
                let bound = listen_packet(&network, &join_host_port(host2, "0")).unwrap();
                bound.set_deadline(soon()).unwrap();
                let at: std::net::SocketAddr = to.parse().unwrap();
                bound.send_to(b"undialed", &Addr::Udp(at.into())).unwrap();
                let mut buf = [0; 64];
                let (n, from) = bound.recv_from(&mut buf).unwrap();
                assert_eq!(&buf[..n], b"undialed");
                assert_eq!(from, Some(Addr::Udp(at.into())));
            });
        }
    });
}

/// Follows Go's TestUnixgramServer: as over UDP, but who wants an answer must have a name.
#[test]
fn a_unixgram_server_answers_whoever_has_a_name() {
    everywhere(|| {
        let server = listen_packet("unixgram", "").unwrap();
        let to = server.local_addr().unwrap();
        scope(|s| {
            s.spawn(|| reflect(&*server, 2));
            for who in [&b"first"[..], b"second"] {
                let client = listen_packet("unixgram", "").unwrap();
                client.set_deadline(soon()).unwrap();
                client.send_to(who, &to).unwrap();
                let mut buf = [0; 64];
                let (n, from) = client.recv_from(&mut buf).unwrap();
                assert_eq!((&buf[..n], from.as_ref()), (who, Some(&to)));
            }
        });
    });
}

/// As a listener of any kind it has the same deadline, which has passed.
fn assert_accept_ends(listener: &dyn Listener) {
    assert!(listener.accept().map(drop).unwrap_err().is_timeout());
}

/// Follows Go's TestTCPListenerSpecificMethods.
#[test]
fn a_tcp_listener_does_everything_of_its_own_in_a_row() {
    everywhere(|| {
        let at = "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap();
        let listener = listen_tcp("tcp", &at.into()).unwrap();
        assert!(listener.addr().to_string().starts_with("127.0.0.1:"));
        listener.set_deadline(after(30)).unwrap();
        assert!(listener.accept().unwrap_err().is_timeout());
        assert_accept_ends(&listener);
        let copy = listener.dup().unwrap();
        let copy = std::net::TcpListener::from(copy);
        assert_eq!(copy.local_addr().unwrap(), listener.local_addr().unwrap());
        listener.close().unwrap();
    });
}

/// Follows Go's TestUnixListenerSpecificMethods.
#[test]
fn a_unix_listener_does_everything_of_its_own_in_a_row() {
    everywhere(|| {
        let listener = listen_unix("unix", &UnixAddr::new("", UnixNet::Stream)).unwrap();
        assert!(listener.local_addr().to_string().starts_with('@'));
        listener.set_deadline(after(30)).unwrap();
        assert!(listener.accept().unwrap_err().is_timeout());
        assert_accept_ends(&listener);
        let kept = listener.with_fd(|fd| fd.try_clone_to_owned()).unwrap();
        drop(kept.unwrap());
        listener.close().unwrap();
    });
}

/// Follows Go's TestUnixConnSpecificMethods: three sockets of datagrams send to each other, with
/// and without control data.
#[test]
fn unix_sockets_of_datagrams_do_everything_of_their_own_in_a_row() {
    everywhere(|| {
        let sockets = [(); 3].map(|()| {
            let socket = listen_unixgram(&UnixAddr::new("", UnixNet::Datagram)).unwrap();
            socket.set_deadline(soon()).unwrap();
            socket.set_read_deadline(soon()).unwrap();
            socket.set_write_deadline(soon()).unwrap();
            socket
        });
        for i in 0..3 {
            let (from, to) = (&sockets[i], &sockets[(i + 1) % 3]);
            let mut buf = [0; 64];
            assert_eq!(from.send_to(b"plain", to.local_addr()).unwrap(), 5);
            let (n, sender) = to.recv_from(&mut buf).unwrap();
            assert_eq!((n, sender.as_ref()), (5, Some(from.local_addr())));
            from.write_msg(b"message", &[], Some(to.local_addr()), 0)
                .unwrap();
            let message = to.read_msg(&mut buf, 4, 0).unwrap();
            assert_eq!(message.bytes, 7);
        }
        for socket in sockets {
            let kept: io::Result<_> = socket.with_fd(|fd| fd.try_clone_to_owned());
            drop(kept.unwrap().unwrap());
            socket.close().unwrap();
        }
    });
}
