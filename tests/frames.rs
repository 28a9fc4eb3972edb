//! Promises about the frame server of `examples/frames`.

mod harness;
#[path = "../examples/frames/requests.rs"]
mod requests;
#[allow(dead_code, reason = "its `main` is for the program")]
#[path = "../examples/frames/server.rs"]
mod server;

use gopark::net::{NetError, TcpConn, TcpListener};
use harness::{
    lines::{Lines, moved},
    until,
};
use requests::{Outcome, Requests, send_all};
use server::protocol::{Command, Frame, FrameError, Id, LONGEST, read_frame};
use server::service::{End, Limits, PANICKED, Server, Service};
use server::{protocol, window};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command as Process, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Runs a server and `body` beside it, in tasks; then drains it.
fn with_server<S: Service + Default>(
    limits: &Limits,
    body: impl Fn(SocketAddr, &Server<S>) + Send + Sync,
) {
    harness::everywhere(|| {
        // A plain thread has nothing to spawn sessions with.
        if gopark::Handle::current().is_none() {
            return;
        }
        let listener = harness::listener();
        let addr = listener.local_addr().unwrap();
        let server = Server::new(listener, limits.clone(), S::default());
        gopark::scope(|s| {
            let run = s.spawn(|| server.run());
            let done = catch_unwind(AssertUnwindSafe(|| body(addr, &server)));
            server.drain();
            run.join().unwrap().unwrap();
            if let Err(panic) = done {
                resume_unwind(panic);
            }
            assert_eq!(server.metrics.open.get(), 0);
            assert_eq!(server.metrics.in_flight.get(), 0);
        });
    });
}

/// Everything is well; remembers how connections ended.
#[derive(Debug, Default)]
struct Plain {
    ends: Mutex<Vec<String>>,
}

impl Service for Plain {
    fn submit(&self, _id: Id, _payload: &[u8]) -> u8 {
        0
    }

    fn ended(&self, _client: SocketAddr, end: &End) {
        self.ends.lock().unwrap().push(end.to_string());
    }
}

impl Plain {
    fn until_ended(&self, count: usize) -> Vec<String> {
        until("the ends", || self.ends.lock().unwrap().len() >= count);
        self.ends.lock().unwrap().clone()
    }
}

fn submit(id: &[u8; 8], payload: &[u8]) -> Vec<u8> {
    Frame::request(Command::Submit, *id, payload).to_bytes()
}

/// Reads the next answer of a connection that sends nothing else.
fn ack(conn: &TcpConn) -> Option<(Id, u8)> {
    let mut byte = BufReader::with_capacity(1, conn);
    let frame = read_frame(&mut byte, LONGEST).unwrap()?;
    assert_eq!(frame.command, Command::SubmitAck);
    Some((frame.id, frame.body[0]))
}

/// What the server of the recorded Go program prints.
#[derive(Debug, Default)]
struct Recorded {
    lines: Mutex<Vec<String>>,
}

impl Service for Recorded {
    fn submit(&self, id: Id, payload: &[u8]) -> u8 {
        let (id, bytes) = (String::from_utf8_lossy(&id).into_owned(), payload.len());
        let line = format!("server: cmd=0x02 id={id} payload={bytes} bytes");
        self.lines.lock().unwrap().push(line);
        0
    }

    fn ended(&self, _client: SocketAddr, end: &End) {
        let text = end.to_string();
        let words = text.split(':').next().unwrap();
        let (is, chain) = match end {
            End::Normal => ("io.EOF", "EOF"),
            End::Bad(FrameError::Truncated) => ("io.ErrUnexpectedEOF", "ErrUnexpectedEOF"),
            _ => ("", "errors.errorString"),
        };
        let line = format!("server: {words:?} timeout=- temporary=- is=[{is}] chain=[{chain}]");
        self.lines.lock().unwrap().push(line);
    }
}

impl Recorded {
    /// One connection: what the client prints, then what the server printed.
    fn session(
        &self,
        out: &mut Lines,
        to: SocketAddr,
        title: &str,
        f: impl Fn(&TcpConn, &mut Lines),
    ) {
        out.print(format!("--- {title}"));
        let conn = TcpConn::connect(to).unwrap();
        f(&conn, out);
        conn.close().unwrap();
        let is_last = |lines: &Vec<String>| lines.last().is_some_and(|l| l.contains("chain="));
        until("the end", || is_last(&self.lines.lock().unwrap()));
        for line in self.lines.lock().unwrap().drain(..) {
            out.print(line);
        }
    }
}

