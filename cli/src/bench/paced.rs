//! Requests that come at their own pace: how long do they wait, beside others that are heavy, or
//! beside tasks of the server that never rest?
//!
//! All servers are up, unless they are never idle; in each round each is loaded once, in a drawn order. The connections are
//! opened anew each time, light and heavy ones in an order that is the same for all servers of a
//! round and another one in the next: where heavy connections end up is luck, and so everybody
//! has the same mixture of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::contender::{Contender, FLOOR, Launch, Lineup, Running};
use super::generator::{Pair, Remote, Task};
use super::places::Places;
use super::random::Random;
use super::run::Failed;
use super::stats::{Spread, median, spread};
use super::workload::{Service, Workload};
use crate::failure::Failure;
use crate::load::progress::Progress;
use crate::load::tally::Percentiles;
use crate::output;
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
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Paced {
    /// The server.
    pub name: String,
    /// Each round.
    pub rounds: Vec<Pair>,
}

impl Paced {
    /// p50, p90 and p99 of the light requests, medians over the rounds, in nanoseconds.
    pub fn light(&self) -> [f64; 3] {
        LIGHT.map(|(_, of)| median(self.rounds.iter().map(|pair| of(pair) as f64)))
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

/// Who is held against whom.
pub const DUELS: [(&str, &str); 7] = [
    ("gopark", "tokio-mt"),
    ("gopark", "may"),
    ("gopark", "go"),
    ("gopark", "smol"),
    ("gopark", "floor"),
    ("gopark-blocking", "tokio-mt-blocking"),
    ("gopark-blocking", "gopark"),
];

/// Length of a round for one server: at this pace a request comes only now and then.
pub fn window(slice: Duration) -> Duration {
    (slice * 5).clamp(Duration::from_millis(300), Duration::from_secs(1))
}

/// How long one server takes in one round, about.
pub fn length(slice: Duration) -> Duration {
    window(slice).mul_f64(1.25) + Duration::from_millis(80)
}

/// Measures. `stop` ends it early, with the rounds so far.
#[expect(
    clippy::too_many_arguments,
    reason = "each is said once, by one caller"
)]
pub fn run(
    workload: &Workload,
    mix: Mix,
    rounds: usize,
    window: Duration,
    lineup: &Lineup,
    places: &Places,
    seed: u64,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> Result<(Vec<Paced>, Failed), Failure> {
    let mut failed = Failed::new();
    // A server that is never idle must not run beside others.
    let alone = workload.service == Service::Crowd;
    let (mut contenders, mut running) = (Vec::new(), Vec::new());
    for contender in self::contenders(lineup, places, workload) {
        let started = (!alone).then(|| start(&contender, lineup, places, workload));
        match started.transpose() {
            Ok(server) => {
                contenders.push(contender);
                running.push(server);
            }
            Err(why) => failed.push((contender.name.into(), why.to_string())),
        }
    }
    let mut found: Vec<Paced> = contenders
        .iter()
        .map(|contender| Paced {
            name: contender.name.to_string(),
            rounds: Vec::new(),
        })
        .collect();
    let mut gone = vec![false; contenders.len()];
    let mut random = Random::new(seed);
    for round in 1..=rounds {
        let drawn = random.next();
        for index in random.order(contenders.len()) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            if gone[index] {
                continue;
            }
            progress.show(|| {
                let (workload, server) = (workload.name, &found[index].name);
                format!("{workload}, round {round}/{rounds}: {server}")
            });
            let mut one_round = || {
                let mut own = None;
                let server = match &mut running[index] {
                    Some(server) => server,
                    None => own.insert(start(&contenders[index], lineup, places, workload)?),
                };
                server.1.paced(mix, drawn, window)
            };
            match one_round() {
                Ok(pair) => found[index].rounds.push(pair),
                Err(why) => {
                    gone[index] = true;
                    failed.push((found[index].name.clone(), why.to_string()));
                }
            }
        }
    }
    let mut gone = gone.into_iter();
    found.retain(|_| !gone.next().unwrap_or(false));
    Ok((found, failed))
}

/// Those who take part.
pub fn contenders(lineup: &Lineup, places: &Places, workload: &Workload) -> Vec<Contender> {
    let suits = |it: &Contender| it.suits(workload, places.workers);
    let others = lineup.present.iter().copied().filter(suits);
    std::iter::once(FLOOR).chain(others).collect()
}

