//! Where a request waits that is at its own pace: how long the threads of a server, and of the
//! generator, are ready before they get a processor, and how long they keep it.
//!
//! Latency alone does not say whether a thread came late or worked long. The kernel counts both for
//! each thread, in `/proc/PID/task/TID/schedstat`: it is read where counting begins and where it ends,
//! by the generator, so that nobody else wakes meanwhile. A turn is from getting a processor to leaving
//! it, so one that is interrupted by another thread is two. What an idle processor takes to wake when
//! another one has work for it is mostly not in the wait: a thread counts as ready when it is in the
//! queue of the processor where it will run, and an idle one puts it there itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::generator::Pair;
use super::paced::Paced;
use super::stats::median;
use crate::units::time;

/// The name of the generator's own thread.
const GENERATOR: &str = "generator";
/// Threads with fewer turns in a request than this are left out: they rest, or never do, and then it
/// is not for a processor that a request waits.
const LEAST: f64 = 0.01;

/// What the threads of one name did.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Turns {
    /// Their name, without a number at its end.
    pub threads: String,
    /// How often they got a processor.
    pub turns: u64,
    /// How long they were ready and had none.
    pub waited_ns: u64,
    /// How long they had one.
    pub ran_ns: u64,
}

/// What each thread did so far.
#[derive(Debug, Default)]
pub struct Reading(BTreeMap<PathBuf, Turns>);

impl Reading {
    /// Reads the counts of a server's threads, and of the calling thread. A thread that goes meanwhile
    /// is left out.
    pub fn of(server: u32) -> Reading {
        let entries = fs::read_dir(format!("/proc/{server}/task"));
        let threads = entries.into_iter().flatten().flatten().filter_map(|entry| {
            let thread = entry.path();
            let name = fs::read_to_string(thread.join("comm")).ok()?;
            let turns = read(&thread, group(name.trim_end()))?;
            Some((thread, turns))
        });
        let mut reading = Reading(threads.collect());
        let own = PathBuf::from("/proc/thread-self");
        if let Some(turns) = read(&own, GENERATOR) {
            reading.0.insert(own, turns);
        }
        reading
    }
}

fn read(thread: &Path, name: &str) -> Option<Turns> {
    parse(&fs::read_to_string(thread.join("schedstat")).ok()?, name)
}

fn parse(line: &str, name: &str) -> Option<Turns> {
    let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
    Some(Turns {
        threads: name.into(),
        ran_ns: numbers.next()??,
        waited_ns: numbers.next()??,
        turns: numbers.next()??,
    })
}

/// The name of a thread without its number, if it has one.
fn group(name: &str) -> &str {
    let numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|it| it.is_ascii_digit());
    match name.rsplit_once('-') {
        Some((stem, rest)) if numbered(rest) => stem,
        _ => name,
    }
}

/// What the threads that are there at the end did between two readings.
pub fn between(before: &Reading, after: &Reading) -> Vec<Turns> {
    let mut groups = BTreeMap::<&str, Turns>::new();
    for (thread, now) in &after.0 {
        // A new one has done nothing before.
        let then = before.0.get(thread).cloned().unwrap_or_default();
        let sum = groups.entry(&now.threads).or_default();
        sum.threads.clone_from(&now.threads);
        sum.turns += now.turns.saturating_sub(then.turns);
        sum.waited_ns += now.waited_ns.saturating_sub(then.waited_ns);
        sum.ran_ns += now.ran_ns.saturating_sub(then.ran_ns);
    }
    groups.into_values().collect()
}

/// What the table is about, in one line.
pub const ABOUT: &str = "threads: how long they wait for a processor and run, each turn";

/// The columns of the table.
pub const HEADS: [&str; 5] = ["server", "threads", "turns/request", "waits", "runs"];

/// The rows of the table, without the heads: medians over the rounds. None if nothing could be read.
pub fn rows(found: &[Paced]) -> Vec<Vec<String>> {
    found.iter().flat_map(of_server).collect()
}

fn of_server(server: &Paced) -> Vec<Vec<String>> {
    let all = server.rounds.iter().flat_map(|pair| &pair.turns);
    let mut names: Vec<&str> = all.map(|it| it.threads.as_str()).collect();
    names.sort_by_key(|&name| (name == GENERATOR, name));
    names.dedup();
    let row = |name| {
        let answered = server.rounds.iter().filter(|pair| pair.requests > 0);
        let often = median(answered.map(|pair| {
            let turns = of_round(pair, name).map_or(0, |it| it.turns);
            turns as f64 / pair.requests as f64
        }));
        let each = |of: fn(&Turns) -> u64| {
            let rounds = server.rounds.iter().filter_map(|pair| of_round(pair, name));
            let with_turns = rounds.filter(|it| it.turns > 0);
            time(median(with_turns.map(|it| of(it) as f64 / it.turns as f64)) as u64)
        };
        (often >= LEAST).then(|| {
            vec![
                server.name.clone(),
                name.into(),
                format!("{often:.2}"),
                each(|it| it.waited_ns),
                each(|it| it.ran_ns),
            ]
        })
    };
    names.into_iter().filter_map(row).collect()
}

