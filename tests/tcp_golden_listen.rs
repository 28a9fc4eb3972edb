//! Promises about listening: what Go printed is what we print.

mod harness;

use gopark::net::{
    Addr, Dialer, Family, KeepAliveConfig, ListenConfig, TcpConn, TcpListener, UdpConn, dial,
    join_host_port, listen, listen_packet, listen_tcp,
};
use harness::{everywhere, lines::*, listener, option, pair_on, until_state};
use std::{any::Any, net::SocketAddr, os::fd::BorrowedFd, time::Duration};

fn tcp(listener: Box<dyn gopark::net::Listener>) -> TcpListener {
    *(listener as Box<dyn Any>).downcast().unwrap()
}

fn conn(conn: Box<dyn gopark::net::Conn>) -> TcpConn {
    *(conn as Box<dyn Any>).downcast().unwrap()
}

/// Follows the Go program `listen_in_use`.
#[test]
fn an_address_in_use_is_refused_and_free_again_after_closing() {
    everywhere(|| {
        let first = listener();
        let at = first.local_addr().unwrap();
        let mut out = Lines::new();
        out.name(at, "SPORT");
        let wildcard = format!(":{}", at.port());
        out.done("listen again", listen("tcp", &at.to_string()));
        out.done("ListenTCP again", listen_tcp("tcp", &at.into()));
        out.done("listen wildcard on same port", listen("tcp", &wildcard));
        out.done(
            "listen tcp4 wildcard on same port",
            listen("tcp4", &wildcard),
        );
        // The server's side closes first, so that it is its port that stays in TIME_WAIT.
        let (client, server) = pair_on(&first);
        server.close().unwrap();
        out.read("client read", client.read(&mut [0; 1]));
        client.close().unwrap();
        first.close().unwrap();
        out.done(
            "listen again after close with TIME_WAIT around",
            listen("tcp", &at.to_string()),
        );
        let udp = listen_packet("udp", "127.0.0.1:0").unwrap();
        let Addr::Udp(at) = udp.local_addr().unwrap() else {
            unreachable!("a UDP socket")
        };
        out.name(at.to_socket_addr(Family::V4).unwrap(), "UPORT");
        out.done("udp listen again", listen_packet("udp", &at.to_string()));
        for bad in [
            "127.0.0.1:65536",
            "127.0.0.1:-1",
            "127.0.0.1:http2",
            "127.0.0.1",
            "[::1]",
            "::1:80",
        ] {
            out.done(&format!("listen {bad}"), listen("tcp", bad));
        }
        out.done("listen tcp6 on IPv4 literal", listen("tcp6", "127.0.0.1:0"));
        out.done("listen tcp4 on IPv6 literal", listen("tcp4", "[::1]:0"));
        out.compare("listen_in_use");
    });
}

/// Follows the Go program `listen_addrs`.
#[test]
fn the_addresses_of_listeners_and_of_both_ends_are_those_go_shows() {
    everywhere(|| {
        let mut out = Lines::new();
        for (network, address, host) in [
            ("tcp", ":0", "127.0.0.1"),
            ("tcp", ":0", "::1"),
            ("tcp", "0.0.0.0:0", "127.0.0.1"),
            ("tcp", "[::]:0", "127.0.0.1"),
            ("tcp", "", "127.0.0.1"),
            ("tcp4", ":0", "127.0.0.1"),
            ("tcp6", ":0", "::1"),
            ("tcp", "127.0.0.1:", "127.0.0.1"),
            ("tcp", "127.0.0.1:0", "127.0.0.1"),
            ("tcp", "[::1]:0", "::1"),
            ("tcp", "[::ffff:127.0.0.1]:0", "127.0.0.1"),
            ("tcp", "[::1%lo]:0", "::1"),
        ] {
            let listener = tcp(listen(network, address).unwrap());
            let at = listener.local_addr().unwrap();
            out.name(at, "SPORT");
            let target = join_host_port(host, &at.port().to_string());
            let client = conn(dial("tcp", &target).unwrap());
            out.name(client.local_addr().unwrap(), "CPORT");
            let (server, _) = listener.accept().unwrap();
            out.print(format!(
                "Listen {network} {address:?}: addr={}/{} | client {}->{} | server {}->{}",
                listener.addr().network(),
                listener.addr(),
                client.local_addr().unwrap(),
                client.peer_addr().unwrap(),
                server.local_addr().unwrap(),
                server.peer_addr().unwrap(),
            ));
        }
        let listener = tcp(listen("tcp", ":0").unwrap());
        let at = listener.local_addr().unwrap();
        out.name(at, "SPORT");
        for (network, host) in [
            ("tcp", ""),
            ("tcp", "0.0.0.0"),
            ("tcp", "[::]"),
            ("tcp6", ""),
        ] {
            let client = conn(dial(network, &format!("{host}:{}", at.port())).unwrap());
            out.name(client.local_addr().unwrap(), "CPORT");
            let what = if network == "tcp6" { "tcp6 " } else { host };
            out.print(format!(
                "Dial {what}:SPORT: {}->{}",
                client.local_addr().unwrap(),
                client.peer_addr().unwrap()
            ));
        }
        out.compare("listen_addrs");
    });
}

