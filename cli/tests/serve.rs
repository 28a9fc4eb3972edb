//! The servers on gopark: their answers, their deadlines, and how they stop.

mod server;

use server::{PATIENCE, Server, load, until};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// `gopark serve`, on a free port.
fn serve(arguments: &[&str]) -> Server {
    Server::start(&[&["serve"], arguments].concat())
}

/// The same twice: with a task for each connection, and with none while it waits.
fn in_both_ways(arguments: &[&str], check: impl Fn(Server)) {
    check(serve(arguments));
    check(serve(&[arguments, &["--on-readable"]].concat()));
}

#[test]
fn echo_and_http_serve_a_load_without_errors() {
    let echo = serve(&["echo"]);
    for extra in [
        &["--conns", "50"][..],
        &["--size", "100k", "--conns", "4"],
        &["--requests-per-conn", "1"],
    ] {
        load(echo.addr, extra);
    }
    in_both_ways(&["http", "--workers", "2"], |http| {
        for extra in [
            &["--http"][..],
            &["--http", "--pipeline", "16"],
            &["--http", "--requests-per-conn", "1"],
        ] {
            load(http.addr, extra);
        }
    });
}

#[test]
fn discard_reads_everything_and_answers_nothing() {
    let server = serve(&["discard"]);
    let mut stream = server.connect();
    stream.write_all(&vec![b'x'; 10 << 20]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty());
}

#[test]
fn a_deadline_for_each_read_begins_anew_with_each_and_closes_who_is_silent_for_as_long() {
    in_both_ways(&["echo", "--deadline", "2s"], |server| {
        let mut stream = server.connect();
        let begun = Instant::now();
        let mut byte = [0];
        // Each read in time, and all of them together not.
        while begun.elapsed() < Duration::from_secs(3) {
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut byte).unwrap();
        }
        assert_eq!(stream.read(&mut byte).unwrap(), 0, "closed");
    });
}

#[test]
fn http_refuses_with_the_status_that_fits() {
    let large = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(17_000)
    );
    in_both_ways(&["http"], |server| {
        for (request, status) in [
            ("nonsense\r\n\r\n", "400 Bad Request"),
            (&large, "431 Request Header Fields Too Large"),
            (
                "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n",
                "413 Content Too Large",
            ),
            ("GET /x HTTP/1.0\r\n\r\n", "404 Not Found"),
            ("PUT / HTTP/1.0\r\n\r\n", "405 Method Not Allowed"),
        ] {
            let answer = server.ask(request);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
                "{answer}"
            );
            assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        }
    });
}

#[test]
fn stats_are_json() {
    let server = serve(&["http"]);
    let answer = server.ask("GET /stats HTTP/1.0\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Type: application/json"), "{head}");
    assert!(
        serde_json::from_str::<serde_json::Value>(body)
            .unwrap()
            .is_object()
    );
}

#[test]
fn a_slow_request_gets_408_and_an_idle_connection_is_closed_without_a_word() {
    let impatient = [
        "http",
        "--request-timeout",
        "200ms",
        "--idle-timeout",
        "200ms",
    ];
    in_both_ways(&impatient, |server| {
        let begun = Instant::now();
        let answer = server.ask("GET / HTTP/1.1\r\nHost:");
        assert!(
            answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
            "{answer}"
        );
        assert_eq!(server.ask(""), "");
        assert!(begun.elapsed() >= Duration::from_millis(400));
    });
}

#[test]
fn a_signal_stops_the_server_with_exit_code_0_and_idle_connections_end() {
    for signal in ["-INT", "-TERM"] {
        for (service, workers) in [("echo", "1"), ("http", "1"), ("echo", "2"), ("http", "2")] {
            in_both_ways(&[service, "--workers", workers], |mut server| {
                let mut idle = server.connect();
                let mut busy = server.connect();
                busy.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    .unwrap();
                let mut first = [0];
                busy.read_exact(&mut first).unwrap();
                server.signal(signal);
                let rest = idle.read_to_end(&mut Vec::new());
                assert_eq!(rest.unwrap(), 0, "{service} {signal}");
                assert_eq!(server.exit_code(), Some(0), "{service} {signal}");
            });
        }
    }
}

#[test]
fn a_request_that_is_under_way_when_the_signal_comes_is_answered() {
    let patient = ["http", "--request-timeout", "1m", "--drain", "1m"];
    in_both_ways(&patient, |mut server| {
        let mut busy = server.connect();
        // A whole request and half of another in one segment: the answer says that both were read.
        busy.write_all(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\nGET /plaintext HTTP/1.1\r\n")
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"Hello, World!") {
            let mut byte = [0];
            busy.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let mut idle = server.connect();
        server.signal("-INT");
        // The last read of those without a request is over: the other one had the same time.
        assert_eq!(idle.read_to_end(&mut Vec::new()).unwrap(), 0);
        busy.write_all(b"Host: a\r\n\r\n").unwrap();
        let mut rest = String::new();
        busy.read_to_string(&mut rest).unwrap();
        assert!(rest.starts_with("HTTP/1.1 200 OK\r\n"), "{rest}");
        assert_eq!(server.exit_code(), Some(0));
    });
}

#[test]
fn without_descriptors_clients_are_refused_and_none_is_left_waiting() {
    let server = Server::start_with_open_files(32, &["serve", "echo"]);
    let answered = |stream: &mut TcpStream| {
        // Both fail where the server has closed with something unread.
        stream.write_all(b"x").is_ok() && stream.read(&mut [0; 1]).is_ok_and(|count| count == 1)
    };
    let mut served = Vec::new();
    for _ in 0..64 {
        let mut stream = server.connect();
        let begun = Instant::now();
        if answered(&mut stream) {
            served.push(stream);
        }
        assert!(begun.elapsed() < PATIENCE, "a client was left waiting");
    }
    assert!((1..32).contains(&served.len()), "{} served", served.len());
    drop(served);
    until("the server recovers", || {
        answered(&mut server.connect()).then_some(())
    });
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    // A drain that would take an hour, and a connection on which the server cannot write.
    for workers in ["1", "2"] {
        let mut server = serve(&["echo", "--drain", "1h", "--workers", workers]);
        let mut stuck = server.connect();
        stuck
            .set_write_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        while stuck.write(&[0; 1 << 16]).is_ok() {}
        server.signal("-INT");
        // Both may be pending together; the lower number is then taken first.
        server.signal("-TERM");
        assert_eq!(server.exit_code(), Some(128 + 15));
    }
}

#[test]
fn an_address_in_use_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gopark"))
        .args([
            "serve",
            "echo",
            "--addr",
            &taken.local_addr().unwrap().to_string(),
        ])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.lines().count() == 1 && error.contains("address in use"),
        "{error}"
    );
}
