//! Promises about waiting without a task: every wait ends exactly once, with whatever ends it.

mod harness;

use gopark::{
    Handle, Runtime,
    net::{NetError, TcpConn, TcpListener, UnixConn},
};
use harness::{after, everywhere, pair, until};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How a wait ended.
type Ended = (TcpConn, io::Result<()>);

/// Where the end of a wait is reported: from any task to any other, or to a thread.
fn report() -> (
    impl Fn(TcpConn, io::Result<()>) + Clone + Send + 'static,
    impl Fn() -> Ended,
) {
    let (tell, told) = mpsc::channel();
    let wait = move || harness::until_some("the end of the wait", || told.try_recv().ok());
    (move |conn, result| tell.send((conn, result)).unwrap(), wait)
}

fn echo(conn: TcpConn, readable: io::Result<()>) {
    let mut buf = [0; 64];
    match readable.and_then(|()| conn.read(&mut buf)) {
        Ok(n @ 1..) if conn.write(&buf[..n]).is_ok() => conn.on_readable(echo).unwrap(),
        _ => {}
    }
}

#[test]
fn data_starts_a_task_again_and_again() {
    everywhere(|| {
        let (client, server) = pair();
        server.on_readable(echo).unwrap();
        for i in 0..300u32 {
            client.write(&i.to_le_bytes()).unwrap();
            let mut buf = [0; 4];
            assert_eq!(client.read(&mut buf).unwrap(), 4);
            assert_eq!(u32::from_le_bytes(buf), i);
        }
        client.close_write().unwrap();
        assert_eq!(client.read(&mut [0; 4]).unwrap(), 0, "it was dropped");
    });
}

#[test]
fn data_that_is_there_already_and_the_end_of_the_stream_end_the_wait_too() {
    everywhere(|| {
        let (client, server) = pair();
        let (then, wait) = report();
        client.write(b"x").unwrap();
        harness::until_readable(&server, 1);
        server.on_readable(then.clone()).unwrap();
        let (server, result) = wait();
        result.unwrap();
        assert_eq!(server.read(&mut [0; 8]).unwrap(), 1);
        server.on_readable(then.clone()).unwrap();
        client.close().unwrap();
        let (server, result) = wait();
        result.unwrap();
        assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
        server.on_readable(then).unwrap();
        let (server, result) = wait();
        result.unwrap();
        assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn the_closure_runs_in_a_task_of_the_same_runtime_and_not_on_the_callers_stack() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let (client, server) = pair();
        client.write(b"x").unwrap();
        harness::until_readable(&server, 1);
        let ran = Arc::new(AtomicUsize::new(0));
        let (count, caller) = (ran.clone(), gopark::task::current().id());
        let then = move |_: TcpConn, _: io::Result<()>| {
            assert!(Handle::current().is_some());
            assert_ne!(gopark::task::current().id(), caller);
            count.fetch_add(1, SeqCst);
        };
        server.on_readable(then).unwrap();
        assert_eq!(ran.load(SeqCst), 0, "one worker, and we hold it");
        until("the task", || ran.load(SeqCst) == 1);
    });
}

#[test]
fn a_read_deadline_ends_the_wait_and_a_moved_one_does_when_it_comes() {
    everywhere(|| {
        let (_client, server) = pair();
        let (then, wait) = report();
        let start = Instant::now();
        server.set_read_deadline(after(40)).unwrap();
        server.on_readable(then.clone()).unwrap();
        let (server, result) = wait();
        let err = result.unwrap_err();
        assert!(err.is_timeout(), "{err}");
        assert!(start.elapsed() >= Duration::from_millis(40));
        assert_eq!(err.op_error().unwrap().op, "read");
        // Later: the timer that was armed finds that it is too early, and waits on.
        let other = server.clone();
        let server = harness::in_some_time(Duration::from_millis(30), |first| {
            let start = Instant::now();
            other.set_read_deadline(Some(start + first)).unwrap();
            other.clone().on_readable(then.clone()).unwrap();
            other.set_read_deadline(Some(start + 4 * first)).unwrap();
            let in_time = start.elapsed() < first;
            let (server, result) = wait();
            assert!(result.unwrap_err().is_timeout());
            assert!(!in_time || start.elapsed() >= 4 * first);
            in_time.then_some(server)
        });
        // Earlier, and at once.
        server.set_read_deadline(None).unwrap();
        server.on_readable(then.clone()).unwrap();
        other.set_read_deadline(Some(Instant::now())).unwrap();
        let (server, result) = wait();
        assert!(result.unwrap_err().is_timeout());
        // Expired before it begins.
        server.on_readable(then).unwrap();
        assert!(wait().1.unwrap_err().is_timeout());
    });
}

