//! The lines the recorded Go programs print, with ports replaced by names.

use super::golden;
use gopark::net::{Cause, NetError, TcpConn};
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// What Go prints for the end of a stream.
const EOF: &str = r#"n=0 err="EOF" timeout=- temporary=- is=[io.EOF] chain=[EOF]"#;

/// The lines printed so far.
#[derive(Debug, Default)]
pub struct Lines {
    names: Vec<(String, &'static str)>,
    texts: Vec<(String, &'static str)>,
    pub lines: Vec<String>,
}

impl Lines {
    pub fn new() -> Lines {
        Lines::default()
    }

    /// From now on the port of `addr` prints as `name`.
    pub fn name(&mut self, addr: SocketAddr, name: &'static str) {
        let port = format!(":{}", addr.port());
        self.names.retain(|(known, _)| *known != port);
        self.names.push((port, name));
    }

    /// From now on `text` prints as `name`.
    pub fn name_text(&mut self, text: impl Into<String>, name: &'static str) {
        self.texts.push((text.into(), name));
    }

    /// Names the ends of a pair as the Go programs do.
    pub fn name_pair(&mut self, client: &TcpConn, server: &TcpConn) {
        self.name(client.local_addr().unwrap(), "CPORT");
        self.name(server.local_addr().unwrap(), "SPORT");
    }

    pub fn norm(&self, mut text: String) -> String {
        for (port, name) in &self.names {
            text = text.replace(port, &format!(":{name}"));
        }
        for (long, name) in &self.texts {
            text = text.replace(long, name);
        }
        text
    }

    pub fn print(&mut self, line: impl Into<String>) {
        let line = self.norm(line.into());
        self.lines.push(line);
    }

    /// An error in full, or `nil`.
    pub fn error<T>(&self, result: io::Result<T>) -> String {
        match result {
            Ok(_) => "nil".into(),
            Err(err) => self.norm(golden::describe(Cause::from(err))),
        }
    }

    /// The error of a dial that ran out of time, whose identity Go does not fix.
    pub fn timeout<T>(&self, result: io::Result<T>) -> String {
        let err = result.err().expect("an error");
        let text = self.norm(err.to_string());
        format!(
            "{text:?} timeout={} temporary={} is-one-of[os.ErrDeadlineExceeded \
             context.DeadlineExceeded]={}",
            err.is_timeout(),
            err.is_temporary(),
            matches!(err.net_cause(), Some(Cause::Timeout(_)))
        )
    }

    /// A result that is only an error or none.
    pub fn done<T>(&mut self, what: &str, result: io::Result<T>) {
        let line = format!("{what}: err={}", self.error(result));
        self.print(line);
    }

    /// The result of reading into a buffer that was not empty.
    pub fn read(&mut self, what: &str, result: io::Result<usize>) {
        let line = match result {
            Ok(0) => format!("{what}: {EOF}"),
            result => format!("{what}: {}", self.moved(result)),
        };
        self.print(line);
    }

    /// The result of anything else that moves bytes.
    pub fn bytes(&mut self, what: &str, result: io::Result<usize>) {
        let line = format!("{what}: {}", self.moved(result));
        self.print(line);
    }

    fn moved(&self, result: io::Result<usize>) -> String {
        let n = moved(&result);
        format!("n={n} err={}", self.error(result))
    }

    /// Compares what was printed with what Go's `program` printed.
    pub fn compare(&self, program: &str) {
        golden::compare(program, &self.lines);
    }

    /// Compares what was printed with a part of what Go's `program` printed.
    pub fn compare_part(&self, program: &str, part: &str) {
        golden::compare_part(program, part, &self.lines);
    }
}

/// How many bytes an operation moved, whether or not it failed.
pub fn moved(result: &io::Result<usize>) -> usize {
    match result {
        Ok(n) => *n,
        Err(err) => err.bytes(),
    }
}

/// Whether something took as long as it should. Never late: the machine may be busy.
pub fn elapsed(since: Instant, wanted: Duration) -> &'static str {
    if since.elapsed() + Duration::from_millis(5) < wanted {
        "early"
    } else {
        "on-time"
    }
}
