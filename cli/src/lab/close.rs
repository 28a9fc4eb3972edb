//! Closing one's own side: what becomes of whoever still uses it.

use std::io;
use std::time::Duration;

use super::Lab;
use super::report::{Report, moved};
use super::scene::{after, is_pending, join, pair, past, state, until_state};

pub static LABS: [Lab; 3] = [
    Lab {
        name: "use-after-close",
        about: "reading, writing, closing and the rest on a closed connection",
        lesson: [
            "Everything fails with the same cause, so that one check (Go: net.ErrClosed, here is_closed)",
            "tells one's own closing from whatever the peer does. The addresses survive.",
        ],
        run: after_close,
    },
    Lab {
        name: "two-closers",
        about: "closing under a read and a write that wait, and by eight tasks at once",
        lesson: [
            "Closing wakes whatever waits, and exactly one closer succeeds; the descriptor's number is",
            "not used again before the last of them is out. Any task may close: no lock is needed.",
        ],
        run: two_closers,
    },
    Lab {
        name: "linger-zero",
        about: "closing with SO_LINGER zero: a reset instead of an end",
        lesson: [
            "The peer sees a reset where it expected an end of stream, and unsent data is dropped. Useful",
            "to get rid of a client without TIME_WAIT; anything else deserves a proper close.",
        ],
        run: linger,
    },
];

fn after_close(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    report.done("close", client.close());
    let mut buf = [0; 10];
    report.read("Read", &client.read(&mut buf));
    report.moved("Write", &client.write(&buf));
    report.moved("Read(nil)", &client.read(&mut []));
    report.moved("Write(nil)", &client.write(&[]));
    report.done("Close", client.close());
    report.done("Close", client.close());
    report.done("CloseRead", client.close_read());
    report.done("CloseWrite", client.close_write());
    report.done("SetDeadline", client.set_deadline(after(1000)));
    report.done("SetReadDeadline", client.set_read_deadline(None));
    report.done("SetWriteDeadline", client.set_write_deadline(past()));
    report.done("File", client.clone().into_std());
    report.done("RawConn.Control", client.with_fd(|_| ()));
    let (here, there) = (client.local_addr()?, client.peer_addr()?);
    report.fact(format!("addresses survive: {here}->{there}"));
    report.read("peer read", &server.read(&mut buf));
    Ok(())
}

fn two_closers(report: &Report) -> io::Result<()> {
    let (client, _server) = pair(report)?;
    gopark::scope(|s| {
        let read = s.spawn(|| client.read(&mut [0; 4]));
        report.fact(format!("read pending={}", is_pending(&read)));
        report.done("Close", client.close());
        report.read("pending Read", &join(read));
    });
    let (client, _server) = pair(report)?;
    let big = vec![0; 64 << 20];
    gopark::scope(|s| {
        let write = s.spawn(|| client.write(&big));
        report.fact(format!("write pending={}", is_pending(&write)));
        report.done("Close", client.close());
        let result = join(write);
        let n = moved(&result);
        report.measure(format!("{n} of {} bytes went out", big.len()));
        let some = 0 < n && n < big.len();
        report.so(&format!("pending Write: 0<n<len={some}"), result);
    });
    let (client, _server) = pair(report)?;
    gopark::scope(|s| {
        let reads = [(); 4].map(|()| s.spawn(|| client.read(&mut [0; 4])));
        report.note("four readers wait, one behind the other");
        reads.iter().for_each(|read| {
            is_pending(read);
        });
        client.close()?;
        for read in reads {
            report.read("queued reader", &join(read));
        }
        io::Result::Ok(())
    })?;
    let (client, _server) = pair(report)?;
    gopark::scope(|s| {
        let closes = [(); 8].map(|()| s.spawn(|| client.close()));
        let results = closes.map(join);
        let nil = results.iter().filter(|result| result.is_ok()).count();
        let other = results.into_iter().find(Result::is_err);
        let what = format!("8 concurrent Close: nil={nil} others=");
        let other = other.unwrap_or(Ok(()));
        report.only(&what, other);
    });
    Ok(())
}

fn linger(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    let mut buf = [0; 8];
    let result = client.set_linger(Some(Duration::ZERO));
    report.done("SetLinger(0)", result);
    report.done("Close", client.close());
    until_state(&server, "CLOSE")?;
    report.fact(format!("peer state={}", state(&server)?));
    report.read("peer Read", &server.read(&mut buf));
    report.read("peer Read again", &server.read(&mut buf));
    report.moved("peer Write", &server.write(b"x"));

    let (client, server) = pair(report)?;
    report.note("with five seconds of lingering, everything is sent before the close returns");
    client.set_linger(Some(Duration::from_secs(5)))?;
    client.write(b"bye")?;
    report.done("Close", client.close());
    report.read("peer Read", &server.read(&mut buf));
    report.read("peer Read", &server.read(&mut buf));
    Ok(())
}