fn flags(conn: &TcpConn) -> String {
    use std::os::fd::AsRawFd;
    let (status, own) = conn
        .with_fd(|fd| {
            // SAFETY: no memory is passed.
            let get = |what| unsafe { libc::fcntl(fd.as_raw_fd(), what) };
            (get(libc::F_GETFL), get(libc::F_GETFD))
        })
        .unwrap();
    format!(
        "nonblock={} cloexec={}",
        status & libc::O_NONBLOCK != 0,
        own & libc::FD_CLOEXEC != 0
    )
}

fn options(conn: &TcpConn) -> String {
    let options = [
        ("SO_REUSEADDR", libc::SOL_SOCKET, libc::SO_REUSEADDR),
        ("SO_REUSEPORT", libc::SOL_SOCKET, libc::SO_REUSEPORT),
        ("SO_KEEPALIVE", libc::SOL_SOCKET, libc::SO_KEEPALIVE),
        ("SO_BROADCAST", libc::SOL_SOCKET, libc::SO_BROADCAST),
        ("TCP_NODELAY", libc::IPPROTO_TCP, libc::TCP_NODELAY),
        ("KEEPIDLE", libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
        ("KEEPINTVL", libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
        ("KEEPCNT", libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    ]
    .map(|(name, level, number)| {
        let value = conn.with_fd(|fd| option(fd, level, number)).unwrap();
        format!("{name}={value}")
    });
    options.join(" ")
}

/// Follows the Go program `sockopt_defaults` and Go's TestDialTCPDefaultKeepAlive,
/// TestTCPConnKeepAliveConfigDialer and TestTCPConnKeepAliveConfigListener. Accepted connections have their options from the listener.
#[test]
fn new_connections_have_gos_options_whichever_side_they_are_on() {
    everywhere(|| {
        let mut out = Lines::new();
        let first = listener();
        let to = first.local_addr().unwrap().to_string();
        let (client, server) = pair_on(&first);
        let of_socket = |fd: BorrowedFd<'_>, name| option(fd, libc::SOL_SOCKET, name);
        let protocol = |l: &TcpListener| l.with_fd(|fd| of_socket(fd, libc::SO_PROTOCOL)).unwrap();
        let shared = |fd: BorrowedFd<'_>| {
            let (addr, port) = (libc::SO_REUSEADDR, libc::SO_REUSEPORT);
            let (addr, port) = (of_socket(fd, addr), of_socket(fd, port));
            format!("SO_REUSEADDR={addr} SO_REUSEPORT={port}")
        };
        let accepts = |fd: BorrowedFd<'_>| of_socket(fd, libc::SO_ACCEPTCONN);
        out.print(format!(
            "listener: {} SO_ACCEPTCONN={} SO_PROTOCOL={}",
            first.with_fd(shared).unwrap(),
            first.with_fd(accepts).unwrap(),
            protocol(&first)
        ));
        let conn_protocol =
            |conn: &TcpConn| conn.with_fd(|fd| of_socket(fd, libc::SO_PROTOCOL)).unwrap();
        out.print(format!(
            "SO_PROTOCOL dialed={} accepted={} (262 is IPPROTO_MPTCP)",
            conn_protocol(&client),
            conn_protocol(&server)
        ));
        let multipath = server.multipath_tcp().unwrap();
        out.print(format!("accepted.MultipathTCP()={multipath} err=<nil>"));
        out.print(format!("dialed: {}", options(&client)));
        out.print(format!("accepted: {}", options(&server)));
        let quiet = ListenConfig::new().keep_alive(KeepAliveConfig::OFF);
        let quiet = tcp(quiet.listen("tcp", "127.0.0.1:0").unwrap());
        out.print(format!("plain listener SO_PROTOCOL={}", protocol(&quiet)));
        let (_client, server2) = pair_on(&quiet);
        out.print(format!("accepted KeepAlive=-1: {}", options(&server2)));
        let machine = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let backlog = quiet.with_fd(backlog_of).unwrap().to_string();
        out.print(format!(
            "backlog equals /proc/sys/net/core/somaxconn: {}",
            backlog == machine.trim()
        ));
        let default = KeepAliveConfig::default();
        for (what, config) in [
            ("KeepAlive=-1", KeepAliveConfig::OFF),
            (
                "KeepAlive=3.5s",
                KeepAliveConfig {
                    idle: Some(Duration::from_millis(3500)),
                    ..default
                },
            ),
            (
                "KeepAliveConfig{Enable,7s,-1,2}",
                KeepAliveConfig {
                    enable: true,
                    idle: Some(Duration::from_secs(7)),
                    interval: None,
                    count: Some(2),
                },
            ),
        ] {
            let dialed = conn(Dialer::new().keep_alive(config).dial("tcp", &to).unwrap());
            out.print(format!("dialed {what}: {}", options(&dialed)));
            // The same configuration on a listener gives its connections the same.
            let listener = ListenConfig::new()
                .keep_alive(config)
                .bind("127.0.0.1:0")
                .unwrap();
            let accepted = options(&pair_on(&listener).1);
            assert_eq!(
                accepted.replace("SO_REUSEADDR=1", "SO_REUSEADDR=0"),
                options(&dialed)
            );
        }
        for (network, address) in [("tcp", ":0"), ("tcp6", "[::]:0")] {
            let listener = tcp(listen(network, address).unwrap());
            let only = listener
                .with_fd(|fd| option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY))
                .unwrap();
            out.print(format!("listen {network} {address}: IPV6_V6ONLY={only}"));
        }
        let udp = listen_packet("udp", "127.0.0.1:0").unwrap();
        let to_udp = udp.local_addr().unwrap().to_string();
        let broadcast = |fd: BorrowedFd<'_>| of_socket(fd, libc::SO_BROADCAST);
        let listening = *(udp as Box<dyn Any>).downcast::<UdpConn>().unwrap();
        out.print(format!(
            "udp listener: SO_BROADCAST={} {}",
            listening.with_fd(broadcast).unwrap(),
            listening.with_fd(shared).unwrap()
        ));
        let dialed = UdpConn::connect(&*to_udp).unwrap();
        let address = |fd: BorrowedFd<'_>| of_socket(fd, libc::SO_REUSEADDR);
        out.print(format!(
            "udp dialed: SO_BROADCAST={} SO_REUSEADDR={}",
            dialed.with_fd(broadcast).unwrap(),
            dialed.with_fd(address).unwrap()
        ));
        out.print(format!("dialed fd: {}", flags(&client)));
        out.print(format!("accepted fd: {}", flags(&server)));
        out.compare("sockopt_defaults");
        let get = |name| {
            first
                .with_fd(|fd| option(fd, libc::SOL_SOCKET, name))
                .unwrap()
        };
        assert_eq!(
            (
                get(libc::SO_REUSEADDR),
                get(libc::SO_REUSEPORT),
                get(libc::SO_ACCEPTCONN)
            ),
            (1, 0, 1)
        );
    });
}

/// The length of a listener's queue: `tcpi_sacked` of its TCP_INFO.
fn backlog_of(fd: std::os::fd::BorrowedFd<'_>) -> u32 {
    use std::os::fd::AsRawFd;
    let mut info = [0u8; 104];
    let mut len = info.len() as libc::socklen_t;
    let at = info.as_mut_ptr().cast();
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    // SAFETY: `at` and `len` describe the array.
    let done = unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, at, &mut len) };
    assert_eq!(done, 0);
    u32::from_ne_bytes(info[28..32].try_into().unwrap())
}

