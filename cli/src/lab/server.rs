//! A server that tells how each of its clients left.

use std::fmt;
use std::io;
use std::time::Duration;

use gopark::net::{NetError, TcpConn};

use super::Lab;
use super::report::Report;
use super::scene::{after, join, listener};

pub static LABS: [Lab; 1] = [Lab {
    name: "classify",
    about: "a server that classifies how each client left",
    lesson: [
        "Four cases are all there are: the end of the stream, closed on this side, a deadline, and the",
        "rest. Ask the error (is_closed, is_timeout), never its text.",
    ],
    run: classify,
}];

/// How a client left.
enum Leaving {
    /// It closed, having read everything.
    Normal,
    /// We closed the connection.
    Closed,
    /// It said nothing for too long.
    TimedOut,
    /// Anything else.
    Failed(io::Error),
}

impl Leaving {
    fn of(end: io::Result<()>) -> Leaving {
        match end {
            Ok(()) => Leaving::Normal,
            Err(err) if err.is_closed() => Leaving::Closed,
            Err(err) if err.is_timeout() => Leaving::TimedOut,
            Err(err) => Leaving::Failed(err),
        }
    }
}

impl fmt::Display for Leaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leaving::Normal => f.write_str("normal"),
            Leaving::Closed => f.write_str("closed"),
            Leaving::TimedOut => f.write_str("timed out"),
            Leaving::Failed(err) => write!(f, "failed: {err}"),
        }
    }
}

/// Echoes until the client leaves; a client may be silent for 100 ms.
fn serve(conn: &TcpConn) -> io::Result<()> {
    let mut buf = [0; 64];
    loop {
        conn.set_read_deadline(after(100))?;
        match conn.read(&mut buf)? {
            0 => return Ok(()),
            n => conn.write(&buf[..n])?,
        };
    }
}

fn classify(report: &Report) -> io::Result<()> {
    let listener = listener()?;
    let mut count = 0;
    for (what, leave) in [
        ("the client says hello and closes", close as fn(&_, &_) -> _),
        ("the client says hello, then nothing", wait),
        ("the client says hello and resets the connection", reset),
        (
            "the client says hello, and the server is told to stop",
            stop,
        ),
    ] {
        report.note(what);
        let client = TcpConn::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        report.pair(&client, &server)?;
        let leaving = gopark::scope(|s| {
            let session = s.spawn(|| serve(&server));
            client.write(b"hello")?;
            client.read(&mut [0; 8])?;
            leave(&client, &server)?;
            io::Result::Ok(Leaving::of(join(session)))
        })?;
        count += 1;
        report.fact(format!("client {count}: {leaving}"));
    }
    Ok(())
}

fn close(client: &TcpConn, _server: &TcpConn) -> io::Result<()> {
    client.close()
}

fn wait(_client: &TcpConn, _server: &TcpConn) -> io::Result<()> {
    Ok(())
}

fn reset(client: &TcpConn, _server: &TcpConn) -> io::Result<()> {
    client.set_linger(Some(Duration::ZERO))?;
    client.close()
}

fn stop(_client: &TcpConn, server: &TcpConn) -> io::Result<()> {
    server.close()
}
