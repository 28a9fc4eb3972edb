//! Promises about names that stand for several addresses.

mod harness;

use gopark::net::{
    Cause, Conn, Dialer, DnsError, IpVersion, ListenConfig, NetError, Resolver, TcpAddr, TcpConn,
    TcpListener, ZonedIp, lookup_host,
};
use harness::{everywhere, lines::*, scope, until};
use std::{
    fs, io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);

/// `dual.test` has both families, `two.test` two addresses of one.
fn zone() -> Resolver {
    Resolver::new(|name, version| {
        let ips = match name {
            "dual.test" => ["::1", "127.0.0.1"],
            "two.test" => ["127.0.0.2", "127.0.0.3"],
            _ => return Err(DnsError::no_such_host(name)),
        };
        let ips = ips.map(|ip| ip.parse::<IpAddr>().unwrap());
        let wanted = |ip: &IpAddr| match version {
            IpVersion::Any => true,
            IpVersion::V4 => ip.is_ipv4(),
            IpVersion::V6 => ip.is_ipv6(),
        };
        Ok(ips.into_iter().filter(wanted).map(ZonedIp::from).collect())
    })
}

fn dialer() -> Dialer {
    Dialer::new().resolver(zone())
}

/// A port on which both families are free.
fn listen_on(ip: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((ip.parse::<IpAddr>().unwrap(), port))
}

/// A listener on `[::1]` whose accept queue is full.
fn hang6(port: u16) -> (TcpListener, TcpConn) {
    let at = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let listener = ListenConfig::new().backlog(0).bind(at).unwrap();
    let fill = TcpConn::connect(at).unwrap();
    (listener, fill)
}

/// Follows the Go program `happy_eyeballs`.
#[test]
fn both_families_race_after_the_delay_and_the_primarys_error_is_the_dials() {
    everywhere(|| {
        let mut out = Lines::new();
        for name in ["dual.test", "two.test"] {
            let found = zone().lookup_host(name, IpVersion::Any).unwrap();
            let found: Vec<_> = found.iter().map(|ip| format!("{{{} }}", ip.ip)).collect();
            out.print(format!("order: [{}] err=nil", found.join(" ")));
        }
        let dial = |out: &mut Lines,
                    what: &str,
                    network: &str,
                    address: &str,
                    dialer: Dialer,
                    within: (Duration, &str)| {
            let (at_least, shown) = within;
            let start = Instant::now();
            let result = dialer.dial(network, address);
            let in_time = start.elapsed() + 5 * MS >= at_least;
            let line = match result {
                Ok(conn) => format!("remote={}", conn.remote_addr().unwrap()),
                Err(err) if err.is_timeout() => {
                    let line = out.timeout::<()>(Err(err));
                    format!("err={}", line.replace("[::1]", "ADDR"))
                }
                Err(err) => format!("err={}", out.error::<()>(Err(err))),
            };
            out.print(format!("{what}: within[{shown}]={in_time} {line}"));
        };
        let soon = (Duration::ZERO, "0s,250ms");

        let at = listen_on("127.0.0.1", 0).unwrap().local_addr().unwrap();
        out.name(at, "SPORT");
        let (dual, two) = (
            format!("dual.test:{}", at.port()),
            format!("two.test:{}", at.port()),
        );
        for (what, network, address) in [
            ("both refused: the primary's error", "tcp", &dual),
            ("tcp4 refused", "tcp4", &dual),
            ("tcp6 refused", "tcp6", &dual),
            ("serial, both refused: the first error", "tcp", &two),
        ] {
            dial(&mut out, what, network, address, dialer(), soon);
        }

        let v4 = listen_on("127.0.0.1", 0).unwrap();
        let at = v4.local_addr().unwrap();
        out.name(at, "SPORT");
        let dual = format!("dual.test:{}", at.port());
        for (what, network, dialer) in [
            ("IPv6 refused: fallback starts at once", "tcp", dialer()),
            (
                "IPv6 refused, FallbackDelay<0: serial",
                "tcp",
                dialer().fallback_delay(None),
            ),
            ("IPv6 refused, tcp6", "tcp6", dialer()),
        ] {
            dial(&mut out, what, network, &dual, dialer, soon);
        }
        let v6 = listen_on("::1", at.port()).unwrap();
        let local = dialer().local_addr(TcpAddr::new([127, 0, 0, 1], 0));
        for (what, network, dialer) in [
            ("both listening: IPv6 wins", "tcp", dialer()),
            ("tcp4", "tcp4", dialer()),
            ("LocalAddr IPv4 filters", "tcp", local),
        ] {
            dial(&mut out, what, network, &dual, dialer, soon);
        }
        drop((v4, v6));

        let v4 = listen_on("127.0.0.1", 0).unwrap();
        let at = v4.local_addr().unwrap();
        out.name(at, "SPORT");
        let _hang = hang6(at.port());
        let dual = format!("dual.test:{}", at.port());
        let in_turn = || dialer().fallback_delay(None);
        for (what, dialer, within) in [
            (
                "IPv6 hangs: fallback after the default 300ms",
                dialer(),
                (300 * MS, "295ms,600ms"),
            ),
            (
                "IPv6 hangs, FallbackDelay 50ms",
                dialer().fallback_delay(50 * MS),
                (50 * MS, "45ms,250ms"),
            ),
            (
                "IPv6 hangs, serial, Timeout 400ms: the first address eats it all",
                in_turn().timeout(400 * MS),
                (400 * MS, "395ms,700ms"),
            ),
            (
                "IPv6 hangs, serial, Timeout 3s: 2s for the first, then the second",
                in_turn().timeout(3000 * MS),
                (2000 * MS, "1.99s,2.4s"),
            ),
        ] {
            dial(&mut out, what, "tcp", &dual, dialer, within);
        }
        let second = listen_on("127.0.0.3", 0).unwrap();
        let at = second.local_addr().unwrap();
        out.name(at, "SPORT");
        let two = format!("two.test:{}", at.port());
        let what = "serial: first refused, second works";
        dial(&mut out, what, "tcp", &two, dialer(), soon);
        out.compare("happy_eyeballs");
    });
}

