//! Promises about UDP: what Go printed is what we print.

mod harness;

use gopark::net::{
    Addr, Conn, PacketConn, TcpAddr, UdpAddr, UdpConn, dial, dial_udp, listen_packet, listen_udp,
    split_host_port,
};
use harness::{TICK, everywhere, lines::*, scope};
use std::{
    any::Any,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

fn loopback() -> UdpAddr {
    UdpAddr::new(Ipv4Addr::LOCALHOST, 0)
}

fn udp(conn: Box<dyn Conn>) -> UdpConn {
    *(conn as Box<dyn Any>).downcast().expect("a UDP connection")
}

/// `n=.. addr-nil=.. err=..`, as the Go program prints a `ReadFrom` that fails.
fn no_sender(out: &Lines, result: io::Result<(usize, SocketAddr)>) -> String {
    let nil = result.is_err();
    let n = result.as_ref().map_or(0, |(n, _)| *n);
    format!("n={n} addr-nil={nil} err={}", out.error(result))
}

/// Follows the Go program `udp_basic`.
#[test]
fn bound_and_dialed_sockets_say_what_go_says() {
    everywhere(|| {
        let mut out = Lines::new();
        let u = listen_udp("udp", &loopback()).unwrap();
        let bound = u.local_addr().unwrap();
        out.name(bound, "SPORT");
        let c = udp(dial("udp", &bound.to_string()).unwrap());
        let client = c.local_addr().unwrap();
        out.name(client, "CPORT");
        let remote = match Conn::remote_addr(&u) {
            None => "<nil>".to_owned(),
            Some(addr) => addr.to_string(),
        };
        out.print(format!(
            "dialed {client}->{}, listener {bound} remote={remote}",
            c.peer_addr().unwrap()
        ));
        out.bytes("Write", c.send(b"hello"));
        let mut b = [0; 3];
        let (n, from) = u.recv_from(&mut b).unwrap();
        let text = String::from_utf8_lossy(&b[..n]).into_owned();
        out.bytes(
            &format!("ReadFrom with a short buffer truncates silently: {text} from {from}"),
            Ok(n),
        );
        u.set_read_deadline(Some(Instant::now() + Duration::from_millis(50)))
            .unwrap();
        let line = no_sender(&out, u.recv_from(&mut b));
        out.print(format!("rest of the datagram is gone: {line}"));
        out.bytes("Read (sticky deadline)", u.recv(&mut b));
        u.set_read_deadline(None).unwrap();
        out.bytes("WriteTo", u.send_to(b"yo", client));
        let (n, from) = c.recv_from(&mut b).unwrap();
        out.bytes(&format!("ReadFromUDP on connected from {from}"), Ok(n));
        out.bytes("WriteTo on connected", c.send_to(b"x", bound));
        let discard: SocketAddr = "127.0.0.1:9".parse().unwrap();
        out.bytes("WriteToUDPAddrPort on connected", c.send_to(b"x", discard));
        let to = UdpAddr::from(bound);
        out.bytes(
            "WriteMsgUDP with addr on connected",
            c.write_msg(b"x", &[], Some(&to), 0),
        );
        out.bytes(
            "WriteMsgUDP nil addr on connected",
            c.write_msg(b"x", &[], None, 0),
        );
        out.bytes("Write on unconnected", u.send(b"x"));
        let nowhere = Addr::Tcp(TcpAddr::wildcard(0));
        out.bytes("WriteTo a TCPAddr", PacketConn::send_to(&u, b"x", &nowhere));
        let v6 = UdpAddr::new(Ipv6Addr::LOCALHOST, 9);
        out.bytes("WriteTo IPv6 on an IPv4 socket", u.send_to(b"x", &v6));
        out.bytes(
            "WriteMsgUDP nil addr on unconnected",
            u.write_msg(b"x", &[], None, 0),
        );
        out.bytes("Write 65508 bytes (too long)", c.send(&[0; 65508]));
        out.bytes("Write 65507 bytes", c.send(&[0; 65507]));
        out.done("Close", u.close());
        let line = no_sender(&out, u.recv_from(&mut b));
        out.print(format!("ReadFrom closed: {line}"));
        out.bytes("WriteTo closed", u.send_to(b"x", client));
        out.bytes("Read closed", u.recv(&mut b));
        out.done("Close again", u.close());
        out.done("SetDeadline closed", u.set_deadline(None));
        out.compare("udp_basic");
    });
}

/// Follows the Go program `udp_addrs`.
#[test]
fn a_socket_serves_the_families_its_address_means() {
    everywhere(|| {
        let mut out = Lines::new();
        for (network, address) in [
            ("udp", ":0"),
            ("udp4", ":0"),
            ("udp6", ":0"),
            ("udp", "127.0.0.1:0"),
            ("udp", "[::1]:0"),
            ("udp", ""),
        ] {
            let p = listen_packet(network, address).unwrap();
            let local = p.local_addr().unwrap();
            let text = local.to_string();
            let (_, port) = split_host_port(&text).unwrap();
            out.name(
                SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap())),
                "SPORT",
            );
            let to = if network == "udp6" || address == "[::1]:0" {
                format!("[::1]:{port}")
            } else {
                format!("127.0.0.1:{port}")
            };
            let c = udp(dial("udp", &to).unwrap());
            out.name(c.local_addr().unwrap(), "CPORT");
            c.send(b"x").unwrap();
            let (_, from) = p.recv_from(&mut [0; 4]).unwrap();
            out.print(format!(
                "ListenPacket {network} {address:?}: local={}/{local} from={} err=nil",
                local.network(),
                from.unwrap()
            ));
            p.close().unwrap();
        }
        let u = listen_udp("udp", &UdpAddr::wildcard(0)).unwrap();
        out.name(u.local_addr().unwrap(), "SPORT");
        out.print(format!("ListenUDP nil: {}", u.local_addr().unwrap()));
        let port = u.local_addr().unwrap().port();
        let local = UdpAddr::new([127, 0, 0, 5], 0);
        let remote = UdpAddr::new(Ipv4Addr::LOCALHOST, port);
        let c = dial_udp("udp", Some(&local), &remote).unwrap();
        out.name(c.local_addr().unwrap(), "CPORT");
        out.print(format!(
            "DialUDP with laddr: {}->{}",
            c.local_addr().unwrap(),
            c.peer_addr().unwrap()
        ));
        c.send(b"x").unwrap();
        let (_, from) = u.recv_from(&mut [0; 4]).unwrap();
        assert_eq!(from, c.local_addr().unwrap());
        out.done("udp4 on ::1", listen_packet("udp4", "[::1]:0"));
        out.compare("udp_addrs");
    });
}

