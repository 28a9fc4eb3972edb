//! Promises about UDP that no recording shows.

mod harness;

use gopark::net::{
    Addr, Conn, ControlMessage, ControlMessages, NetError, PacketConn, ToSocketAddrs, UdpAddr,
    UdpConn, dial, dial_udp, listen, listen_multicast_udp, listen_packet, listen_udp,
};
use harness::{TICK, everywhere, scope};
use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

fn loopback() -> UdpConn {
    UdpConn::bind("127.0.0.1:0").unwrap()
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + TICK)
}

/// Follows Go's TestWriteToUDP.
#[test]
fn a_dialed_socket_takes_no_address_and_another_needs_one() {
    everywhere(|| {
        let to = loopback();
        let addr = to.local_addr().unwrap();
        let dialed = UdpConn::connect(addr).unwrap();
        let from = dialed.local_addr().unwrap();
        assert_eq!(dialed.send(b"1").unwrap(), 1);
        assert_eq!(dialed.write_msg(b"2", &[], None, 0).unwrap(), 1);
        let text =
            format!("write udp {from}->{addr}: use of WriteTo with pre-connected connection");
        for err in [
            dialed.send_to(b"x", addr).unwrap_err(),
            PacketConn::send_to(&dialed, b"x", &UdpAddr::from(addr).into()).unwrap_err(),
            dialed
                .write_msg(b"x", &[], Some(&addr.into()), 0)
                .unwrap_err(),
        ] {
            assert_eq!(err.to_string(), text);
        }
        let bound = loopback();
        assert_eq!(bound.send_to(b"3", addr).unwrap(), 1);
        assert_eq!(bound.send_to(b"4", addr.to_string()).unwrap(), 1);
        assert_eq!(
            bound.write_msg(b"5", &[], Some(&addr.into()), 0).unwrap(),
            1
        );
        assert!(bound.send(b"x").is_err());
        assert!(bound.write_msg(b"x", &[], None, 0).is_err());
        for n in b"12345" {
            let mut buf = [0; 4];
            let (len, sender) = to.recv_from(&mut buf).unwrap();
            assert_eq!((len, buf[0]), (1, *n));
            let by = if *n <= b'2' { &dialed } else { &bound };
            assert_eq!(sender, by.local_addr().unwrap());
        }
    });
}

/// Follows Go's TestUDPZeroBytePayload, TestUDPZeroByteBuffer and TestUDPReadSizeError.
#[test]
fn a_datagram_may_be_empty_and_what_does_not_fit_is_lost() {
    everywhere(|| {
        let to = loopback();
        let from = UdpConn::connect(to.local_addr().unwrap()).unwrap();
        let mut buf = [0; 4];
        from.send(b"").unwrap();
        assert_eq!(to.recv(&mut buf).unwrap(), 0);
        from.send(b"").unwrap();
        let sender = from.local_addr().unwrap();
        assert_eq!(to.recv_from(&mut buf).unwrap(), (0, sender));
        from.send(b"gone").unwrap();
        from.send(b"too long").unwrap();
        assert_eq!(to.recv_from(&mut []).unwrap(), (0, sender), "takes one");
        assert_eq!(Conn::read(&to, &mut []).unwrap(), 0, "takes none");
        assert_eq!(to.peek_from(&mut buf).unwrap(), (4, sender));
        assert_eq!(to.peek(&mut [0; 16]).unwrap(), 8);
        let message = to.read_msg(&mut buf, &mut [], 0).unwrap();
        assert_eq!((message.bytes, &buf), (4, b"too "));
        assert_ne!(message.flags & libc::MSG_TRUNC, 0);
        to.set_read_deadline(soon()).unwrap();
        assert!(to.recv(&mut buf).unwrap_err().is_timeout());
    });
}

