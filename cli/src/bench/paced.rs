//! Requests that come at their own pace: how long do they wait, beside others that are heavy, or
//! beside tasks of the server that never rest?
//!
//! It is measured in rounds. A server that is never idle is started for its part of each and does not
//! run beside the others. The connections are opened anew each time, light and heavy ones in an order
//! that is the same for all servers of a round and another one in the next: where heavy connections end
//! up is luck, and so everybody has the same mixture of it. `floor-light` is the floor asked for nothing
//! heavy: what is left if whatever is done about heavy requests is perfect.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::contender::{Contender, Launch, Lineup, Running};
use super::failed::{self, Failed};
use super::generator::{Pair, Remote, Task};
use super::rounds::{self, DUELS, Series, find, verdict, window};
use super::run::Table;
use super::stats::Spread;
use super::turns;
use super::workload::Service;
use crate::failure::Failure;
use crate::load::progress::Progress;
use crate::output;
use crate::serve::session::Work;
use crate::units::time;

/// Who sends how much. A heavy request computes for a millisecond.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mix {
    /// Connections that ask for nothing but an answer.
    pub light: usize,
    /// Connections whose requests are heavy.
    pub heavy: usize,
}

/// One table.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PacedTable {
    /// The workload's name.
    pub workload: String,
    /// What it is.
    pub about: String,
    /// Who sends how much.
    pub mix: Mix,
    /// Who ran where.
    pub places: String,
    /// The servers.
    pub servers: Vec<Paced>,
    /// Those that could not be measured, or never answered.
    pub failed: Failed,
}

/// One server's rounds.
pub type Paced = Series<Pair>;

impl Paced {
    /// p50, p90 and p99 of the light requests, medians over the rounds, in nanoseconds.
    pub fn light(&self) -> [f64; 3] {
        LIGHT.map(|(_, of)| self.over(|pair| of(pair) as f64))
    }
}