fn of_round<'a>(pair: &'a Pair, name: &str) -> Option<&'a Turns> {
    pair.turns.iter().find(|it| it.threads == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(name: &str, turns: u64, waited_ns: u64, ran_ns: u64) -> Turns {
        Turns {
            threads: name.into(),
            turns,
            waited_ns,
            ran_ns,
        }
    }

    #[test]
    fn a_line_of_schedstat_has_the_time_that_ran_first_and_the_turns_last() {
        let found = parse("77695 66218 2\n", "a");
        assert_eq!(found, Some(turns("a", 2, 66_218, 77_695)));
        for broken in ["", "77695 66218\n", "77695 x 2\n", "-1 66218 2\n"] {
            assert_eq!(parse(broken, "a"), None, "{broken:?}");
        }
    }

    #[test]
    fn threads_that_differ_in_their_number_are_one_group() {
        for (name, expected) in [
            ("gopark-0", "gopark"),
            ("gopark-13", "gopark"),
            ("gopark-blocking", "gopark-blocking"),
            ("tokio-rt-worker", "tokio-rt-worker"),
            ("worker-", "worker-"),
            ("worker-2a", "worker-2a"),
            ("worker7", "worker7"),
        ] {
            assert_eq!(group(name), expected, "{name}");
        }
    }

    #[test]
    fn a_new_thread_counts_from_zero_and_one_that_is_gone_not_at_all() {
        let reading = |threads: &[(&str, Turns)]| {
            let threads = threads.iter().cloned();
            Reading(threads.map(|(at, it)| (at.into(), it)).collect())
        };
        let before = reading(&[
            ("1", turns("w", 10, 100, 1_000)),
            ("2", turns("w", 20, 200, 2_000)),
            ("3", turns("gone", 30, 300, 3_000)),
        ]);
        let after = reading(&[
            ("1", turns("w", 11, 105, 1_007)),
            ("2", turns("w", 22, 210, 2_070)),
            ("4", turns("new", 4, 40, 400)),
            ("5", turns("w", 100, 1_000, 10_000)),
        ]);
        assert_eq!(
            between(&before, &after),
            [turns("new", 4, 40, 400), turns("w", 103, 1_015, 10_077)]
        );
    }

    #[test]
    fn a_process_that_runs_has_turns_and_one_that_is_not_there_leaves_only_the_generator() {
        let names = |pid| {
            let turns = between(&Reading::default(), &Reading::of(pid));
            let ran = turns.into_iter().filter(|it| it.turns > 0);
            ran.map(|it| it.threads).collect::<Vec<_>>()
        };
        let own = names(std::process::id());
        assert!(own.len() > 1 && own.iter().any(|it| it == GENERATOR));
        assert_eq!(names(u32::MAX), [GENERATOR]);
    }

    #[test]
    fn rows_are_medians_of_the_rounds_and_leave_out_who_hardly_ever_has_a_turn() {
        let round = |requests, turns: &[Turns]| Pair {
            requests,
            turns: turns.to_vec(),
            ..Pair::default()
        };
        let idle = turns("idle", 9, 0, 0);
        let rounds = vec![
            round(1_000, &[turns(GENERATOR, 500, 500_000, 0), idle.clone()]),
            round(1_000, &[idle.clone(), turns("gopark", 250, 750_000, 5_000)]),
            round(
                2_000,
                &[
                    turns(GENERATOR, 2_000, 6_000_000, 2_000),
                    turns("gopark", 2_000, 2_000_000, 60_000),
                ],
            ),
            round(0, &[turns("gopark", 7, 0, 0)]),
        ];
        let name = "gopark".into();
        assert_eq!(
            rows(&[Paced { name, rounds }]),
            [
                ["gopark", "gopark", "0.25", "1.0 us", "20 ns"],
                ["gopark", GENERATOR, "0.50", "2.0 us", "0 ns"],
            ]
        );
    }

    #[test]
    fn a_run_of_before_these_figures_can_be_read_and_has_no_rows() {
        let mut written = serde_json::to_value(Pair::default()).unwrap();
        assert!(written.as_object_mut().unwrap().remove("turns").is_some());
        let rounds = vec![serde_json::from_value(written).unwrap()];
        let name = "gopark".into();
        assert!(rows(&[Paced { name, rounds }]).is_empty());
    }
}
