//! Deadlines: hit, sticky, reset, cleared, and moved under an operation that waits.

use std::io;
use std::time::{Duration, Instant};

use gopark::net::{NetError, TcpConn};

use super::Lab;
use super::report::{Report, moved};
use super::scene::{after, elapsed, is_pending, join, pair, past, until_waiting};

pub static LABS: [Lab; 3] = [
    Lab {
        name: "read-deadline",
        about: "a read deadline: hit, sticky, reset, cleared",
        lesson: [
            "A deadline is a moment, not a duration: once past it fails every read at once, data or not,",
            "until it is set again. Nothing is lost: what came meanwhile is read afterwards.",
        ],
        run: read,
    },
    Lab {
        name: "deadline-moved",
        about: "a deadline set, extended, shortened or cleared while a read waits",
        lesson: [
            "Setting a deadline reaches the operations that wait already. That is how one task ends",
            "another's read without closing the connection: it sets a deadline in the past.",
        ],
        run: moving,
    },
    Lab {
        name: "write-deadline",
        about: "a write deadline, and how much went out before it",
        lesson: [
            "A write that fails at its deadline may have sent part of its bytes, and says how many. After",
            "that the stream stands in the middle of a message: go on from there, or close.",
        ],
        run: write,
    },
];

fn read_text(report: &Report, conn: &TcpConn, what: &str) {
    let mut buf = [0; 16];
    let result = conn.read(&mut buf);
    let text = String::from_utf8_lossy(&buf[..moved(&result)]).into_owned();
    report.read(&format!("{what}{text}"), &result);
}

fn read(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    let mut buf = [0; 16];
    report.done("set past", server.set_read_deadline(past()));
    let result = server.read(&mut buf);
    report.read("read, deadline in the past", &result);
    client.write(b"data")?;
    until_waiting(&server, 4)?;
    let what = "read, deadline in the past although data is waiting";
    report.read(what, &server.read(&mut buf));
    let what = "write unaffected by read deadline";
    report.moved(what, &server.write(b"w"));
    client.read(&mut buf)?;
    server.set_read_deadline(None)?;
    read_text(report, &server, "zero time clears it: ");

    let start = Instant::now();
    server.set_read_deadline(after(100))?;
    let result = server.read(&mut buf);
    let when = elapsed(start, 100);
    report.so(&format!("read, deadline in 100ms: {when} n=0"), result);
    for _ in 0..3 {
        report.read("sticky", &server.read(&mut buf));
    }
    client.write(b"late")?;
    until_waiting(&server, 4)?;
    report.read("sticky although data arrived", &server.read(&mut buf));
    server.set_read_deadline(after(3_600_000))?;
    let what = "future deadline revives it, nothing lost: ";
    read_text(report, &server, what);

    report.note("a server sets a deadline for each turn of its loop");
    gopark::scope(|s| {
        s.spawn(|| {
            gopark::sleep(Duration::from_millis(250));
            let sent = client.write(b"hello");
            gopark::sleep(Duration::from_millis(60));
            sent.and_then(|_| client.close())
        });
        let mut timeouts = 0;
        loop {
            server.set_read_deadline(after(100))?;
            match server.read(&mut buf) {
                Err(err) if err.is_timeout() => timeouts += 1,
                Ok(n) if n > 0 => {
                    let text = String::from_utf8_lossy(&buf[..n]);
                    report.measure(format!("{n} bytes, {text}, after {timeouts} time-outs"));
                }
                result => break report.read("loop ends", &result),
            }
        }
        io::Result::Ok(())
    })?;
    server.set_read_deadline(past())?;
    report.read("EOF pending, deadline passed", &server.read(&mut buf));
    server.set_read_deadline(None)?;
    report.read("deadline cleared", &server.read(&mut buf));
    Ok(())
}

fn moving(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    // The first deadline of a read, when it ends, and how that is brought about after 50 ms. The
    // margins are wide: a busy machine may be slow to move a deadline before it comes.
    for (what, first, end) in [
        ("SetReadDeadline(now) during Read", None, 50),
        ("set while blocked", None, 150),
        ("extended while blocked", Some(400), 550),
        ("shortened while blocked", Some(3_600_000), 100),
    ] {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        server.set_read_deadline(first.map(at))?;
        let result = gopark::scope(|s| {
            s.spawn(|| {
                gopark::sleep(Duration::from_millis(50));
                server.set_read_deadline(Some(at(end)))
            });
            server.read(&mut [0; 4])
        });
        let when = elapsed(start, end);
        report.so(&format!("{what}: {when} n=0"), result);
    }
    server.set_read_deadline(after(400))?;
    gopark::scope(|s| {
        s.spawn(|| {
            gopark::sleep(Duration::from_millis(50));
            server.set_read_deadline(None)?;
            gopark::sleep(Duration::from_millis(450));
            client.write(b"ok")
        });
        let mut buf = [0; 4];
        let text = server.read(&mut buf).map(|n| buf[..n].to_owned())?;
        let text = String::from_utf8_lossy(&text);
        report.note(format!("cleared while blocked, and data later: {text}"));
        io::Result::Ok(())
    })?;
    gopark::scope(|s| {
        let read = s.spawn(|| server.read(&mut [0; 4]));
        report.fact(format!("next read pending={}", is_pending(&read)));
        server.set_deadline(past())?;
        report.read("SetDeadline(past) unblocks Read", &join(read));
        io::Result::Ok(())
    })?;
    let what = "Write after SetDeadline(past)";
    report.moved(what, &server.write(b"x"));
    Ok(())
}

fn write(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    report.note("the client writes 64 KiB again and again, the server does not read");
    let data = vec![0; 65536];
    let (mut total, mut full) = (0, 0);
    client.set_write_deadline(after(300))?;
    let result = loop {
        match client.write(&data) {
            Ok(n) => {
                total += n;
                full += 1;
            }
            Err(err) => break Err(err),
        }
    };
    let n = moved(&result);
    total += n;
    report.measure(format!("{full} whole writes, then {n} of 65536 bytes"));
    let (some, short) = (full > 0, n < 65536);
    let what = format!("full writes>0={some} then 0<=n<65536={short}");
    report.so(&what, result);
    report.moved("sticky", &client.write(b"x"));
    report.moved("sticky even for zero length", &client.write(&[]));

    client.set_write_deadline(None)?;
    report.note("the server reads 1 MiB, and the client writes 64 MiB with another deadline");
    let read = io::copy(&mut io::Read::take(&server, 1 << 20), &mut io::sink())?;
    let big = vec![0; 64 << 20];
    let start = Instant::now();
    client.set_write_deadline(after(200))?;
    let result = client.write(&big);
    let when = elapsed(start, 200);
    let n = moved(&result);
    total += n;
    report.measure(format!("{n} of {} bytes went out", big.len()));
    let some = 0 < n && n < big.len();
    report.so(&format!("huge write: {when} 0<n<len={some}"), result);
    client.set_write_deadline(past())?;
    let what = "past deadline writes nothing";
    report.moved(what, &client.write(&big));
    client.close_write()?;
    let got = io::copy(&mut &server, &mut io::sink());
    let all = got.as_ref().is_ok_and(|got| got + read == total as u64);
    let what = format!("peer got everything reported (minus 1MiB read before)={all}");
    report.so(&what, got);
    Ok(())
}
