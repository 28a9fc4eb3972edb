//! Small programs over TCP: what Go printed running them is what we print.

mod harness;

use gopark::net::{Conn, TcpConn};
use harness::{everywhere, lines::*, listener, pair, scope, until_readable};
use std::{
    collections::HashMap,
    io::{self, Read},
    time::{Duration, Instant},
};

/// Follows the Go program `concurrent_writers`.
#[test]
fn eight_writers_of_whole_messages_are_never_mixed() {
    const SIZE: usize = 1 << 20;
    everywhere(|| {
        let mut out = Lines::new();
        let (client, server) = pair();
        scope(|s| {
            s.spawn(|| {
                scope(|s| {
                    for writer in 1..=8u8 {
                        let client = &client;
                        s.spawn(move || {
                            let head = (SIZE as u32).to_be_bytes();
                            let message = [&head[..], &vec![writer; SIZE]].concat();
                            for _ in 0..4 {
                                assert_eq!(client.write(&message).unwrap(), message.len());
                            }
                        });
                    }
                });
                client.close().unwrap();
            });
            let mut counts: HashMap<u8, usize> = HashMap::new();
            let mut mixed = 0;
            let mut message = vec![0; SIZE];
            loop {
                let mut head = [0; 4];
                match server.read(&mut head[..1]).unwrap() {
                    0 => {
                        let end = r#"err="EOF" timeout=- temporary=- is=[io.EOF] chain=[EOF]"#;
                        out.print(format!("end of stream: {end}"));
                        break;
                    }
                    _ => (&server).read_exact(&mut head[1..]).unwrap(),
                }
                assert_eq!(u32::from_be_bytes(head) as usize, SIZE);
                (&server).read_exact(&mut message).unwrap();
                mixed += usize::from(message.iter().any(|byte| *byte != message[0]));
                *counts.entry(message[0]).or_default() += 1;
            }
            out.print(format!("messages={} mixed={mixed}", counts.len()));
            for writer in 1..=8 {
                out.print(format!("writer {writer}: {} messages", counts[&writer]));
            }
        });
        out.compare("concurrent_writers");
    });
}

/// Follows the Go program `echo_net_server_client`.
#[test]
fn a_server_that_closes_first_and_a_client_that_closes_at_once() {
    everywhere(|| {
        let mut out = Lines::new();
        let listener = listener();
        let to = listener.local_addr().unwrap();
        out.name(to, "SPORT");
        let soon = || Some(Instant::now() + Duration::from_secs(50));
        scope(|s| {
            let served = s.spawn(|| {
                let (conn, _) = listener.accept().unwrap();
                let mut buf = [0; 1024];
                (conn.write(&buf), conn.read(&mut buf), conn.close())
            });
            let conn = TcpConn::connect(to).unwrap();
            out.name(conn.local_addr().unwrap(), "CPORT");
            let mut buf = [0; 1024];
            until_readable(&conn, 1024);
            conn.set_read_deadline(soon()).unwrap();
            let read = conn.read(&mut buf);
            conn.set_write_deadline(soon()).unwrap();
            let written = conn.write(&buf);
            // What both sides met is put down when both are done, in the order in which it happened:
            // who would put it down first is open.
            let served = served.wait();
            out.bytes("server write", served.0);
            out.read("client read", read);
            out.read("server read", served.1);
            out.done("server close", served.2);
            out.bytes("client write", written);
            out.read("client read", conn.read(&mut buf));
            out.done("client close", conn.close());
            out.done("client close (deferred, second)", conn.close());
        });

        let client = TcpConn::connect(to).unwrap();
        out.name(client.local_addr().unwrap(), "CPORT");
        out.done("client close", client.close());
        out.read("client read", client.read(&mut [0; 32]));
        out.bytes("client write", client.write(&[0; 32]));
        let (server, _) = listener.accept().unwrap();
        out.read("server read", server.read(&mut [0; 10]));
        out.bytes("server write (succeeds)", server.write(&[0; 10]));
        out.compare("echo_net_server_client");
    });
}

/// Follows the Go program `dial_backlog_blocks`.
#[test]
fn a_dial_waits_while_the_accept_queue_is_full() {
    everywhere(|| {
        let mut out = Lines::new();
        let (full, _fill) = harness::full_backlog();
        let to = full.local_addr().unwrap();
        out.name(to, "SPORT");
        scope(|s| {
            let dial = s.spawn(|| gopark::net::dial("tcp", &to.to_string()));
            let still = "dial still blocked after 200ms with a full backlog";
            for _ in 0..3 {
                assert!(dial.is_pending(), "a full queue let one in");
            }
            out.print(still);
            let _first = full.accept().unwrap();
            let dialed: io::Result<Box<dyn Conn>> = dial.wait();
            let remote = dialed.as_ref().unwrap().remote_addr().unwrap();
            let line = format!("after one accept: dial err={}", out.error(dialed));
            out.print(line);
            out.done("second accept", full.accept());
            out.print(format!("remote={remote}"));
        });
        out.compare("dial_backlog_blocks");
    });
}
