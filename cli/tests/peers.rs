//! Every server that can be compared answers rightly, alone and under load.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
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

/// A server process that ends with the test.
struct Server {
    process: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(arguments: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gopark"));
        command
            .args(arguments)
            .args(["--addr", "127.0.0.1:0"])
            .stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addr = line.split_whitespace().nth(2).unwrap().parse().unwrap();
        Server { process, addr }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

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
            let addr = server.addr.to_string();
            let common = [
                "load", "--addr", &addr, "--time", "200ms", "--conns", "20", "--json",
            ];
            let output = Command::new(env!("CARGO_BIN_EXE_gopark"))
                .args(common)
                .args(extra)
                .output()
                .unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{kind} {extra:?}: {error}");
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["errors"], 0, "{kind} {extra:?}: {report}");
            assert!(
                report["requests"].as_u64() > Some(20),
                "{kind} {extra:?}: {report}"
            );
            assert_eq!(report["loop_kind"], "closed");
            assert!(report["latency_ns"]["p50"].as_u64() > Some(0));
        }
    }
}
