//! No wake-up is ever lost, on any way in which an execution can wait.
//!
//! Ping-pongs over every park path, with 1, 2 and 4 workers, while other threads keep the cores
//! busy. A watcher looks at the progress; if nothing moves for a long time it prints what everybody
//! waits for and ends the process.
//!
//! The quick form is the default. The long one:
//!
//! ```text
//! GOPARK_STRESS_ROUNDS=10000000 cargo test --release -p gopark --test stress_wakeups -- --nocapture
//! ```

use gopark::net::{NetError, TcpConn, TcpListener};
use gopark::{Runtime, spawn, task};
use netpoll::{Error, Fd, Kind, Mode};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Nothing at all may happen for this long before it counts as a stall.
const STALL: Duration = Duration::from_secs(60);
/// Pairs of tasks at work at once, on each path.
const PAIRS: u64 = 8;

fn rounds() -> u64 {
    let text = std::env::var("GOPARK_STRESS_ROUNDS").unwrap_or_default();
    text.replace('_', "").parse().unwrap_or(60_000)
}

struct Board {
    done: AtomicU64,
    over: AtomicBool,
    path: &'static str,
}

/// Runs `body` with `workers` workers, watched, and with two threads that burn processor time.
fn watched(path: &'static str, workers: usize, body: impl FnOnce(Arc<Board>) + Send) {
    let board = Arc::new(Board {
        done: AtomicU64::new(0),
        over: AtomicBool::new(false),
        path,
    });
    let runtime = Runtime::builder().workers(workers).build().unwrap();
    let start = Instant::now();
    std::thread::scope(|s| {
        for _ in 0..2 {
            let board = &board;
            s.spawn(move || {
                while !board.over.load(Ordering::Relaxed) {
                    // On and off, so that the workers are preempted at ever other points.
                    let until = Instant::now() + Duration::from_micros(700);
                    while Instant::now() < until {
                        std::hint::spin_loop();
                    }
                    std::thread::sleep(Duration::from_micros(300));
                }
            });
        }
        let handle = runtime.handle();
        let watched = &board;
        s.spawn(move || {
            let mut last = (0, Instant::now());
            while !watched.over.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(50));
                let done = watched.done.load(Ordering::Relaxed);
                if done != last.0 {
                    last = (done, Instant::now());
                } else if last.1.elapsed() > STALL {
                    eprintln!(
                        "{}: stalled at {done}; {:#?}",
                        watched.path,
                        handle.metrics()
                    );
                    std::process::abort();
                }
            }
        });
        runtime.run({
            let board = board.clone();
            move || body(board)
        });
        board.over.store(true, Ordering::Relaxed);
    });
    let done = board.done.load(Ordering::Relaxed);
    println!(
        "{path}, {workers} workers: {done} wake-ups in {:.1?}",
        start.elapsed()
    );
    drop(runtime);
}

fn for_each_worker_count(path: &'static str, share: u64, body: fn(Arc<Board>, u64)) {
    for workers in [1, 2, 4] {
        let n = (rounds() / share / PAIRS).max(50);
        watched(path, workers, move |board| {
            let pairs: Vec<_> = (0..PAIRS)
                .map(|_| {
                    let board = board.clone();
                    spawn(move || body(board, n))
                })
                .collect();
            for pair in pairs {
                pair.join().unwrap();
            }
        });
    }
}

fn unix_pair() -> (Arc<Fd>, Arc<Fd>) {
    let (a, b) = UnixStream::pair().unwrap();
    let fd = |s: UnixStream| Arc::new(Fd::new(s.into(), Kind::STREAM).unwrap());
    (fd(a), fd(b))
}

fn tcp_pair() -> (Arc<Fd>, Arc<Fd>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let a = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (b, _) = listener.accept().unwrap();
    let fd = |s: std::net::TcpStream| {
        s.set_nodelay(true).unwrap();
        Arc::new(Fd::new(s.into(), Kind::TCP).unwrap())
    };
    (fd(a), fd(b))
}

fn ping_pong(board: &Board, (a, b): (Arc<Fd>, Arc<Fd>), n: u64, threads: bool) {
    let echo = move || {
        let mut buf = [0; 16];
        loop {
            match b.read(&mut buf).unwrap() {
                0 => return,
                n => b.write(&buf[..n]).unwrap(),
            }
        }
    };
    let thread = threads.then(|| std::thread::spawn(echo.clone()));
    let task = (!threads).then(|| spawn(echo));
    let mut buf = [0; 16];
    for i in 0..n {
        a.write(&i.to_le_bytes()).unwrap();
        assert_eq!(a.read(&mut buf), Ok(8));
        assert_eq!(buf[..8], i.to_le_bytes());
        board.done.fetch_add(2, Ordering::Relaxed);
    }
    a.close().unwrap();
    if let Some(task) = task {
        task.join().unwrap();
    }
    if let Some(thread) = thread {
        gopark::blocking(|| thread.join().unwrap());
    }
}

