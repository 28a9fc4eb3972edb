//! Promises every connection keeps, and those TCP keeps under load.

mod harness;
mod nettest;

use gopark::net::{Conn, NetError, TcpConn};
use harness::{Job, everywhere, listener, pair, scope};
use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    thread,
};

/// Follows Go's nettest.TestConn over TCP, all eleven of it.
#[test]
fn tcp_does_what_every_connection_must() {
    everywhere(|| {
        nettest::all(|| {
            let (client, server) = pair();
            (Box::new(client), Box::new(server))
        });
    });
}

/// Follows Go's TestTCPConcurrentAccept.
#[test]
fn every_one_of_many_waiting_accepts_gets_a_connection() {
    everywhere(|| {
        let listener = listener();
        let at = listener.local_addr().unwrap();
        scope(|s| {
            let accepts = [(); 10].map(|()| s.spawn(|| listener.accept().unwrap()));
            let dials = [(); 10].map(|()| s.spawn(|| TcpConn::connect(at).unwrap()));
            let mut dialed: Vec<_> = dials
                .map(Job::wait)
                .iter()
                .map(|conn| conn.local_addr().unwrap())
                .collect();
            let mut accepted: Vec<_> = accepts.map(|accept| accept.wait().1).into();
            dialed.sort();
            accepted.sort();
            assert_eq!(dialed, accepted);
        });
    });
}

/// Follows Go's TestTCPStress: messages of many sizes, both ways at once.
#[test]
fn messages_of_every_size_arrive_whole_in_both_directions() {
    everywhere(|| {
        let sizes: Vec<usize> = (0..300).map(|i| 1 + (i * i * 37) % 70_000).collect();
        let (a, b) = pair();
        let send = |conn: &TcpConn| {
            for (i, &size) in sizes.iter().enumerate() {
                assert_eq!(conn.write(&vec![i as u8; size]).unwrap(), size);
            }
        };
        let receive = |mut conn: &TcpConn| {
            for (i, &size) in sizes.iter().enumerate() {
                let mut message = vec![0; size];
                conn.read_exact(&mut message).unwrap();
                assert!(message.iter().all(|&byte| byte == i as u8), "message {i}");
            }
        };
        scope(|s| {
            s.spawn(|| send(&a));
            s.spawn(|| send(&b));
            s.spawn(|| receive(&a));
            s.spawn(|| receive(&b));
        });
    });
}

/// Follows the Go program `concurrent_writers`: one write is one stretch of the stream.
#[test]
fn the_bytes_of_concurrent_writes_are_never_mixed() {
    everywhere(|| {
        const SIZE: usize = 300_000;
        let (a, b) = pair();
        scope(|s| {
            for who in 0..4u8 {
                let a = a.clone();
                s.spawn(move || {
                    for _ in 0..5 {
                        if who % 2 == 0 {
                            a.write(&vec![who; SIZE]).unwrap();
                        } else {
                            let half = vec![who; SIZE / 2];
                            let mut bufs = [IoSlice::new(&half), IoSlice::new(&half)];
                            a.write_buffers(&mut &mut bufs[..]).unwrap();
                        }
                    }
                });
            }
            let mut stretch = vec![0; SIZE];
            for _ in 0..20 {
                (&b).read_exact(&mut stretch).unwrap();
                assert!(stretch.iter().all(|byte| *byte == stretch[0]));
            }
        });
    });
}

/// Follows Go's TestBuffers_WriteTo, its batches longer than the kernel takes.
#[test]
fn any_number_of_buffers_goes_out_in_order_and_what_is_left_did_not() {
    everywhere(|| {
        for count in [0, 1, 2, 1023, 1024, 1025, 3000] {
            let (a, b) = pair();
            let chunks: Vec<Vec<u8>> = (0..count).map(|i| vec![i as u8; i % 50]).collect();
            let want = chunks.concat();
            scope(|s| {
                s.spawn(|| {
                    let mut bufs: Vec<_> = chunks.iter().map(|c| IoSlice::new(c)).collect();
                    let mut left = &mut bufs[..];
                    assert_eq!(a.write_buffers(&mut left).unwrap(), want.len());
                    assert!(left.is_empty());
                    a.close().unwrap();
                });
                let mut got = Vec::new();
                (&b).read_to_end(&mut got).unwrap();
                assert!(got == want, "{count} buffers");
            });
        }
        let (a, _b) = pair();
        a.close_write().unwrap();
        let mut bufs = [IoSlice::new(b"never"), IoSlice::new(b"sent")];
        let mut left = &mut bufs[..];
        let err = a.write_buffers(&mut left).unwrap_err();
        assert!(err.to_string().ends_with(": writev: broken pipe"), "{err}");
        assert!(err.to_string().starts_with("writev tcp "), "{err}");
        assert_eq!((left.len(), err.bytes()), (2, 0));
    });
}