fn print_ack(conn: &TcpConn, out: &mut Lines) {
    let (id, result) = ack(conn).unwrap();
    let id = String::from_utf8_lossy(&id).into_owned();
    out.print(format!(
        "client: cmd=0x82 id={id} result=[{result}] err=nil"
    ));
}

const EOF: &str = r#""EOF" timeout=- temporary=- is=[io.EOF] chain=[EOF]"#;

/// Follows the Go program `framed_protocol`.
#[test]
fn coalesced_split_truncated_and_concurrent_frames_are_served_as_go_serves_them() {
    // In order, as the Go program does it.
    let limits = Limits {
        in_flight: 1,
        ..Limits::default()
    };
    with_server(&limits, |to, server| {
        let service: &Recorded = &server.service;
        let mut out = Lines::new();
        service.session(&mut out, to, "one request", |c, out| {
            c.write(&submit(b"00000001", b"hello")).unwrap();
            print_ack(c, out);
        });
        service.session(&mut out, to, "three frames in one write", |c, out| {
            let frames = [1, 2, 3].map(|i| {
                let id = format!("{i:08}").into_bytes().try_into().unwrap();
                submit(&id, &vec![0; i])
            });
            c.write(&frames.concat()).unwrap();
            for _ in 0..3 {
                print_ack(c, out);
            }
        });
        service.session(&mut out, to, "one frame byte by byte", |c, out| {
            for byte in submit(b"bytewise", b"xyz") {
                c.write(&[byte]).unwrap();
                gopark::sleep(ms(1)); // the program's: each byte comes alone
            }
            print_ack(c, out);
        });
        service.session(&mut out, to, "1 MiB frame", |c, out| {
            c.write(&submit(b"bigframe", &vec![0; 1 << 20])).unwrap();
            print_ack(c, out);
        });
        service.session(&mut out, to, "closed inside the header", |c, _| {
            c.write(&[0, 0]).unwrap();
        });
        service.session(&mut out, to, "closed inside the body", |c, _| {
            c.write(&submit(b"00000009", b"hello")[..10]).unwrap();
        });
        let right_after = "closed right after the header";
        service.session(&mut out, to, right_after, |c, _| {
            c.write(&[0, 0, 0, 20]).unwrap();
        });
        service.session(&mut out, to, "bad length", |c, out| {
            c.write(&[0, 0, 0, 3]).unwrap();
            assert_eq!(ack(c), None);
            out.print(format!("client sees: {EOF}"));
        });

        let (client, server) = harness::pair();
        out.name_pair(&client, &server);
        client.write(&[0, 0]).unwrap();
        server
            .set_read_deadline(Some(Instant::now() + ms(50)))
            .unwrap();
        let mut n = 0;
        let result = loop {
            match server.read(&mut [0; 2]) {
                Ok(more) => n += more,
                failed => break failed,
            }
        };
        assert_eq!(moved(&result), 0);
        let err = out.error(result);
        out.print(format!("ReadFull with deadline: n={n} err={err}"));

        out.print("--- 8 writers x 50 frames");
        let conn = TcpConn::connect(to).unwrap();
        gopark::scope(|s| {
            for writer in 0..8 {
                let conn = &conn;
                s.spawn(move || {
                    for i in 0..50 {
                        let id = format!("{writer}-{i:06}").into_bytes().try_into().unwrap();
                        conn.write(&submit(&id, &vec![writer; 1000 * i])).unwrap();
                    }
                });
            }
            let (mut acks, mut in_order) = (0, true);
            let mut next: HashMap<u8, usize> = HashMap::new();
            while acks < 400 {
                let (id, _) = ack(&conn).unwrap();
                let number: usize = std::str::from_utf8(&id[2..]).unwrap().parse().unwrap();
                let expected = next.entry(id[0]).or_default();
                in_order &= *expected == number;
                *expected += 1;
                acks += 1;
            }
            out.print(format!("acks={acks} per-writer order kept={in_order}"));
        });

        out.compare("framed_protocol");
    });
}