/// Follows Go's TestUDPReadTimeout, TestReadFromTimeout and TestWriteToTimeout.
#[test]
fn an_expired_deadline_beats_a_datagram_that_waits_and_loses_nothing() {
    everywhere(|| {
        let to = loopback();
        let from = loopback();
        let addr = to.local_addr().unwrap();
        from.send_to(b"x", addr).unwrap();
        to.set_read_deadline(Some(Instant::now())).unwrap();
        for _ in 0..3 {
            let err = to.recv_from(&mut [0; 4]).unwrap_err();
            assert_eq!(err.to_string(), format!("read udp {addr}: i/o timeout"));
            assert!(err.is_timeout() && err.is_temporary());
        }
        to.set_read_deadline(None).unwrap();
        assert_eq!(to.recv(&mut [0; 4]).unwrap(), 1);
        from.set_write_deadline(Some(Instant::now())).unwrap();
        let err = from.send_to(b"x", addr).unwrap_err();
        let here = from.local_addr().unwrap();
        assert_eq!(
            err.to_string(),
            format!("write udp {here}->{addr}: i/o timeout")
        );
        assert_eq!(err.bytes(), 0);
        from.set_write_deadline(None).unwrap();
        from.send_to(b"x", addr).unwrap();
        // std's way: each receive has its time.
        to.recv(&mut [0; 4]).unwrap();
        to.set_read_timeout(Some(TICK)).unwrap();
        assert_eq!(to.read_timeout().unwrap(), Some(TICK));
        for _ in 0..2 {
            let start = Instant::now();
            assert!(to.recv(&mut [0; 4]).unwrap_err().is_timeout());
            assert!(start.elapsed() >= TICK / 2);
        }
        assert!(to.set_read_timeout(Some(Duration::ZERO)).is_err());
    });
}

/// Follows Go's TestUDPConnLocalName, TestUDPConnLocalAndRemoteNames and TestConnAndPacketConn.
#[test]
fn a_socket_knows_its_addresses_also_when_it_is_closed() {
    everywhere(|| {
        for (network, local, shown) in [
            ("udp", UdpAddr::wildcard(0), "[::]:"),
            ("udp4", UdpAddr::wildcard(0), "0.0.0.0:"),
            ("udp6", UdpAddr::wildcard(0), "[::]:"),
            ("udp", UdpAddr::new(Ipv4Addr::LOCALHOST, 0), "127.0.0.1:"),
            ("udp", UdpAddr::new(Ipv6Addr::LOCALHOST, 0), "[::1]:"),
        ] {
            let conn = listen_udp(network, &local).unwrap();
            conn.close().unwrap();
            let addr = conn.local_addr().unwrap();
            assert!(
                addr.to_string().starts_with(shown) && addr.port() != 0,
                "{addr}"
            );
            assert!(conn.peer_addr().is_err());
            assert_eq!(Conn::remote_addr(&conn), None);
        }
        let to = loopback();
        let remote = UdpAddr::from(to.local_addr().unwrap());
        let local = UdpAddr::new([127, 0, 0, 3], 0);
        let conn = dial_udp("udp4", Some(&local), &remote).unwrap();
        assert_eq!(conn.local_addr().unwrap().ip(), Ipv4Addr::new(127, 0, 0, 3));
        assert_eq!(conn.peer_addr().unwrap(), to.local_addr().unwrap());
        // Without a host the kernel dials this machine.
        let conn = dial("udp", &format!(":{}", remote.port)).unwrap();
        let peer = conn.remote_addr().unwrap();
        assert!(peer.ip().unwrap().is_loopback(), "{peer}");
        let conn = dial("udp", &remote.to_string()).unwrap();
        assert_eq!(conn.write(b"hello").unwrap(), 5);
        let (n, from) = PacketConn::recv_from(&to, &mut [0; 8]).unwrap();
        assert_eq!((n, from), (5, conn.local_addr()));
        to.send_to(b"yo", UdpAddr::from(to_socket(&conn.local_addr().unwrap())))
            .unwrap();
        assert_eq!(conn.read(&mut [0; 8]).unwrap(), 2);
    });
}

fn to_socket(addr: &Addr) -> SocketAddr {
    match addr {
        Addr::Udp(addr) => addr.into(),
        other => panic!("{other:?}"),
    }
}