/// What a round is asked about: its name, and where it is.
pub type Figure = (&'static str, fn(&Pair) -> u64);

/// The figures of the light requests.
pub const LIGHT: [Figure; 3] = [
    ("p50", |pair| pair.light.p50),
    ("p90", |pair| pair.light.p90),
    ("p99", |pair| pair.light.p99),
];

/// How long one server takes in one round, about.
pub fn length(slice: Duration) -> Duration {
    window(slice).mul_f64(1.25) + Duration::from_millis(80)
}

/// Measures. `stop` ends it early, with the rounds so far.
pub fn run(
    table: &Table<'_>,
    mix: Mix,
    lineup: &Lineup,
    seed: u64,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> PacedTable {
    let window = window(table.slice);
    // A server that is never idle must not run beside others.
    let alone = table.workload.service == Service::Crowd;
    let keep = |contender: &Contender| {
        let kept = (!alone).then(|| start(table, lineup, contender));
        Ok((*contender, kept.transpose()?))
    };
    let load = |(contender, kept): &mut (Contender, Option<Loaded>), drawn| {
        let mut own = None;
        let server = match kept {
            Some(server) => server,
            None => own.insert(start(table, lineup, contender)?),
        };
        let part = contender.part_of(mix);
        server.generator.paced(part, drawn, window)
    };
    let (servers, failed) = rounds::run(table, lineup, seed, stop, progress, keep, load);
    PacedTable {
        workload: table.workload.name.into(),
        about: table.workload.about.into(),
        mix,
        places: table.places.text(),
        servers,
        failed,
    }
}

/// A server with its generator.
struct Loaded {
    _server: Running,
    generator: Remote,
}

fn start(table: &Table<'_>, lineup: &Lineup, contender: &Contender) -> Result<Loaded, Failure> {
    let (workload, places) = (table.workload, table.places);
    let server = lineup.start(contender, Launch::of(workload, Work::FRAME, places))?;
    let task = Task {
        plan: workload.plan(server.addr, 0, Work::FRAME),
        server: server.process.pid(),
        helper: None,
        threads: 0,
    };
    let generator = Remote::start(&task, &places.generator)?;
    Ok(Loaded {
        _server: server,
        generator,
    })
}

/// The columns of the table.
pub const HEADS: [&str; 9] = [
    "server",
    "light p50",
    "p90",
    "p99",
    "p99.9",
    "heavy p50",
    "p90",
    "p99",
    "errors",
];

/// The rows of the table, without the heads: medians over the rounds.
pub fn rows(found: &[Paced]) -> Vec<Vec<String>> {
    let row = |it: &Paced| {
        let median = |of: fn(&Pair) -> u64| time(it.over(|pair| of(pair) as f64) as u64);
        let none = it.rounds.iter().all(|pair| pair.heavy.max == 0);
        let heavy = |of| if none { "-".into() } else { median(of) };
        let errors: u64 = it.rounds.iter().map(|pair| pair.errors).sum();
        vec![
            it.name.clone(),
            median(|pair| pair.light.p50),
            median(|pair| pair.light.p90),
            median(|pair| pair.light.p99),
            median(|pair| pair.light.p999),
            heavy(|pair| pair.heavy.p50),
            heavy(|pair| pair.heavy.p90),
            heavy(|pair| pair.heavy.p99),
            errors.to_string(),
        ]
    };
    found.iter().map(row).collect()
}

/// Who waits longer, round by round.
pub fn notes(found: &[Paced]) -> Vec<String> {
    let mut notes = Vec::new();
    for (own, other) in DUELS {
        let (Some(own), Some(other)) = (find(found, own), find(found, other)) else {
            continue;
        };
        let words = each_figure(|of| Some(verdict(ratio(own, other, of)?, 0.0, &other.name)));
        notes.push(format!(
            "{} against {}, light: {words}",
            own.name, other.name
        ));
    }
    for other in ["tokio-mt", "tokio-mt-blocking"] {
        let words = each_figure(|of| Some(format!("{:.2}", undisturbed(found, other, of)?.median)));
        if !words.is_empty() {
            notes.push(format!(
                "the floor with no heavy request at all against {other}, light: {words}"
            ));
        }
    }
    notes
}

fn each_figure(say: impl Fn(fn(&Pair) -> u64) -> Option<String>) -> String {
    let said = |&(name, of): &Figure| Some(format!("{name} {}", say(of)?));
    let words: Vec<String> = LIGHT.iter().filter_map(said).collect();
    words.join(", ")
}

/// What is left of another server's figure where nothing heavy is asked of anybody: whatever is done
/// about heavy requests, no server can be far below that.
pub fn undisturbed(found: &[Paced], other: &str, of: fn(&Pair) -> u64) -> Option<Spread> {
    ratio(find(found, "floor-light")?, find(found, other)?, of).filter(Spread::is_enough)
}

/// The ratio of the two in the same rounds.
pub fn ratio(own: &Paced, other: &Paced, of: fn(&Pair) -> u64) -> Option<Spread> {
    own.ratio(other, |pair| of(pair) as f64, 1.0)
}

/// What the table is about, in one line.
pub fn title(table: &PacedTable) -> String {
    format!("{} ({})", table.workload, table.about)
}

/// The notes, and who could not be measured.
pub fn all_notes(table: &PacedTable) -> Vec<String> {
    let mut notes = failed::sentences(&table.failed);
    notes.extend(self::notes(&table.servers));
    notes
}

/// The table as text.
pub fn text(table: &PacedTable) -> String {
    let rows = rows(&table.servers);
    let text = output::section(&title(table), &HEADS, rows, &all_notes(table));
    match turns::rows(&table.servers) {
        turns if turns.is_empty() => text,
        turns => text + &output::section(turns::ABOUT, &turns::HEADS, turns, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::Percentiles;

    #[test]
    fn the_one_that_waits_longer_in_the_same_rounds_loses() {
        let server = |name: &str, times: [u64; 6]| Paced {
            name: name.into(),
            rounds: times
                .map(|p50| Pair {
                    light: Percentiles {
                        p50,
                        p90: 10 * p50,
                        p99: 100,
                        ..Percentiles::default()
                    },
                    ..Pair::default()
                })
                .to_vec(),
        };
        let found = [
            server("gopark", [20, 200, 40, 2, 20, 40]),
            server("tokio-mt", [10, 100, 20, 1, 10, 20]),
        ];
        assert_eq!(
            notes(&found),
            ["gopark against tokio-mt, light: p50 2.00 LOSES, p90 2.00 LOSES, p99 1.00 even"]
        );
    }
}