#[test]
fn several_buffers_are_filled_in_order_and_peeking_takes_nothing() {
    everywhere(|| {
        let (a, b) = pair();
        a.write(b"helloworld").unwrap();
        let mut buf = [0; 16];
        harness::until_readable(&b, 10);
        assert_eq!(b.peek(&mut buf[..4]).unwrap(), 4);
        assert_eq!(b.peek(&mut buf).unwrap(), 10);
        let (mut first, mut second) = ([0; 5], [0; 8]);
        let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(b.read_vectored(&mut bufs).unwrap(), 10);
        assert_eq!((&first, &second[..5]), (b"hello", &b"world"[..]));
        // One that waits sees what comes.
        scope(|s| {
            let peek = s.spawn(|| b.peek(&mut [0; 4]));
            assert!(peek.is_pending());
            a.write(b"x").unwrap();
            assert_eq!(peek.wait().unwrap(), 1);
        });
        b.readable().unwrap();
        assert_eq!(b.read(&mut buf).unwrap(), 1);
        scope(|s| {
            let wait = s.spawn(|| b.readable());
            assert!(wait.is_pending());
            a.close().unwrap();
            wait.wait().unwrap();
        });
        assert_eq!(b.read(&mut buf).unwrap(), 0);
    });
}

/// Follows Go's TestEndlessWrite: the peer's half close makes nothing writable.
#[test]
fn waiting_for_room_is_not_disturbed_by_the_end_of_the_other_direction() {
    everywhere(|| {
        let (a, b) = pair();
        a.writable().unwrap();
        a.set_write_deadline(Some(std::time::Instant::now() + harness::TICK))
            .unwrap();
        assert!(a.write(&vec![0; 64 << 20]).unwrap_err().is_timeout());
        a.set_write_deadline(None).unwrap();
        b.close_write().unwrap();
        assert_eq!(a.read(&mut [0; 1]).unwrap(), 0);
        scope(|s| {
            let wait = s.spawn(|| a.writable());
            assert!(wait.is_pending(), "the peer's end is no room");
            s.spawn(|| io::copy(&mut &b, &mut io::sink()).unwrap());
            wait.wait().unwrap();
            a.close_write().unwrap();
        });
    });
}

/// std's contract for `io::Write::write`, which Go's `Write` does not have.
#[test]
fn a_partial_write_through_std_counts_and_its_error_comes_from_the_next_one() {
    everywhere(|| {
        let big = vec![0; 64 << 20];
        // A reset is reported by the kernel only once; it must not get lost.
        let (mut a, b) = pair();
        scope(|s| {
            let mut writer = a.clone();
            let write = s.spawn({
                let big = &big;
                move || Write::write(&mut writer, big)
            });
            assert!(write.is_pending());
            b.close().unwrap();
            let n = write.wait().unwrap();
            assert!(0 < n && n < big.len());
        });
        let err = Write::write(&mut a, b"x").unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(err.bytes(), 0);
        let err = a.write(b"x").unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::BrokenPipe);

        // So does a time-out, from whichever write comes next, unless the deadline is set again.
        let (a, _b) = pair();
        let soon = || Some(std::time::Instant::now() + harness::TICK);
        a.set_write_deadline(soon()).unwrap();
        let n = Write::write(&mut &a, &big).unwrap();
        assert!(0 < n && n < big.len());
        let err = a.write(b"x").unwrap_err();
        assert!(err.is_timeout() && err.to_string().starts_with("write tcp"));
        let (a, b) = pair();
        a.set_write_deadline(soon()).unwrap();
        let n = Write::write_vectored(&mut &a, &[IoSlice::new(&big)]).unwrap();
        assert!(0 < n && n < big.len());
        a.set_write_deadline(None).unwrap();
        scope(|s| {
            s.spawn(|| io::copy(&mut &b, &mut io::sink()).unwrap());
            assert_eq!(Write::write(&mut &a, b"x").unwrap(), 1);
            a.close().unwrap();
        });

        // A write none of whose bytes went out fails at once.
        let err = Write::write(&mut &a, b"x").unwrap_err();
        assert!(err.is_closed());
        let dynamic: &dyn Conn = &a;
        assert!(dynamic.write_some(b"x").unwrap_err().is_closed());
        let err = dynamic.write_vectored(&[IoSlice::new(b"x")]).unwrap_err();
        assert!(err.is_closed());
    });
}

