//! Socket options: what connections have from the start, and what reads back.

use std::io;
use std::time::Duration;

use gopark::net::{Dialer, KeepAliveConfig, TcpAddr, TcpConn};
use socket2::SockRef;

use super::Lab;
use super::report::Report;
use super::scene::{listener, pair_on};

pub static LABS: [Lab; 1] = [Lab {
    name: "options",
    about: "socket options: the defaults, and what is read back after setting",
    lesson: [
        "Small writes go out at once and idle peers are probed every 15 s, unless told otherwise, as",
        "in Go. Linux doubles buffer sizes for its own use and rounds times to whole seconds.",
    ],
    run: options,
}];

fn options(report: &Report) -> io::Result<()> {
    let listener = listener()?;
    let (client, server) = pair_on(&listener)?;
    report.pair(&client, &server)?;
    report.fact(format!("dialed: {}", all(&client)?));
    report.fact(format!("accepted: {}", all(&server)?));
    let to = TcpAddr::from(listener.local_addr()?).to_string();
    for (what, config) in [
        ("KeepAlive=-1", KeepAliveConfig::OFF),
        (
            "KeepAliveConfig{Enable,7s,-1,2}",
            KeepAliveConfig {
                enable: true,
                idle: Some(Duration::from_secs(7)),
                interval: None,
                count: Some(2),
            },
        ),
    ] {
        let conn = Dialer::new().keep_alive(config).dial("tcp", &to)?;
        let conn: Box<dyn std::any::Any> = conn;
        if let Some(conn) = conn.downcast_ref() {
            report.fact(format!("dialed {what}: {}", all(conn)?));
        }
    }
    client.set_nodelay(false)?;
    report.note(format!(
        "SetNoDelay(false) reads back {}",
        client.nodelay()?
    ));
    client.set_linger(Some(Duration::from_millis(1500)))?;
    let linger = client.linger()?.unwrap_or_default().as_secs();
    report.note(format!("SetLinger(1.5 s) reads back {linger} s"));
    client.set_keepalive_period(Duration::from_millis(2500))?;
    let idle = get(&client, |fd| fd.tcp_keepalive_time())?.as_secs();
    report.note(format!("SetKeepAlivePeriod(2.5 s) reads back {idle} s"));
    client.set_read_buffer(16384)?;
    let bytes = get(&client, |fd| fd.recv_buffer_size())?;
    report.note(format!("SetReadBuffer(16384) reads back {bytes}"));
    client.set_write_buffer(16384)?;
    let bytes = get(&client, |fd| fd.send_buffer_size())?;
    report.note(format!("SetWriteBuffer(16384) reads back {bytes}"));
    client.set_ttl(17)?;
    report.note(format!("SetTTL(17) reads back {}", client.ttl()?));
    Ok(())
}

fn get<T>(conn: &TcpConn, option: impl Fn(&SockRef<'_>) -> io::Result<T>) -> io::Result<T> {
    conn.with_fd(|fd| option(&SockRef::from(&fd)))?
}

/// The options, under the names of the C headers.
fn all(conn: &TcpConn) -> io::Result<String> {
    get(conn, |fd| {
        let on = u8::from;
        Ok(format!(
            "SO_REUSEADDR={} SO_REUSEPORT={} SO_KEEPALIVE={} SO_BROADCAST={} TCP_NODELAY={} \
             KEEPIDLE={} KEEPINTVL={} KEEPCNT={}",
            on(fd.reuse_address()?),
            on(fd.reuse_port()?),
            on(fd.keepalive()?),
            on(fd.broadcast()?),
            on(fd.tcp_nodelay()?),
            fd.tcp_keepalive_time()?.as_secs(),
            fd.tcp_keepalive_interval()?.as_secs(),
            fd.tcp_keepalive_retries()?,
        ))
    })
}
