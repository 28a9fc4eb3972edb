//! Rounds: all servers are up, and in each round each of them is loaded once, in a drawn order. Servers
//! are compared within their rounds, so that the machine's moods cancel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::contender::{Contender, FLOOR, Lineup};
use super::failed::Failed;
use super::random::Random;
use super::run::Table;
use super::stats::{Spread, median, spread};
use super::table::more_and_less;
use crate::failure::Failure;
use crate::load::progress::Progress;

/// One server's rounds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Series<T> {
    /// The server.
    pub name: String,
    /// Each round.
    pub rounds: Vec<T>,
}

impl<T> Series<T> {
    /// The median over the rounds.
    pub fn over(&self, of: impl Fn(&T) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    /// The ratio of this one's figure to another's in the same rounds. The other's counts as `least`
    /// at least.
    pub fn ratio(&self, other: &Series<T>, of: impl Fn(&T) -> f64, least: f64) -> Option<Spread> {
        let rounds = self.rounds.iter().zip(&other.rounds);
        let ratios: Vec<f64> = rounds
            .map(|(own, other)| of(own) / of(other).max(least))
            .collect();
        spread(&ratios)
    }
}

/// The server of a name.
pub fn find<'a, T>(all: &'a [Series<T>], name: &str) -> Option<&'a Series<T>> {
    all.iter().find(|it| it.name == name)
}

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

/// Length of a round for one server: much of what it is about happens only now and then.
pub fn window(slice: Duration) -> Duration {
    (slice * 5).clamp(Duration::from_millis(300), Duration::from_secs(1))
}

/// Measures. `start` starts a server, `load` loads it with the number that is drawn for the round.
/// `stop` ends it early, with the rounds so far. A server that fails is ended and left out.
pub fn run<S, T>(
    table: &Table<'_>,
    lineup: &Lineup,
    seed: u64,
    stop: &AtomicBool,
    progress: &mut Progress,
    start: impl Fn(&Contender) -> Result<S, Failure>,
    load: impl Fn(&mut S, u64) -> Result<T, Failure>,
) -> (Vec<Series<T>>, Failed) {
    let (mut running, mut found, mut failed) = (Vec::new(), Vec::new(), Failed::new());
    let others = lineup.suited(table.workload, table.places.workers);
    for contender in std::iter::once(FLOOR).chain(others) {
        let name = contender.name.to_string();
        match start(&contender) {
            Ok(server) => {
                running.push(Some(server));
                let rounds = Vec::new();
                found.push(Series { name, rounds });
            }
            Err(why) => failed.push((name, why.to_string())),
        }
    }
    let mut random = Random::new(seed);
    for round in 1..=table.rounds {
        let drawn = random.next();
        for index in random.order(running.len()) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let Some(server) = &mut running[index] else {
                continue;
            };
            progress.show(|| {
                let (workload, server) = (table.workload.name, &found[index].name);
                format!("{workload}, round {round}/{}: {server}", table.rounds)
            });
            match load(server, drawn) {
                Ok(one) => found[index].rounds.push(one),
                Err(why) => {
                    running[index] = None;
                    failed.push((found[index].name.clone(), why.to_string()));
                }
            }
        }
    }
    let mut running = running.into_iter();
    found.retain(|_| running.next().flatten().is_some());
    (found, failed)
}

/// A ratio of which less is better, in words. Below `noise` there is no difference; against
/// `other`, if that is gopark in another way, there is nothing to win.
pub fn verdict(ratio: Spread, noise: f64, other: &str) -> String {
    let (more_word, less_word) = more_and_less(other);
    let doubt = ratio.notch().max(noise).max(0.02);
    let word = match ratio.median {
        _ if !ratio.is_enough() => "(too few rounds)",
        more if more > 1.0 + doubt => more_word,
        less if less < 1.0 - (doubt / (1.0 + doubt)).max(ratio.notch()) => less_word,
        _ => "even",
    };
    format!("{:.2} {word}", ratio.median)
}