/// Follows Go's TestDialerDualStack.
#[test]
fn a_dial_by_name_finds_the_family_that_listens() {
    everywhere(|| {
        for ip in ["127.0.0.1", "::1"] {
            let listener = listen_on(ip, 0).unwrap();
            let at = listener.local_addr().unwrap();
            let address = format!("dual.test:{}", at.port());
            for dialer in [dialer(), dialer().fallback_delay(None)] {
                let conn = dialer.timeout(20_000 * MS).dial("tcp", &address).unwrap();
                assert_eq!(conn.remote_addr().unwrap().to_string(), at.to_string());
                let (_, peer) = listener.accept().unwrap();
                assert_eq!(conn.local_addr().unwrap().to_string(), peer.to_string());
            }
        }
    });
}

/// Follows Go's TestDialerFallbackDelay: how the settings of the delay relate.
#[test]
fn a_delay_of_nothing_is_the_default_and_none_is_no_race() {
    everywhere(|| {
        let v4 = listen_on("127.0.0.1", 0).unwrap();
        let port = v4.local_addr().unwrap().port();
        let _hang = hang6(port);
        let address = format!("dual.test:{port}");
        for (delay, waits) in [
            (Some(Duration::ZERO), 300 * MS),
            (Some(Duration::from_nanos(1)), Duration::ZERO),
            (Some(20 * MS), 20 * MS),
        ] {
            let start = Instant::now();
            let conn = dialer().fallback_delay(delay).dial("tcp", &address);
            assert!(conn.unwrap().remote_addr().unwrap().ip().unwrap().is_ipv4());
            let waited = start.elapsed();
            assert!(waited + 5 * MS >= waits, "{delay:?}: {waited:?}");
        }
        let in_turn = dialer().fallback_delay(None).timeout(50 * MS);
        assert!(in_turn.dial("tcp", &address).unwrap_err().is_timeout());
    });
}

