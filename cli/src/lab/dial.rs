//! Dialing and listening: everything that can go wrong before there is a connection.

use std::io;
use std::time::Duration;
use std::time::Instant;

use gopark::net::{
    Dialer, ListenConfig, TcpAddr, TcpConn, TcpListener, dial, dial_tcp, dial_timeout, listen,
};

use super::Lab;
use super::report::Report;
use super::scene::{closed_port, elapsed, is_pending, join, listener, pair_on, past};

pub static LABS: [Lab; 6] = [
    Lab {
        name: "dial-refused",
        about: "dialing a port on which nobody listens",
        lesson: [
            "The kernel of the other side answers with a reset, so the error comes at once.",
            "It names the address that was dialed, and the system call that failed.",
        ],
        run: refused,
    },
    Lab {
        name: "dial-timeout",
        about: "dialing a server that does not answer, with a time limit",
        lesson: [
            "A time-out and a deadline both end a dial; the earlier one counts, and one in the past",
            "fails before anything is sent. Without a limit the kernel gives up after minutes.",
        ],
        run: timeout,
    },
    Lab {
        name: "dial-backlog",
        about: "dialing when the accept queue is full",
        lesson: [
            "The kernel drops the request and the dialer's kernel repeats it after a second: a dial to",
            "a server that is slow to accept waits, and goes on when an accept has freed a place.",
        ],
        run: backlog,
    },
    Lab {
        name: "dial-unreachable",
        about: "dialing an address that no host can have",
        lesson: [
            "There is no route to it, so nothing is sent and the dial fails at once.",
            "A dial that was merely not answered would have waited instead; see dial-timeout.",
        ],
        run: unreachable,
    },
    Lab {
        name: "dial-no-address",
        about: "dialing from, and listening on, an address this machine lacks",
        lesson: [
            "One can only come from, and only listen on, an address of one's own: the bind fails,",
            "before the other side hears anything.",
        ],
        run: no_address,
    },
    Lab {
        name: "listen-in-use",
        about: "listening on an address that is taken, and again after closing",
        lesson: [
            "Two listeners cannot share an address. After closing, old connections in TIME_WAIT do not",
            "keep the next listener out, because listeners set SO_REUSEADDR, as Go's do.",
        ],
        run: in_use,
    },
];

fn refused(report: &Report) -> io::Result<()> {
    let to = closed_port()?;
    report.ports(&[("SPORT", to)]);
    report.note("the server has closed its listener");
    let port = to.port();
    for (network, address) in [
        ("tcp", format!(":{port}")),
        ("tcp", format!("127.0.0.1:{port}")),
        ("tcp", format!("0.0.0.0:{port}")),
        ("tcp4", format!("127.0.0.1:{port}")),
        ("tcp", format!("[::ffff:127.0.0.1]:{port}")),
    ] {
        let result = dial(network, &address);
        let nil = result.is_err();
        report.so(&format!("Dial {network} {address}: conn-nil={nil}"), result);
    }
    let local = TcpAddr::new([127, 0, 0, 9], 0);
    let what = "DialTCP with laddr 127.0.0.9:0";
    report.done(what, dial_tcp("tcp", Some(&local), &to.into()));
    Ok(())
}

/// A listener with a queue for one, and the connection that fills it.
fn full_backlog() -> io::Result<(TcpListener, TcpConn)> {
    // Linux lets one more in than it is asked to.
    let listener = ListenConfig::new().backlog(0).bind("127.0.0.1:0")?;
    let fill = TcpConn::connect(listener.local_addr()?)?;
    Ok((listener, fill))
}

fn timeout(report: &Report) -> io::Result<()> {
    let (full, _fill) = full_backlog()?;
    let to = full.local_addr()?;
    report.ports(&[("SPORT", to)]);
    report.note("the server's accept queue is full, and it does not accept");
    let address = to.to_string();
    let ms = Duration::from_millis;
    let start = Instant::now();
    let result = dial_timeout("tcp", &address, ms(200));
    let when = elapsed(start, 200);
    report.so(&format!("DialTimeout 200ms: {when}"), result);

    let start = Instant::now();
    let early = Dialer::new()
        .deadline(start + ms(150))
        .timeout(Duration::from_secs(3600));
    let result = early.dial("tcp", &address);
    let when = elapsed(start, 150);
    report.so(&format!("Dialer.Deadline 150ms: {when}"), result);

    let result = dial_timeout("tcp", &address, Duration::from_nanos(1));
    report.done("DialTimeout 1ns", result);
    let long_ago = past().into_iter().fold(Dialer::new(), Dialer::deadline);
    report.done("Dialer.Deadline in 1970", long_ago.dial("tcp", &address));
    Ok(())
}

fn backlog(report: &Report) -> io::Result<()> {
    let (full, _fill) = full_backlog()?;
    let to = full.local_addr()?;
    report.ports(&[("SPORT", to)]);
    report.note("the server's accept queue is full");
    gopark::scope(|s| {
        let start = Instant::now();
        let dial = s.spawn(move || TcpConn::connect(to));
        if is_pending(&dial) && is_pending(&dial) && is_pending(&dial) && is_pending(&dial) {
            report.fact("dial still blocked after 200ms with a full backlog");
        }
        report.note("the server accepts one");
        let _first = full.accept()?;
        let conn = join(dial)?;
        report.measure(format!(
            "the dial took {:.2} s",
            start.elapsed().as_secs_f64()
        ));
        report.so("after one accept: dial", Ok(()));
        report.done("second accept", full.accept());
        report.fact(format!("remote={}", conn.peer_addr()?));
        Ok(())
    })
}

fn unreachable(report: &Report) -> io::Result<()> {
    for address in ["127.255.255.255:80", "255.255.255.255:80"] {
        report.done(&format!("Dial tcp {address}"), dial("tcp", address));
    }
    Ok(())
}

fn no_address(report: &Report) -> io::Result<()> {
    let listener = listener()?;
    let to = listener.local_addr()?;
    report.ports(&[("SPORT", to)]);
    report.note("203.0.113.1 is an address for documentation, which no machine has");
    let not_ours = TcpAddr::new([203, 0, 113, 1], 0);
    let dialer = Dialer::new().local_addr(not_ours.clone());
    report.done("LocalAddr not ours", dialer.dial("tcp", &to.to_string()));
    let what = "DialTCP laddr not ours";
    report.done(what, dial_tcp("tcp", Some(&not_ours), &to.into()));
    let what = "Listen on address not ours";
    report.done(what, listen("tcp", "203.0.113.1:0"));
    let dialer = Dialer::new().local_addr(TcpAddr::from(to));
    let what = "LocalAddr port already listening";
    report.done(what, dialer.dial("tcp", "127.0.0.1:1"));
    Ok(())
}

fn in_use(report: &Report) -> io::Result<()> {
    let first = listener()?;
    let at = first.local_addr()?;
    report.ports(&[("SPORT", at)]);
    report.done("listen again", listen("tcp", &at.to_string()));
    let wildcard = format!(":{}", at.port());
    let what = "listen wildcard on same port";
    report.done(what, listen("tcp", &wildcard));
    report.note("the server closes a connection first, then its listener");
    let (client, server) = pair_on(&first)?;
    server.close()?;
    report.read("client read", &client.read(&mut [0; 1]));
    client.close()?;
    first.close()?;
    report.done(
        "listen again after close with TIME_WAIT around",
        listen("tcp", &at.to_string()),
    );
    report.done("listen 127.0.0.1:65536", listen("tcp", "127.0.0.1:65536"));
    Ok(())
}
