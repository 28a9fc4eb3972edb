//! Every server that can be compared answers rightly, alone and under load.

mod server;

use server::{PATIENCE, Server, load};
use std::io::{Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::time::Duration;

const KINDS: &[&str] = &[
    "raw-epoll",
    "tokio-mt",
    "tokio-ct",
    "threads",
    #[cfg(feature = "peers")]
    "may",
    #[cfg(feature = "peers")]
    "monoio",
    #[cfg(feature = "peers")]
    "smol",
];

#[test]
fn an_echo_server_sends_everything_back_and_then_closes() {
    for kind in KINDS {
        let server = Server::start(&["peer", kind]);
        let stream = server.connect();
        let sent: Vec<u8> = (0..48 << 20).map(|at: u32| (at % 251) as u8).collect();
        // Until every buffer on the way is full, so that the server has to stop reading.
        stream
            .set_write_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let mut written = 0;
        while let Ok(count) = (&stream).write(&sent[written..]) {
            written += count;
        }
        assert!(written < sent.len(), "{kind}: the buffers took everything");
        stream.set_write_timeout(None).unwrap();
        let mut received = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (&stream).write_all(&sent[written..]).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
            (&stream).read_to_end(&mut received).unwrap();
        });
        assert!(
            sent == received,
            "{kind}: {} of {} bytes",
            received.len(),
            sent.len()
        );
    }
}

#[test]
fn an_http_server_answers_pipelined_requests_and_closes_when_asked() {
    for kind in KINDS {
        let server = Server::start(&["peer", kind, "http"]);
        let mut stream = server.connect();
        let requests = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3)
            + "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(requests.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(
            text.matches("HTTP/1.1 200 OK\r\n").count(),
            3,
            "{kind}: {text}"
        );
        assert!(text.ends_with("404 Not Found\n"), "{kind}: {text}");
    }
}

#[test]
fn load_reports_no_errors_against_any_server() {
    for kind in KINDS {
        for (service, extra) in [
            (&[][..], &["--size", "10000"][..]),
            (&[], &["--requests-per-conn", "1"]),
            (&["http"], &["--http", "--pipeline", "16"]),
            (&["http"], &["--http", "--requests-per-conn", "1"]),
        ] {
            let server = Server::start(&[&["peer", kind], service].concat());
            let report = load(server.addr, &[&["--conns", "20"], extra].concat());
            assert_eq!(report["loop_kind"], "closed");
            assert!(report["latency_ns"]["p50"].as_u64() > Some(0));
        }
    }
}

/// What every server of a kind is started with; gopark's own among them.
fn everybody() -> Vec<Vec<&'static str>> {
    let peers = KINDS.iter().map(|kind| vec!["peer", *kind]);
    peers.chain([vec!["serve"]]).collect()
}

#[test]
fn datagrams_come_back_to_whoever_sent_them() {
    for kind in everybody() {
        let server = Server::start(&[&kind[..], &["udp", "--tasks", "3"]].concat());
        let sockets: Vec<UdpSocket> = (0..4)
            .map(|_| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.connect(server.addr).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket
            })
            .collect();
        for round in 0..3u8 {
            for (index, socket) in sockets.iter().enumerate() {
                socket.send(&[index as u8, round]).unwrap();
            }
            for (index, socket) in sockets.iter().enumerate() {
                let mut buffer = [0; 16];
                let count = socket.recv(&mut buffer).unwrap();
                assert_eq!(buffer[..count], [index as u8, round], "{kind:?}");
            }
        }
    }
}

#[test]
fn tasks_that_share_a_connection_answer_every_frame_whole() {
    for kind in everybody() {
        if kind[1..].iter().any(|kind| kind.starts_with("monoio")) {
            continue; // Without a lock that waits there is no sharing.
        }
        let server = Server::start(&[&kind[..], &["shared"]].concat());
        let mut stream = server.connect();
        let frames: Vec<[u8; 64]> = (0..200).map(|at| [at; 64]).collect();
        let mut received = vec![[0; 64]; frames.len()];
        stream.write_all(frames.as_flattened()).unwrap();
        stream.read_exact(received.as_flattened_mut()).unwrap();
        // Whoever reads a frame writes it, and the others may be faster.
        received.sort_unstable();
        assert!(frames == received, "{kind:?}");
    }
}

#[test]
fn a_request_that_fans_out_is_answered_after_all_the_others() {
    let upstream = Server::start(&["peer", "raw-epoll"]);
    let addr = upstream.addr.to_string();
    for kind in everybody() {
        let server = Server::start(&[&kind[..], &["fanout", "--upstream", &addr]].concat());
        let mut streams = [server.connect(), server.connect()];
        for round in 0..3u8 {
            for stream in &mut streams {
                stream.write_all(&[round; 64]).unwrap();
            }
            for stream in &mut streams {
                let mut answer = [0; 64];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(answer, [round; 64], "{kind:?}");
            }
        }
    }
    // Without the other server there is no answer, but an end.
    let server = Server::start(&["serve", "fanout", "--upstream", &addr]);
    let mut stream = server.connect();
    drop(upstream);
    // An error is an end, too.
    let _ = stream.write_all(&[1; 64]);
    let mut rest = Vec::new();
    assert!(matches!(stream.read_to_end(&mut rest), Ok(0) | Err(_)));
}

#[test]
fn an_echo_without_waiting_tasks_answers_until_the_end() {
    let server = Server::start(&["serve", "echo", "--on-readable"]);
    let mut stream = server.connect();
    for round in 0..5u8 {
        stream.write_all(&[round; 100]).unwrap();
        let mut answer = [0; 100];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [round; 100]);
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
}
