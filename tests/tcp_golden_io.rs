//! Promises about reading and writing: what Go printed is what we print.

mod harness;

use gopark::net::{NetError, TcpConn};
use harness::{everywhere, lines::*, pair, scope, tcp_state, until, until_readable, until_state};
use std::{
    io::{self, Read},
    process::{Command, Stdio},
    time::Duration,
};

fn text(buf: &[u8], result: &io::Result<usize>) -> String {
    String::from_utf8_lossy(&buf[..moved(result)]).into_owned()
}

/// Reads, and prints what came with what was read.
fn read(out: &mut Lines, conn: &TcpConn, buf: &mut [u8], what: &str) {
    let result = conn.read(buf);
    let what = format!("{what}{}", text(buf, &result));
    out.read(&what, result);
}

/// Follows the Go program `read_eof`.
#[test]
fn the_end_of_the_stream_comes_after_the_data_and_stays() {
    everywhere(|| {
        let mut out = Lines::new();
        let (client, server) = pair();
        client.close().unwrap();
        let mut buf = [0; 10];
        for _ in 0..3 {
            out.read("read after peer close", server.read(&mut buf));
        }
        out.print(format!("server side state={}", tcp_state(&server)));
        out.bytes("write after EOF still succeeds", server.write(b"hello"));
        out.done("close", server.close());

        let (client, server) = pair();
        client.write(b"remaining data").unwrap();
        client.close().unwrap();
        until_state(&server, "CLOSE_WAIT");
        for _ in 0..4 {
            read(&mut out, &server, &mut buf, "read remaining ");
        }
        let (client, server) = pair();
        scope(|s| {
            let blocked = s.spawn(|| server.read(&mut [0; 4]));
            out.print(format!("pending={}", blocked.is_pending()));
            client.close().unwrap();
            out.read("blocked Read, peer closed", blocked.wait());
        });
        out.compare("read_eof");
    });
}

/// Follows the Go program `read_partial`.
#[test]
fn a_read_returns_what_is_there_and_does_not_wait_for_more() {
    everywhere(|| {
        let mut out = Lines::new();
        let (client, server) = pair();
        let mut buf = [0; 10];
        client.write(b"hi").unwrap();
        until_readable(&server, 2);
        read(&mut out, &server, &mut buf, "2 bytes sent, buf 10: ");
        client.write(b"0123456789abcde").unwrap();
        until_readable(&server, 15);
        read(&mut out, &server, &mut buf, "15 bytes sent, buf 10: ");
        read(&mut out, &server, &mut buf, "again: ");
        scope(|s| {
            let blocked = s.spawn(|| server.read(&mut [0; 10]));
            let pending = blocked.is_pending();
            out.print(format!("no data: Read pending={pending}"));
            client.write(b"now").unwrap();
            out.read("blocked Read woken by data", blocked.wait());
        });
        for _ in 0..5 {
            client.write(b"ab").unwrap();
        }
        until_readable(&server, 10);
        read(&mut out, &server, &mut buf, "5 writes of 2: ");
        out.compare("read_partial");
    });
}

