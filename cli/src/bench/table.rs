//! A table as text, and what it says in words.

use super::contender;
use super::evenness;
use super::failed;
use super::profile;
use super::results::Measurement;
use super::run::Outcome;
use super::stats::Spread;
use super::syscalls::Method;
use crate::load::report::SATURATED;
use crate::output;
use crate::units::{bytes, connections, grouped, time};

/// Differences smaller than this are never called anything but even.
const LEAST: f64 = 0.01;

/// How a server's CPU per request compares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Less, beyond the noise.
    Less,
    /// Not to be told apart.
    Even,
    /// More, beyond the noise.
    More,
    /// Too few slices were kept, of this server or of `floor-again`.
    Unknown,
}

/// What the floor's second row says about the run: its distance from 1.00, or how far its median
/// may be off, whichever is more. Infinite if too few of its slices were kept.
pub fn noise(outcomes: &[Outcome]) -> f64 {
    let again = outcomes
        .iter()
        .find(|outcome| outcome.name == "floor-again");
    let ratio = again.and_then(|outcome| outcome.cpu_ratio);
    match ratio.filter(Spread::is_enough) {
        Some(ratio) => (ratio.median - 1.0).abs().max(ratio.notch()).max(LEAST),
        None => f64::INFINITY,
    }
}

/// Whether a server differs from the floor by more than the noise of the run and of its own row.
pub fn verdict(outcome: &Outcome, noise: f64) -> Verdict {
    match outcome.cpu_ratio {
        Some(ratio) if !ratio.is_enough() || noise.is_infinite() => Verdict::Unknown,
        Some(ratio) if ratio.median > 1.0 + noise.max(ratio.notch()) => Verdict::More,
        Some(ratio) if ratio.median < 1.0 - noise.max(ratio.notch()) => Verdict::Less,
        _ => Verdict::Even,
    }
}

/// The columns of the table.
pub const HEADS: [&str; 15] = [
    "server",
    "CPU us",
    "ratio",
    "IQR",
    "against floor",
    "req/s",
    "p50",
    "p99",
    "p99 ratio",
    "p99.9",
    "poorest",
    "calls",
    "RSS/conn",
    "gen",
    "kept",
];

/// The rows of the table, without the heads.
pub fn rows(table: &Measurement) -> Vec<Vec<String>> {
    let noise = noise(&table.servers);
    let row = |outcome| row(outcome, table.conns, noise);
    table.servers.iter().map(row).collect()
}

/// The table as text.
pub fn text(table: &Measurement) -> String {
    let text = output::section(&title(table), &HEADS, rows(table), &all_notes(table));
    let Some(profile) = &table.profile else {
        return text;
    };
    let title = profile::sentence(profile);
    text + &output::section(&title, &profile::HEADS, profile::rows(profile), &[])
}

/// The notes, and who could not be measured.
pub fn all_notes(table: &Measurement) -> Vec<String> {
    let mut notes = failed::sentences(&table.failed);
    notes.extend(self::notes(&table.servers));
    notes
}

/// What the table is about, in one line.
pub fn title(table: &Measurement) -> String {
    let size = match super::workload::find(&table.workload) {
        Some(workload) if workload.service != super::workload::Service::Http => {
            format!(", {} bytes", grouped(table.size as u64))
        }
        _ => String::new(),
    };
    format!(
        "{} ({}){size}, {}",
        table.workload,
        table.about,
        connections(table.conns)
    )
}

