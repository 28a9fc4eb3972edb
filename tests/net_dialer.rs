//! Promises about the settings of dialers and listeners.

mod harness;

use gopark::net::{
    Addr, CancelToken, Cause, Conn, Dialer, KeepAliveConfig, ListenConfig, Listener, NetError,
    TcpAddr, TcpConn, TcpListener, UdpAddr, UdpConn, UnixAddr, UnixDatagram, UnixListener, UnixNet,
};
use harness::{everywhere, lines::*, listener, option, set_option};
use std::{
    any::Any,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::BorrowedFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

fn tcp(conn: Box<dyn Conn>) -> TcpConn {
    *(conn as Box<dyn Any>).downcast().unwrap()
}

type Calls = Arc<Mutex<Vec<String>>>;

fn log(
    who: &'static str,
    calls: &Calls,
) -> impl Fn(&str, &str, BorrowedFd<'_>) -> io::Result<()> + Send + Sync + 'static {
    let calls = calls.clone();
    move |network, address, _| {
        let line = format!("{who} control: network={network} address={address}");
        calls.lock().unwrap().push(line);
        Ok(())
    }
}

/// Follows the Go program `dial_control`, Go's TestDialerControl and TestListenConfigControl.
#[test]
fn a_control_hook_sees_each_new_socket_with_its_network_and_address() {
    everywhere(|| {
        let mut out = Lines::new();
        let v4 = listener();
        let v6 = TcpListener::bind("[::1]:0").unwrap();
        let (at4, at6) = (v4.local_addr().unwrap(), v6.local_addr().unwrap());
        out.name(at4, "SPORT");
        out.name(at6, "SPORT");
        // Abstract names are the machine's, and others run this test, too.
        let unix_name = format!("@golden-control-{}", std::process::id());
        let calls = Calls::default();
        let dialer = Dialer::new().control(log("dial", &calls));
        for (network, at) in [("tcp", at4), ("tcp4", at4), ("tcp", at6)] {
            dialer.dial(network, &at.to_string()).unwrap();
        }
        dialer.dial("udp", "127.0.0.1:9").unwrap();
        let config = ListenConfig::new().control(log("listen", &calls));
        for (network, address) in [
            ("tcp", "127.0.0.1:0"),
            ("tcp", ":0"),
            ("tcp4", ":0"),
            ("tcp6", "[::1]:0"),
            ("unix", &unix_name),
        ] {
            config.listen(network, address).unwrap();
        }
        config.listen_packet("udp", ":0").unwrap();
        for line in calls.lock().unwrap().drain(..) {
            out.print(line.replace(&unix_name, "@golden-control"));
        }
        let bad = |_: &str, _: &str, _: BorrowedFd<'_>| Err(io::Error::other("my control error"));
        let is_mine = |err: &io::Error| matches!(err.net_cause(), Some(Cause::Io(inner)) if inner.to_string() == "my control error");
        let to = at4.to_string();
        let err = Dialer::new().control(bad).dial("tcp", &to).unwrap_err();
        out.print(format!(
            "dial control error: is={} err={err}",
            is_mine(&err)
        ));
        let listening = ListenConfig::new().control(bad);
        let err = listening.listen("tcp", "127.0.0.1:0").unwrap_err();
        out.print(format!(
            "listen control error: is={} err={err}",
            is_mine(&err)
        ));
        out.done("dial", dialer.dial("tcp", &to));
        // Unix sockets have their hook, too, whatever they are for.
        let unix = config.listen_unix("unix", &UnixAddr::new("", UnixNet::Stream));
        let Addr::Unix(at) = unix.as_ref().unwrap().addr() else {
            unreachable!("a Unix listener")
        };
        calls.lock().unwrap().clear();
        dialer.dial("unix", &at.name.to_string_lossy()).unwrap();
        config.listen_packet("unixgram", "").unwrap();
        let seen = calls.lock().unwrap().join("; ");
        let at = at.name.to_string_lossy();
        let wanted = format!(
            "dial control: network=unix address={at}; \
             listen control: network=unixgram address="
        );
        assert_eq!(seen, wanted);
        out.compare("dial_control");
    });
}

#[test]
fn a_control_hook_comes_before_the_bind_and_what_it_sets_stays() {
    everywhere(|| {
        const MARK: i32 = 65_000;
        let set = |_: &str, _: &str, socket: BorrowedFd<'_>| {
            // A socket that is bound has a port.
            let bound = socket2::SockRef::from(&socket).local_addr()?;
            assert_eq!(bound.as_socket().map_or(0, |at| at.port()), 0);
            set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, MARK);
            Ok(())
        };
        let seen = |fd: BorrowedFd<'_>| option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF);
        let config = ListenConfig::new().control(set);
        let listener = config.bind("127.0.0.1:0").unwrap();
        // Linux doubles what it is asked for.
        assert_eq!(listener.with_fd(seen).unwrap(), 2 * MARK);
        let dialer = Dialer::new()
            .local_addr(TcpAddr::new([127, 0, 0, 9], 0))
            .control(set);
        let conn = dialer
            .dial_tcp("tcp", &listener.local_addr().unwrap().into())
            .unwrap();
        assert_eq!(conn.with_fd(seen).unwrap(), 2 * MARK);
        assert_eq!(conn.local_addr().unwrap().ip().to_string(), "127.0.0.9");
    });
}