#[test]
fn a_bad_length_closes_its_connection_with_a_clear_error_and_no_other_one() {
    with_server(&Limits::default(), |to, server| {
        let service: &Plain = &server.service;
        let good = TcpConn::connect(to).unwrap();
        let mut bad = Vec::new();
        let longest = LONGEST as u32;
        for length in [0, 12, longest + 1, u32::MAX] {
            // What was right before is answered, and what comes after is not looked at.
            let conn = TcpConn::connect(to).unwrap();
            let mut bytes = submit(b"answered", b"");
            bytes.extend(length.to_be_bytes());
            bytes.extend([1; 100]);
            conn.write(&bytes).unwrap();
            assert_eq!(ack(&conn), Some((*b"answered", 0)));
            assert_eq!(ack(&conn), None);
            conn.close().unwrap();
            bad.push(if length < 13 {
                format!("frame length too small: {length}, at least 13")
            } else {
                format!("frame length too large: {length}, at most {longest}")
            });
            assert_eq!(service.until_ended(bad.len()), bad);
        }
        for (frame, text) in [
            (&b"\0\0\0\x0d\x03abcdefgh"[..], "unknown command: 0x03"),
            (
                b"\0\0\0\x0e\x82abcdefgh\0",
                "SubmitAck is for servers to send",
            ),
        ] {
            let conn = TcpConn::connect(to).unwrap();
            conn.write(frame).unwrap();
            assert_eq!(ack(&conn), None);
            conn.close().unwrap();
            bad.push(text.into());
            assert_eq!(service.until_ended(bad.len()), bad);
        }
        assert_eq!(server.metrics.bad.get(), 6);
        good.write(&submit(b"isstill!", b"here")).unwrap();
        assert_eq!(ack(&good), Some((*b"isstill!", 0)));
    });
}

#[test]
fn a_frame_that_does_not_come_in_time_cuts_its_client_and_so_does_silence() {
    let limits = Limits {
        frame: ms(150),
        idle: ms(600),
        ..Limits::default()
    };
    with_server(&limits, |to, server| {
        let service: &Plain = &server.service;
        let conn = TcpConn::connect(to).unwrap();
        // Never silent for long, and still too slow.
        let start = Instant::now();
        for byte in submit(b"dripping", &[0; 100]) {
            if conn.write(&[byte]).is_err() {
                break;
            }
            gopark::sleep(ms(20)); // how slowly
        }
        assert!(start.elapsed() >= ms(150));
        assert_eq!(service.until_ended(1), ["a frame took too long"]);

        let start = Instant::now();
        let silent = TcpConn::connect(to).unwrap();
        assert_eq!(ack(&silent), None);
        assert!(start.elapsed() >= ms(600));
        assert_eq!(service.until_ended(2)[1], "idle for too long");
        assert_eq!(server.metrics.slow.get(), 2);
    });
}

#[test]
fn a_client_that_does_not_read_its_answers_is_cut() {
    let limits = Limits {
        write: ms(200),
        send_buffer: Some(4096),
        ..Limits::default()
    };
    with_server(&limits, |to, server| {
        let service: &Plain = &server.service;
        let conn = TcpConn::connect(to).unwrap();
        conn.set_read_buffer(4096).unwrap();
        let many = submit(b"unread!!", b"").repeat(100);
        let err = loop {
            if let Err(err) = conn.write(&many) {
                break err;
            }
        };
        assert!(!err.is_timeout() && !err.is_closed(), "{err}");
        let ends = service.until_ended(1);
        let (start, end) = ("answers not read: write tcp ", ": i/o timeout");
        assert!(
            ends[0].starts_with(start) && ends[0].ends_with(end),
            "{ends:?}"
        );
        assert_eq!(server.metrics.slow.get(), 1);
    });
}

/// Requests wait in it until it is opened.
#[derive(Debug, Default)]
struct Gate {
    inside: AtomicUsize,
    most: AtomicUsize,
    open: AtomicBool,
}

impl Service for Gate {
    fn submit(&self, id: Id, _payload: &[u8]) -> u8 {
        if &id == b"panicked" {
            panic!("as it was told to");
        }
        let inside = self.inside.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(inside, SeqCst);
        if &id != b"in haste" {
            until("the gate opens", || self.open.load(SeqCst));
        }
        self.inside.fetch_sub(1, SeqCst);
        0
    }
}

#[test]
fn no_more_is_read_than_may_be_under_way() {
    let limits = Limits {
        in_flight: 4,
        ..Limits::default()
    };
    with_server(&limits, |to, server| {
        let gate: &Gate = &server.service;
        let conn = TcpConn::connect(to).unwrap();
        conn.write(&submit(b"in chain", b"").repeat(100)).unwrap();
        until("four inside", || gate.inside.load(SeqCst) == 4);
        // The fifth has been read, and whoever would read the sixth waits for a place.
        let runtime = gopark::Handle::current().unwrap();
        until("the reader waits", || {
            runtime.metrics().total.parked_for(gopark::Reason::Park) == 1
        });
        assert_eq!(server.metrics.frames.get(), 5);
        assert_eq!(server.metrics.in_flight.get(), 4);
        gate.open.store(true, SeqCst);
        for _ in 0..100 {
            assert_eq!(ack(&conn), Some((*b"in chain", 0)));
        }
        assert_eq!(gate.most.load(SeqCst), 4);
    });
}

