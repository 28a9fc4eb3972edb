//! A run as Markdown: what docs/benchmarks.md consists of.

use super::results::Run;
use super::{goals, idle, losses, paced, profile, stall, table, turns};
use crate::units::connections;

/// The document.
pub fn text(run: &Run) -> String {
    let mut text = format!(
        "# Benchmarks\n\n{HEADER}\n\
         - Machine: {}\n- Versions: {}\n- Date: {}\n- Length: {} s\n",
        run.machine,
        run.versions.join(", "),
        run.date(),
        run.seconds,
    );
    for (name, why) in &run.absent {
        text += &format!("- Not measured: {name}, because {why}\n");
    }
    text += &format!("\n```text\n{}\n```\n", run.command_line());
    text += METHOD;
    text += &summary(run);
    for it in &run.tables {
        text += &format!("\n## {}\n\n", escape(&table::title(it)));
        text += &format!("{}.\n\n", sentence(&it.places));
        text += &grid(&table::HEADS, &table::rows(it));
        text += &list(&table::all_notes(it));
        if let Some(found) = &it.profile {
            text += &format!("\n{}:\n\n", escape(&sentence(&profile::sentence(found))));
            text += &grid(&profile::HEADS, &profile::rows(found));
        }
    }
    for it in &run.idle {
        let conns = it.first().map_or(0, |one| one.conns);
        text += &format!("\n## idle, {}\n\n", connections(conns));
        text += "Each has served one request and waits for the next. `RSS before` is the memory \
                 when 100 connections had come and gone.\n\n";
        text += &grid(&idle::HEADS, &idle::rows(it));
    }
    for it in &run.stalls {
        text += &format!("\n## {}\n\n", escape(&stall::title(it)));
        text += &format!("Medians over the rounds. {}.\n\n", sentence(&it.places));
        text += &grid(&stall::HEADS, &stall::rows(it));
        text += &list(&stall::notes(it));
    }
    for it in &run.paced {
        text += &format!("\n## {}\n\n", escape(&paced::title(it)));
        text += &format!("Medians over the rounds. {}.\n\n", sentence(&it.places));
        text += &grid(&paced::HEADS, &paced::rows(&it.servers));
        text += &list(&paced::all_notes(it));
        let turns = turns::rows(&it.servers);
        if !turns.is_empty() {
            text += &format!("\n{}:\n\n", sentence(turns::ABOUT));
            text += &grid(&turns::HEADS, &turns);
        }
    }
    text
}

fn summary(run: &Run) -> String {
    let mut text = String::new();
    let reached = goals::reached(run);
    if !reached.is_empty() {
        text += "\n## Goals\n\n";
        text += &grid(&goals::HEADS, &goals::rows(&reached));
    }
    text += "\n## Losses\n";
    text += &match losses::list(run) {
        losses if losses.is_empty() => "\nNone beyond the noise of this run.\n".into(),
        losses => list(&losses),
    };
    text
}

const HEADER: &str = "\
Written by `gopark bench --markdown`; every figure is from the one run named here, and nothing was
added by hand. Goals that are missed and rows in which another server is ahead are listed before
the tables, and marked in them as plainly as the others. Figures depend on the machine: ratios
travel, microseconds do not.
";

const METHOD: &str = "
## How to read it

All servers are up at once, each a process of its own with its connections open, the same socket
options and buffers, and are loaded one at a time in short slices in a drawn order; each slice lies
between two slices of the floor, a hand-written epoll loop. `CPU us` is the server's CPU time per
request. `ratio` is the median of its slices' ratios to their two neighbours: below 1 is better.
`IQR` is the range between their quartiles. `floor-again` is the floor a second time: its distance
from 1 is the noise. A row says LOSES or wins only beyond that noise and beyond the uncertainty of
its own median (1.58 IQR / square root of the slices), and so does a goal that it is missed. `p99 ratio` is that of the 99th percentiles.
`poorest` is what the tenth of the connections with the fewest answers got of an equal share: whoever
answers some of them more often than the others works with warm data, and its CPU per request is that.
`calls` are system calls per request, `RSS/conn` the memory that came with each connection, `gen`
the load of the generator's core (with `!` it was the limit, and req/s says little), `kept` the
slices that were not dropped: a slice is dropped when its two neighbours differ by more than 15 %
of their mean, or when it or a neighbour had errors. The load is a closed loop: latencies leave out
the requests that a stall kept from being sent. In `uneven` and `fairness` it is an open one, each
latency runs from when the request should have been sent, and they are in. The table of threads below
each of the two is made from `/proc/PID/task/TID/schedstat`: a turn is from getting a processor to
leaving it, `waits` how long a thread was in a processor's queue before that (most of what an idle
processor takes to wake for it is not in there), `runs` how long the turn was, both the mean of a
round's turns; threads with fewer than 0.01 turns in a request are left out, those that never rest
among them. What is said of a request under perf was measured once, after the slices, by samples of
gopark and of the floor in turn: it has perf's own cost in it and no noise beside it, and its sums are
not those of the table. Where the kernel has interrupts switched off, the time is put down to the
function that switches them on again.
";

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

fn grid(heads: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(&mut heads.iter().map(|head| escape(head)));
    text += &line(&mut heads.iter().enumerate().map(|(at, _)| {
        let rule = if at == 0 { "---" } else { "---:" };
        rule.into()
    }));
    for row in rows {
        text += &line(&mut row.iter().map(|cell| emphasised(&escape(cell))));
    }
    text
}

/// Losses and wins stand out alike.
fn emphasised(cell: &str) -> String {
    if ["LOSES", "wins", "MISSED"]
        .iter()
        .any(|it| cell.contains(it))
    {
        format!("**{cell}**")
    } else {
        cell.into()
    }
}

fn list(notes: &[String]) -> String {
    let items: String = notes
        .iter()
        .map(|note| format!("- {}\n", escape(note)))
        .collect();
    format!("\n{items}")
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('~', "\\~")
}