#[test]
fn closing_ends_the_wait_and_waits_for_it() {
    everywhere(|| {
        let (client, server) = pair();
        let (then, wait) = report();
        let other = server.clone();
        server.on_readable(then.clone()).unwrap();
        let ((server, result), wait) = harness::scope(|s| {
            let ended = s.spawn(move || (wait(), wait));
            assert!(ended.is_pending());
            other.close().unwrap();
            ended.wait()
        });
        let err = result.unwrap_err();
        assert!(err.is_closed(), "{err}");
        assert_eq!(
            client.read(&mut [0]).unwrap(),
            0,
            "the descriptor is closed"
        );
        server.on_readable(then).unwrap();
        assert!(wait().1.unwrap_err().is_closed());
    });
}

#[test]
fn other_readers_queue_behind_the_wait() {
    everywhere(|| {
        let (client, server) = pair();
        let (then, wait) = report();
        let other = server.clone();
        server.on_readable(then).unwrap();
        harness::scope(|s| {
            let reader = s.spawn(|| other.read(&mut [0; 1]));
            assert!(reader.is_pending());
            client.write(b"a").unwrap();
            // Both learn of it; it is the reader's, since the other one only waits.
            assert_eq!(reader.wait().unwrap(), 1);
            // (On a plain thread the reader may even have come first.)
            client.write(b"b").unwrap();
            let (server, result) = wait();
            result.unwrap();
            assert_eq!(server.read(&mut [0; 8]).unwrap(), 1);
        });
    });
}

#[test]
fn a_wait_may_be_begun_ended_and_closed_on_different_threads() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    for _ in 0..50 {
        let (_client, server) = pair();
        let (then, wait) = report();
        let other = server.clone();
        let begun = runtime
            .handle()
            .spawn(move || server.on_readable(then).unwrap());
        // A plain thread closes, at whatever moment.
        other.close().unwrap();
        assert!(wait().1.unwrap_err().is_closed());
        begun.join().unwrap();
    }
}

/// Of waits that end once; those of `on_each_readable` stay.
#[test]
fn a_wait_that_ends_becomes_a_task_where_there_is_less_to_do() {
    let runtime = Runtime::builder()
        .workers(2)
        .spare_workers(0)
        .build()
        .unwrap();
    runtime.run(|| {
        let over = Arc::new(AtomicUsize::new(0));
        let (tell, told) = mpsc::channel();
        let (mut clients, conns) = (Vec::new(), 64);
        for _ in 0..conns {
            let (client, server) = pair();
            let (over, tell) = (over.clone(), tell.clone());
            let stays = move |_: TcpConn, readable: io::Result<()>| {
                readable.unwrap();
                tell.send(thread::current().id()).unwrap();
                until("all to have begun", || over.load(SeqCst) != 0);
            };
            server.on_readable(stays).unwrap();
            clients.push(client);
        }
        for client in &clients {
            client.write(b"x").unwrap();
        }
        let next = || harness::until_some("the next to begin", || told.try_recv().ok());
        let threads: Vec<_> = (0..conns).map(|_| next()).collect();
        over.store(1, SeqCst);
        assert!(threads.iter().any(|thread| *thread != threads[0]));
    });
}

