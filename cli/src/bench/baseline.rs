//! Two runs beside each other: what has become better, and what worse.

use super::generator::Measured;
use super::results::{Measurement, Run};
use super::stall::StallTable;
use super::stats::Spread;
use crate::output;
use crate::units::{bytes, grouped, time};

/// The comparison as text. Ratios to the floor are compared, so the machine's speed cancels; the
/// machines should still be alike.
pub fn text(before: &Run, after: &Run) -> String {
    let mut text = format!("\nagainst the run of {}\n", before.date());
    if before.machine != after.machine {
        text += &format!("  another machine: {}\n", before.machine);
    }
    let mut rows = Vec::new();
    for table in &after.tables {
        if let Some(earlier) = before.tables.iter().find(|it| alike(it, table)) {
            rows.extend(compare(earlier, table));
        }
    }
    let mut others = memory(before, after);
    others.extend(stalls(before, after));
    others.extend(latency(before, after));
    if rows.is_empty() && others.is_empty() {
        return text + "  no table of this run is in that one\n";
    }
    for (heads, rows) in [(&HEADS[..], rows), (&OTHER_HEADS, others)] {
        if !rows.is_empty() {
            text += &output::table(heads, rows);
        }
    }
    text
}

/// The columns of what is relative to the floor.
const HEADS: [&str; 7] = [
    "workload",
    "conns",
    "server",
    "ratio before",
    "now",
    "change",
    "",
];

/// The columns of what is not relative to a floor.
const OTHER_HEADS: [&str; 6] = ["workload", "figure", "server", "before", "now", "change"];

/// Memory of idle connections, where there were as many of them.
fn memory(before: &Run, after: &Run) -> Vec<Vec<String>> {
    let earlier = |name: &str, conns| {
        let mut all = before.idle.iter().flatten();
        all.find(|it| it.name == name && it.conns == conns && it.errors == 0)
    };
    let mut rows = Vec::new();
    for is in after.idle.iter().flatten().filter(|it| it.errors == 0) {
        if let Some(was) = earlier(&is.name, is.conns) {
            let write = |figure: f64| bytes(figure.max(0.0) as u64);
            let (was, now) = (was.resident(), is.resident());
            rows.push(other("idle", "RSS/conn", &is.name, was, now, write));
        }
    }
    rows
}

/// Requests per second where workers stall.
fn stalls(before: &Run, after: &Run) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for table in &after.stalls {
        let alike = |it: &&StallTable| it.workload == table.workload && it.conns == table.conns;
        let Some(earlier) = before.stalls.iter().find(alike) else {
            continue;
        };
        for is in &table.servers {
            if let Some(was) = earlier.servers.iter().find(|it| it.name == is.name) {
                let write = |figure: f64| grouped(figure.round() as u64);
                let (was, now) = (was.over(Measured::rate), is.over(Measured::rate));
                rows.push(other(&table.workload, "req/s", &is.name, was, now, write));
            }
        }
    }
    rows
}

/// Latency at the requests' own pace.
fn latency(before: &Run, after: &Run) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for table in &after.paced {
        let mut tables = before.paced.iter();
        let Some(earlier) = tables.find(|it| it.workload == table.workload) else {
            continue;
        };
        for is in &table.servers {
            if let Some(was) = earlier.servers.iter().find(|it| it.name == is.name) {
                let write = |figure: f64| time(figure as u64);
                let (was, now) = (was.light()[2], is.light()[2]);
                rows.push(other(
                    &table.workload,
                    "light p99",
                    &is.name,
                    was,
                    now,
                    write,
                ));
            }
        }
    }
    rows
}

fn other(
    workload: &str,
    figure: &str,
    name: &str,
    was: f64,
    now: f64,
    write: impl Fn(f64) -> String,
) -> Vec<String> {
    let change = if was > 0.0 {
        format!("{:+.1} %", (now / was - 1.0) * 100.0)
    } else {
        "-".into()
    };
    vec![
        workload.into(),
        figure.into(),
        name.into(),
        write(was),
        write(now),
        change,
    ]
}

fn alike(one: &Measurement, other: &Measurement) -> bool {
    let key = |it: &Measurement| (it.workload.clone(), it.conns, it.size);
    key(one) == key(other)
}

fn compare(before: &Measurement, after: &Measurement) -> Vec<Vec<String>> {
    let noise = super::table::noise(&before.servers).max(super::table::noise(&after.servers));
    let mut rows = Vec::new();
    for server in &after.servers {
        let earlier = before.servers.iter().find(|it| it.name == server.name);
        let (Some(was), Some(is)) = (earlier.and_then(|it| it.cpu_ratio), server.cpu_ratio) else {
            continue;
        };
        rows.push(vec![
            after.workload.clone(),
            grouped(after.conns as u64),
            server.name.clone(),
            format!("{:.3}", was.median),
            format!("{:.3}", is.median),
            format!("{:+.1} %", (is.median / was.median - 1.0) * 100.0),
            verdict(was, is, noise).into(),
        ]);
    }
    rows
}

/// Beyond the noise of both runs and the uncertainty of both medians?
fn verdict(was: Spread, is: Spread, noise: f64) -> &'static str {
    let doubt = noise.max(was.notch().hypot(is.notch()));
    match is.median / was.median - 1.0 {
        _ if !was.is_enough() || !is.is_enough() || noise.is_infinite() => "too few slices",
        change if change > doubt => "WORSE",
        change if change < -doubt => "better",
        _ => "same",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_when_it_is_larger_than_the_doubt_of_both_runs() {
        let at = |median: f64, range: f64| Spread {
            low: median - range / 2.0,
            median,
            high: median + range / 2.0,
            count: 16,
        };
        assert_eq!(verdict(at(1.0, 0.02), at(1.05, 0.02), 0.01), "WORSE");
        assert_eq!(verdict(at(1.0, 0.02), at(0.95, 0.02), 0.01), "better");
        assert_eq!(verdict(at(1.0, 0.02), at(1.05, 0.02), 0.06), "same");
        let few = Spread {
            count: 4,
            ..at(1.0, 0.0)
        };
        assert_eq!(verdict(few, at(2.0, 0.0), 0.01), "too few slices");
        assert_eq!(verdict(at(1.0, 0.20), at(1.05, 0.02), 0.01), "same");
    }
}
