//! The load generator as a process of its own: `gopark bench-generator`.
//!
//! It reads orders from its standard input, one line of JSON each, and answers each with a line
//! on its standard output. The first order is a [`Task`]; it opens the connections. Each further
//! one is a [`Slice`]; it loads the server for that long. The end of the input ends the process.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, reason};
use crate::load::engine::Engine;
use crate::load::live::Live;
use crate::load::plan::Plan;
use crate::load::tally::Percentiles;
use crate::sys::child::{self, Kept};
use crate::sys::clock::CpuClock;

/// The first order: whom to load, and whose CPU time to read.
#[derive(Debug, Deserialize, Serialize)]
pub struct Task {
    /// The connections and what is said on them.
    pub plan: Plan,
    /// The server's process.
    pub server: u32,
}

/// An order to load the server.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Slice {
    /// Load that is not measured, to bring both sides into their stride.
    pub lead: Duration,
    /// Load that is.
    pub window: Duration,
}

/// What a slice came to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    /// Answers within the window.
    pub requests: u64,
    /// Answers altogether, from the window's start until the last one under way had arrived.
    pub all_requests: u64,
    /// Length of the window.
    pub seconds: f64,
    /// CPU time of the server within the window, in seconds.
    pub server_cpu: f64,
    /// The generator's share of its core.
    pub utilisation: f64,
    /// Errors of all kinds.
    pub errors: u64,
    /// Latencies.
    pub latency_ns: Percentiles,
}

impl Measured {
    /// CPU time of the server for one request, in microseconds.
    pub fn cpu_per_request(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.server_cpu / self.requests as f64 * 1e6)
    }
}

/// An answer, or why there is none.
type Answer<T> = Result<T, String>;

/// Runs `gopark bench-generator`.
pub fn command() -> Result<(), Failure> {
    crate::load::make_room(0, 0)?;
    let mut orders = std::io::stdin().lock().lines();
    let (live, stop) = (Live::default(), AtomicBool::new(false));
    let task: Task = match orders.next() {
        Some(line) => parse(&line.map_err(|error| Failure::io("read orders", &error))?)?,
        None => return Ok(()),
    };
    let server = CpuClock::of(task.server)
        .map_err(|error| Failure::io("read the server's CPU clock", &error))?;
    let mut engine = match Engine::open(&task.plan, &live, &stop) {
        Ok(engine) => engine,
        Err(error) => return say::<()>(Err(reason(&error))),
    };
    say(Ok(()))?;
    for line in orders {
        let order: Slice = parse(&line.map_err(|error| Failure::io("read orders", &error))?)?;
        let stretch = engine.run(order.lead, order.window, Some(server));
        say(stretch
            .map_err(|error| reason(&error))
            .map(|stretch| Measured {
                requests: stretch.answered,
                all_requests: stretch.tally.requests,
                seconds: stretch.elapsed.as_secs_f64(),
                server_cpu: stretch.server_cpu.unwrap_or_default().as_secs_f64(),
                utilisation: stretch.own_cpu.as_secs_f64() / stretch.elapsed.as_secs_f64(),
                errors: stretch.tally.errors(),
                latency_ns: stretch.tally.percentiles(),
            }))?;
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(line: &str) -> Result<T, Failure> {
    serde_json::from_str(line)
        .map_err(|error| Failure::new(format!("bench-generator is driven by bench: {error}")))
}

fn say<T: Serialize>(answer: Answer<T>) -> Result<(), Failure> {
    let line = serde_json::to_string(&answer)
        .map_err(|error| Failure::new(format!("cannot write an answer: {error}")))?;
    crate::output::print(&(line + "\n"))
}

/// A generator process, seen from the process that gives the orders.
#[derive(Debug)]
pub struct Remote {
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Keeps the process; it is ended when this value goes.
    _process: Kept,
}

impl Remote {
    /// Starts a generator pinned to `core`, and has it open its connections.
    pub fn start(task: &Task, core: usize) -> Result<Remote, Failure> {
        let start = |error| Failure::io("start the load generator", &error);
        let mut command = Command::new(std::env::current_exe().map_err(start)?);
        command
            .arg("bench-generator")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = child::start(&mut command, Some(core)).map_err(start)?;
        let (Some(orders), Some(answers)) =
            (process.child.stdin.take(), process.child.stdout.take())
        else {
            return Err(Failure::new("cannot talk to the load generator"));
        };
        let answers = BufReader::new(answers);
        let mut remote = Remote {
            orders,
            answers,
            _process: process,
        };
        remote.order::<()>(task)?;
        Ok(remote)
    }

    /// Has it load its server.
    pub fn run(&mut self, slice: Slice) -> Result<Measured, Failure> {
        self.order(&slice)
    }

    fn order<T: DeserializeOwned>(&mut self, order: &impl Serialize) -> Result<T, Failure> {
        let lost = |_| Failure::new("the load generator has gone away");
        let line = serde_json::to_string(order)
            .map_err(|error| Failure::new(format!("cannot write an order: {error}")))?;
        self.orders
            .write_all((line + "\n").as_bytes())
            .map_err(lost)?;
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(lost)?;
        let answer: Answer<T> = serde_json::from_str(&line)
            .map_err(|_| Failure::new("the load generator has gone away"))?;
        answer.map_err(|why| Failure::new(format!("the load generator failed: {why}")))
    }
}
