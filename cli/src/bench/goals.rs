//! What gopark sets out to reach, and whether a run shows it.
//!
//! Every goal is an upper bound, so that one rule serves all: a figure at or below it meets it; one
//! above it by less than the noise of the run is named as such; any other misses it.

use super::idle::Idle;
use super::paced::Paced;
use super::results::{Measurement, Run};
use super::run::Outcome;
use super::schedule::Bracketed;
use super::stats::Spread;
use super::{evenness, paced, rounds, table};
use crate::output;
use crate::units::{bytes, connections, grouped, time};

/// Whether a goal is met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not, but by less than the noise of the run.
    WithinNoise,
    /// It is not.
    Missed,
    /// Too few slices or rounds were kept.
    Unknown,
}

/// A goal, and what a run says about it.
#[derive(Clone, Debug)]
pub struct Reached {
    /// What is to be reached.
    pub what: String,
    /// The bound.
    pub most: String,
    /// The figure.
    pub figure: String,
    /// The verdict.
    pub verdict: Verdict,
}

/// A figure with the doubt about it, on its way to becoming a line.
struct Figure {
    value: f64,
    doubt: f64,
    /// Enough slices or rounds were kept.
    enough: bool,
}

impl Figure {
    fn against(
        &self,
        what: impl Into<String>,
        most: f64,
        write: impl Fn(f64) -> String,
    ) -> Reached {
        Reached {
            what: what.into(),
            most: write(most),
            figure: write(self.value),
            verdict: match self.value - most {
                _ if !self.enough => Verdict::Unknown,
                over if over <= 1e-9 => Verdict::Met,
                over if over <= self.doubt => Verdict::WithinNoise,
                _ => Verdict::Missed,
            },
        }
    }
}

/// Whatever of the goals this run has measured.
pub fn reached(run: &Run) -> Vec<Reached> {
    let mut all = Vec::new();
    for it in &run.tables {
        of_table(it, &mut all);
    }
    all.extend(growth(run));
    // Over few connections it would be the price of starting.
    let many = |it: &&Idle| it.conns >= 10_000;
    for it in run.idle.iter().flatten().filter(many) {
        let most = match it.name.as_str() {
            "gopark" => 4_400.0,
            "gopark-on-readable" => 400.0,
            _ => continue,
        };
        let figure = Figure {
            value: it.resident(),
            doubt: 0.0,
            enough: it.errors == 0,
        };
        let what = format!(
            "{}: resident memory of an idle connection, {} of them",
            it.name,
            grouped(it.conns as u64)
        );
        all.push(figure.against(what, most, |figure| bytes(figure.max(0.0).round() as u64)));
    }
    for it in &run.paced {
        of_paced(&it.workload, &it.servers, &mut all);
    }
    all
}

/// Where memory is cold, a stack costs a page that the floor does not touch, whatever is done with it: what
/// that makes of the floor, and of a server without stacks for who waits.
fn beside_a_page(it: &Measurement) -> String {
    let ratio_of = |name: &str, words: &str| {
        let ratio = server(it, name)?.cpu_ratio?;
        (it.conns >= 1_000 && ratio.is_enough()).then(|| format!("{words}: {:.3}", ratio.median))
    };
    let floor = ratio_of(
        "floor-pages",
        "the floor with a page of its own for each connection",
    );
    let beside = [floor, ratio_of("gopark-on-readable", "gopark-on-readable")];
    let beside: Vec<_> = beside.into_iter().flatten().collect();
    if beside.is_empty() {
        return String::new();
    }
    format!(" ({})", beside.join("; "))
}

