//! The generator against small servers of which every answer is known.

use std::io::{Read, Write};
use std::iter;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Instant;

use super::tally::Percentiles;
use super::*;

/// A server that handles each connection on a thread of its own, for as long as the test runs.
fn server(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let handle = Arc::clone(&handle);
            thread::spawn(move || handle(stream.unwrap()));
        }
    });
    addr
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 1000];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

fn plan(addr: SocketAddr, protocol: Protocol) -> Plan {
    let timeout = Duration::from_secs(5);
    Plan {
        addr,
        conns: 4,
        protocol,
        pipeline: 1,
        requests_per_conn: None,
        burst: false,
        stalls: None,
        timeout,
    }
}

fn load(plan: &Plan, threads: usize, millis: u64) -> Report {
    let stop = AtomicBool::new(false);
    let window = Duration::from_millis(millis);
    Report::new(plan, &run(plan, threads, window, &stop, true).unwrap())
}

/// Loads for longer and longer until that was `enough`: on a busy machine little is answered in a short
/// time.
fn load_until(enough: impl Fn(&Report) -> bool, plan: &Plan) -> Report {
    let mut millis = 200;
    loop {
        let report = load(plan, 1, millis);
        if enough(&report) {
            return report;
        }
        millis *= 2;
        assert!(millis < 60_000, "never enough");
    }
}

#[test]
fn every_answer_of_an_echo_server_is_counted_and_timed() {
    let addr = server(echo);
    for (size, pipeline, threads) in [(64, 1, 1), (1, 16, 2), (100_000, 1, 1), (3_000, 4, 3)] {
        let plan = Plan {
            pipeline,
            ..plan(addr, Protocol::Echo { size })
        };
        let report = load(&plan, threads, 200);
        assert_eq!(report.errors, 0, "{:?}", report.errors_by_kind);
        assert!(report.requests > 0);
        assert_eq!(report.threads, threads);
        assert_eq!(report.connections_opened, 4);
        let Percentiles {
            p50,
            p99,
            p999,
            max,
            ..
        } = report.latency_ns;
        assert!(0 < p50 && p50 <= p99 && p99 <= p999 && p999 <= max);
        let bytes = report.bytes_per_second * report.seconds;
        assert!(bytes >= (report.requests * size as u64) as f64 * 0.999);
    }
}

#[test]
fn a_server_that_answers_other_bytes_is_wrong() {
    let addr = server(|mut stream| {
        let mut buffer = [0; 64];
        while let Ok(1..) = stream.read(&mut buffer) {
            let _ = stream.write_all(&[b'?'; 64]);
        }
    });
    let report = load(&plan(addr, Protocol::Echo { size: 64 }), 1, 100);
    assert_eq!(report.requests, 0);
    let text = report.text();
    assert!(text.contains("latency       -\n"), "{text}");
    assert!(
        report.errors_by_kind["wrong"].as_u64() >= Some(4),
        "{:?}",
        report.errors_by_kind
    );
}

#[test]
fn ends_of_connections_are_told_apart() {
    let closes = |reply: &'static [u8]| {
        server(move |mut stream| {
            let mut buffer = [0; 64];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(reply);
        })
    };
    for (reply, kind) in [(b"".as_slice(), "eof"), (b"abc", "short")] {
        let report = load(&plan(closes(reply), Protocol::Echo { size: 64 }), 1, 100);
        assert_eq!(report.errors_by_kind.keys().collect::<Vec<_>>(), [kind]);
    }
    // Closing with unread data in the socket resets the connection.
    let resets = server(|stream| {
        let _ = stream.peek(&mut [0]);
    });
    let report = load(&plan(resets, Protocol::Echo { size: 64 }), 1, 100);
    assert_eq!(report.errors_by_kind.keys().collect::<Vec<_>>(), ["reset"]);
}

#[test]
fn a_server_that_does_not_answer_is_a_timeout_and_the_run_still_ends() {
    let addr = server(|stream| while let Ok(1..) = (&stream).read(&mut [0; 64]) {});
    let plan = Plan {
        timeout: Duration::from_millis(100),
        ..plan(addr, Protocol::Echo { size: 1 })
    };
    let begun = Instant::now();
    let report = load(&plan, 1, 300);
    assert!(
        report.errors_by_kind["timeout"].as_u64() >= Some(4),
        "{:?}",
        report.errors_by_kind
    );
    assert_eq!(report.errors_by_kind.len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_refused_connection_is_an_error_and_not_a_result() {
    let addr = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let stop = AtomicBool::new(false);
    for threads in [1, 4] {
        let plan = plan(addr, Protocol::Echo { size: 1 });
        let error = run(&plan, threads, Duration::from_secs(60), &stop, true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn the_stop_flag_ends_a_run_early_with_its_results() {
    let (tell, asked) = mpsc::channel();
    let addr = server(move |mut stream| {
        let mut buffer = [0; 64];
        while stream.read_exact(&mut buffer).is_ok() && stream.write_all(&buffer).is_ok() {
            // Nobody counts them any more once the run has been told to end.
            let _ = tell.send(());
        }
    });
    let stop = AtomicBool::new(false);
    let plan = plan(addr, Protocol::Echo { size: 64 });
    let report = thread::scope(|scope| {
        let (stop, enough) = (&stop, plan.conns + 1);
        scope.spawn(move || {
            // More than one on some connection, which has had its first answer then.
            let answers = iter::from_fn(|| asked.recv_timeout(Duration::from_secs(30)).ok());
            let answers = answers.take(enough).count();
            stop.store(true, Ordering::Relaxed);
            assert_eq!(answers, enough);
        });
        Report::new(
            &plan,
            &run(&plan, 1, Duration::from_secs(600), stop, true).unwrap(),
        )
    });
    assert!(report.requests > 0 && report.seconds < 60.0);
}

#[test]
fn connections_are_replaced_after_their_share_of_requests() {
    let addr = server(echo);
    let plan = Plan {
        requests_per_conn: Some(10),
        ..plan(addr, Protocol::Echo { size: 64 })
    };
    let report = load_until(|report| report.connections_opened > 8, &plan);
    assert_eq!(report.errors, 0, "{:?}", report.errors_by_kind);
    let per_conn = report.requests as f64 / report.connections_opened as f64;
    assert!(per_conn <= 10.0 && per_conn > 1.0, "{per_conn}");
}

#[test]
fn http_answers_are_read_and_bad_statuses_counted() {
    let addr = server(|mut stream| {
        let mut buffer = [0; 1000];
        let mut even = false;
        while let Ok(1..) = stream.read(&mut buffer) {
            even = !even;
            let status = if even {
                "200 OK"
            } else {
                "503 Service Unavailable"
            };
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nhi");
            if stream.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    });
    let plan = plan(addr, Protocol::Http { path: "/".into() });
    let report = load_until(|report| report.requests > 10, &plan);
    assert_eq!(report.errors_by_kind.keys().collect::<Vec<_>>(), ["status"]);
    assert!(report.errors.abs_diff(report.requests / 2) <= 4);
}