#[test]
fn a_later_request_overtakes_one_that_waits_and_a_panic_is_an_answer() {
    with_server(&Limits::default(), |to, server| {
        let gate: &Gate = &server.service;
        let conn = TcpConn::connect(to).unwrap();
        let ids = [b"at ease!", b"in haste", b"panicked"];
        conn.write(&ids.map(|id| submit(id, b"")).concat()).unwrap();
        let mut first = [ack(&conn).unwrap(), ack(&conn).unwrap()];
        first.sort();
        assert_eq!(first, [(*b"in haste", 0), (*b"panicked", PANICKED)]);
        gate.open.store(true, SeqCst);
        assert_eq!(ack(&conn), Some((*b"at ease!", 0)));
    });
}

#[test]
fn a_server_that_stops_answers_what_it_has_and_takes_nothing_new() {
    with_server(&Limits::default(), |to, server| {
        let gate: &Gate = &server.service;
        let conn = TcpConn::connect(to).unwrap();
        let silent = TcpConn::connect(to).unwrap();
        conn.write(&submit(b"received", b"").repeat(3)).unwrap();
        until("three inside", || gate.inside.load(SeqCst) == 3);
        server.drain();
        assert!(TcpConn::connect(to).is_err(), "it still listens");
        // Too late, but no reason for a reset.
        conn.write(&submit(b"too late", b"")).unwrap();
        gate.open.store(true, SeqCst);
        for _ in 0..3 {
            assert_eq!(ack(&conn), Some((*b"received", 0)));
        }
        assert_eq!(ack(&conn), None);
        assert_eq!(ack(&silent), None);
        assert_eq!(server.metrics.frames.get(), 3);
    });
}

#[test]
fn a_client_that_stays_does_not_keep_a_server_from_stopping() {
    let limits = Limits {
        drain: ms(300),
        ..Limits::default()
    };
    with_server(&limits, |to, server| {
        let service: &Plain = &server.service;
        let conn = TcpConn::connect(to).unwrap();
        until("the client", || server.metrics.open.get() == 1);
        server.drain();
        // It neither reads nor closes.
        assert_eq!(service.until_ended(1), ["the server stops"]);
        drop(conn);
    });
}

#[test]
fn clients_with_many_requests_under_way_get_every_answer_once() {
    with_server(&Limits::default(), |to, server: &Server<Plain>| {
        gopark::scope(|s| {
            for client in 0..8 {
                s.spawn(move || {
                    let conn = TcpConn::connect(to).unwrap();
                    requests::connect(&conn, "a test").unwrap();
                    let requests = Requests {
                        count: 2_000,
                        // More and less than the server lets be under way.
                        in_flight: [10, 1000][client % 2],
                        payload: vec![1; 10 * client],
                    };
                    let well = Outcome {
                        well: 2_000,
                        ..Outcome::default()
                    };
                    assert_eq!(send_all(&conn, &requests).unwrap(), well);
                });
            }
        });
        let metrics = &server.metrics;
        assert_eq!(metrics.frames.get(), 8 * 2_001);
        until("the answers", || metrics.acks.get() == 8 * 2_001);
        assert!(metrics.writes.get() <= metrics.acks.get());
    });
}

/// Tells the test below from the process it starts.
const PROCESS: &str = "GOPARK_TEST_FRAMES";

/// Not a test of its own: the program that the next one interrupts.
#[test]
fn the_server_program() {
    if std::env::var_os(PROCESS).is_some() {
        server::serve("127.0.0.1:0").unwrap();
    }
}

#[test]
fn an_interrupt_stops_the_program_once_everything_is_answered() {
    harness::everywhere(|| {
        let mut process = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "the_server_program"])
            .env(PROCESS, "")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let addr = loop {
            let mut line = String::new();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "no address");
            if let Some((_, addr)) = line.trim().split_once("frames on ") {
                break addr.to_owned();
            }
        };
        let conn = TcpConn::connect(addr.as_str()).unwrap();
        conn.write(&submit(b"answered", b"x")).unwrap();
        assert_eq!(ack(&conn), Some((*b"answered", 0)));
        let pid = process.id().to_string();
        let sent = Process::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
        assert_eq!(ack(&conn), None);
        conn.close().unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert!(
            rest.contains("stopped: open 0 of 1 | frames 1 (1 bytes) | acks 1 "),
            "{rest}"
        );
        assert!(process.wait().unwrap().success());
    });
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let err: io::Error = server::serve(&addr).unwrap_err();
    assert_eq!(err.kind(), io::ErrorKind::AddrInUse);
}