fn of_table(it: &Measurement, all: &mut Vec<Reached>) {
    let noise = table::noise(&it.servers);
    let Some(own) = server(it, "gopark") else {
        return;
    };
    let name = format!("{}, {}", it.workload, connections(it.conns));
    let two = |figure: f64| format!("{figure:.2}");
    let three = |figure: f64| format!("{figure:.3}");
    // CPU per request against that of another, both being known against the floor.
    let cpu = |other: &str| -> Option<Figure> {
        let own = own.cpu_ratio?;
        let other = match other {
            "floor" => None,
            name => Some(server(it, name)?.cpu_ratio?),
        };
        let (base, enough) = other.map_or((1.0, true), |it| (it.median, it.is_enough()));
        Some(Figure {
            value: own.median / base,
            doubt: noise
                .max(own.notch())
                .max(other.map_or(0.0, |it| it.notch())),
            enough: own.is_enough() && enough && noise.is_finite(),
        })
    };
    let against_floor = match (it.workload.as_str(), it.conns) {
        ("echo", 1 | 50) => Some(1.01),
        ("http", 50) => Some(1.00),
        ("http", 1_000) => Some(1.02),
        ("churn", 50) => Some(0.98),
        _ => None,
    };
    let pages = beside_a_page(it);
    if let (Some(most), Some(figure)) = (against_floor, cpu("floor")) {
        let what = format!("{name}: CPU per request against the floor{pages}");
        all.push(figure.against(what, most, three));
    }
    if let (("echo", 1_000), Some(figure)) = ((it.workload.as_str(), it.conns), cpu("floor-again"))
    {
        let what = format!("{name}: CPU per request against the floor run a second time{pages}");
        all.push(figure.against(what, 1.0, three));
        if let Some(tail) = own.spread_of(Bracketed::p99_ratio) {
            let again = server(it, "floor-again").and_then(|it| it.spread_of(Bracketed::p99_ratio));
            let noise = again.map_or(0.0, |it| (it.median - 1.0).abs().max(it.notch()));
            let figure = Figure {
                value: tail.median,
                doubt: noise.max(tail.notch()),
                enough: tail.is_enough(),
            };
            all.push(figure.against(format!("{name}: p99 against the floor"), 1.05, two));
        }
    }
    if let (("deadline", _), Some(figure)) =
        ((it.workload.as_str(), it.conns), cpu("gopark-no-deadline"))
    {
        let what = format!("{name}: CPU per request with a deadline against without");
        all.push(figure.against(what, 1.01, three));
    }
    let calls = match (it.workload.as_str(), it.conns) {
        ("echo", 1) => Some(3.0),
        ("echo", 50) => Some(2.1),
        _ => None,
    };
    if let (Some(most), Some(calls)) = (calls, own.syscalls) {
        let figure = Figure {
            value: calls.per_request,
            // A hundredth of a call is a wake-up or a timer of the watchdog.
            doubt: 0.01,
            enough: true,
        };
        all.push(figure.against(format!("{name}: system calls per request"), most, two));
    }
    let uring_counts = match it.workload.as_str() {
        "http-pipelined" => Some(true),
        "http" | "echo-all-cores" | "http-all-cores" => Some(false),
        _ => None,
    };
    if let Some(uring) = uring_counts {
        all.extend(best_peer(it, own, uring, noise, &name));
    }
}

/// The peer that needs least CPU, and the one that answers most, against gopark.
fn best_peer(it: &Measurement, own: &Outcome, uring: bool, noise: f64, name: &str) -> Vec<Reached> {
    let peers = || {
        it.servers
            .iter()
            .filter(|other| is_peer(&other.name) && (uring || !other.name.ends_with("-uring")))
    };
    let two = |figure: f64| format!("{figure:.2}");
    let mut all = Vec::new();
    let cheapest = peers()
        .filter_map(|it| Some((it, it.cpu_ratio?.median)))
        .min_by(|one, other| one.1.total_cmp(&other.1));
    if let (Some(own), Some((peer, ratio))) = (own.cpu_ratio, cheapest) {
        let figure = Figure {
            value: own.median / ratio,
            doubt: noise.max(own.notch()),
            enough: own.is_enough() && noise.is_finite(),
        };
        let which = if uring { "peer" } else { "epoll peer" };
        let what = format!(
            "{name}: CPU per request against the best {which}, {}{}",
            peer.name,
            evenness::remark(peer.poorest_tenth)
        );
        all.push(figure.against(what, 1.0, two));
    }
    // By their slices and the neighbours of these, as with the CPU.
    let rate = |it: &Outcome| {
        it.spread_of(Bracketed::rate_ratio)
            .filter(Spread::is_enough)
    };
    let fastest = peers()
        .filter_map(|it| Some((it, rate(it)?)))
        .max_by(|one, other| one.1.median.total_cmp(&other.1.median));
    if let (Some((peer, theirs)), Some(ours)) = (fastest, rate(own)) {
        let value = theirs.median / ours.median;
        let doubt = (theirs.notch() / theirs.median).hypot(ours.notch() / ours.median);
        let figure = Figure {
            value,
            doubt: noise.max(doubt),
            enough: noise.is_finite(),
        };
        let what = format!(
            "{name}: requests per second, against gopark's, of the fastest peer, {}{}",
            peer.name,
            evenness::remark(peer.poorest_tenth)
        );
        all.push(figure.against(what, 1.0, two));
    }
    all
}

/// Neither the floor nor one of gopark's own ways.
pub fn is_peer(name: &str) -> bool {
    !name.starts_with("floor") && !name.starts_with("gopark")
}