/// Follows Go's TestDialParallelSpuriousConnection: the loser's connection is closed.
#[test]
fn the_connection_of_the_loser_is_closed_at_once() {
    everywhere(|| {
        let v4 = listen_on("127.0.0.1", 0).unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = listen_on("::1", port).unwrap();
        // As much of a race as there can be: both start together.
        let both = dialer().fallback_delay(Duration::from_nanos(1));
        for _ in 0..50 {
            let conn = both.dial("tcp", &format!("dual.test:{port}")).unwrap();
            let (winner, loser) = if conn.remote_addr().unwrap().ip().unwrap().is_ipv4() {
                (&v4, &v6)
            } else {
                (&v6, &v4)
            };
            let (server, _) = winner.accept().unwrap();
            loser.set_deadline(Some(Instant::now() + 5 * MS)).unwrap();
            let other = loser.accept();
            loser.set_deadline(None).unwrap();
            if let Ok((other, _)) = other {
                let end = other.read(&mut [0; 1]);
                assert!(!end.is_ok_and(|n| n > 0), "the loser lives");
            }
            conn.write(b"x").unwrap();
            assert_eq!(server.read(&mut [0; 1]).unwrap(), 1);
        }
    });
}

/// How many connections to `port` this process has.
fn open_sockets(port: u16) -> usize {
    let hex = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            // The peer's port, and a descriptor that holds it.
            fields.len() > 9 && fields[2].ends_with(&hex) && fields[9] != "0"
        })
        .count()
}

/// Follows Go's TestDialerDualStackFDLeak.
#[test]
fn nothing_of_a_race_is_left_open() {
    everywhere(|| {
        let v4 = listen_on("127.0.0.1", 0).unwrap();
        let port = v4.local_addr().unwrap().port();
        let (hang, fill) = hang6(port);
        let address = format!("dual.test:{port}");
        let quick = dialer().fallback_delay(MS);
        scope(|s| {
            for _ in 0..10 {
                s.spawn(|| drop(quick.dial("tcp", &address).unwrap()));
            }
        });
        // The filling connection, and what the listener's queue holds of it, are ours.
        until("the end of all others", || open_sockets(port) <= 1);
        drop((hang, fill));
    });
}

#[test]
fn a_plain_thread_in_the_pool_races_too() {
    gopark::run(|| {
        let v4 = listen_on("127.0.0.1", 0).unwrap();
        let port = v4.local_addr().unwrap().port();
        let conn = gopark::blocking(|| {
            let dialer = dialer().timeout(20_000 * MS);
            dialer.dial("tcp", &format!("dual.test:{port}"))
        });
        assert!(conn.unwrap().remote_addr().unwrap().ip().unwrap().is_ipv4());
    });
}

/// Follows the Go program `dial_localhost`. What the name stands for is the machine's business.
#[test]
fn localhost_is_this_machine_whatever_its_case() {
    let both = lookup_host("localhost", IpVersion::Any).unwrap();
    if both.iter().map(|ip| ip.ip).collect::<Vec<_>>() != [IpAddr::from([127, 0, 0, 1])] {
        eprintln!("skipped: localhost is more than 127.0.0.1 here: {both:?}");
        return;
    }
    everywhere(|| {
        use gopark::net::{Addr, dial, listen, resolve_tcp_addr};
        let mut out = Lines::new();
        let at = listen_on("127.0.0.1", 0).unwrap().local_addr().unwrap();
        out.name(at, "SPORT");
        let closed = format!("localhost:{}", at.port());
        out.done("Dial localhost refused", dial("tcp", &closed));
        out.done("Dial tcp4 localhost refused", dial("tcp4", &closed));
        let listener = listen("tcp", "localhost:0").unwrap();
        let Addr::Tcp(at) = listener.addr() else {
            unreachable!("a TCP listener")
        };
        out.name(SocketAddr::new(at.ip.unwrap(), at.port), "SPORT");
        out.print(format!("Listen localhost:0 addr={at}"));
        let conn = dial("tcp", &format!("LOCALHOST:{}", at.port)).unwrap();
        let remote = conn.remote_addr().unwrap();
        out.print(format!("Dial LOCALHOST remote={remote}"));
        let service = "localhost:nosuchservice";
        out.done(&format!("Dial {service}"), dial("tcp", service));
        for (what, network) in [("", "tcp"), ("tcp6 ", "tcp6")] {
            let result = resolve_tcp_addr(network, "localhost:http");
            let shown = result.as_ref().map_or("<nil>".into(), ToString::to_string);
            let err = out.error(result.map_err(|cause: Cause| io::Error::from(cause)));
            out.print(format!(
                "ResolveTCPAddr {what}localhost:http = {shown} err={err}"
            ));
        }
        out.compare("dial_localhost");
    });
}