#[test]
fn an_error_number_of_a_control_hook_keeps_its_kind() {
    everywhere(|| {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = calls.clone();
        let dialer = Dialer::new().control(move |_, _, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            Err(io::Error::from_raw_os_error(libc::EPERM))
        });
        let err = dialer.dial("tcp", "127.0.0.1:1").unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(err.errno(), Some(libc::EPERM));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    });
}

/// What a local address is refused for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refused {
    No,
    Unsuitable,
    Mismatched,
}

/// Follows Go's TestDialerLocalAddr: its table, for TCP.
#[test]
fn a_local_address_goes_with_its_own_network_and_family_and_a_wildcard_with_any() {
    use Refused::{Mismatched, No, Unsuitable};
    everywhere(|| {
        let at = |ip: Option<IpAddr>| match ip {
            Some(ip) => Addr::from(TcpAddr::new(ip, 0)),
            None => TcpAddr::wildcard(0).into(),
        };
        let (v4, v6) = (
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        );
        let (any4, any6) = (
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        );
        let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
        let udp = || Addr::from(UdpAddr::wildcard(0));
        let unix = || Addr::from(UnixAddr::new("", UnixNet::Stream));
        for (network, remote, local, refused) in [
            ("tcp", "127.0.0.1", None, No),
            ("tcp", "127.0.0.1", Some(at(None)), No),
            ("tcp", "127.0.0.1", Some(at(Some(any4))), No),
            ("tcp", "127.0.0.1", Some(at(Some(v4))), No),
            ("tcp", "127.0.0.1", Some(at(Some(mapped))), No),
            ("tcp", "127.0.0.1", Some(at(Some(v6))), Unsuitable),
            ("tcp", "127.0.0.1", Some(udp()), Mismatched),
            ("tcp", "127.0.0.1", Some(unix()), Mismatched),
            ("tcp", "::1", None, No),
            ("tcp", "::1", Some(at(None)), No),
            ("tcp", "::1", Some(at(Some(any6))), No),
            ("tcp", "::1", Some(at(Some(v6))), No),
            ("tcp", "::1", Some(at(Some(v4))), Unsuitable),
            ("tcp", "::1", Some(udp()), Mismatched),
            ("tcp4", "127.0.0.1", None, No),
            ("tcp4", "127.0.0.1", Some(at(None)), No),
            ("tcp4", "127.0.0.1", Some(at(Some(any4))), No),
            ("tcp4", "127.0.0.1", Some(at(Some(v4))), No),
            ("tcp4", "127.0.0.1", Some(at(Some(v6))), Unsuitable),
            ("tcp4", "127.0.0.1", Some(udp()), Mismatched),
            ("tcp6", "::1", None, No),
            ("tcp6", "::1", Some(at(None)), No),
            ("tcp6", "::1", Some(at(Some(any6))), No),
            ("tcp6", "::1", Some(at(Some(v6))), No),
            ("tcp6", "::1", Some(at(Some(v4))), Unsuitable),
            ("tcp6", "::1", Some(unix()), Mismatched),
        ] {
            let case = format!("{network} {remote} {local:?}");
            let remote: IpAddr = remote.parse().unwrap();
            let listener = TcpListener::bind((remote, 0)).unwrap();
            let mut dialer = Dialer::new();
            if let Some(local) = local {
                dialer = dialer.local_addr(local);
            }
            let to = listener.local_addr().unwrap().to_string();
            let text = match dialer.dial(network, &to) {
                Ok(_) => "ok".to_owned(),
                Err(err) => err.to_string(),
            };
            match refused {
                No => assert_eq!(text, "ok", "{case}"),
                Unsuitable => assert!(
                    text.ends_with(": no suitable address found"),
                    "{case}: {text}"
                ),
                Mismatched => {
                    assert!(
                        text.ends_with(": mismatched local address type"),
                        "{case}: {text}"
                    );
                }
            }
        }
    });
}