/// From 1,000 to 10,000 connections the cost must not grow faster than the floor's.
fn growth(run: &Run) -> Option<Reached> {
    let at = |conns: usize| -> Option<(Spread, f64)> {
        let mut tables = run.tables.iter();
        let it = tables.find(|it| it.workload == "echo" && it.conns == conns)?;
        Some((server(it, "gopark")?.cpu_ratio?, table::noise(&it.servers)))
    };
    let ((few, noise_few), (many, noise_many)) = (at(1_000)?, at(10_000)?);
    let figure = Figure {
        value: many.median / few.median,
        doubt: (noise_few.max(few.notch())).hypot(noise_many.max(many.notch())),
        enough: few.is_enough()
            && many.is_enough()
            && noise_few.is_finite()
            && noise_many.is_finite(),
    };
    let what = "echo: ratio to the floor at 10,000 connections against that at 1,000";
    Some(figure.against(what, 1.0, |figure| format!("{figure:.3}")))
}

fn of_paced(workload: &str, servers: &[Paced], all: &mut Vec<Reached>) {
    let find = |name| rounds::find(servers, name);
    if workload == "fairness"
        && let Some(own) = find("gopark")
    {
        let figure = Figure {
            value: own.light()[2],
            doubt: 0.0,
            enough: own.rounds.len() >= Spread::ENOUGH,
        };
        let what = "fairness: p99, while the worker's other tasks yield every 50 us";
        all.push(figure.against(what, 500e3, |figure| time(figure as u64)));
    }
    if workload == "uneven" {
        for (own, other, most) in [
            ("gopark", "tokio-mt", 1.0),
            ("gopark-blocking", "tokio-mt-blocking", 0.5),
        ] {
            let (Some(own), Some(other)) = (find(own), find(other)) else {
                continue;
            };
            for (name, of) in paced::LIGHT {
                let Some(ratio) = paced::ratio(own, other, of) else {
                    continue;
                };
                let figure = Figure {
                    value: ratio.median,
                    doubt: ratio.notch(),
                    enough: ratio.is_enough(),
                };
                let mut what = format!(
                    "uneven: light {name} of {} against {}",
                    own.name, other.name
                );
                if let Some(least) = paced::undisturbed(servers, &other.name, of) {
                    let least = least.median;
                    what += &format!(" (the floor with no heavy request at all: {least:.2})");
                }
                all.push(figure.against(what, most, |figure| format!("{figure:.2}")));
            }
        }
    }
}

fn server<'a>(it: &'a Measurement, name: &str) -> Option<&'a Outcome> {
    it.servers.iter().find(|server| server.name == name)
}

/// The columns of the table.
pub const HEADS: [&str; 4] = ["goal", "at most", "measured", ""];

/// The rows of the table, without the heads.
pub fn rows(reached: &[Reached]) -> Vec<Vec<String>> {
    let row = |it: &Reached| {
        let words = match it.verdict {
            Verdict::Met => "met",
            Verdict::WithinNoise => "within the noise",
            Verdict::Missed => "MISSED",
            Verdict::Unknown => "too few slices",
        };
        vec![
            it.what.clone(),
            it.most.clone(),
            it.figure.clone(),
            words.into(),
        ]
    };
    reached.iter().map(row).collect()
}

/// The table as text; nothing if the run has measured no goal.
pub fn text(run: &Run) -> String {
    let reached = reached(run);
    if reached.is_empty() {
        return String::new();
    }
    output::section("goals", &HEADS, rows(&reached), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_missed_or_missed_by_less_than_the_noise() {
        let verdict = |value: f64, enough: bool| {
            let figure = Figure {
                value,
                doubt: 0.02,
                enough,
            };
            let line = figure.against("x", 1.0, |figure| format!("{figure:.2}"));
            (line.figure.clone(), line.verdict)
        };
        assert_eq!(verdict(1.0, true), ("1.00".into(), Verdict::Met));
        assert_eq!(verdict(1.015, true).1, Verdict::WithinNoise);
        assert_eq!(verdict(1.03, true), ("1.03".into(), Verdict::Missed));
        assert_eq!(verdict(0.5, false).1, Verdict::Unknown);
    }

    #[test]
    fn only_others_are_peers() {
        let names = ["floor", "floor-again", "gopark", "gopark-4", "go", "go-4"];
        let peers: Vec<&str> = names.into_iter().filter(|name| is_peer(name)).collect();
        assert_eq!(peers, ["go", "go-4"]);
    }
}