/// Follows Go's TestUDPListener and TestWildWildcardListener, and what Go says to wrong networks.
#[test]
fn a_port_is_taken_once_unless_all_agree_to_share_it() {
    everywhere(|| {
        let taken = loopback();
        let addr = taken.local_addr().unwrap();
        let err = UdpConn::bind(addr).unwrap_err();
        assert_eq!(
            err.to_string(),
            format!("listen udp {addr}: bind: address already in use")
        );
        let shared = gopark::net::ListenConfig::new().reuse_port(true);
        let first = shared.listen_packet("udp", "127.0.0.1:0").unwrap();
        let port = to_socket(&first.local_addr().unwrap()).to_string();
        shared.listen_packet("udp", &port).unwrap();
        for network in ["udp", "udp4", "udp6"] {
            listen_packet(network, "").unwrap();
        }
        let err = listen("udp", "127.0.0.1:0").err().unwrap();
        assert_eq!(
            err.to_string(),
            "listen udp 127.0.0.1:0: address 127.0.0.1:0: unexpected address type"
        );
        let err = listen_udp("tcp", &UdpAddr::wildcard(0)).unwrap_err();
        assert_eq!(err.to_string(), "listen tcp :0: unknown network tcp");
        let err = dial_udp("udp7", None, &addr.into()).unwrap_err();
        assert_eq!(
            err.to_string(),
            format!("dial udp7 {addr}: unknown network udp7")
        );
        assert_eq!(
            "[::1]:domain".to_udp_addr().unwrap().to_string(),
            "[::1]:53"
        );
    });
}

/// Follows Go's TestUDPIPVersionReadMsg: an IPv4 peer of an IPv6 socket has an IPv4 address.
#[test]
fn a_socket_of_both_families_talks_to_both() {
    everywhere(|| {
        let both = UdpConn::bind(":0").unwrap();
        let port = both.local_addr().unwrap().port();
        for ip in ["127.0.0.1", "::1"] {
            let ip: std::net::IpAddr = ip.parse().unwrap();
            let other = UdpConn::bind((ip, 0)).unwrap();
            other.send_to(b"x", (ip, port)).unwrap();
            let message = both.read_msg(&mut [0; 4], &mut [], 0).unwrap();
            assert_eq!(message.from, other.local_addr().unwrap());
            both.send_to(b"yo", message.from).unwrap();
            assert_eq!(other.recv(&mut [0; 4]).unwrap(), 2);
        }
    });
}

/// Follows Go's TestReadWriteMsgUDPAddrPortEmptyCmsg and the use of control messages in its packages.
#[test]
fn control_data_comes_and_goes_with_a_datagram() {
    everywhere(|| {
        let to = loopback();
        let on = 1i32;
        to.with_fd(|fd| {
            let (level, name, at) = (libc::IPPROTO_IP, libc::IP_PKTINFO, (&raw const on).cast());
            // SAFETY: `at` points to one `i32`, whose size is given.
            let done = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, at, 4) };
            assert_eq!(done, 0);
        })
        .unwrap();
        let from = loopback();
        // The sender asks for another source address than its socket's: 127.0.0.1 by name.
        let mut control = Vec::new();
        let info = [0u8; 12];
        ControlMessage {
            level: libc::IPPROTO_IP,
            kind: libc::IP_PKTINFO,
            data: &info,
        }
        .append_to(&mut control);
        let addr = UdpAddr::from(to.local_addr().unwrap());
        from.write_msg(b"hello", &control, Some(&addr), 0).unwrap();
        from.write_msg(b"world", &[], Some(&addr), 0).unwrap();
        let mut control = [0; 64];
        for _ in 0..2 {
            let message = to.read_msg(&mut [0; 8], &mut control, 0).unwrap();
            assert_eq!(message.bytes, 5);
            let parts: Vec<_> = ControlMessages::new(&control[..message.control]).collect();
            assert_eq!(parts.len(), 1);
            assert_eq!(
                (parts[0].level, parts[0].kind, parts[0].data.len()),
                (libc::IPPROTO_IP, libc::IP_PKTINFO, 12)
            );
            assert_eq!(parts[0].data[8..], [127, 0, 0, 1], "where it was sent to");
        }
    });
}

