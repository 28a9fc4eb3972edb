//! Copies whose ends the kernel takes only in part, and datagrams to addresses of either family. Follows
//! what `net_copy.rs` leaves of Go's `splice_linux_test.go` and `sendfile_unix_test.go`, and
//! `udpsock_test.go`.

mod harness;

use gopark::{
    Descriptor,
    net::{Conn, NetError, UdpAddr, UdpConn, copy, copy_n, dial, listen, listen_packet},
};
use harness::{everywhere, pair, scope, terminal};
use std::{
    io::{self, Read},
    time::{Duration, Instant},
};

/// Follows Go's TestCopyFromTTY.
#[test]
fn what_is_typed_at_a_terminal_is_copied_into_a_connection() {
    everywhere(|| {
        let [main, term] = terminal();
        let (conn, peer) = pair();
        scope(|s| {
            let typed = s.spawn(|| main.write(b"data\n"));
            assert_eq!(copy_n(&term, &conn, 5).unwrap(), 5);
            assert_eq!(typed.wait().unwrap(), 5);
        });
        let mut data = [0; 5];
        (&peer).read_exact(&mut data).unwrap();
        assert_eq!(&data, b"data\n");
    });
}

/// Follows Go's TestSendfilePipe.
#[test]
fn a_part_of_a_pipe_is_sent_and_the_rest_stays_in_it() {
    everywhere(|| {
        let (r, w) = io::pipe().unwrap();
        let (r, w) = (Descriptor::new(r).unwrap(), Descriptor::new(w).unwrap());
        let (conn, peer) = pair();
        scope(|s| {
            // The copy begins before there is anything to be copied.
            let copied = s.spawn(|| copy_n(&r, &conn, 1));
            assert!(copied.is_pending());
            w.write(b"ab").unwrap();
            assert_eq!(copied.wait().unwrap(), 1);
        });
        w.close().unwrap();
        assert_eq!(copy(&r, &conn).unwrap(), 1);
        conn.close().unwrap();
        let mut text = String::new();
        (&peer).read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab");
    });
}

/// Follows Go's TestSplice: no-unixpacket and no-unixgram. These have boundaries that a copy through the
/// kernel would not see, so they are copied message by message.
#[test]
fn what_has_messages_is_copied_by_the_message() {
    everywhere(|| {
        let listener = listen("unixpacket", "").unwrap();
        let source = dial("unixpacket", &listener.addr().to_string()).unwrap();
        let sender = listener.accept().unwrap();
        let (conn, peer) = pair();
        sender.write(b"one").unwrap();
        sender.write(b"two").unwrap();
        sender.close().unwrap();
        assert_eq!(copy(&*source, &conn).unwrap(), 6);
        // And the other way, where each write is a message.
        let back = dial("unixpacket", &listener.addr().to_string()).unwrap();
        let far = listener.accept().unwrap();
        peer.write(b"three").unwrap();
        assert_eq!(copy_n(&conn, &*back, 5).unwrap(), 5);
        let mut buf = [0; 16];
        assert_eq!(far.read(&mut buf).unwrap(), 5);
        let mut text = [0; 6];
        (&peer).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"onetwo");

        let receiver = listen_packet("unixgram", "").unwrap();
        let at = receiver.local_addr().unwrap().to_string();
        let target: Box<dyn Conn> = dial("unixgram", &at).unwrap();
        peer.write(b"four").unwrap();
        assert_eq!(copy_n(&conn, &*target, 4).unwrap(), 4);
        assert_eq!(receiver.recv_from(&mut buf).unwrap().0, 4);
    });
}

/// Follows Go's TestIPv4WriteMsgUDPAddrPortTargetAddrIPVersion and
/// TestIPv6WriteMsgUDPAddrPortTargetAddrIPVersion.
#[test]
fn a_socket_sends_to_every_family_that_it_has() {
    everywhere(|| {
        let soon = Some(Instant::now() + Duration::from_secs(50));
        let v4 = UdpConn::bind("127.0.0.1:0").unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = UdpConn::bind("[::1]:0").unwrap();
        let port6 = v6.local_addr().unwrap().port();
        let plain = UdpAddr::new([127, 0, 0, 1], port);
        let mapped = UdpAddr::new(
            "::ffff:127.0.0.1".parse::<std::net::IpAddr>().unwrap(),
            port,
        );
        let other = UdpAddr::new("::1".parse::<std::net::IpAddr>().unwrap(), port6);
        let both = UdpConn::bind(":0").unwrap();
        for to in [&plain, &mapped, &other] {
            assert_eq!(both.write_msg(b"to both", &[], Some(to), 0).unwrap(), 7);
        }
        let only = UdpConn::bind("0.0.0.0:0").unwrap();
        for to in [&plain, &mapped] {
            assert_eq!(only.write_msg(b"to one", &[], Some(to), 0).unwrap(), 6);
        }
        let err = only.write_msg(b"never", &[], Some(&other), 0).unwrap_err();
        assert!(
            err.to_string().ends_with("address ::1: non-IPv4 address"),
            "{err}"
        );
        assert_eq!(err.bytes(), 0);
        let mut buf = [0; 16];
        for (socket, expected) in [(&v4, [7, 7, 6, 6].as_slice()), (&v6, &[7])] {
            socket.set_read_deadline(soon).unwrap();
            for length in expected {
                assert_eq!(socket.recv(&mut buf).unwrap(), *length);
            }
        }
    });
}
