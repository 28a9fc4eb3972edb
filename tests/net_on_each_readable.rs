//! Promises about waiting without a task again and again.

mod harness;

use gopark::{
    Descriptor, Runtime,
    net::{NetError, TcpConn, TcpListener, UnixConn},
};
use harness::{after, everywhere, pair, until, until_some};
use std::{
    collections::HashMap,
    io,
    ops::ControlFlow::{self, Break, Continue},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

/// Answers what there is with what came so far; breaks off at the end.
fn sums() -> impl FnMut(&TcpConn, io::Result<()>) -> ControlFlow<()> + Send + 'static {
    let mut sum = 0u32;
    move |conn, readable| {
        let mut buf = [0; 4];
        match readable.and_then(|()| conn.read(&mut buf)) {
            Ok(4) => {
                sum += u32::from_le_bytes(buf);
                conn.write(&sum.to_le_bytes()).unwrap();
                Continue(())
            }
            _ => Break(()),
        }
    }
}

fn ask(client: &TcpConn, n: u32) -> u32 {
    client.write(&n.to_le_bytes()).unwrap();
    let mut buf = [0; 4];
    assert_eq!(client.read(&mut buf).unwrap(), 4);
    u32::from_le_bytes(buf)
}

/// Says so when it is dropped.
struct Told(mpsc::Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

#[test]
fn the_same_closure_is_called_for_each_request_and_dropped_at_the_end() {
    everywhere(|| {
        let (client, server) = pair();
        let (tell, told) = mpsc::channel();
        let (told_at_end, mut sums) = (Told(tell), sums());
        let handler = move |conn: &TcpConn, readable| {
            let _here = &told_at_end;
            sums(conn, readable)
        };
        server.on_each_readable(handler).unwrap();
        let mut expected = 0;
        for n in 0..300 {
            expected += n;
            assert_eq!(ask(&client, n), expected);
        }
        assert!(told.try_recv().is_err());
        client.close_write().unwrap();
        assert_eq!(client.read(&mut [0; 4]).unwrap(), 0, "its clone, too");
        until_some("the closure's end", || told.try_recv().ok());
    });
}

#[test]
fn what_the_closure_leaves_unread_is_offered_again_at_once() {
    everywhere(|| {
        let (client, server) = pair();
        let mut seen = Vec::new();
        let one_by_one = move |conn: &TcpConn, readable: io::Result<()>| {
            let mut buf = [0; 1];
            match readable.and_then(|()| conn.read(&mut buf)) {
                Ok(1) if seen.len() < 5 => seen.push(buf[0]),
                Ok(1) => {
                    seen.push(buf[0]);
                    conn.write(&seen).unwrap();
                }
                _ => return Break(()),
            }
            Continue(())
        };
        server.on_each_readable(one_by_one).unwrap();
        client.write(b"abcdef").unwrap(); // one event for all of it
        let mut buf = [0; 8];
        assert_eq!(client.read(&mut buf).unwrap(), 6);
        assert_eq!(&buf[..6], b"abcdef");
    });
}

#[test]
fn a_closure_that_reads_nothing_is_called_again_until_it_does() {
    everywhere(|| {
        let (client, server) = pair();
        let mut calls = 0;
        let patient = move |conn: &TcpConn, readable: io::Result<()>| {
            readable.unwrap();
            calls += 1;
            if calls < 10 {
                return Continue(());
            }
            assert_eq!(conn.read(&mut [0; 8]).unwrap(), 1);
            conn.write(&[calls]).unwrap();
            Break(())
        };
        server.on_each_readable(patient).unwrap();
        client.write(b"x").unwrap();
        let mut buf = [0; 2];
        assert_eq!(client.read(&mut buf).unwrap(), 1);
        assert_eq!(buf[0], 10);
        assert_eq!(client.read(&mut buf).unwrap(), 0);
    });
}

#[test]
fn it_goes_on_after_a_time_out_that_is_set_anew() {
    everywhere(|| {
        let (client, server) = pair();
        let mut timeouts = 0;
        let start = Instant::now();
        server.set_read_deadline(after(5)).unwrap();
        let handler = move |conn: &TcpConn, readable: io::Result<()>| match readable {
            Err(err) if err.is_timeout() => {
                assert_eq!(err.op_error().unwrap().op, "read");
                timeouts += 1;
                let deadline = if timeouts < 3 { after(5) } else { None };
                conn.set_read_deadline(deadline).unwrap();
                if timeouts == 3 {
                    conn.write(b"t").unwrap();
                }
                Continue(())
            }
            result => {
                result.unwrap();
                assert_eq!(conn.read(&mut [0; 8]).unwrap(), 1);
                conn.write(&[timeouts]).unwrap();
                Break(())
            }
        };
        server.on_each_readable(handler).unwrap();
        let mut buf = [0; 1];
        assert_eq!(client.read(&mut buf).unwrap(), 1);
        assert!(start.elapsed() >= Duration::from_millis(15));
        client.write(b"x").unwrap();
        assert_eq!(client.read(&mut buf).unwrap(), 1);
        assert_eq!(buf[0], 3);
    });
}

/// One worker: whoever is to end the loop has to get a turn.
fn on_one_worker(body: impl FnOnce() + Send) {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(body);
    let report = runtime.shutdown_timeout(Duration::from_secs(20));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn whoever_is_to_read_what_the_closure_leaves_gets_a_turn() {
    on_one_worker(|| {
        let (client, server) = pair();
        let other = server.clone();
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let patient = move |_: &TcpConn, readable: io::Result<()>| {
            count.fetch_add(1, SeqCst);
            match readable {
                Ok(()) => Continue(()),
                Err(_) => Break(()),
            }
        };
        server.on_each_readable(patient).unwrap();
        client.write(b"x").unwrap();
        until("the closure has been called", || calls.load(SeqCst) > 2);
        let reader = gopark::spawn(move || other.read(&mut [0; 8]).map(|n| (n, other)));
        let (n, other) = reader.join().unwrap().unwrap();
        assert_eq!(n, 1);
        other.close().unwrap();
    });
}

#[test]
fn whoever_is_to_clear_a_deadline_that_the_closure_leaves_gets_a_turn() {
    on_one_worker(|| {
        let (client, server) = pair();
        let other = server.clone();
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        server.set_read_deadline(Some(Instant::now())).unwrap();
        let stubborn = move |conn: &TcpConn, readable: io::Result<()>| match readable {
            Err(err) if err.is_timeout() => {
                count.fetch_add(1, SeqCst);
                Continue(())
            }
            result => {
                result.unwrap();
                conn.write(b"!").unwrap();
                Break(())
            }
        };
        server.on_each_readable(stubborn).unwrap();
        until("the closure has been called", || calls.load(SeqCst) > 2);
        other.set_read_deadline(None).unwrap();
        client.write(b"x").unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn a_closure_that_reads_nothing_does_not_hold_up_the_end_of_the_runtime() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (client, server) = pair();
    client.write(b"x").unwrap();
    let (tell, told) = mpsc::channel();
    let called = Arc::new(AtomicUsize::new(0));
    let count = called.clone();
    let stubborn = move |_: &TcpConn, readable: io::Result<()>| {
        count.fetch_add(1, SeqCst);
        if let Err(err) = readable {
            tell.send(err.is_shutdown()).unwrap();
        }
        Continue(())
    };
    runtime.run(|| {
        server.on_each_readable(stubborn).unwrap();
        until("the closure has been called", || called.load(SeqCst) > 2);
    });
    let report = runtime.shutdown_timeout(Duration::from_secs(20));
    assert!(report.is_clean(), "{report}");
    assert_eq!(told.iter().collect::<Vec<_>>(), [true]);
}

#[test]
fn closing_is_the_last_that_it_learns_whatever_it_wants() {
    everywhere(|| {
        let (_client, server) = pair();
        let other = server.clone();
        let (tell, told) = mpsc::channel();
        let (says, ended) = mpsc::channel();
        let at_end = Told(says);
        let stubborn = move |_: &TcpConn, readable: io::Result<()>| {
            let _here = &at_end;
            tell.send(readable.unwrap_err().is_closed()).unwrap();
            Continue(())
        };
        server.on_each_readable(stubborn).unwrap();
        other.close().unwrap();
        until_some("the closure's end", || ended.try_recv().ok());
        assert_eq!(told.iter().collect::<Vec<_>>(), [true]);
    });
}

#[test]
fn the_end_of_the_runtime_is_the_last_that_it_learns_too() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (client, server) = pair();
    let (tell, told) = mpsc::channel();
    let stubborn = move |_: &TcpConn, readable: io::Result<()>| {
        tell.send(readable.unwrap_err().is_shutdown()).unwrap();
        Continue(())
    };
    runtime.run(|| server.on_each_readable(stubborn).unwrap());
    let report = runtime.shutdown_timeout(Duration::from_secs(20));
    assert!(report.is_clean(), "{report}");
    assert_eq!(told.iter().collect::<Vec<_>>(), [true]);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_closure_that_panics_is_dropped_with_its_connection() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let (client, server) = pair();
        server
            .on_each_readable(|_, _| std::panic::panic_any("on purpose"))
            .unwrap();
        client.write(b"x").unwrap();
        // The end, or a reset, because there is something that nobody has read.
        assert!(!matches!(client.read(&mut [0; 4]), Ok(1..)));
    });
}

/// Two workers, and no more.
fn two_workers() -> Runtime {
    Runtime::builder()
        .workers(2)
        .spare_workers(0)
        .build()
        .unwrap()
}

const CONNS: usize = 64;

/// Connections, their clients, and where each answer tells its thread.
struct Crowd {
    clients: Vec<TcpConn>,
    servers: Vec<TcpConn>,
    told: mpsc::Receiver<ThreadId>,
}

impl Crowd {
    /// Has `begin` call each connection's wait.
    fn new(begin: fn(Box<dyn FnOnce() + Send>)) -> Crowd {
        Crowd::with(b"", begin)
    }

    /// The same after each client has sent `before`.
    fn with(before: &[u8], begin: fn(Box<dyn FnOnce() + Send>)) -> Crowd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (tell, told) = mpsc::channel();
        let begun = Arc::new(AtomicUsize::new(0));
        let (mut clients, mut servers) = (Vec::new(), Vec::new());
        for _ in 0..CONNS {
            let client = TcpConn::connect(at).unwrap();
            let (server, _) = listener.accept().unwrap();
            if !before.is_empty() {
                client.write(before).unwrap();
                harness::until_readable(&server, before.len());
            }
            servers.push(server.clone());
            clients.push(client);
            let (handler, begun) = (Crowd::handler(tell.clone()), begun.clone());
            begin(Box::new(move || {
                server.on_each_readable(handler).unwrap();
                begun.fetch_add(1, SeqCst);
            }));
        }
        until("all wait", || begun.load(SeqCst) == CONNS);
        Crowd {
            clients,
            servers,
            told,
        }
    }

    fn handler(
        tell: mpsc::Sender<ThreadId>,
    ) -> impl FnMut(&TcpConn, io::Result<()>) -> ControlFlow<()> + Send + 'static {
        move |conn, readable| {
            match readable.and_then(|()| conn.read(&mut [0; 8])) {
                Ok(1..) => {
                    tell.send(thread::current().id()).unwrap();
                    conn.write(b"!").unwrap();
                }
                Err(err) if err.is_timeout() => conn.set_read_deadline(None).unwrap(),
                _ => return Break(()),
            }
            Continue(())
        }
    }

    /// On which thread each of the next answers is given.
    fn next(&self) -> Vec<ThreadId> {
        let next = |client: &TcpConn| {
            client.write(b"?").unwrap();
            assert_eq!(client.read(&mut [0; 4]).unwrap(), 1);
            self.told.recv().unwrap()
        };
        self.clients.iter().map(next).collect()
    }
}