#[test]
fn data_wakes_a_reader_on_a_tcp_connection() {
    for_each_worker_count("data, tcp", 4, |board, n| {
        ping_pong(&board, tcp_pair(), n, false)
    });
}

#[test]
fn data_wakes_a_reader_on_a_unix_socket() {
    for_each_worker_count("data, unix", 4, |board, n| {
        ping_pong(&board, unix_pair(), n, false)
    });
}

#[test]
fn a_thread_and_a_task_wake_each_other_through_a_connection() {
    for_each_worker_count("data, thread to task", 8, |board, n| {
        ping_pong(&board, tcp_pair(), n, true);
    });
}

#[test]
fn a_deadline_wakes_a_reader_whether_it_or_data_comes_first() {
    for_each_worker_count("deadline against data", 16, |board, n| {
        let (a, b) = tcp_pair();
        let writer = spawn({
            let a = a.clone();
            move || {
                let mut ack = [0; 1];
                // Each byte is sent at a moment near the reader's deadline.
                while a.read(&mut ack) == Ok(1) {
                    gopark::sleep(Duration::from_micros(u64::from(ack[0]) % 97));
                    if a.write(b"x").is_err() {
                        return;
                    }
                }
            }
        });
        let mut buf = [0; 1];
        for i in 0..n {
            b.write(&[(i * 31 % 256) as u8]).unwrap();
            let mut wait = Duration::from_micros(i * 17 % 101);
            loop {
                b.set_deadline(&[Mode::Read], Some(Instant::now() + wait))
                    .unwrap();
                match b.read(&mut buf) {
                    Ok(1) => break,
                    Err(Error::Timeout) => wait += Duration::from_micros(10),
                    other => panic!("{other:?}"),
                }
                board.done.fetch_add(1, Ordering::Relaxed);
            }
            board.done.fetch_add(1, Ordering::Relaxed);
        }
        b.close().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn a_deadline_moved_by_another_task_wakes_a_blocked_reader() {
    for_each_worker_count("deadline moved", 8, |board, n| {
        let (a, _b) = unix_pair();
        let asked = Arc::new(AtomicU64::new(0));
        let mover = spawn({
            let (a, asked, me) = (a.clone(), asked.clone(), board.clone());
            move || {
                let mut last = 0;
                while last < n {
                    let now = asked.load(Ordering::Acquire);
                    if now != last {
                        last = now;
                        let soon = Instant::now() + Duration::from_micros(now % 3 * 20);
                        a.set_deadline(&[Mode::Read], Some(soon)).unwrap();
                    }
                    gopark::yield_now();
                    if me.over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        });
        for i in 1..=n {
            a.set_deadline(
                &[Mode::Read],
                Some(Instant::now() + Duration::from_secs(3600)),
            )
            .unwrap();
            asked.store(i, Ordering::Release);
            assert_eq!(a.read(&mut [0; 1]), Err(Error::Timeout));
            board.done.fetch_add(1, Ordering::Relaxed);
        }
        mover.join().unwrap();
    });
}

/// Data, once by one closure for all and once by a new one each time, beside deadlines that somebody else sets
/// and clears.
#[test]
fn data_and_deadlines_wake_who_waits_without_a_task() {
    fn again(conn: TcpConn, readable: io::Result<()>) {
        if answer(&conn, readable).is_continue() {
            conn.on_readable(again).unwrap();
        }
    }
    for_each_worker_count("no task", 8, |board, n| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for kept in [true, false] {
            let client = TcpConn::connect(listener.local_addr().unwrap()).unwrap();
            let (server, _) = listener.accept().unwrap();
            let other = server.clone();
            if kept {
                server.on_each_readable(answer).unwrap();
            } else {
                server.on_readable(again).unwrap();
            }
            let mut buf = [0; 1];
            for i in 0..n / 2 {
                client.write(b"x").unwrap();
                if i % 7 == 0 {
                    other.set_read_deadline(Some(Instant::now())).unwrap();
                }
                assert_eq!(client.read(&mut buf).unwrap(), 1);
                board.done.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
}

/// Sends back what there is; a deadline that has passed is cleared.
fn answer(conn: &TcpConn, readable: io::Result<()>) -> ControlFlow<()> {
    let mut buf = [0; 8];
    match readable.and_then(|()| conn.read(&mut buf)) {
        Err(err) if err.is_timeout() => conn.set_read_deadline(None).unwrap(),
        Ok(n @ 1..) if conn.write(&buf[..n]).is_ok() => {}
        _ => return ControlFlow::Break(()),
    }
    ControlFlow::Continue(())
}

#[test]
fn close_wakes_reader_and_writer() {
    for_each_worker_count("close", 32, |board, n| {
        for _ in 0..n {
            let (a, _b) = unix_pair();
            let blocked = |f: fn(&Fd) -> Result<(), Error>| {
                let a = a.clone();
                spawn(move || assert_eq!(f(&a), Err(Error::Closing)))
            };
            let reader = blocked(|fd| fd.read(&mut [0; 1]).map(drop));
            let second = blocked(|fd| fd.read(&mut [0; 1]).map(drop));
            let writer = blocked(|fd| {
                loop {
                    fd.write(&[0; 65536]).map_err(|p| p.error)?;
                }
            });
            gopark::yield_now();
            a.close().unwrap();
            for task in [reader, second, writer] {
                task.join().unwrap();
                board.done.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
}

#[test]
fn unpark_wakes_a_task_on_the_same_and_on_another_worker() {
    for_each_worker_count("park and unpark", 2, |board, n| {
        let turn = Arc::new(AtomicU64::new(0));
        let me = task::current();
        let (theirs, board2) = (turn.clone(), board.clone());
        let other = spawn(move || {
            for i in 0..n {
                while theirs.load(Ordering::Acquire) != 2 * i + 1 {
                    gopark::park();
                }
                theirs.store(2 * i + 2, Ordering::Release);
                board2.done.fetch_add(1, Ordering::Relaxed);
                me.unpark();
            }
        });
        let partner = other.task();
        for i in 0..n {
            turn.store(2 * i + 1, Ordering::Release);
            partner.unpark();
            while turn.load(Ordering::Acquire) != 2 * i + 2 {
                gopark::park();
            }
            board.done.fetch_add(1, Ordering::Relaxed);
        }
        other.join().unwrap();
    });
}

#[test]
fn unpark_wakes_across_threads_and_tasks() {
    for_each_worker_count("park and unpark, thread to task", 8, |board, n| {
        let turn = Arc::new(AtomicU64::new(0));
        let me = task::current();
        let theirs = turn.clone();
        let thread = std::thread::spawn(move || {
            for i in 0..n {
                while theirs.load(Ordering::Acquire) != 2 * i + 1 {
                    std::thread::park();
                }
                theirs.store(2 * i + 2, Ordering::Release);
                me.unpark();
            }
        });
        for i in 0..n {
            turn.store(2 * i + 1, Ordering::Release);
            thread.thread().unpark();
            while turn.load(Ordering::Acquire) != 2 * i + 2 {
                gopark::park();
            }
            board.done.fetch_add(2, Ordering::Relaxed);
        }
        gopark::blocking(|| thread.join().unwrap());
    });
}

#[test]
fn sleepers_joiners_and_blocking_calls_are_woken() {
    for_each_worker_count("sleep, join, blocking", 32, |board, n| {
        for i in 0..n {
            // Of the length of a blocking call: which of the two ends first changes.
            let sleeper = spawn(move || gopark::sleep(Duration::from_micros(i % 60)));
            let computed = gopark::blocking(|| i + 1);
            assert_eq!(computed, i + 1);
            sleeper.join().unwrap();
            board.done.fetch_add(3, Ordering::Relaxed);
        }
    });
}

/// Connections of two requests each. The first request comes with the connection, or some turns later,
/// so its read is tried at times and at times waits at once; the end is orderly or a reset.
fn short_lives(board: Arc<Board>, n: u64) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = spawn(move || {
        let serve = |(conn, _): (TcpConn, _)| {
            spawn(move || {
                let mut buf = [0; 16];
                while let Ok(n @ 1..) = conn.read(&mut buf) {
                    conn.write(&buf[..n]).unwrap();
                }
                assert_eq!(conn.read(&mut buf).unwrap(), 0, "the end stays");
            })
        };
        let served: Vec<_> = (0..n).map(|_| serve(listener.accept().unwrap())).collect();
        served.into_iter().for_each(|task| task.join().unwrap());
    });
    let mut buf = [0; 16];
    for i in 0..n {
        let client = TcpConn::connect(addr).unwrap();
        if i % 2 == 0 {
            client.set_linger(Some(Duration::ZERO)).unwrap();
        }
        (0..i % 13).for_each(|_| gopark::yield_now());
        for request in 0..2u64 {
            client.write(&request.to_le_bytes()).unwrap();
            assert_eq!(client.read(&mut buf).unwrap(), 8);
            board.done.fetch_add(1, Ordering::Relaxed);
        }
    }
    server.join().unwrap();
}

#[test]
fn the_first_read_of_an_accepted_connection_is_woken() {
    for_each_worker_count("first reads", 40, short_lives);
}
