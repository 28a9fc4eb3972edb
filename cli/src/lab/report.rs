//! What a lab tells while it runs: each step as it happens, for people or for machines.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gopark::net::{NetError, TcpConn};
use serde::Serialize;

use super::Lab;
use super::describe::Told;
use super::plain;
use crate::failure::Failure;
use crate::output;

/// What kind of step it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Who stands at which port; the names are those of the recorded Go programs.
    Ports,
    /// What is being done, or what is to be seen from outside the connection.
    Note,
    /// Figures that differ from run to run.
    Measure,
    /// What an operation returned.
    Result,
    /// What to remember.
    Lesson,
}

/// A step, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Step<'a> {
    lab: &'a str,
    step: usize,
    at_ms: f64,
    kind: Kind,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The report of one lab. Any of its tasks may add to it.
#[derive(Debug)]
pub struct Report {
    lab: &'static Lab,
    json: bool,
    started: Instant,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    steps: usize,
    /// The first failure to print; nothing is printed after it.
    failed: Option<Failure>,
}

impl Report {
    /// An empty report. People read the lab's title first.
    pub fn new(lab: &'static Lab, json: bool) -> Report {
        let report = Report {
            lab,
            json,
            started: Instant::now(),
            progress: Mutex::default(),
        };
        if !json {
            report.print(|_| Ok(format!("{}: {}\n", lab.name, lab.about)));
        }
        report
    }

    /// Ends it with what to remember.
    pub fn finish(self) -> Result<(), Failure> {
        self.step(Kind::Lesson, &self.lab.lesson.join("\n"), None, None, None);
        let progress = self.progress.into_inner();
        match progress.unwrap_or_else(PoisonError::into_inner).failed {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Says what is being done or seen. The text is the same in every run.
    pub fn note(&self, text: impl AsRef<str>) {
        self.step(Kind::Note, text.as_ref(), None, None, None);
    }

    /// Says a figure that differs from run to run.
    pub fn measure(&self, text: impl AsRef<str>) {
        self.step(Kind::Measure, text.as_ref(), None, None, None);
    }

    /// Says a fact that came out: `what=true`.
    pub fn fact(&self, text: impl AsRef<str>) {
        self.step(Kind::Result, text.as_ref(), None, None, None);
    }

    /// Says who stands where.
    pub fn pair(&self, client: &TcpConn, server: &TcpConn) -> io::Result<()> {
        let (client, server) = (client.local_addr()?, server.local_addr()?);
        self.ports(&[("CPORT", client), ("SPORT", server)]);
        Ok(())
    }

    /// Says who stands where: the name of a port is `CPORT` for clients, `SPORT` for servers.
    pub fn ports(&self, ends: &[(&str, SocketAddr)]) {
        let who = |name: &str| if name == "CPORT" { "client" } else { "server" };
        let text: Vec<String> = ends
            .iter()
            .map(|(name, at)| format!("the {} is {at}", who(name)))
            .collect();
        let ports = ends
            .iter()
            .map(|(name, at)| ((*name).to_owned(), at.port().into()));
        let ports = Some(ports.collect());
        self.step(Kind::Ports, &text.join(", "), None, None, ports);
    }

    /// The result of an operation that either fails or not.
    pub fn done<T>(&self, what: &str, result: io::Result<T>) {
        let error = result.err();
        self.result(&format!("{what}: err="), None, error.as_ref().map(Told::of));
    }

    /// The same, where more than its name stands before the error.
    pub fn so<T>(&self, what: &str, result: io::Result<T>) {
        let error = result.err();
        self.result(&format!("{what} err="), None, error.as_ref().map(Told::of));
    }

    /// The same, where nothing but the error follows.
    pub fn only<T>(&self, what: &str, result: io::Result<T>) {
        let error = result.err();
        self.result(what, None, error.as_ref().map(Told::of));
    }

    /// The result of an operation that moves bytes.
    pub fn moved(&self, what: &str, result: &io::Result<usize>) {
        let n = moved(result);
        let error = result.as_ref().err().map(Told::of);
        self.result(&format!("{what}: n={n} err="), Some(n), error);
    }

    /// The result of reading into a buffer that was not empty; nothing is the end of the stream.
    pub fn read(&self, what: &str, result: &io::Result<usize>) {
        match result {
            Ok(0) => self.result(&format!("{what}: n=0 err="), Some(0), Some(Told::end())),
            result => self.moved(what, result),
        }
    }

    /// The end of a stream, where no number belongs to it.
    pub fn end(&self, what: &str) {
        self.result(&format!("{what}: err="), None, Some(Told::end()));
    }

    fn result(&self, before: &str, n: Option<usize>, error: Option<Told>) {
        let text = error.as_ref().map_or("nil", |told| &told.text);
        let text = format!("{before}{text}");
        self.step(Kind::Result, &text, n, error.as_ref(), None);
    }

    fn step(
        &self,
        kind: Kind,
        text: &str,
        n: Option<usize>,
        error: Option<&Told>,
        ports: Option<serde_json::Map<String, serde_json::Value>>,
    ) {
        let at = self.started.elapsed();
        self.print(|step| {
            if !self.json {
                return Ok(self.line(kind, text, error, at));
            }
            let step = Step {
                lab: self.lab.name,
                step,
                at_ms: (at.as_secs_f64() * 1e6).round() / 1e3,
                kind,
                text,
                n,
                error,
                ports,
            };
            Ok(serde_json::to_string(&step)? + "\n")
        });
    }

    fn line(&self, kind: Kind, text: &str, error: Option<&Told>, at: Duration) -> String {
        let remarks = error.map(Told::remarks).unwrap_or_default();
        let seconds = at.as_secs_f64();
        match kind {
            Kind::Lesson => format!("  => {}\n\n", text.replace('\n', "\n     ")),
            Kind::Result => format!("  {seconds:7.3} s    {}{remarks}\n", plain::words(text)),
            _ => format!("  {seconds:7.3} s  - {}\n", plain::words(text)),
        }
    }

    fn print(&self, text: impl FnOnce(usize) -> serde_json::Result<String>) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.failed.is_some() {
            return;
        }
        progress.steps += 1;
        let printed = text(progress.steps)
            .map_err(|error| Failure::new(format!("cannot write a step as JSON: {error}")))
            .and_then(|text| output::print(&text));
        progress.failed = printed.err();
    }
}

/// How many bytes an operation moved, whether or not it failed.
pub fn moved(result: &io::Result<usize>) -> usize {
    match result {
        Ok(n) => *n,
        Err(err) => err.bytes(),
    }
}