#[test]
fn idle_connections_hold_no_stacks() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let conns = 1000;
    let ended = Arc::new(AtomicUsize::new(0));
    let clients = runtime.run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        for _ in 0..conns {
            clients.push(TcpConn::connect(at).unwrap());
            let (server, _) = listener.accept().unwrap();
            let ended = ended.clone();
            server
                .on_readable(move |_, result| {
                    assert!(result.unwrap_err().is_shutdown());
                    ended.fetch_add(1, SeqCst);
                })
                .unwrap();
        }
        clients
    });
    let metrics = runtime.metrics();
    assert!(metrics.stacks_live < 10, "{}", metrics.stacks_live);
    assert!(metrics.stacks_max < 100, "{}", metrics.stacks_max);
    // The end of the runtime ends every one of them, once.
    let report = runtime.shutdown_timeout(Duration::from_secs(20));
    assert!(report.is_clean(), "{report}");
    assert_eq!(ended.load(SeqCst), conns);
    for client in clients {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}

/// Data, deadlines and closing race for every wait; each ends once, and no connection is lost.
#[test]
fn whatever_races_every_wait_ends_exactly_once() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (b, e) = (begun.clone(), ended.clone());
    runtime.run(move || {
        let tasks: Vec<_> = (0..8u32)
            .map(|k| {
                let (begun, ended) = (b.clone(), e.clone());
                gopark::spawn(move || {
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    for i in 0..150u32 {
                        let client = TcpConn::connect(listener.local_addr().unwrap()).unwrap();
                        let (server, _) = listener.accept().unwrap();
                        let (closer, mover) = (server.clone(), server.clone());
                        let (count, again, start) = (ended.clone(), ended.clone(), begun.clone());
                        let racers = [
                            gopark::spawn(move || drop(client.write(b"x"))),
                            gopark::spawn(move || {
                                let soon = Duration::from_micros(u64::from((k * 37 + i) % 50));
                                drop(mover.set_read_deadline(Some(Instant::now() + soon)));
                            }),
                            gopark::spawn(move || {
                                if (k + i) % 3 == 0 {
                                    gopark::yield_now();
                                }
                                drop(closer.close());
                            }),
                        ];
                        begun.fetch_add(1, SeqCst);
                        server
                            .on_readable(move |conn, _| {
                                count.fetch_add(1, SeqCst);
                                start.fetch_add(1, SeqCst);
                                conn.on_readable(move |_, _| {
                                    again.fetch_add(1, SeqCst);
                                })
                                .unwrap();
                            })
                            .unwrap();
                        for racer in racers {
                            racer.join().unwrap();
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.join().unwrap();
        }
        until("every wait to end", || {
            begun.load(SeqCst) == 2400 && ended.load(SeqCst) == 2400
        });
    });
    let report = runtime.shutdown_timeout(Duration::from_secs(20));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn without_a_runtime_a_thread_waits() {
    let (client, server) = pair();
    let (tell, told) = mpsc::channel();
    let me = thread::current().id();
    server
        .on_readable(move |conn, result| {
            result.unwrap();
            tell.send((conn.read(&mut [0; 4]).unwrap(), thread::current().id()))
                .unwrap();
        })
        .unwrap();
    client.write(b"abc").unwrap();
    let (n, thread) = told.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(n, 3);
    assert_ne!(thread, me);
}

#[test]
fn a_unix_connection_waits_without_a_task_too() {
    everywhere(|| {
        let (client, server) = UnixConn::pair().unwrap();
        fn answer(conn: UnixConn, readable: io::Result<()>) {
            let mut buf = [0; 8];
            if let Ok(n @ 1..) = readable.and_then(|()| conn.read(&mut buf)) {
                conn.write(&buf[..n]).unwrap();
                conn.on_readable(answer).unwrap();
            }
        }
        server.on_readable(answer).unwrap();
        for _ in 0..20 {
            client.write(b"ping").unwrap();
            assert_eq!(client.read(&mut [0; 8]).unwrap(), 4);
        }
    });
}