/// Follows the Go program `read_reset`, and Go's TestNotTemporaryRead.
#[test]
fn a_reset_is_reported_once_and_the_end_of_the_stream_afterwards() {
    everywhere(|| {
        let mut out = Lines::new();
        let mut buf = [0; 64];
        // The client closes without having read the reply.
        let (client, server) = pair();
        out.name_pair(&client, &server);
        client.write(b"Hi,here is glp").unwrap();
        out.read("server read request", server.read(&mut buf));
        out.bytes("server write reply", server.write(b"from server back"));
        until_readable(&client, 16);
        client.close().unwrap();
        until_state(&server, "CLOSE");
        let what = "server read, client closed with unread data";
        out.read(what, server.read(&mut buf));
        out.read("server read again", server.read(&mut buf));
        out.bytes("server write", server.write(b"x"));
        out.done("server close", server.close());

        // The client reads the reply, then closes.
        let (client, server) = pair();
        out.name_pair(&client, &server);
        client.write(b"Hi,here is glp").unwrap();
        server.read(&mut buf).unwrap();
        server.write(b"from server back").unwrap();
        out.read("client read reply", client.read(&mut buf));
        client.close().unwrap();
        let what = "server read, client closed after reading";
        out.read(what, server.read(&mut buf));

        // The client writes and closes; the reply provokes a reset, yet the end came first.
        let (client, server) = pair();
        out.name_pair(&client, &server);
        client.write(b"Hi,here is glp").unwrap();
        client.close().unwrap();
        until_state(&server, "CLOSE_WAIT");
        out.read("server read request", server.read(&mut buf));
        let what = "server write reply to closed client";
        out.bytes(what, server.write(b"from server back"));
        until_state(&server, "CLOSE");
        out.read("server read after RST in CLOSE_WAIT", server.read(&mut buf));
        out.bytes("server write after RST in CLOSE_WAIT", server.write(b"x"));
        out.read("server read again", server.read(&mut buf));

        // A write in CLOSE_WAIT, then a read that has not seen the end before.
        let (client, server) = pair();
        client.close().unwrap();
        until_state(&server, "CLOSE_WAIT");
        out.print(format!("state={}", tcp_state(&server)));
        out.bytes("write in CLOSE_WAIT", server.write(b"x"));
        until_state(&server, "CLOSE");
        out.print(format!("state={}", tcp_state(&server)));
        out.read("read in CLOSE_WAIT after RST", server.read(&mut buf));

        // A reset while a read waits.
        let (client, server) = pair();
        out.name_pair(&client, &server);
        scope(|s| {
            let blocked = s.spawn(|| server.read(&mut [0; 8]));
            out.print(format!("pending={}", blocked.is_pending()));
            client.set_linger(Some(Duration::ZERO)).unwrap();
            client.close().unwrap();
            let result = blocked.wait();
            assert!(!result.as_ref().unwrap_err().is_temporary());
            out.read("blocked Read, RST arrives", result);
        });
        // Data in front of a reset.
        let (client, server) = pair();
        out.name_pair(&client, &server);
        client.write(b"precious").unwrap();
        until_readable(&server, 8);
        client.set_linger(Some(Duration::ZERO)).unwrap();
        client.close().unwrap();
        until_state(&server, "CLOSE");
        let what = "read with queued data after RST: ";
        read(&mut out, &server, &mut buf, what);
        out.read("read again", server.read(&mut buf));
        out.compare("read_reset");
    });
}

/// Follows the Go program `write_after_peer_close`.
#[test]
fn the_first_write_after_the_peer_closed_succeeds_and_the_next_meets_a_broken_pipe() {
    everywhere(|| {
        let mut out = Lines::new();
        let (client, server) = pair();
        out.name_pair(&client, &server);
        client.close().unwrap();
        until_state(&server, "CLOSE_WAIT");
        let buf = [0; 1024];
        out.bytes("write 1", server.write(&buf));
        until_state(&server, "CLOSE");
        for _ in 2..=4 {
            out.bytes("write again", server.write(&buf));
        }
        out.bytes("zero length write", server.write(&[]));
        out.done("close", server.close());
        out.bytes("write after local close", server.write(&buf));
        out.compare("write_after_peer_close");
    });
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 7) >> 3) as u8).collect()
}

/// Follows the Go program `write_blocks_and_resumes`.
#[test]
fn a_write_waits_for_room_and_goes_on_until_all_is_out() {
    everywhere(|| {
        let mut out = Lines::new();
        let (client, server) = pair();
        let big = pattern(32 << 20);
        scope(|s| {
            let write = s.spawn(|| client.write(&big));
            let pending = write.is_pending();
            out.print(format!("pending with nobody reading={pending}"));
            let (mut got, mut intact) = (0, true);
            let mut buf = vec![0; 60000];
            while got < big.len() {
                let n = server.read(&mut buf).unwrap();
                intact &= buf[..n] == big[got..got + n];
                got += n;
            }
            out.bytes("write", write.wait());
            let all = got == big.len();
            out.print(format!("received all={all} intact={intact}"));
        });
        client.close().unwrap();
        let end = (&server).read_exact(&mut [0; 4]).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
        out.compare("write_blocks_and_resumes");
    });
}

/// Tells the test below from the process it starts.
const SERVER: &str = "GOPARK_TEST_SERVER";

/// Not a test of its own: the server process of the next one, which dies with what it has not read.
#[test]
fn a_server_that_accepts_and_never_reads() {
    if std::env::var_os(SERVER).is_none() {
        return;
    }
    let listener = harness::listener();
    println!("listening on {}", listener.local_addr().unwrap());
    let _conn = listener.accept().unwrap();
    loop {
        std::thread::park();
    }
}

