//! One half of the demo, in a process of its own.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::board::Board;
use super::{gopark_side, tokio_side};
use crate::args::{DemoArgs, Side};
use crate::failure::Failure;
use crate::load::tally::Percentiles;
use crate::output;
use crate::sys::clock::CpuClock;
use crate::sys::{limits, process};

/// Bytes that go to and fro.
pub const SIZE: usize = 64;

/// Bytes of a read buffer. More than arrives, so that a read which empties the socket is short,
/// and both runtimes know that the next one would find nothing.
pub const BUFFER: usize = 1024;

/// What a half says on its standard output, one line of JSON each.
#[derive(Debug, Deserialize, Serialize)]
pub enum Line {
    /// Where it is.
    Progress {
        /// Answers so far.
        requests: u64,
    },
    /// What came of it.
    Done(Box<Outcome>),
}

/// What a half came to.
#[derive(Debug, Deserialize, Serialize)]
pub struct Outcome {
    /// Clients.
    pub clients: usize,
    /// Length of the measurement.
    pub seconds: f64,
    /// Answers in that time.
    pub requests: u64,
    /// Their latencies.
    pub latency_ns: Percentiles,
    /// Clients that failed.
    pub errors: u64,
    /// CPU time of the process in that time.
    pub cpu_seconds: f64,
    /// Memory that came with the connections.
    pub resident_growth: u64,
    /// What the runtime counted in that time, with names.
    pub counters: Vec<(String, u64)>,
}

/// A snapshot of a runtime's counters, with names.
pub type Counters = Vec<(String, u64)>;

/// Runs `gopark demo-half`.
pub fn command(args: DemoArgs) -> Result<(), Failure> {
    // The demo has counted the descriptors already.
    let _ = limits::raise_open_files();
    match args.side {
        Side::Gopark => gopark_side::run(args.conns, args.time),
        Side::Tokio => tokio_side::run(args.conns, args.time),
    }
}

/// Memory before there were any connections.
pub fn resident() -> u64 {
    process::resident_bytes(std::process::id()).unwrap_or(0)
}

/// Watches a half from a plain thread while its clients run: counts what happens in `length`,
/// then ends the clients and prints the outcome.
pub fn watch(
    board: &Arc<Board>,
    clients: usize,
    length: Duration,
    empty: u64,
    counters: impl Fn() -> Counters,
) -> Result<(), Failure> {
    let outcome = measure(board, clients, length, empty, counters);
    // Also after a failure: the clients would never end otherwise.
    board.stop();
    say(&Line::Done(Box::new(outcome?)))
}

fn measure(
    board: &Arc<Board>,
    clients: usize,
    length: Duration,
    empty: u64,
    counters: impl Fn() -> Counters,
) -> Result<Outcome, Failure> {
    let (start, cpu) = (Instant::now(), cpu()?);
    let (requests, counted) = (board.requests(), counters());
    while start.elapsed() < length {
        thread::sleep(Duration::from_millis(100).min(length.saturating_sub(start.elapsed())));
        say(&Line::Progress {
            requests: board.requests(),
        })?;
    }
    let (seconds, cpu_seconds) = (
        start.elapsed().as_secs_f64(),
        (self::cpu()? - cpu).as_secs_f64(),
    );
    let requests = board.requests() - requests;
    let counters = counters()
        .into_iter()
        .zip(counted)
        .map(|((name, after), (_, before))| (name, after - before))
        .collect();
    let resident_growth = resident().saturating_sub(empty);
    let tally = board.sum();
    Ok(Outcome {
        clients,
        seconds,
        requests,
        latency_ns: tally.percentiles(),
        errors: tally.errors(),
        cpu_seconds,
        resident_growth,
        counters,
    })
}

fn cpu() -> Result<Duration, Failure> {
    CpuClock::OWN
        .read()
        .map_err(|error| Failure::io("read the CPU clock", &error))
}

fn say(line: &Line) -> Result<(), Failure> {
    let text = serde_json::to_string(line)
        .map_err(|error| Failure::new(format!("cannot write a line: {error}")))?;
    output::print(&(text + "\n"))
}
