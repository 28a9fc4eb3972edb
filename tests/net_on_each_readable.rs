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
        let start = Instant::now();
        server.on_each_readable(handler).unwrap();
        let mut buf = [0; 1];
        assert_eq!(client.read(&mut buf).unwrap(), 1);
        assert!(start.elapsed() >= Duration::from_millis(15));
        client.write(b"x").unwrap();
        assert_eq!(client.read(&mut buf).unwrap(), 1);
        assert_eq!(buf[0], 3);
    });
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

/// Where each of `conns` is answered: the thread, for its first and its second request.
fn answered_on(clients: &[TcpConn], told: &mpsc::Receiver<ThreadId>) -> Vec<ThreadId> {
    let ask = |client: &TcpConn| {
        client.write(b"?").unwrap();
        assert_eq!(client.read(&mut [0; 4]).unwrap(), 1);
        told.recv().unwrap()
    };
    clients.iter().map(ask).collect()
}

#[test]
fn a_connection_stays_with_the_worker_where_it_waits_and_they_are_spread() {
    let runtime = Runtime::builder()
        .workers(2)
        .spare_workers(0)
        .build()
        .unwrap();
    const CONNS: usize = 64;
    let (tell, told) = mpsc::channel();
    let begun = Arc::new(AtomicUsize::new(0));
    let (clients, others): (Vec<_>, Vec<_>) = runtime.run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let both = (0..CONNS).map(|_| {
            let client = TcpConn::connect(at).unwrap();
            let (server, _) = listener.accept().unwrap();
            let (other, tell, begun) = (server.clone(), tell.clone(), begun.clone());
            gopark::spawn(move || {
                let handler = move |conn: &TcpConn, readable: io::Result<()>| {
                    match readable.and_then(|()| conn.read(&mut [0; 8])) {
                        Ok(1..) => {
                            tell.send(thread::current().id()).unwrap();
                            conn.write(b"!").unwrap();
                        }
                        Err(err) if err.is_timeout() => conn.set_read_deadline(None).unwrap(),
                        _ => return Break(()),
                    }
                    Continue(())
                };
                server.on_each_readable(handler).unwrap();
                begun.fetch_add(1, SeqCst);
            });
            (client, other)
        });
        let both = both.unzip();
        until("all wait", || begun.load(SeqCst) == CONNS);
        both
    });
    let first = answered_on(&clients, &told);
    let mut of_each = HashMap::new();
    for thread in &first {
        *of_each.entry(*thread).or_insert(0) += 1;
    }
    let fewest = of_each.values().min().unwrap();
    assert!(of_each.len() == 2 && *fewest >= CONNS / 4, "{of_each:?}");
    for _ in 0..5 {
        assert_eq!(answered_on(&clients, &told), first);
    }
    // A task of either worker may move a deadline: that is no reason to move the connection.
    runtime.run(|| {
        for other in &others {
            other.set_read_deadline(Some(Instant::now())).unwrap();
        }
    });
    assert_eq!(answered_on(&clients, &told), first);
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