fn assert_spread(answered: &[ThreadId]) {
    let mut of_each = HashMap::new();
    for thread in answered {
        *of_each.entry(*thread).or_insert(0) += 1;
    }
    let fewest = of_each.values().min().unwrap();
    assert!(
        of_each.len() == 2 && *fewest >= answered.len() / 4,
        "{of_each:?}"
    );
}

#[test]
fn a_connection_stays_with_the_worker_where_it_waits_and_they_are_spread() {
    let runtime = two_workers();
    let crowd = runtime.run(|| Crowd::new(|wait| drop(gopark::spawn(wait))));
    let first = crowd.next();
    assert_spread(&first);
    for _ in 0..5 {
        assert_eq!(crowd.next(), first);
    }
    // A task of either worker may move a deadline: that is no reason to move the connection.
    runtime.run(|| {
        for server in &crowd.servers {
            server.set_read_deadline(Some(Instant::now())).unwrap();
        }
    });
    assert_eq!(crowd.next(), first);
}

#[test]
fn a_connection_that_had_something_to_read_stays_where_its_first_task_ran() {
    let runtime = two_workers();
    // The tasks that start at once are placed like others.
    let crowd = runtime.run(|| Crowd::with(b"?", |wait| wait()));
    let mut first = Vec::new();
    for client in &crowd.clients {
        assert_eq!(client.read(&mut [0; 4]).unwrap(), 1);
        first.push(crowd.told.recv().unwrap());
    }
    let second = crowd.next();
    // In whatever order they were told at first, so many are on each.
    let on = |answered: &[ThreadId]| {
        let one = answered[0];
        let count = answered.iter().filter(|thread| **thread == one).count();
        count.min(CONNS - count)
    };
    assert_eq!(on(&second), on(&first));
    assert_eq!(crowd.next(), second);
}