fn row(outcome: &Outcome, conns: usize, noise: f64) -> Vec<String> {
    let (ratio, range, words) = match outcome.cpu_ratio {
        Some(ratio) => {
            let words = match verdict(outcome, noise) {
                Verdict::More => format!("LOSES {:.0} %", (ratio.median - 1.0) * 100.0),
                Verdict::Even => "even".into(),
                Verdict::Unknown => "too few slices".into(),
                Verdict::Less => format!("wins {:.0} %", (1.0 - ratio.median) * 100.0),
            };
            (
                format!("{:.3}", ratio.median),
                format!("{:.3}", ratio.range()),
                words,
            )
        }
        None if outcome.name == super::contender::FLOOR.name => {
            ("1.000".into(), "-".into(), "is the floor".into())
        }
        None => ("-".into(), "-".into(), "no quiet slice".into()),
    };
    let calls = match outcome.syscalls {
        Some(calls) if calls.method == Method::Strace => format!("~{:.2}", calls.per_request),
        Some(calls) => format!("{:.2}", calls.per_request),
        None => "n/a".into(),
    };
    let busy = outcome.generator_utilisation;
    let full = if busy >= SATURATED { "!" } else { "" };
    // Over few connections it would be the price of starting, not of a connection.
    let memory = match outcome.resident_per_connection {
        Some(each) if conns >= 100 => bytes(each as u64),
        _ => "-".into(),
    };
    let kept = match outcome.cpu_ratio {
        Some(ratio) => format!("{}/{}", ratio.count, ratio.count + outcome.dropped),
        None => "-".into(),
    };
    vec![
        outcome.name.clone(),
        format!("{:.2}", outcome.cpu_per_request_us),
        ratio,
        range,
        words,
        grouped(outcome.requests_per_second.round() as u64),
        time(outcome.p50_ns as u64),
        time(outcome.p99_ns as u64),
        match outcome.p99_ratio {
            Some(ratio) => format!("{ratio:.2}"),
            None => "-".into(),
        },
        time(outcome.p999_ns as u64),
        match outcome.poorest_tenth {
            Some(share) => format!("{share:.2}"),
            None => "-".into(),
        },
        calls,
        memory,
        format!("{full}{:.0} %", busy * 100.0),
        kept,
    ]
}

/// What the figures do not say by themselves.
pub fn notes(outcomes: &[Outcome]) -> Vec<String> {
    let mut notes = Vec::new();
    notes.push(match noise(outcomes) {
        noise if noise.is_finite() => {
            format!("noise of this run: {noise:.3} (floor-again against floor)")
        }
        _ => format!(
            "fewer than {} slices of floor-again were kept, so nothing can be said (try --rounds)",
            Spread::ENOUGH
        ),
    });
    notes.extend(outcomes.iter().filter_map(|other| {
        let own = to_compare_with(outcomes, &other.name)?;
        against(own, other, noise(outcomes))
    }));
    let uneven = |it: &Outcome| evenness::sentence(&it.name, it.poorest_tenth);
    notes.extend(outcomes.iter().filter_map(uneven));
    if outcomes
        .iter()
        .any(|outcome| outcome.generator_utilisation >= SATURATED)
    {
        notes.push(
            "gen marked '!': the generator was the limit, so read CPU per request and not req/s"
                .into(),
        );
    }
    let errors: u64 = outcomes.iter().map(|outcome| outcome.errors).sum();
    if errors > 0 {
        notes.push(format!(
            "{} errors; slices with errors were dropped",
            grouped(errors)
        ));
    }
    let methods = || {
        outcomes
            .iter()
            .filter_map(|outcome| outcome.syscalls)
            .map(|c| c.method)
    };
    if methods().any(|method| method == Method::Strace) {
        notes.push(
            "calls marked '~' are strace's: it slows the server, and reads in vain vanish".into(),
        );
    }
    notes
}

/// Whom `other` is compared with: ours that works in the same way, or `gopark`.
pub fn to_compare_with<'a>(outcomes: &'a [Outcome], other: &str) -> Option<&'a Outcome> {
    let named = |name: &str| outcomes.iter().find(|it| it.name == name);
    // Ours in other ways are compared with the usual one.
    let same_way = contender::counterpart_of(other).filter(|name| *name != other);
    same_way.and_then(named).or_else(|| named("gopark"))
}

/// What it is called if gopark needs more than `other`, and if it needs less. Against itself in another
/// way there is nothing to win.
pub fn more_and_less(other: &str) -> (&'static str, &'static str) {
    if other.starts_with("gopark") {
        ("more", "less")
    } else {
        ("LOSES", "wins")
    }
}

