//! How the other side leaves, as this side and the kernel see it.

use std::io;

use super::Lab;
use super::kernel;
use super::report::Report;
use super::scene::{pair, state, until, until_state, until_waiting};

pub static LABS: [Lab; 3] = [
    Lab {
        name: "close-unread",
        about: "closing with unread data, against closing after reading all",
        lesson: [
            "Closing while data waits unread resets the connection: the peer's next read or write fails",
            "where it would have seen the end of the stream. Read to the end, then close.",
        ],
        run: unread,
    },
    Lab {
        name: "forgot-close",
        about: "forgetting to close: CLOSE_WAIT in /proc/net/tcp",
        lesson: [
            "Reading the end of the stream closes nothing: the socket stays in CLOSE_WAIT for ever, and",
            "its descriptor with it. Many CLOSE_WAITs mean a program that forgets to close.",
        ],
        run: forgot,
    },
    Lab {
        name: "half-close",
        about: "closing only one's writing half: FIN_WAIT2, and answers still come",
        lesson: [
            "CloseWrite says 'I have sent everything' and keeps the other direction open, so that a",
            "client can end its request and still read the whole answer.",
        ],
        run: half,
    },
];

fn unread(report: &Report) -> io::Result<()> {
    let mut buf = [0; 64];
    let (client, server) = pair(report)?;
    report.note("the client sends a request, and closes without having read the reply");
    client.write(b"Hi,here is glp")?;
    report.read("server read request", &server.read(&mut buf));
    let reply = b"from server back";
    report.moved("server write reply", &server.write(reply));
    until_waiting(&client, 16)?;
    client.close()?;
    until_state(&server, "CLOSE")?;
    let what = "server read, client closed with unread data";
    report.read(what, &server.read(&mut buf));
    report.read("server read again", &server.read(&mut buf));
    report.moved("server write", &server.write(b"x"));
    report.done("server close", server.close());

    let (client, server) = pair(report)?;
    report.note("the client sends a request, reads the reply, and closes");
    client.write(b"Hi,here is glp")?;
    server.read(&mut buf)?;
    server.write(reply)?;
    report.read("client read reply", &client.read(&mut buf));
    client.close()?;
    let what = "server read, client closed after reading";
    report.read(what, &server.read(&mut buf));

    let (client, server) = pair(report)?;
    report.note("the client sends a request and closes; the reply comes too late");
    client.write(b"Hi,here is glp")?;
    client.close()?;
    until_state(&server, "CLOSE_WAIT")?;
    report.read("server read request", &server.read(&mut buf));
    let what = "server write reply to closed client";
    report.moved(what, &server.write(reply));
    until_state(&server, "CLOSE")?;
    let what = "server read after RST in CLOSE_WAIT";
    report.read(what, &server.read(&mut buf));
    let what = "server write after RST in CLOSE_WAIT";
    report.moved(what, &server.write(b"x"));
    Ok(())
}

fn forgot(report: &Report) -> io::Result<()> {
    let (client, server) = pair(report)?;
    let (here, there) = (server.local_addr()?, client.local_addr()?);
    report.note("the client closes");
    client.close()?;
    report.read("server read", &server.read(&mut [0; 8]));
    report.note("the server has read the end of the stream, and forgets to close");
    until_state(&server, "CLOSE_WAIT")?;
    report.fact(format!("server state={}", state(&server)?));
    let orphan = || io::Result::Ok(kernel::socket(there, here)?.state);
    until("FIN_WAIT2", || Ok(orphan()? == "FIN_WAIT2"))?;
    report.fact(format!(
        "client state={}, although it has closed",
        orphan()?
    ));
    report.note("the server closes at last");
    report.done("server close", server.close());
    until("the end of the socket", || {
        Ok(kernel::socket(here, there)?.state == "CLOSE")
    })?;
    report.fact("the server's socket is gone from /proc/net/tcp");
    report.fact(format!("client state={}", orphan()?));
    Ok(())
}

fn half(report: &Report) -> io::Result<()> {
    let mut buf = [0; 16];
    let (client, server) = pair(report)?;
    client.write(b"question")?;
    report.done("client CloseWrite", client.close_write());
    until_state(&client, "FIN_WAIT2")?;
    report.fact(format!("client state={}", state(&client)?));
    report.fact(format!("server state={}", state(&server)?));
    report.read("server read", &server.read(&mut buf));
    report.read("server read", &server.read(&mut buf));
    report.moved("client write", &client.write(b"x"));
    report.moved("server write", &server.write(b"answer"));
    report.read("client read", &client.read(&mut buf));
    report.done("server close", server.close());
    report.read("client read", &client.read(&mut buf));
    until_state(&client, "TIME_WAIT")?;
    report.fact(format!("client state={}", state(&client)?));
    report.done("client close", client.close());
    Ok(())
}
