//! `gopark` without arguments: the same program on gopark and on tokio, and what each of them did.
//!
//! Each half is a process of its own, so that neither inherits the other's memory: an echo server
//! and its clients, every client a task that sends 64 bytes and reads them back, over and over.

pub mod board;
mod gopark_side;
pub mod half;
mod tokio_side;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::args::Side;
use crate::failure::Failure;
use crate::load::progress::Progress;
use crate::output;
use crate::sys::child;
use crate::sys::{limits, process};
use crate::units::{bytes, grouped, time};

use half::{Line, Outcome};

/// Clients, when there are descriptors for them.
const CLIENTS: usize = 1_000;

/// How long each half runs.
const LENGTH: Duration = Duration::from_secs(3);

/// Descriptors for everything but the connections: pollers, wakers, standard streams.
const SPARE: u64 = 64;

/// Runs the demo.
pub fn command() -> Result<(), Failure> {
    let limit = limits::raise_open_files()
        .map_err(|error| Failure::io("read the limit on open files", &error))?;
    // Both ends of every connection are in one process.
    let room = usize::try_from(limit.saturating_sub(SPARE) / 2).unwrap_or(CLIENTS);
    let clients = CLIENTS.min(room);
    if clients == 0 {
        return Err(Failure::new(format!(
            "too many open files: the limit is {limit} descriptors and the demo needs at least \
             {} (raise `ulimit -n`)",
            SPARE + 2
        )));
    }
    output::print(&introduction(clients, limit))?;
    let mut progress = Progress::new(LENGTH * 2, false);
    let ours = half(Side::Gopark, clients, &mut progress)?;
    let theirs = half(Side::Tokio, clients, &mut progress)?;
    progress.finish();
    output::print(&table(&ours, &theirs))?;
    output::print(NEXT)
}

fn introduction(clients: usize, limit: u64) -> String {
    let fewer = if clients < CLIENTS {
        format!(
            "Only {clients} clients instead of {}, because the limit on open files is {limit}.\n",
            grouped(CLIENTS as u64)
        )
    } else {
        String::new()
    };
    format!(
        "{}\nAn echo server and {} clients in one process, 64 bytes to and fro for {} s, first on \
         gopark, then on tokio.\n{fewer}",
        process::machine(),
        grouped(clients as u64),
        LENGTH.as_secs(),
    )
}

/// Runs one half in a child process and follows its progress.
fn half(side: Side, clients: usize, progress: &mut Progress) -> Result<Outcome, Failure> {
    let name = if side == Side::Gopark {
        "gopark"
    } else {
        "tokio"
    };
    let cannot = |why: &str| Failure::new(format!("cannot run the demo on {name}: {why}"));
    let program = std::env::current_exe().map_err(|error| cannot(&error.to_string()))?;
    let mut command = Command::new(program);
    command.args(["demo-half", name, "--conns", &clients.to_string()]);
    command
        .arg("--time")
        .arg(format!("{}ms", LENGTH.as_millis()));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process =
        child::start(&mut command, &[]).map_err(|error| cannot(&error.to_string()))?;
    let Some(lines) = process.child.stdout.take() else {
        return Err(cannot("no pipe"));
    };
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Line::Progress { requests }) => {
                progress.show(|| format!("{name}: {} requests", grouped(requests)));
            }
            Ok(Line::Done(outcome)) => return Ok(*outcome),
            Err(error) => return Err(cannot(&error.to_string())),
        }
    }
    Err(cannot("it ended early"))
}

fn table(ours: &Outcome, theirs: &Outcome) -> String {
    let mut rows = Vec::new();
    let mut figure = |name: &str, of: &dyn Fn(&Outcome) -> String| {
        rows.push(row(name, &of(ours), &of(theirs)));
    };
    figure("requests/s", &|it| {
        grouped((it.requests as f64 / it.seconds) as u64)
    });
    figure("latency p50", &|it| time(it.latency_ns.p50));
    figure("latency p99", &|it| time(it.latency_ns.p99));
    figure("latency p99.9", &|it| time(it.latency_ns.p999));
    figure("CPU per request, both ends", &|it| match it.requests {
        0 => "-".into(),
        requests => format!("{:.2} us", it.cpu_seconds / requests as f64 * 1e6),
    });
    figure("memory per connection, both ends", &|it| {
        bytes(it.resident_growth / it.clients.max(1) as u64)
    });
    figure("errors", &|it| grouped(it.errors));
    let names = ours.counters.iter().map(|(name, _)| name);
    for (index, name) in names.enumerate() {
        let per_request = |it: &Outcome| match it.counters.get(index) {
            Some((_, count)) if it.requests > 0 => {
                format!("{:.3} per request", *count as f64 / it.requests as f64)
            }
            _ => "-".into(),
        };
        rows.push(row(name, &per_request(ours), &per_request(theirs)));
    }
    format!("\n{}", output::table(&["", "gopark", "tokio"], rows))
}

fn row(name: &str, ours: &str, theirs: &str) -> Vec<String> {
    [name, ours, theirs].map(String::from).to_vec()
}

const NEXT: &str = "
A skipped read is a read that would have found nothing (EAGAIN), and was not made.
Both halves share the cores with their own clients; for a fair comparison, with servers and load
on separate cores, run `gopark bench`.

Next:
  gopark serve echo            then, elsewhere:  gopark load --addr :7000
  gopark serve http            then, elsewhere:  curl -i 127.0.0.1:7000/stats
  gopark bench echo            gopark beside raw epoll, tokio and threads
  gopark --help
";