fn start(
    contender: &Contender,
    lineup: &Lineup,
    places: &Places,
    workload: &Workload,
) -> Result<(Running, Remote), Failure> {
    let launch = Launch {
        service: workload.service,
        cores: &places.servers,
        workers: places.workers,
        buffer: 4096,
        deadline: None,
        upstream: None,
    };
    let server = lineup.start(contender, launch)?;
    let task = Task {
        plan: workload.plan(server.addr, 0, 64),
        server: server.process.pid(),
        helper: None,
        threads: 0,
    };
    let generator = Remote::start(&task, &places.generator)?;
    Ok((server, generator))
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
        let over = |of: &dyn Fn(&Pair) -> u64| {
            time(median(it.rounds.iter().map(|pair| of(pair) as f64)) as u64)
        };
        let (light, heavy) = (|pair: &Pair| pair.light, |pair: &Pair| pair.heavy);
        let at = |class: fn(&Pair) -> Percentiles, of: fn(Percentiles) -> u64| {
            over(&move |pair: &Pair| of(class(pair)))
        };
        let none = it.rounds.iter().all(|pair| pair.heavy.max == 0);
        let heavy_at = |of: fn(Percentiles) -> u64| {
            if none { "-".into() } else { at(heavy, of) }
        };
        let errors: u64 = it.rounds.iter().map(|pair| pair.errors).sum();
        vec![
            it.name.clone(),
            at(light, |it| it.p50),
            at(light, |it| it.p90),
            at(light, |it| it.p99),
            at(light, |it| it.p999),
            heavy_at(|it| it.p50),
            heavy_at(|it| it.p90),
            heavy_at(|it| it.p99),
            errors.to_string(),
        ]
    };
    found.iter().map(row).collect()
}

/// Who waits longer, round by round.
pub fn notes(found: &[Paced]) -> Vec<String> {
    let mut notes = Vec::new();
    for (own, other) in DUELS {
        let named = |name: &str| found.iter().find(|it| it.name == name);
        let (Some(own), Some(other)) = (named(own), named(other)) else {
            continue;
        };
        let words: Vec<String> = LIGHT
            .iter()
            .filter_map(|&(name, of)| {
                Some(format!(
                    "{name} {}",
                    verdict(ratio(own, other, of)?, 0.0, &other.name)
                ))
            })
            .collect();
        notes.push(format!(
            "{} against {}, light: {}",
            own.name,
            other.name,
            words.join(", ")
        ));
    }
    notes
}

/// The ratio of the two in the same rounds.
pub fn ratio(own: &Paced, other: &Paced, of: fn(&Pair) -> u64) -> Option<Spread> {
    let pairs = own.rounds.iter().zip(&other.rounds);
    let ratios: Vec<f64> = pairs
        .map(|(own, other)| of(own) as f64 / of(other).max(1) as f64)
        .collect();
    spread(&ratios)
}

/// A ratio of which less is better, in words. Below `noise` there is no difference; against
/// `other`, if that is gopark in another way, there is nothing to win.
pub fn verdict(ratio: Spread, noise: f64, other: &str) -> String {
    let (more_word, less_word) = if other.starts_with("gopark") {
        ("more", "less")
    } else {
        ("LOSES", "wins")
    };
    let doubt = ratio.notch().max(noise).max(0.02);
    let word = match ratio.median {
        _ if !ratio.is_enough() => "(too few rounds)",
        more if more > 1.0 + doubt => more_word,
        less if less < 1.0 - (doubt / (1.0 + doubt)).max(ratio.notch()) => less_word,
        _ => "even",
    };
    format!("{:.2} {word}", ratio.median)
}

/// What the table is about, in one line.
pub fn title(table: &PacedTable) -> String {
    format!("{} ({})", table.workload, table.about)
}

/// The notes, and who could not be measured.
pub fn all_notes(table: &PacedTable) -> Vec<String> {
    let failed = table.failed.iter();
    let mut notes: Vec<String> = failed
        .map(|(name, why)| format!("{name} could not be measured: {why}"))
        .collect();
    notes.extend(self::notes(&table.servers));
    notes
}

/// The table as text.
pub fn text(table: &PacedTable) -> String {
    let mut all = vec![HEADS.map(String::from).to_vec()];
    all.extend(rows(&table.servers));
    let mut text = format!("\n{}\n{}", title(table), output::table(&all));
    for note in all_notes(table) {
        text += &format!("  {note}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