/// Follows the Go program `write_partial_peer_killed`.
#[test]
fn a_write_whose_peer_dies_says_how_much_went_out() {
    everywhere(|| {
        use std::io::BufRead;
        let mut out = Lines::new();
        let mut server = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "a_server_that_accepts_and_never_reads",
            ])
            .env(SERVER, "")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = io::BufReader::new(server.stdout.take().unwrap()).lines();
        let address = lines
            .map(|line| line.unwrap())
            .find_map(|line| line.split("listening on ").nth(1).map(str::to_owned))
            .unwrap();
        let client = TcpConn::connect(address.as_str()).unwrap();
        out.name(client.local_addr().unwrap(), "CPORT");
        out.name(client.peer_addr().unwrap(), "SPORT");
        let data = vec![0; 65536];
        scope(|s| {
            let write = s.spawn(|| {
                let mut full = 0;
                loop {
                    match client.write(&data) {
                        Ok(_) => full += 1,
                        Err(err) => return (full, err),
                    }
                }
            });
            assert!(write.is_pending());
            server.kill().unwrap();
            server.wait().unwrap();
            let (full, err) = write.wait();
            let (some, short) = (full > 0, err.bytes() < 65536);
            let err = out.error::<()>(Err(err));
            out.print(format!(
                "full writes>0={some} last n<65536={short} err={err}"
            ));
        });
        out.bytes("next write", client.write(&data));
        out.read("read", client.read(&mut [0; 64]));
        out.done("close", client.close());

        let big = vec![0; 64 << 20];
        let partial = |out: &mut Lines, what: &str, result: io::Result<usize>| {
            let n = moved(&result);
            let err = out.error(result);
            out.print(format!(
                "{what}: 0<n<len={} err={err}",
                0 < n && n < big.len()
            ));
        };
        let (client, server) = pair();
        out.name_pair(&client, &server);
        scope(|s| {
            let write = s.spawn(|| client.write(&big));
            out.print(format!("huge write pending={}", write.is_pending()));
            server.close().unwrap();
            partial(&mut out, "huge write", write.wait());
        });
        let (client, server) = pair();
        out.name_pair(&client, &server);
        scope(|s| {
            let write = s.spawn(|| client.write(&big));
            io::copy(&mut (&server).take(1 << 20), &mut io::sink()).unwrap();
            server.close_read().unwrap();
            server.close().unwrap();
            partial(&mut out, "peer closed mid-stream", write.wait());
        });
        out.compare("write_partial_peer_killed");
    });
}

/// Follows Go's TestZeroByteRead.
#[test]
fn an_empty_read_returns_at_once_from_an_idle_connection() {
    everywhere(|| {
        let (client, server) = pair();
        assert_eq!(client.read(&mut []).unwrap(), 0);
        assert_eq!(server.read(&mut []).unwrap(), 0);
        assert_eq!(server.read_vectored(&mut []).unwrap(), 0);
    });
}

/// Follows Go's TestCloseRead and TestCloseWrite, and what Linux does with data after the former.
#[test]
fn half_a_connection_can_be_closed_on_either_side() {
    everywhere(|| {
        let (client, server) = pair();
        let mut buf = [0; 16];
        client.close_write().unwrap();
        assert_eq!(server.read(&mut buf).unwrap(), 0);
        server.write(b"still here").unwrap();
        assert_eq!(client.read(&mut buf).unwrap(), 10);
        client.close_write().unwrap();
        let err = client.write(b"x").unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::BrokenPipe);
        server.close_write().unwrap();
        assert_eq!(client.read(&mut buf).unwrap(), 0);
        until("both closed", || tcp_state(&server) == "CLOSE");
        let err = server.close_write().unwrap_err().to_string();
        let (here, there) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
        let text = "shutdown: transport endpoint is not connected";
        assert_eq!(err, format!("close tcp {here}->{there}: {text}"));

        let (client, server) = pair();
        scope(|s| {
            let blocked = s.spawn(|| client.read(&mut [0; 4]));
            assert!(blocked.is_pending());
            client.close_read().unwrap();
            assert_eq!(blocked.wait().unwrap(), 0);
        });
        assert_eq!(client.read(&mut buf).unwrap(), 0);
        server.write(b"late").unwrap();
        until_readable(&client, 4);
        assert_eq!(client.read(&mut buf).unwrap(), 4);
        assert_eq!(client.read(&mut buf).unwrap(), 0);

        // Closing the writing half reaches a write that waits.
        let (client, _server) = pair();
        let big = vec![0; 64 << 20];
        scope(|s| {
            let write = s.spawn(|| client.write(&big));
            assert!(write.is_pending());
            client.close_write().unwrap();
            let err = write.wait().unwrap_err();
            assert_eq!(err.kind(), io::ErrorKind::BrokenPipe);
            assert!(0 < err.bytes() && err.bytes() < big.len());
        });
    });
}
