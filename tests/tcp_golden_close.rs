//! Promises about closing: what Go printed is what we print.

mod harness;

use gopark::net::{CopyFrom, CopyTo, NetError, TcpConn, TcpListener, copy};
use harness::{
    Job, everywhere, lines::*, listener, pair, pair_on, scope, tcp_state, until, until_readable,
    until_state,
};
use std::{
    io::{self, IoSlice},
    time::{Duration, Instant},
};

/// An end of the program's own, which has always something to give and takes everything.
struct Own;

impl CopyFrom for Own {
    fn read_some(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(buf.len())
    }
}

impl CopyTo for Own {
    fn write_whole(&self, _buf: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// Follows the Go program `local_closed_ops`, and Go's TestConnClose and TestCloseError.
#[test]
fn everything_on_a_connection_closed_on_this_side_says_so_and_the_addresses_survive() {
    everywhere(|| {
        let mut out = Lines::new();
        let (client, server) = pair();
        out.name_pair(&client, &server);
        out.done("close", client.close());
        let mut buf = [0; 10];
        let now = Some(Instant::now());
        out.read("Read", client.read(&mut buf));
        out.bytes("Write", client.write(&buf));
        out.bytes("Read(nil)", client.read(&mut []));
        out.bytes("Write(nil)", client.write(&[]));
        out.done("Close", client.close());
        out.done("Close", client.close());
        out.done("CloseRead", client.close_read());
        out.done("CloseWrite", client.close_write());
        out.done("SetDeadline", client.set_deadline(now));
        out.done("SetReadDeadline", client.set_read_deadline(None));
        out.done("SetWriteDeadline", client.set_write_deadline(now));
        out.done("File", client.clone().into_std());
        let copied = |result: io::Result<u64>| result.map(|n| n as usize);
        out.bytes("ReadFrom", copied(copy(&Own, &client)));
        out.bytes("WriteTo", copied(copy(&client, &Own)));
        let mut bufs = [IoSlice::new(b"a"), IoSlice::new(b"b")];
        let sent = client.write_buffers(&mut &mut bufs[..]);
        out.bytes("Buffers.WriteTo", sent);
        out.done("RawConn.Control", client.with_fd(|_| ()));
        out.done("RawConn.Read", client.raw_read(|_| Some(())));
        out.done("RawConn.Write", client.raw_write(|_| Some(())));
        let (here, there) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        out.print(format!("addresses survive: {here}->{there}"));
        out.read("peer read", server.read(&mut buf));
        out.compare("local_closed_ops");
        // What Go does not have in the program.
        let ends = format!("tcp {here}->{there}: use of closed network connection");
        let here = format!("set tcp {here}: use of closed network connection");
        for (err, text) in [
            (client.set_nodelay(true).unwrap_err(), format!("set {ends}")),
            (client.set_linger(None).unwrap_err(), format!("set {ends}")),
            (
                client.set_keepalive(true).unwrap_err(),
                format!("set {ends}"),
            ),
            (client.nodelay().unwrap_err(), format!("get {ends}")),
            (client.set_read_buffer(1).unwrap_err(), here.clone()),
            (client.set_read_timeout(None).unwrap_err(), here),
            (client.peek(&mut buf).unwrap_err(), format!("read {ends}")),
            (client.readable().unwrap_err(), format!("read {ends}")),
            (client.writable().unwrap_err(), format!("write {ends}")),
        ] {
            assert_eq!(err.to_string(), text);
            assert!(err.is_closed() && !err.is_timeout() && !err.is_temporary());
            assert_eq!(err.kind(), io::ErrorKind::NotConnected);
        }
    });
}

fn waits<T>(job: &Job<'_, T>) {
    assert!(job.is_pending());
}

/// Follows the Go program `close_unblocks`, and Go's TestCloseUnblocksRead, TestListenerClose and
/// TestTCPListenAfterClose.
#[test]
fn closing_ends_whatever_waits_and_whoever_queues_behind_it() {
    everywhere(|| {
        let mut out = Lines::new();
        let big = vec![0; 64 << 20];
        let (client, server) = pair();
        out.name_pair(&client, &server);
        scope(|s| {
            let read = s.spawn(|| client.read(&mut [0; 4]));
            out.print(format!("read pending={}", read.is_pending()));
            out.done("Close", client.close());
            out.read("pending Read", read.wait());
        });

        let (client, server) = pair();
        out.name_pair(&client, &server);
        scope(|s| {
            let write = s.spawn(|| client.write(&big));
            out.print(format!("write pending={}", write.is_pending()));
            out.done("Close", client.close());
            let result = write.wait();
            let n = moved(&result);
            let err = out.error(result);
            let some = n > 0 && n < big.len();
            out.print(format!("pending Write: 0<n<len={some} err={err}"));
        });

        let (client, server) = pair();
        out.name_pair(&client, &server);
        scope(|s| {
            let reads = [(); 4].map(|()| s.spawn(|| client.read(&mut [0; 4])));
            reads.iter().for_each(waits);
            client.close().unwrap();
            for read in reads {
                out.read("queued reader", read.wait());
            }
        });

        let (client, server) = pair();
        out.name_pair(&client, &server);
        scope(|s| {
            let active = s.spawn(|| client.write(&big));
            waits(&active);
            let queued = [(); 3].map(|()| s.spawn(|| client.write(b"queued")));
            queued.iter().for_each(waits);
            client.close().unwrap();
            let result = active.wait();
            let some = moved(&result) > 0;
            let err = out.error(result);
            out.print(format!("active writer: n>0={some} err={err}"));
            for write in queued {
                out.bytes("queued writer", write.wait());
            }
        });

        let listener = listener();
        out.name(listener.local_addr().unwrap(), "SPORT");
        scope(|s| {
            let accepts = [(); 3].map(|()| s.spawn(|| listener.accept()));
            accepts.iter().for_each(waits);
            out.done("listener Close", listener.close());
            for accept in accepts {
                out.done("pending Accept", accept.wait());
            }
        });
        out.done("Accept after Close", listener.accept());
        let again = gopark::net::Listener::accept(&listener);
        out.done("AcceptTCP after Close", again);
        out.done("listener Close again", listener.close());
        let now = Some(Instant::now());
        let set = listener.set_deadline(now);
        out.done("listener SetDeadline after Close", set);
        let file = listener.clone().into_std();
        out.done("listener File after Close", file);
        out.print(format!("listener Addr after Close: {}", listener.addr()));
        assert!(listener.incoming().next().is_none());

        let (client, server) = pair();
        out.name_pair(&client, &server);
        scope(|s| {
            let closes = [(); 8].map(|()| s.spawn(|| client.close()));
            let results = closes.map(Job::wait);
            let nil = results.iter().filter(|result| result.is_ok()).count();
            let other = results.into_iter().rfind(Result::is_err);
            let others = out.error(other.unwrap());
            out.print(format!("8 concurrent Close: nil={nil} others={others}"));
        });
        out.compare("close_unblocks");
    });
}

/// Follows the Go program `linger_zero`.
#[test]
fn closing_without_lingering_resets_and_lingering_sends_everything() {
    everywhere(|| {
        let mut out = Lines::new();
        let mut buf = [0; 4];
        let (client, server) = pair();
        out.name_pair(&client, &server);
        out.done("SetLinger(0)", client.set_linger(Some(Duration::ZERO)));
        out.done("Close", client.close());
        until_state(&server, "CLOSE");
        out.print(format!("peer state={}", tcp_state(&server)));
        out.read("peer Read", server.read(&mut buf));
        out.read("peer Read again", server.read(&mut buf));
        out.bytes("peer Write", server.write(b"x"));

        let (client, server) = pair();
        out.name_pair(&client, &server);
        client.set_linger(Some(Duration::ZERO)).unwrap();
        let big = vec![0; 64 << 20];
        scope(|s| {
            let write = s.spawn(|| client.write(&big));
            out.print(format!("pending={}", write.is_pending()));
            out.done("Close", client.close());
            let result = write.wait();
            let some = moved(&result) > 0;
            let err = out.error(result);
            out.print(format!("blocked Write: n>0={some} err={err}"));
        });
        until_state(&server, "CLOSE");
        let what = "peer Read: data queued before the RST is still readable";
        out.read(what, server.read(&mut buf));

        let (client, server) = pair();
        let mut buf = [0; 8];
        client.set_linger(Some(Duration::from_secs(5))).unwrap();
        client.write(b"bye").unwrap();
        out.done("Close", client.close());
        out.read("peer Read", server.read(&mut buf));
        out.read("peer Read", server.read(&mut buf));
        out.compare("linger_zero");
    });
}

/// Follows Go's TestClosingListener.
#[test]
fn an_address_can_be_listened_on_at_once_after_a_listener_with_a_waiting_accept_was_closed() {
    everywhere(|| {
        let first = listener();
        let at = first.local_addr().unwrap();
        scope(|s| {
            let accept = s.spawn(|| first.accept());
            waits(&accept);
            first.close().unwrap();
            let second = TcpListener::bind(at).unwrap();
            assert_eq!(second.local_addr().unwrap(), at);
            assert!(accept.wait().unwrap_err().is_closed());
        });
    });
}

/// Follows Go's TestTCPListenAfterClose: connections nobody accepted are reset.
#[test]
fn a_closed_listener_gives_out_nothing_that_still_was_in_its_queue() {
    everywhere(|| {
        let listener = listener();
        let at = listener.local_addr().unwrap();
        let queued = [(); 5].map(|()| TcpConn::connect(at).unwrap());
        listener.close().unwrap();
        assert!(listener.accept().unwrap_err().is_closed());
        for conn in queued {
            until_state(&conn, "CLOSE");
            let err = conn.read(&mut [0; 1]).unwrap_err();
            assert_eq!(err.kind(), io::ErrorKind::ConnectionReset);
        }
    });
}

#[test]
fn dropping_the_last_clone_closes_and_dropping_another_does_not() {
    everywhere(|| {
        let (client, server) = pair();
        drop(client.clone());
        client.write(b"x").unwrap();
        until_readable(&server, 1);
        drop(client);
        assert_eq!(server.read(&mut [0; 4]).unwrap(), 1);
        assert_eq!(server.read(&mut [0; 4]).unwrap(), 0);
        let listener = listener();
        let at = listener.local_addr().unwrap();
        drop(listener);
        assert!(TcpConn::connect(at).is_err());
    });
}

/// Follows Go's TestAcceptError and the accept of an aborted connection on Linux.
#[test]
fn a_connection_reset_in_the_queue_is_given_out_and_says_so_when_it_is_read() {
    everywhere(|| {
        let listener = listener();
        let client = TcpConn::connect(listener.local_addr().unwrap()).unwrap();
        client.set_linger(Some(Duration::ZERO)).unwrap();
        client.close().unwrap();
        let (server, _) = listener.accept().unwrap();
        until_state(&server, "CLOSE");
        let err = server.read(&mut [0; 1]).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::ConnectionReset);
        let (client, _) = pair_on(&listener);
        drop(client);
    });
}

/// A listener's `incoming` ends when it is closed, and not before.
#[test]
fn an_accept_loop_ends_when_its_listener_is_closed() {
    everywhere(|| {
        let listener = listener();
        let at = listener.local_addr().unwrap();
        scope(|s| {
            let served = s.spawn(|| listener.incoming().filter(Result::is_ok).count());
            for _ in 0..5 {
                let conn = TcpConn::connect(at).unwrap();
                assert_eq!(conn.read(&mut [0; 1]).unwrap(), 0);
            }
            assert!(served.is_pending());
            listener.close().unwrap();
            assert_eq!(served.wait(), 5);
        });
        until("the port", || TcpConn::connect(at).is_err());
    });
}
