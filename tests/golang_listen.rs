//! Who may listen where, and what listeners and sockets have in common. Follows Go's `listen_test.go`,
//! `conn_test.go` and `packetconn_test.go`.

mod harness;

use gopark::net::{
    Addr, Conn, Family, NetError, PacketConn, TcpListener, UdpConn, dial, join_host_port, listen,
    listen_packet,
};
use harness::{EVERY_STREAM, everywhere, option, scope, soon};
use std::{any::Any, io};

/// A network without its transport, and a host.
type Place = (&'static str, &'static str);

/// Where one can listen.
const PLACES: [Place; 15] = [
    ("", ""),
    ("", "0.0.0.0"),
    ("", "::ffff:0.0.0.0"),
    ("", "::"),
    ("", "127.0.0.1"),
    ("", "::ffff:127.0.0.1"),
    ("", "::1"),
    ("4", ""),
    ("4", "0.0.0.0"),
    ("4", "::ffff:0.0.0.0"),
    ("4", "127.0.0.1"),
    ("4", "::ffff:127.0.0.1"),
    ("6", ""),
    ("6", "::"),
    ("6", "::1"),
];

/// Something that holds a port.
enum Holder {
    Tcp(TcpListener),
    Udp(UdpConn),
}

impl Holder {
    fn open(network: &str, host: &str, port: &str) -> io::Result<Holder> {
        let address = join_host_port(host, port);
        if network.starts_with("tcp") {
            let listener: Box<dyn Any> = listen(network, &address)?;
            Ok(Holder::Tcp(*listener.downcast().unwrap()))
        } else {
            let socket: Box<dyn Any> = listen_packet(network, &address)?;
            Ok(Holder::Udp(*socket.downcast().unwrap()))
        }
    }

    fn port(&self) -> String {
        let at = match self {
            Holder::Tcp(listener) => listener.local_addr(),
            Holder::Udp(socket) => socket.local_addr(),
        };
        at.unwrap().port().to_string()
    }

    /// The family of its socket.
    fn family(&self) -> i32 {
        let domain =
            |fd: std::os::fd::BorrowedFd<'_>| option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN);
        match self {
            Holder::Tcp(listener) => listener.with_fd(domain),
            Holder::Udp(socket) => socket.with_fd(domain),
        }
        .unwrap()
    }
}

fn in_use(result: io::Result<Holder>) -> bool {
    match result {
        Ok(_) => false,
        Err(err) => {
            assert_eq!(err.kind(), io::ErrorKind::AddrInUse, "{err}");
            true
        }
    }
}

/// Follows Go's TestTCPListener and TestUDPListener.
#[test]
fn a_place_is_taken_once_and_its_socket_has_the_family_it_means() {
    everywhere(|| {
        for transport in ["tcp", "udp"] {
            for (version, host) in PLACES {
                let network = format!("{transport}{version}");
                let first = Holder::open(&network, host, "0").unwrap();
                let v6 = match version {
                    "4" => false,
                    "6" => true,
                    // A wildcard without a version is of both families, whichever way it is written.
                    _ => !host.ends_with("127.0.0.1"),
                };
                let plain_v4 = host == "0.0.0.0" || host == "::ffff:0.0.0.0";
                let family = first.family();
                if plain_v4 && version.is_empty() {
                    assert_eq!(family, libc::AF_INET6, "{network} {host:?}");
                } else {
                    assert_eq!(family == libc::AF_INET6, v6, "{network} {host:?}");
                }
                let again = Holder::open(&network, host, &first.port());
                assert!(in_use(again), "{network} {host:?}");
            }
        }
    });
}

/// Follows Go's TestDualStackTCPListener and TestDualStackUDPListener.
#[test]
fn two_families_share_a_port_unless_one_listener_serves_both() {
    // (version and host of the first, of the second, may the second have the port)
    const PAIRS: [(Place, Place, bool); 17] = [
        (("", ""), ("", ""), false),
        (("", ""), ("", "0.0.0.0"), false),
        (("", "0.0.0.0"), ("", ""), false),
        (("", ""), ("", "::"), false),
        (("", "::"), ("", ""), false),
        (("", "0.0.0.0"), ("", "::"), false),
        (("", "::"), ("", "0.0.0.0"), false),
        (("", "::ffff:0.0.0.0"), ("", "::"), false),
        (("", "::"), ("", "::ffff:0.0.0.0"), false),
        (("4", ""), ("6", ""), true),
        (("6", ""), ("4", ""), true),
        (("4", "0.0.0.0"), ("6", "::"), true),
        (("6", "::"), ("4", "0.0.0.0"), true),
        (("", "127.0.0.1"), ("", "::1"), true),
        (("", "::1"), ("", "127.0.0.1"), true),
        (("4", "127.0.0.1"), ("6", "::1"), true),
        (("6", "::1"), ("4", "127.0.0.1"), true),
    ];
    everywhere(|| {
        for transport in ["tcp", "udp"] {
            for ((version1, host1), (version2, host2), both) in PAIRS {
                let (network1, network2) = (
                    format!("{transport}{version1}"),
                    format!("{transport}{version2}"),
                );
                // Somebody else may have the port in the other family: then the next one is tried.
                let shared = (0..20).any(|_| {
                    let first = Holder::open(&network1, host1, "0").unwrap();
                    !in_use(Holder::open(&network2, host2, &first.port()))
                });
                assert_eq!(shared, both, "{network1} {host1:?}, {network2} {host2:?}");
            }
        }
    });
}

