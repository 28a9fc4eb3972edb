//! Two runs beside each other: what has become better, and what worse.

use super::results::{Measurement, Run};
use super::stats::Spread;
use crate::output;
use crate::units::grouped;

/// The comparison as text. Ratios to the floor are compared, so the machine's speed cancels; the
/// machines should still be alike.
pub fn text(before: &Run, after: &Run) -> String {
    let mut text = format!("\nagainst the run of {}\n", before.date());
    if before.machine != after.machine {
        text += &format!("  another machine: {}\n", before.machine);
    }
    let heads = [
        "workload",
        "conns",
        "server",
        "ratio before",
        "now",
        "change",
        "",
    ];
    let mut rows = vec![heads.map(String::from).to_vec()];
    for table in &after.tables {
        if let Some(earlier) = before.tables.iter().find(|it| alike(it, table)) {
            rows.extend(compare(earlier, table));
        }
    }
    if rows.len() == 1 {
        return text + "  no table of this run is in that one\n";
    }
    text + &output::table(&rows)
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
