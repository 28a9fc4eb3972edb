//! Requests that keep a worker computing, among many that do not: how many are answered, and how
//! long do they wait?
//!
//! The load is a closed loop at full speed, so the stalls decide everything, and CPU per request
//! against a floor would say little. All servers are up; in each round each is loaded once, in a
//! drawn order and over new connections, and servers are compared within their rounds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::contender::{Contender, FLOOR, Launch, Lineup, Running};
use super::generator::{Measured, Remote, Slice, Task};
use super::paced::{DUELS, verdict, window};
use super::places::Places;
use super::random::Random;
use super::run::Failed;
use super::stats::{Spread, median, spread};
use super::workload::Workload;
use crate::failure::Failure;
use crate::load::progress::Progress;
use crate::load::report::SATURATED;
use crate::output;
use crate::units::{grouped, time};

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
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Stalled {
    /// The server.
    pub name: String,
    /// Each round.
    pub rounds: Vec<Measured>,
}

impl Stalled {
    /// The median over the rounds.
    pub fn over(&self, of: fn(&Measured) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }
}

/// Requests per second.
pub fn rate(it: &Measured) -> f64 {
    it.requests as f64 / it.seconds.max(1e-9)
}

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

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Stall<'a> {
    /// The workload.
    pub workload: &'static Workload,
    /// Connections.
    pub conns: usize,
    /// Rounds.
    pub rounds: usize,
    /// Length of a slice.
    pub slice: Duration,
    /// Who runs where.
    pub places: &'a Places,
}

impl Stall<'_> {
    /// Those who take part, the floor first.
    pub fn contenders(&self, lineup: &Lineup) -> Vec<Contender> {
        let suits = |it: &Contender| it.suits(self.workload, self.places.workers);
        let others = lineup.present.iter().copied().filter(suits);
        std::iter::once(FLOOR).chain(others).collect()
    }

    /// Measures. `stop` ends it early, with the rounds so far.
    pub fn run(
        &self,
        lineup: &Lineup,
        seed: u64,
        stop: &AtomicBool,
        progress: &mut Progress,
    ) -> StallTable {
        let (mut running, mut failed) = (Vec::new(), Failed::new());
        for contender in self.contenders(lineup) {
            match self.start(lineup, &contender) {
                Ok(server) => running.push(Some(server)),
                Err(why) => failed.push((contender.name.into(), why.to_string())),
            }
        }
        let name = |it: &Option<Running>| it.as_ref().map_or("", |it| it.contender.name);
        let mut servers: Vec<Stalled> = running
            .iter()
            .map(|it| Stalled {
                name: name(it).into(),
                rounds: Vec::new(),
            })
            .collect();
        let slice = Slice {
            lead: lead(self.slice),
            window: window(self.slice),
        };
        let mut random = Random::new(seed);
        for round in 1..=self.rounds {
            for index in random.order(running.len()) {
                let Some(server) = &running[index] else {
                    continue;
                };
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                progress.show(|| {
                    let (workload, server) = (self.workload.name, &servers[index].name);
                    format!("{workload}, round {round}/{}: {server}", self.rounds)
                });
                // New connections each time: which worker gets how many of them is luck.
                let load = || self.generator(server)?.run(slice);
                match load() {
                    Ok(measured) => servers[index].rounds.push(measured),
                    Err(why) => {
                        failed.push((servers[index].name.clone(), why.to_string()));
                        running[index] = None;
                    }
                }
            }
        }
        let mut running = running.into_iter();
        servers.retain(|_| running.next().flatten().is_some());
        StallTable {
            workload: self.workload.name.into(),
            about: self.workload.about.into(),
            conns: self.conns,
            places: self.places.text(),
            servers,
            failed,
        }
    }

    fn start(&self, lineup: &Lineup, contender: &Contender) -> Result<Running, Failure> {
        let launch = Launch {
            service: self.workload.service,
            cores: &self.places.servers,
            workers: self.places.workers,
            buffer: 4096,
            deadline: None,
            upstream: None,
        };
        lineup.start(contender, launch)
    }

    fn generator(&self, server: &Running) -> Result<Remote, Failure> {
        let task = Task {
            plan: self.workload.plan(server.addr, self.conns, 64),
            server: server.process.pid(),
            helper: None,
            threads: self.places.generator_threads.min(self.conns),
        };
        Remote::start(&task, &self.places.generator)
    }
}

/// The columns of the table.
pub const HEADS: [&str; 8] = [
    "server", "req/s", "IQR", "p50", "p99", "p99.9", "gen", "errors",
];

/// The rows of the table, without the heads: medians over the rounds.
pub fn rows(table: &StallTable) -> Vec<Vec<String>> {
    let row = |it: &Stalled| {
        let rates: Vec<f64> = it.rounds.iter().map(rate).collect();
        let range = spread(&rates).map_or(0.0, |it| it.range());
        let busy = it.over(|it| it.utilisation);
        let full = if busy >= SATURATED { "!" } else { "" };
        let errors: u64 = it.rounds.iter().map(|it| it.errors).sum();
        vec![
            it.name.clone(),
            grouped(it.over(rate).round() as u64),
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
    let failed = table.failed.iter();
    let mut notes: Vec<String> = failed
        .map(|(name, why)| format!("{name} could not be measured: {why}"))
        .collect();
    let find = |name: &str| table.servers.iter().find(|it| it.name == name);
    let figures: [fn(&Measured) -> f64; 2] = [
        // Less time for each request is better, as with latencies.
        |it| 1.0 / rate(it).max(1e-9),
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
    let rounds = own.rounds.iter().zip(&other.rounds);
    let ratios: Vec<f64> = rounds
        .map(|(own, other)| of(own) / of(other).max(1e-12))
        .collect();
    spread(&ratios)
}

/// What the table is about, in one line.
pub fn title(table: &StallTable) -> String {
    let conns = grouped(table.conns as u64);
    format!("{} ({}), {conns} connections", table.workload, table.about)
}

/// The table as text.
pub fn text(table: &StallTable) -> String {
    let mut all = vec![HEADS.map(String::from).to_vec()];
    all.extend(rows(table));
    let mut text = format!("\n{}\n{}", title(table), output::table(&all));
    for note in notes(table) {
        text += &format!("  {note}\n");
    }
    text
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
