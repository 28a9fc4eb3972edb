//! Requests that keep a worker computing, among many that do not: how many are answered, and how
//! long do they wait?
//!
//! The load is a closed loop at full speed, so the stalls decide everything, and CPU per request
//! against a floor would say little. It is measured in rounds, each over new connections.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::contender::{Contender, Launch, Lineup, Running};
use super::failed::{self, Failed};
use super::generator::{Measured, Remote, Slice, Task};
use super::rounds::{self, DUELS, Series, find, verdict, window};
use super::run::Table;
use super::stats::{Spread, spread};
use crate::failure::Failure;
use crate::load::progress::Progress;
use crate::load::report::SATURATED;
use crate::output;
use crate::serve::session::Work;
use crate::units::{connections, grouped, time};

/// One table.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StallTable {
    /// The workload's name.
    pub workload: String,
    /// What it is.
    pub about: String,
    /// Connections.
    pub conns: usize,
    /// Who ran where.
    pub places: String,
    /// The servers.
    pub servers: Vec<Stalled>,
    /// Those that could not be measured.
    pub failed: Failed,
}

/// One server's rounds.
pub type Stalled = Series<Measured>;

/// The 99th percentile.
pub fn p99(it: &Measured) -> f64 {
    it.latency_ns.p99 as f64
}

/// Not counted: the stalls of a new round take a moment to settle.
fn lead(slice: Duration) -> Duration {
    window(slice) / 4
}

/// How long one server takes in one round, about.
pub fn length(slice: Duration) -> Duration {
    window(slice) + lead(slice) + Duration::from_millis(120)
}

/// Measures. `stop` ends it early, with the rounds so far.
pub fn run(
    table: &Table<'_>,
    lineup: &Lineup,
    seed: u64,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> StallTable {
    let launch = Launch::of(table.workload, Work::FRAME, table.places);
    let start = |contender: &Contender| lineup.start(contender, launch);
    let slice = Slice {
        lead: lead(table.slice),
        window: window(table.slice),
    };
    // New connections each time: which worker gets how many of them is luck.
    let load = |server: &mut Running, _| generator(table, server)?.run(slice);
    let (servers, failed) = rounds::run(table, lineup, seed, stop, progress, start, load);
    StallTable {
        workload: table.workload.name.into(),
        about: table.workload.about.into(),
        conns: table.conns,
        places: table.places.text(),
        servers,
        failed,
    }
}

fn generator(table: &Table<'_>, server: &Running) -> Result<Remote, Failure> {
    let plan = table.workload.plan(server.addr, table.conns, Work::FRAME);
    let task = Task {
        plan,
        server: server.process.pid(),
        helper: None,
        threads: table.places.generator_threads.min(table.conns),
    };
    Remote::start(&task, &table.places.generator)
}

/// The columns of the table.
pub const HEADS: [&str; 8] = [
    "server", "req/s", "IQR", "p50", "p99", "p99.9", "gen", "errors",
];

/// The rows of the table, without the heads: medians over the rounds.
pub fn rows(table: &StallTable) -> Vec<Vec<String>> {
    let row = |it: &Stalled| {
        let rates: Vec<f64> = it.rounds.iter().map(Measured::rate).collect();
        let range = spread(&rates).map_or(0.0, |it| it.range());
        let busy = it.over(|it| it.utilisation);
        let full = if busy >= SATURATED { "!" } else { "" };
        let errors: u64 = it.rounds.iter().map(|it| it.errors).sum();
        vec![
            it.name.clone(),
            grouped(it.over(Measured::rate).round() as u64),
            grouped(range.round() as u64),
            time(it.over(|it| it.latency_ns.p50 as f64) as u64),
            time(it.over(p99) as u64),
            time(it.over(|it| it.latency_ns.p999 as f64) as u64),
            format!("{full}{:.0} %", busy * 100.0),
            errors.to_string(),
        ]
    };
    table.servers.iter().map(row).collect()
}

/// Who answers less and waits longer, round by round, and who could not be measured.
pub fn notes(table: &StallTable) -> Vec<String> {
    let mut notes = failed::sentences(&table.failed);
    let find = |name| find(&table.servers, name);
    let figures: [fn(&Measured) -> f64; 2] = [
        // Less time for each request is better, as with latencies.
        |it| 1.0 / it.rate().max(1e-9),
        p99,
    ];
    let mut noise = [0.0; 2];
    if let (Some(again), Some(floor)) = (find("floor-again"), find("floor")) {
        noise = figures.map(|of| ratio(again, floor, of).map_or(0.0, |it| apart(it.median)));
        notes.push(format!(
            "noise of this run: time per request {:.2}, p99 {:.2} (floor-again against floor)",
            noise[0], noise[1]
        ));
    }
    for (own, other) in DUELS {
        let (Some(own), Some(other)) = (find(own), find(other)) else {
            continue;
        };
        let words = |at: usize| {
            let ratio = ratio(own, other, figures[at])?;
            Some(verdict(ratio, noise[at], &other.name))
        };
        if let (Some(pace), Some(tail)) = (words(0), words(1)) {
            notes.push(format!(
                "{} against {}: time per request {pace}, p99 {tail}",
                own.name, other.name
            ));
        }
    }
    notes
}

/// How far a ratio is from 1, upwards or downwards alike.
fn apart(ratio: f64) -> f64 {
    ratio.max(1.0 / ratio.max(1e-9)) - 1.0
}

/// The ratio of the two in the same rounds.
fn ratio(own: &Stalled, other: &Stalled, of: fn(&Measured) -> f64) -> Option<Spread> {
    own.ratio(other, of, 1e-12)
}

/// What the table is about, in one line.
pub fn title(table: &StallTable) -> String {
    let conns = connections(table.conns);
    format!("{} ({}), {conns}", table.workload, table.about)
}

/// The table as text.
pub fn text(table: &StallTable) -> String {
    output::section(&title(table), &HEADS, rows(table), &notes(table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::Percentiles;

    #[test]
    fn the_one_that_answers_less_in_the_same_rounds_loses() {
        let server = |name: &str, requests: u64| Stalled {
            name: name.into(),
            rounds: (1..=6)
                .map(|round| Measured {
                    requests: requests * round,
                    seconds: 1.0,
                    latency_ns: Percentiles {
                        p99: 1_000,
                        ..Percentiles::default()
                    },
                    ..Measured::default()
                })
                .collect(),
        };
        let table = StallTable {
            workload: "stall-64".into(),
            about: "x".into(),
            conns: 64,
            places: String::new(),
            servers: vec![server("gopark", 500), server("tokio-mt", 1_000)],
            failed: vec![("may".into(), "gone".into())],
        };
        assert_eq!(
            notes(&table),
            [
                "may could not be measured: gone",
                "gopark against tokio-mt: time per request 2.00 LOSES, p99 1.00 even"
            ]
        );
    }
}
