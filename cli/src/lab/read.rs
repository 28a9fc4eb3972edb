//! Reading: how much a read returns, and the end of the stream.

use std::io;

use gopark::net::TcpConn;

use super::Lab;
use super::report::{Report, moved};
use super::scene::{is_pending, join, pair, state, until_state, until_waiting};

pub static LABS: [Lab; 3] = [
    Lab {
        name: "read-partial",
        about: "reading with no data, with some, and with enough",
        lesson: [
            "A read returns what is there and waits only for the first byte, never to fill its buffer.",
            "Writes leave no marks in the stream: whoever needs messages must frame them.",
        ],
        run: partial,
    },
    Lab {
        name: "read-end",
        about: "reading after the peer closed: the rest, then the end of the stream",
        lesson: [
            "The end of the stream (Go: io.EOF, in Rust Ok(0)) comes after all the data, and stays.",
            "It says that the peer sends no more, not that it is gone: writing still succeeds once.",
        ],
        run: end,
    },
    Lab {
        name: "net-server-client",
        about: "a server and a client that close in turn and go on regardless",
        lesson: [
            "Closing on one's own side ends everything there with one error, at once and for good;",
            "the other side notices only when it reads, and its first write still succeeds.",
        ],
        run: server_and_client,
    },
];

/// Reads, and tells what came with what was read.
fn read(report: &Report, conn: &TcpConn, buf: &mut [u8], what: &str) {
    let result = conn.read(buf);
    let text = String::from_utf8_lossy(&buf[..moved(&result)]);
    report.read(&format!("{what}{text}"), &result);
}

fn partial(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    let mut buf = [0; 10];
    report.note("the client writes 2 bytes");
    client.write(b"hi")?;
    until_waiting(&server, 2)?;
    read(report, &server, &mut buf, "2 bytes sent, buf 10: ");
    report.note("the client writes 15 bytes");
    client.write(b"0123456789abcde")?;
    until_waiting(&server, 15)?;
    read(report, &server, &mut buf, "15 bytes sent, buf 10: ");
    read(report, &server, &mut buf, "again: ");
    gopark::scope(|s| {
        let blocked = s.spawn(|| server.read(&mut [0; 10]));
        let pending = is_pending(&blocked);
        report.fact(format!("no data: Read pending={pending}"));
        report.note("the client writes 3 bytes");
        client.write(b"now")?;
        report.read("blocked Read woken by data", &join(blocked));
        io::Result::Ok(())
    })?;
    report.note("the client writes 2 bytes, five times");
    for _ in 0..5 {
        client.write(b"ab")?;
    }
    until_waiting(&server, 10)?;
    read(report, &server, &mut buf, "5 writes of 2: ");
    Ok(())
}

fn end(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    let mut buf = [0; 10];
    report.note("the client closes");
    client.close()?;
    for _ in 0..3 {
        report.read("read after peer close", &server.read(&mut buf));
    }
    report.fact(format!("server side state={}", state(&server)?));
    let result = server.write(b"hello");
    report.moved("write after EOF still succeeds", &result);
    report.done("close", server.close());

    let (client, server) = pair(report)?;
    report.note("the client writes 14 bytes and closes");
    client.write(b"remaining data")?;
    client.close()?;
    until_state(&server, "CLOSE_WAIT")?;
    for _ in 0..4 {
        read(report, &server, &mut buf, "read remaining ");
    }

    let (client, server) = pair(report)?;
    gopark::scope(|s| {
        let blocked = s.spawn(|| server.read(&mut [0; 4]));
        report.fact(format!("pending={}", is_pending(&blocked)));
        report.note("the client closes while the server reads");
        client.close()?;
        report.read("blocked Read, peer closed", &join(blocked));
        Ok(())
    })
}

fn server_and_client(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    let mut buf = vec![0; 1024];
    report.moved("server write", &server.write(&buf));
    report.read("client read", &client.read(&mut buf));
    let answer = client.write(&buf);
    report.read("server read", &server.read(&mut buf));
    report.done("server close", server.close());
    report.moved("client write", &answer);
    report.read("client read", &client.read(&mut buf));
    report.done("client close", client.close());
    report.done("client close (deferred, second)", client.close());

    let (client, server) = pair(report)?;
    report.note("the client closes at once, and uses the connection anyway");
    report.done("client close", client.close());
    report.read("client read", &client.read(&mut buf[..32]));
    report.moved("client write", &client.write(&buf[..32]));
    report.read("server read", &server.read(&mut buf[..10]));
    let result = server.write(&buf[..10]);
    report.moved("server write (succeeds)", &result);
    Ok(())
}