#[test]
fn a_typed_dial_says_what_is_wrong_with_a_local_address() {
    everywhere(|| {
        let to = TcpAddr::from(listener().local_addr().unwrap());
        let dialer = Dialer::new().local_addr(UdpAddr::wildcard(0));
        let err = dialer.dial_tcp("tcp", &to).unwrap_err().to_string();
        assert!(
            err.ends_with("address :0: mismatched local address type"),
            "{err}"
        );
    });
}

/// Follows the typed dials of Go's TestDialContext: what a dialer is told holds for its typed dials too.
#[test]
fn typed_dials_of_every_network_heed_the_dialer() {
    everywhere(|| {
        let udp = UdpConn::bind("127.0.0.1:0").unwrap();
        let unix = UnixListener::bind("").unwrap();
        let gram = UnixDatagram::bind("").unwrap();
        let tcp = listener();
        let (to_udp, to_tcp) = (
            udp.local_addr().unwrap().into(),
            tcp.local_addr().unwrap().into(),
        );
        let all = |dialer: &Dialer| -> Vec<io::Result<()>> {
            vec![
                dialer.dial_tcp("tcp", &to_tcp).map(drop),
                dialer.dial_udp("udp", &to_udp).map(drop),
                dialer.dial_unix("unix", unix.local_addr()).map(drop),
                dialer.dial_unixgram(Some(gram.local_addr())).map(drop),
            ]
        };
        let hooks = Arc::new(Mutex::new(Vec::new()));
        let seen = hooks.clone();
        let dialer = Dialer::new().control(move |network, _, _| {
            seen.lock().unwrap().push(network.to_owned());
            Ok(())
        });
        for dialed in all(&dialer) {
            dialed.unwrap();
        }
        let networks = ["tcp4", "udp4", "unix", "unixgram"];
        assert_eq!(*hooks.lock().unwrap(), networks);

        let token = CancelToken::new();
        token.cancel();
        for dialed in all(&Dialer::new().cancel_token(&token)) {
            assert!(dialed.unwrap_err().is_cancelled());
        }
        let stranger = UnixAddr::new("@gopark-stranger", UnixNet::Stream);
        for dialed in &all(&Dialer::new().local_addr(stranger))[..2] {
            let err = dialed.as_ref().unwrap_err().to_string();
            assert!(err.ends_with("mismatched local address type"), "{err}");
        }
        for (network, dialed) in [
            ("tcp", Dialer::new().dial_udp("tcp", &to_udp).map(drop)),
            (
                "unixgram",
                Dialer::new()
                    .dial_unix("unixgram", gram.local_addr())
                    .map(drop),
            ),
        ] {
            let err = dialed.unwrap_err().to_string();
            assert!(
                err.ends_with(&format!("unknown network {network}")),
                "{err}"
            );
        }
        let local = UdpAddr::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        let from = Dialer::new().local_addr(local).dial_udp("udp", &to_udp);
        assert!(from.unwrap().local_addr().unwrap().ip().is_loopback());
    });
}

/// Follows Go's TestDialerKeepAlive and TestTCPConnKeepAliveConfigDialer.
#[test]
fn a_dialer_gives_its_connections_the_keep_alive_it_was_told() {
    everywhere(|| {
        let listener = listener();
        let to = listener.local_addr().unwrap().to_string();
        let ask = |conn: &TcpConn, level, name| conn.with_fd(|fd| option(fd, level, name)).unwrap();
        let custom = KeepAliveConfig {
            idle: Some(Duration::from_secs(7)),
            ..KeepAliveConfig::default()
        };
        for (dialer, on, idle) in [
            (Dialer::new(), true, Some(15)),
            (Dialer::new().keep_alive(custom), true, Some(7)),
            (Dialer::new().keep_alive(KeepAliveConfig::OFF), false, None),
        ] {
            let conn = tcp(dialer.dial("tcp", &to).unwrap());
            let enabled = ask(&conn, libc::SOL_SOCKET, libc::SO_KEEPALIVE) != 0;
            assert_eq!(enabled, on);
            if let Some(idle) = idle {
                assert_eq!(ask(&conn, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE), idle);
            }
        }
    });
}

/// Follows Go's TestDialListenerAddr.
#[test]
fn the_address_a_listener_shows_can_be_dialed() {
    everywhere(|| {
        let listener: Box<dyn Listener> = gopark::net::listen("tcp4", ":0").unwrap();
        let shown = listener.addr().to_string();
        assert!(shown.starts_with("0.0.0.0:"), "{shown}");
        gopark::net::dial("tcp4", &shown).unwrap();
        let port = shown.rsplit(':').next().unwrap();
        // The wildcard of the other family leads to the one that works.
        gopark::net::dial("tcp", &format!("[::]:{port}")).unwrap();
        let _: SocketAddr = shown.parse().unwrap();
    });
}
