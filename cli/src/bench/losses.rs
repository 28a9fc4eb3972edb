//! Where gopark is behind, in one list, so that nobody has to look for it.

use super::goals::{self, is_peer};
use super::results::{Measurement, Run};
use super::run::Outcome;
use super::schedule::Bracketed;
use super::stats::Spread;
use super::table::{self, Verdict};
use super::{evenness, idle, paced, stall};
use crate::load::report::SATURATED;
use crate::units::connections;

/// Requests per second, and the slowest latencies, differ by more than this before they count.
const NOTABLE: f64 = 0.10;

/// A sentence for each.
pub fn list(run: &Run) -> Vec<String> {
    let mut losses: Vec<String> = run.tables.iter().flat_map(of_table).collect();
    for found in &run.idle {
        let conns = found.first().map_or(0, |it| it.conns);
        for row in idle::rows(found) {
            if let (Some(name), Some(words)) = (row.first(), row.last())
                && words.contains("LOSES")
            {
                let conns = connections(conns);
                losses.push(format!("idle, {conns}, {name}: {words}"));
            }
        }
    }
    for it in &run.stalls {
        let lost = stall::notes(it).into_iter();
        let lost = lost.filter(|note| note.contains("LOSES"));
        losses.extend(lost.map(|note| format!("{}: {note}", it.workload)));
    }
    for it in &run.paced {
        let notes = paced::notes(&it.servers);
        let lost = notes.iter().filter(|note| note.contains("LOSES"));
        losses.extend(lost.map(|note| format!("{}: {note}", it.workload)));
    }
    let missed = goals::reached(run).into_iter().filter_map(|it| {
        (it.verdict == goals::Verdict::Missed).then(|| {
            let (most, figure) = (it.most, it.figure);
            format!("goal MISSED: {}: {figure} instead of {most}", it.what)
        })
    });
    losses.extend(missed);
    losses
}

fn of_table(it: &Measurement) -> Vec<String> {
    let noise = table::noise(&it.servers);
    let Some(own) = it.servers.iter().find(|server| server.name == "gopark") else {
        return Vec::new();
    };
    let mut losses = Vec::new();
    let name = format!("{}, {}", it.workload, connections(it.conns));
    if table::verdict(own, noise) == Verdict::More
        && let Some(ratio) = own.cpu_ratio
    {
        let more = percent(ratio.median);
        losses.push(format!(
            "{name}: {more} more CPU per request than the floor"
        ));
    }
    let enough = |of: &Outcome| of.cpu_ratio.filter(Spread::is_enough);
    for other in it.servers.iter().filter(|it| is_peer(&it.name)) {
        let own = table::to_compare_with(&it.servers, &other.name).unwrap_or(own);
        let name = match own.name.as_str() {
            "gopark" => name.clone(),
            in_that_way => format!("{name}, {in_that_way}"),
        };
        let (Some(ours), Some(theirs)) = (enough(own), enough(other)) else {
            continue;
        };
        let share = ours.median / theirs.median;
        if noise.is_finite() && share > 1.0 + noise.max(ours.notch()).max(theirs.notch()) {
            let more = percent(share);
            losses.push(format!(
                "{name}: {more} more CPU per request than {}{}",
                other.name,
                evenness::remark(other.poorest_tenth)
            ));
        }
        let full = |of: &Outcome| of.generator_utilisation >= SATURATED;
        // Where the generator was the limit of ours, more would not have shown.
        let rate = ratio(other, own, Bracketed::rate_ratio);
        if let Some(rate) = rate.filter(|_| !full(own)) {
            let more = percent(rate);
            losses.push(format!(
                "{name}: {} answers {more} more requests{}",
                other.name,
                evenness::remark(other.poorest_tenth)
            ));
        }
        if let Some(tail) = ratio(own, other, Bracketed::p99_ratio) {
            losses.push(format!(
                "{name}: p99 {tail:.2} times that of {}",
                other.name
            ));
        }
    }
    losses
}

/// How much larger a figure of `one` is than that of `other`, both being known against the floor;
/// `None` unless it is so by a notable part, and by more than the doubt about both.
fn ratio(one: &Outcome, other: &Outcome, of: fn(&Bracketed) -> Option<f64>) -> Option<f64> {
    let enough = |it: &Outcome| it.spread_of(of).filter(Spread::is_enough);
    let (one, other) = (enough(one)?, enough(other)?);
    let doubt = (one.notch() / one.median).hypot(other.notch() / other.median);
    let ratio = one.median / other.median;
    (ratio > 1.0 + NOTABLE.max(doubt)).then_some(ratio)
}

fn percent(ratio: f64) -> String {
    format!("{:.0} %", (ratio - 1.0) * 100.0)
}

/// The list as text.
pub fn text(run: &Run) -> String {
    let losses = list(run);
    if losses.is_empty() {
        return "\nlosses: none beyond the noise of this run\n".into();
    }
    let lines: String = losses.iter().map(|loss| format!("  {loss}\n")).collect();
    format!("\nlosses\n{lines}")
}