#[test]
fn connections_that_are_gone_weigh_nothing() {
    let runtime = two_workers();
    runtime.run(|| {
        // All of them on this worker, and all at their end.
        for _ in 0..4 {
            let crowd = Crowd::new(|wait| wait());
            drop(crowd.servers); // or they would be open yet
            for client in crowd.clients {
                client.close_write().unwrap();
                assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
            }
        }
    });
    let crowd = runtime.run(|| Crowd::new(|wait| drop(gopark::spawn(wait))));
    assert_spread(&crowd.next());
}

#[test]
fn each_task_gives_its_stack_back() {
    let runtime = two_workers();
    runtime.run(|| {
        let (client, server) = pair();
        server.on_each_readable(sums()).unwrap();
        for n in 0..2000 {
            ask(&client, n);
        }
    });
    let most = runtime.metrics().stacks_max;
    assert!(most < 100, "{most} for one connection");
}

#[test]
fn of_two_duplicates_only_one_is_told_of_what_one_may_read() {
    on_one_worker(|| {
        let (reader, writer) = io::pipe().unwrap();
        let (tell, told) = mpsc::channel();
        let calls = Arc::new(AtomicUsize::new(0));
        let wait = |reader: io::PipeReader| {
            let (tell, calls) = (tell.clone(), calls.clone());
            let handler = move |reader: &Descriptor, readable: io::Result<()>| {
                readable.unwrap();
                calls.fetch_add(1, SeqCst);
                let n = reader.read(&mut [0; 8]).unwrap();
                tell.send(n).unwrap();
                if n == 0 { Break(()) } else { Continue(()) }
            };
            let reader = Descriptor::new(reader).unwrap();
            reader.on_each_readable(handler).unwrap();
        };
        wait(reader.try_clone().unwrap());
        wait(reader);
        let next = || until_some("one of them", || told.try_recv().ok());
        let writer = Descriptor::new(writer).unwrap();
        for round in 1..=20 {
            writer.write(b"x").unwrap();
            assert_eq!(next(), 1);
            // Whoever was told in vain would sit in its read now.
            for _ in 0..10 {
                gopark::yield_now();
            }
            assert_eq!(calls.load(SeqCst), round);
        }
        writer.close().unwrap();
        assert_eq!([next(), next()], [0, 0]);
    });
}

#[test]
fn unix_connections_and_descriptors_do_it_too() {
    everywhere(|| {
        let (client, server) = UnixConn::pair().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let (reader, writer) = (
            Descriptor::new(reader).unwrap(),
            Descriptor::new(writer).unwrap(),
        );
        server
            .on_each_readable(move |conn, readable| {
                match readable.and_then(|()| conn.read(&mut [0; 8])) {
                    Ok(n @ 1..) if writer.write(&[n as u8]).is_ok() => Continue(()),
                    _ => Break(()),
                }
            })
            .unwrap();
        let (tell, told) = mpsc::channel();
        reader
            .on_each_readable(move |pipe, readable| {
                let mut buf = [0];
                match readable.and_then(|()| pipe.read(&mut buf)) {
                    Ok(1) if tell.send(buf[0]).is_ok() => Continue(()),
                    _ => Break(()),
                }
            })
            .unwrap();
        for length in 1..8 {
            client.write(&[0; 8][..usize::from(length)]).unwrap();
            let n: u8 = until_some("what the pipe brought", || told.try_recv().ok());
            assert_eq!(n, length);
        }
        client.close().unwrap();
        // The end goes through both.
        let over = || matches!(told.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        until("the end", over);
    });
}