#[test]
fn members_of_a_group_get_what_is_sent_to_it_until_they_leave() {
    everywhere(|| {
        let group = Ipv4Addr::new(239, 255, 77, 88);
        let member = listen_udp("udp4", &UdpAddr::new(group, 0)).unwrap();
        assert!(member.local_addr().unwrap().ip().is_unspecified());
        let port = member.local_addr().unwrap().port();
        let second = listen_udp("udp4", &UdpAddr::new(group, port)).unwrap();
        let sender = loopback();
        sender
            .set_multicast_interface_v4(&Ipv4Addr::LOCALHOST)
            .unwrap();
        sender.set_multicast_ttl_v4(0).unwrap();
        assert_eq!(sender.multicast_ttl_v4().unwrap(), 0);
        assert!(sender.multicast_loop_v4().unwrap());
        for conn in [&member, &second] {
            conn.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
                .unwrap();
        }
        sender.send_to(b"hello", (group, port)).unwrap();
        for conn in [&member, &second] {
            conn.set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            assert_eq!(conn.recv(&mut [0; 8]).unwrap(), 5);
        }
        member
            .leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
            .unwrap();
        let err = member
            .leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
            .unwrap_err();
        assert!(err.to_string().starts_with("set udp4 0.0.0.0:"), "{err}");

        let v6 = UdpConn::bind("[::1]:0").unwrap();
        let lo = std::fs::read_to_string("/sys/class/net/lo/ifindex").unwrap();
        let lo: u32 = lo.trim().parse().unwrap();
        let group: Ipv6Addr = "ff01::77".parse().unwrap();
        v6.join_multicast_v6(&group, lo).unwrap();
        v6.leave_multicast_v6(&group, lo).unwrap();
        v6.set_multicast_loop_v6(false).unwrap();
        assert!(!v6.multicast_loop_v6().unwrap());

        let simple = UdpAddr::new([239, 255, 77, 89], 0);
        let conn = listen_multicast_udp("udp4", Some(lo), &simple).unwrap();
        assert!(!conn.multicast_loop_v4().unwrap());
        let err = listen_multicast_udp("udp4", None, &UdpAddr::wildcard(0)).unwrap_err();
        assert_eq!(err.to_string(), "listen udp4 :0: missing address");
    });
}

/// Follows Go's TestUDPConnSpecificMethods.
#[test]
fn options_are_read_back_as_they_were_set() {
    everywhere(|| {
        for conn in [loopback(), UdpConn::bind("[::1]:0").unwrap()] {
            assert!(conn.broadcast().unwrap(), "as in Go");
            conn.set_broadcast(false).unwrap();
            assert!(!conn.broadcast().unwrap());
            conn.set_ttl(7).unwrap();
            assert_eq!(conn.ttl().unwrap(), 7);
            conn.set_read_buffer(4096).unwrap();
            conn.set_write_buffer(4096).unwrap();
            assert!(conn.take_error().unwrap().is_none());
            conn.writable().unwrap();
            conn.set_read_deadline(soon()).unwrap();
            assert!(conn.readable().unwrap_err().is_timeout());
            conn.close().unwrap();
            let addr = conn.local_addr().unwrap();
            assert_eq!(
                conn.set_ttl(7).unwrap_err().to_string(),
                format!("set udp {addr}: use of closed network connection")
            );
        }
    });
}

/// Follows Go's TestPacketConnClose, and what happens to whoever waits when std takes the socket over.
#[test]
fn sockets_go_over_from_std_and_back() {
    everywhere(|| {
        let conn = UdpConn::from_std(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        let addr = conn.local_addr().unwrap();
        assert!(conn.peer_addr().is_err());
        let clone = conn.clone();
        let std = scope(|s| {
            let read = s.spawn(|| clone.recv(&mut [0; 4]));
            assert!(read.is_pending());
            let std = conn.into_std().unwrap();
            assert!(read.wait().unwrap_err().is_closed());
            std
        });
        loopback().send_to(b"hi", addr).unwrap();
        assert_eq!(std.recv(&mut [0; 4]).unwrap(), 2);
        std.connect(addr).unwrap();
        let dialed = UdpConn::try_from(std).unwrap();
        assert_eq!(dialed.peer_addr().unwrap(), addr);
        assert_eq!(dialed.send(b"self").unwrap(), 4);
        assert_eq!(dialed.recv(&mut [0; 4]).unwrap(), 4);
    });
}
