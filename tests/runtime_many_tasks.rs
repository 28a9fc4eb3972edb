//! A hundred thousand parked tasks, and what they cost.

mod support;

use gopark::{Reason, Runtime, park};
use std::time::Duration;
use support::eventually;

/// A line of /proc/self/status, in bytes.
fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|l| l.starts_with(key)).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps")
        .unwrap()
        .lines()
        .count()
}

#[test]
fn a_hundred_thousand_parked_tasks_cost_a_page_each_and_no_mappings() {
    let tasks = 100_000;
    // Spare workers, which come on a busy machine, have mappings of their own.
    let runtime = Runtime::builder().spare_workers(0).build().unwrap();
    let handle = runtime.handle();
    // Whatever is made once is made before the count begins.
    runtime.run(|| gopark::spawn(|| ()).join().unwrap());
    let memory = || status("VmRSS") + status("VmPTE");
    let (before, lines) = (memory(), mappings());
    runtime.run(move || {
        for _ in 0..tasks {
            drop(gopark::spawn(park));
        }
    });
    let parked = || handle.metrics().total.parked_for(Reason::Park);
    eventually("all are parked", || parked() == tasks);
    let each = (memory() - before) / tasks;
    let new_lines = mappings().saturating_sub(lines);
    println!("{each} bytes per parked task, page tables included; {new_lines} new mappings");
    // A second page for each would be far more; which worker has how many of them is a little.
    assert!(each <= 5000, "{each} bytes per parked task");
    // With guard markers (Linux 6.13) a chunk of stacks is one mapping.
    assert!(new_lines <= 40, "{new_lines} new mappings");
    let report = runtime.shutdown_timeout(Duration::from_secs(30));
    assert!(report.is_clean(), "{report}");
    assert_eq!(parked(), 0);
}