/// An accepted connection of a listener on the wildcard asks for its address late, which must not show.
#[test]
fn the_local_address_of_an_accepted_connection_is_right_even_when_asked_for_at_the_end() {
    everywhere(|| {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "127.0.0.7", "::1"] {
            let to: SocketAddr = join_host_port(host, &port.to_string()).parse().unwrap();
            let accept = || {
                let client = TcpConn::connect(to).unwrap();
                (client, listener.accept().unwrap().0)
            };
            let (_client, closed) = accept();
            closed.close().unwrap();
            assert_eq!(closed.local_addr().unwrap(), to);
            let err = closed.read(&mut [0; 1]).unwrap_err().to_string();
            assert!(err.starts_with(&format!("read tcp {to}->")), "{err}");

            let (client, reset) = accept();
            client.set_linger(Some(Duration::ZERO)).unwrap();
            client.close().unwrap();
            until_state(&reset, "CLOSE");
            let err = reset.read(&mut [0; 1]).unwrap_err().to_string();
            assert!(err.starts_with(&format!("read tcp {to}->")), "{err}");
        }
    });
}

/// Follows Go's TestDualStackTCPListener, as far as one machine can.
#[test]
fn an_address_of_a_family_listens_on_it_and_no_host_listens_on_both() {
    everywhere(|| {
        let reach = |listener: &TcpListener, host: &str| {
            let port = listener.local_addr().unwrap().port();
            TcpConn::connect((host, port)).is_ok()
        };
        let v4 = TcpListener::bind("0.0.0.0:0").unwrap();
        assert!(v4.local_addr().unwrap().is_ipv4());
        assert!(reach(&v4, "127.0.0.1") && !reach(&v4, "::1"));
        for both in ["[::]:0", ":0"] {
            let both = TcpListener::bind(both).unwrap();
            assert!(reach(&both, "127.0.0.1") && reach(&both, "::1"));
        }
        let v6 = tcp(listen("tcp6", ":0").unwrap());
        assert!(!reach(&v6, "127.0.0.1") && reach(&v6, "::1"));
    });
}

#[test]
fn listeners_share_an_address_if_all_of_them_say_so() {
    everywhere(|| {
        let share = ListenConfig::new().reuse_port(true);
        let first = share.bind("127.0.0.1:0").unwrap();
        let at = first.local_addr().unwrap();
        let _second = share.bind(at).unwrap();
        let err = TcpListener::bind(at).unwrap_err();
        assert_eq!(
            err.to_string(),
            format!("listen tcp {at}: bind: address already in use")
        );
    });
}