/// Follows the Go program `close_unblocks`, its part about UDP, and Go's TestCloseUnblocksReadUDP.
#[test]
fn closing_ends_all_receivers_that_wait() {
    everywhere(|| {
        let mut out = Lines::new();
        let u = listen_udp("udp", &loopback()).unwrap();
        out.name(u.local_addr().unwrap(), "UPORT");
        scope(|s| {
            let jobs: Vec<_> = (0..4)
                .map(|_| s.spawn(|| u.recv_from(&mut [0; 4]).map(|(n, _)| n)))
                .collect();
            for job in &jobs {
                assert!(job.is_pending());
            }
            u.close().unwrap();
            for job in jobs {
                out.bytes("pending UDP ReadFrom", job.wait());
            }
        });
        // The recording has one receiver.
        out.lines.dedup();
        out.compare_part("close_unblocks", "udp");
    });
}

/// Follows the Go programs `dial_unreachable` and `udp_refused` in what they say of UDP.
#[test]
fn a_dial_asks_nobody_and_a_refusal_comes_with_the_next_operation_once() {
    everywhere(|| {
        let gone = UdpConn::bind("127.0.0.1:0").unwrap();
        let to = gone.local_addr().unwrap();
        gone.close().unwrap();
        let c = UdpConn::connect(to).unwrap();
        let refused = |err: io::Error, call: &str| {
            let from = c.local_addr().unwrap();
            let op = if call == "read" { "read" } else { "write" };
            assert_eq!(
                err.to_string(),
                format!("{op} udp {from}->{to}: {call}: connection refused")
            );
            assert_eq!(err.kind(), io::ErrorKind::ConnectionRefused);
        };
        c.send(b"x").unwrap();
        // On loopback the answer is there before `send` returns.
        refused(c.recv(&mut [0; 4]).unwrap_err(), "read");
        c.send(b"x").unwrap();
        refused(c.send(b"x").unwrap_err(), "write");
        // Each refusal is told once: now there is nothing to read.
        c.set_read_deadline(Some(Instant::now() + TICK)).unwrap();
        let err = c.recv(&mut [0; 4]).unwrap_err();
        assert!(gopark::net::is_timeout(&err), "{err}");
        c.set_read_deadline(None).unwrap();
        // It wakes who waits already.
        scope(|s| {
            let job = s.spawn(|| c.recv(&mut [0; 4]));
            assert!(job.is_pending());
            c.send(b"x").unwrap();
            refused(job.wait().unwrap_err(), "read");
        });
    });
}