/// Follows Go's TestWildWildcardListener.
#[test]
fn no_address_at_all_is_a_free_port_of_every_address() {
    everywhere(|| {
        for network in ["tcp", "tcp4", "tcp6"] {
            let listener = listen(network, "").unwrap();
            let Addr::Tcp(at) = listener.addr() else {
                panic!("{:?}", listener.addr())
            };
            assert!(at.is_wildcard() && at.port > 0, "{network} {at}");
            listener.close().unwrap();
        }
        for network in ["udp", "udp4", "udp6"] {
            let socket = listen_packet(network, "").unwrap();
            let Some(Addr::Udp(at)) = socket.local_addr() else {
                panic!("{:?}", socket.local_addr())
            };
            assert!(at.is_wildcard() && at.port > 0, "{network} {at}");
        }
    });
}

/// Follows Go's TestTCPListenerName.
#[test]
fn a_tcp_listener_has_an_address_of_its_network_with_the_port_it_got() {
    for (network, host) in [("tcp4", "127.0.0.1"), ("tcp6", "::1")] {
        let listener = listen(network, &join_host_port(host, "0")).unwrap();
        let Addr::Tcp(at) = listener.addr() else {
            panic!("{:?}", listener.addr())
        };
        assert_eq!(Addr::from(at.clone()).network(), "tcp");
        assert!(at.port > 0 && at.to_socket_addr(Family::V4).is_ok() == (network == "tcp4"));
    }
}

/// Follows Go's TestConnAndListener, over every network of streams.
#[test]
fn connections_and_listeners_of_every_network_have_everything_in_common() {
    everywhere(|| {
        for (network, address) in EVERY_STREAM {
            let listener = listen(network, address).unwrap();
            let family = network.trim_end_matches(['4', '6']);
            assert_eq!(listener.addr().network(), family);
            let to = listener.addr().to_string();
            let (served, conn) = scope(|s| {
                let served = s.spawn(|| {
                    let conn = listener.accept().unwrap();
                    conn.set_deadline(soon()).unwrap();
                    let mut buf = [0; 128];
                    let n = conn.read(&mut buf).unwrap();
                    conn.write(&buf[..n]).unwrap();
                    conn
                });
                let conn = dial(network, &to).unwrap();
                conn.set_deadline(soon()).unwrap();
                conn.set_read_deadline(soon()).unwrap();
                conn.set_write_deadline(soon()).unwrap();
                assert_eq!(conn.write(b"CONN AND LISTENER TEST").unwrap(), 22);
                let mut back = [0; 128];
                let n = conn.read(&mut back).unwrap();
                assert_eq!(&back[..n], b"CONN AND LISTENER TEST");
                (served.wait(), conn)
            });
            for conn in [&served, &conn] {
                assert_eq!(conn.local_addr().unwrap().network(), family);
                assert_eq!(conn.remote_addr().unwrap().network(), family);
            }
            let names = |conn: &dyn Conn| {
                let (local, remote) = (conn.local_addr(), conn.remote_addr());
                (local.unwrap().to_string(), remote.unwrap().to_string())
            };
            let (local, remote) = names(&*conn);
            assert_eq!(remote, to);
            assert_eq!(names(&*served), (remote, local));
            for conn in [served, conn] {
                conn.close().unwrap();
                assert!(conn.close().unwrap_err().is_closed());
            }
            listener.close().unwrap();
            assert!(listener.accept().unwrap_err().is_closed());
        }
    });
}

/// Follows Go's TestPacketConn and TestConnAndPacketConn.
#[test]
fn sockets_of_datagrams_talk_whether_dialed_or_not() {
    everywhere(|| {
        for (network, address) in [
            ("udp", "127.0.0.1:0"),
            ("udp4", "127.0.0.1:0"),
            ("unixgram", ""),
        ] {
            let first = listen_packet(network, address).unwrap();
            let second = listen_packet(network, address).unwrap();
            for socket in [&first, &second] {
                socket.set_deadline(soon()).unwrap();
                socket.set_read_deadline(soon()).unwrap();
                socket.set_write_deadline(soon()).unwrap();
            }
            let (at1, at2) = (first.local_addr().unwrap(), second.local_addr().unwrap());
            let mut buf = [0; 64];
            assert_eq!(first.send_to(b"PACKET CONN", &at2).unwrap(), 11);
            let (n, from) = second.recv_from(&mut buf).unwrap();
            assert_eq!(
                (&buf[..n], from.as_ref()),
                (&b"PACKET CONN"[..], Some(&at1))
            );
            assert_eq!(second.send_to(b"ANSWER", &at1).unwrap(), 6);
            let (n, from) = first.recv_from(&mut buf).unwrap();
            assert_eq!((&buf[..n], from.as_ref()), (&b"ANSWER"[..], Some(&at2)));

            // A dialed one reads and writes; whether it has a name is its network's business.
            let dialed = dial(network, &at1.to_string()).unwrap();
            dialed.set_deadline(soon()).unwrap();
            assert_eq!(dialed.write(b"DIALED").unwrap(), 6);
            let (n, from) = first.recv_from(&mut buf).unwrap();
            assert_eq!(&buf[..n], b"DIALED");
            if network != "unixgram" {
                assert_eq!(from, dialed.local_addr());
                first.send_to(b"BACK", &from.unwrap()).unwrap();
                assert_eq!(dialed.read(&mut buf).unwrap(), 4);
            }
            dialed.close().unwrap();
            for socket in [first, second] {
                socket.close().unwrap();
                assert!(socket.recv_from(&mut buf).unwrap_err().is_closed());
            }
        }
    });
}