#[test]
fn stds_readers_and_writers_work_on_a_connection_and_on_a_reference_to_it() {
    everywhere(|| {
        let (mut a, b) = pair();
        scope(|s| {
            s.spawn(|| {
                write!(a, "line {}\nline {}\n", 1, 2).unwrap();
                a.flush().unwrap();
                let many: Vec<_> = (0..200).map(|_| IoSlice::new(b"ab")).collect();
                let n = a.write_vectored(&many).unwrap();
                assert!(n > 0 && n <= 400);
                a.write_all(&vec![b'c'; 400 - n]).unwrap();
                a.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let mut text = String::new();
            io::BufReader::new(&b).read_to_string(&mut text).unwrap();
            assert!(text.starts_with("line 1\nline 2\nabab"), "{text}");
            assert_eq!(text.len(), 14 + 400);
        });
    });
}

#[test]
fn connections_and_listeners_come_from_std_and_go_back() {
    everywhere(|| {
        let theirs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = theirs.local_addr().unwrap();
        let listener = gopark::net::TcpListener::try_from(theirs).unwrap();
        assert_eq!(listener.local_addr().unwrap(), at);
        let stream = std::net::TcpStream::connect(at).unwrap();
        let client = TcpConn::try_from(stream).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert!(
            server.nodelay().unwrap(),
            "accepted from a listener of std's"
        );
        assert!(!client.nodelay().unwrap(), "left as it was");
        scope(|s| {
            let read = s.spawn(|| client.read(&mut [0; 4]));
            assert!(read.is_pending());
            // Whoever still waits is told that the connection is gone.
            let mut std = client.clone().into_std().unwrap();
            assert!(read.wait().unwrap_err().is_closed());
            assert!(client.write(b"x").unwrap_err().is_closed());
            let late = thread::spawn(move || {
                let mut buf = [0; 4];
                std.read_exact(&mut buf).map(|()| buf)
            });
            // One that did not block would have failed by now.
            assert!(harness::stays(|| !late.is_finished()));
            server.write(b"back").unwrap();
            assert_eq!(&late.join().unwrap().unwrap(), b"back");
        });
        let theirs = listener.clone().into_std().unwrap();
        assert!(listener.accept().unwrap_err().is_closed());
        let _conn = TcpConn::connect(at).unwrap();
        theirs.accept().unwrap();

        let unconnected = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let err = TcpConn::from_std(unconnected.unwrap().into()).unwrap_err();
        let text = "file tcp: getpeername: transport endpoint is not connected";
        assert_eq!(err.to_string(), text);
    });
}

/// Follows the Go programs about socket options, and Go's TestTCPConnSpecificMethods and
/// TestTCPConnKeepAliveConfig.
#[test]
fn options_are_set_as_asked_and_read_back() {
    everywhere(|| {
        use gopark::net::KeepAliveConfig;
        use std::time::Duration;
        let (a, b) = pair();
        let get = |level, name| a.with_fd(|fd| harness::option(fd, level, name)).unwrap();
        let tcp = |name| get(libc::IPPROTO_TCP, name);
        let keep = || {
            (
                get(libc::SOL_SOCKET, libc::SO_KEEPALIVE),
                tcp(libc::TCP_KEEPIDLE),
                tcp(libc::TCP_KEEPINTVL),
                tcp(libc::TCP_KEEPCNT),
            )
        };
        a.set_nodelay(false).unwrap();
        assert!(!a.nodelay().unwrap());
        a.set_nodelay(true).unwrap();
        assert!(a.nodelay().unwrap());
        a.set_keepalive(false).unwrap();
        assert_eq!(keep(), (0, 15, 15, 9));
        a.set_keepalive(true).unwrap();
        a.set_keepalive_period(Duration::from_millis(2001)).unwrap();
        assert_eq!(keep(), (1, 3, 15, 9));
        a.set_keepalive_period(Duration::ZERO).unwrap();
        assert_eq!(keep(), (1, 15, 15, 9));
        let config = KeepAliveConfig {
            enable: true,
            idle: Some(Duration::from_secs(5)),
            interval: Some(Duration::from_millis(1)),
            count: Some(3),
        };
        a.set_keepalive_config(config).unwrap();
        assert_eq!(keep(), (1, 5, 1, 3));
        let rest = KeepAliveConfig {
            idle: None,
            interval: Some(Duration::ZERO),
            count: Some(0),
            ..config
        };
        a.set_keepalive_config(rest).unwrap();
        assert_eq!(keep(), (1, 5, 15, 9));
        a.set_linger(Some(Duration::from_millis(1200))).unwrap();
        assert_eq!(a.linger().unwrap(), Some(Duration::from_secs(2)));
        a.set_linger(None).unwrap();
        assert_eq!(a.linger().unwrap(), None);
        a.set_read_buffer(20_000).unwrap();
        a.set_write_buffer(30_000).unwrap();
        let buffers = (
            get(libc::SOL_SOCKET, libc::SO_RCVBUF),
            get(libc::SOL_SOCKET, libc::SO_SNDBUF),
        );
        assert_eq!(buffers, (40_000, 60_000), "Linux doubles them");
        a.set_ttl(42).unwrap();
        assert_eq!(a.ttl().unwrap(), 42);
        let err = a.set_ttl(70_000).unwrap_err().to_string();
        let text = "setsockopt: invalid argument";
        let (here, there) = (a.local_addr().unwrap(), a.peer_addr().unwrap());
        assert_eq!(err, format!("set tcp {here}->{there}: {text}"));

        // Options can still be set after the peer has reset the connection, whose error can be taken.
        assert!(a.take_error().unwrap().is_none());
        b.set_linger(Some(Duration::ZERO)).unwrap();
        b.close().unwrap();
        harness::until_state(&a, "CLOSE");
        a.set_keepalive(true).unwrap();
        a.set_nodelay(true).unwrap();
        let taken = a.take_error().unwrap().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(a.read(&mut [0; 1]).unwrap(), 0);
    });
}

/// The hop limit of IPv6 is another option.
#[test]
fn the_time_to_live_is_the_hop_limit_on_ipv6() {
    everywhere(|| {
        let listener = gopark::net::TcpListener::bind("[::1]:0").unwrap();
        let (a, _b) = harness::pair_on(&listener);
        a.set_ttl(42).unwrap();
        assert_eq!(a.ttl().unwrap(), 42);
        let (level, name) = (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS);
        let hops = a.with_fd(|fd| harness::option(fd, level, name));
        assert_eq!(hops.unwrap(), 42);
    });
}

/// What a million connections cost depends on it.
#[test]
fn a_connection_is_one_pointer_and_can_be_shared() {
    fn shared<T: Clone + Send + Sync>() {}
    shared::<TcpConn>();
    shared::<gopark::net::TcpListener>();
    assert_eq!(size_of::<TcpConn>(), size_of::<usize>());
    assert_eq!(size_of::<Option<TcpConn>>(), size_of::<usize>());
}

/// Follows Go's TestTCPServer.
#[test]
fn a_server_of_one_task_for_each_connection_serves_all_of_them() {
    everywhere(|| {
        let listener = listener();
        let at = listener.local_addr().unwrap();
        scope(|s| {
            s.spawn(|| {
                scope(|s| {
                    for conn in listener.incoming() {
                        let conn = conn.unwrap();
                        s.spawn(move || io::copy(&mut &conn, &mut &conn).unwrap());
                    }
                });
            });
            let clients: Vec<_> = (0..30u8)
                .map(|who| {
                    s.spawn(move || {
                        let conn = TcpConn::connect(at).unwrap();
                        for round in 0..20 {
                            let word = [who, round, who ^ round];
                            conn.write(&word).unwrap();
                            let mut back = [0; 3];
                            (&conn).read_exact(&mut back).unwrap();
                            assert_eq!(back, word);
                        }
                    })
                })
                .collect();
            for client in clients {
                client.wait();
            }
            listener.close().unwrap();
        });
    });
}