/// gopark beside another server, both being known relative to the floor.
fn against(own: &Outcome, other: &Outcome, noise: f64) -> Option<String> {
    if other.name == own.name || other.name.starts_with("floor") {
        return None;
    }
    let enough = |of: &Outcome| of.cpu_ratio.filter(Spread::is_enough);
    let (name, own, ratio) = (&own.name, enough(own)?, enough(other)?);
    if noise.is_infinite() {
        return None;
    }
    let share = own.median / ratio.median;
    let doubt = noise.max(own.notch()).max(ratio.notch());
    let (more_word, less_word) = more_and_less(&other.name);
    let word = match share - 1.0 {
        more if more > doubt => more_word,
        more if more < -doubt => less_word,
        _ => "even",
    };
    Some(format!(
        "{name} uses {share:.2} of the CPU of {}: {word}",
        other.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, low: f64, median: f64, high: f64) -> Outcome {
        Outcome {
            name: name.into(),
            cpu_ratio: Some(Spread {
                low,
                median,
                high,
                count: 12,
            }),
            rate_ratio: None,
            p99_ratio: None,
            cpu_per_request_us: 5.0,
            requests_per_second: 1e5,
            p50_ns: 1e5,
            p99_ns: 2e5,
            p999_ns: 3e5,
            poorest_tenth: None,
            generator_utilisation: 0.5,
            syscalls: None,
            resident_bytes: None,
            resident_per_connection: None,
            errors: 0,
            dropped: 0,
            slices: Vec::new(),
        }
    }

    #[test]
    fn a_difference_counts_when_it_is_larger_than_the_noise() {
        let noise = noise(&[outcome("floor-again", 1.01, 1.02, 1.03)]);
        assert!((noise - 0.02).abs() < 1e-9);
        for (low, median, high, expected) in [
            (1.02, 1.04, 1.06, Verdict::More),
            (0.96, 1.04, 1.12, Verdict::Even),
            (1.00, 1.01, 1.02, Verdict::Even),
            (0.93, 0.95, 0.97, Verdict::Less),
            (0.86, 0.95, 1.01, Verdict::Even),
        ] {
            assert_eq!(
                verdict(&outcome("x", low, median, high), noise),
                expected,
                "{median}"
            );
        }
    }

    #[test]
    fn few_slices_say_nothing() {
        let mut few = outcome("x", 0.5, 0.5, 0.5);
        few.cpu_ratio = few.cpu_ratio.map(|it| Spread { count: 4, ..it });
        assert_eq!(verdict(&few, 0.01), Verdict::Unknown);
        let whole = outcome("x", 0.5, 0.5, 0.5);
        let unknown = noise(&[Outcome {
            name: "floor-again".into(),
            ..few
        }]);
        assert_eq!(verdict(&whole, unknown), Verdict::Unknown);
        assert_eq!(verdict(&whole, 0.01), Verdict::Less);
    }

    #[test]
    fn losses_are_marked_as_plainly_as_wins() {
        let noise = 0.01;
        let words = |ratio: f64| row(&outcome("x", ratio, ratio, ratio), 1, noise)[4].clone();
        assert_eq!(words(1.08), "LOSES 8 %");
        assert_eq!(words(0.92), "wins 8 %");
        assert_eq!(words(1.005), "even");
        let (own, other) = (
            outcome("gopark", 1.0, 1.05, 1.1),
            outcome("tokio-ct", 1.0, 1.0, 1.0),
        );
        let said = against(&own, &other, noise).unwrap();
        assert_eq!(said, "gopark uses 1.05 of the CPU of tokio-ct: LOSES");
    }

    #[test]
    fn like_is_compared_with_like() {
        let all = [
            "gopark",
            "gopark-4",
            "tokio-mt",
            "tokio-mt-4",
            "go-no-deadline",
        ];
        let all = all.map(|name| outcome(name, 1.0, 1.0, 1.0));
        let own = |other| to_compare_with(&all, other).unwrap().name.as_str();
        assert_eq!(own("tokio-mt"), "gopark");
        assert_eq!(own("tokio-mt-4"), "gopark-4");
        assert_eq!(own("gopark-4"), "gopark");
        assert_eq!(
            own("go-no-deadline"),
            "gopark",
            "there is no such one of ours"
        );
    }
}
