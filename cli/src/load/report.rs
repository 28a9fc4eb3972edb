//! The result of a run, for people and for programs.

use std::time::Duration;

use serde::Serialize;

use super::engine::Stretch;
use super::plan::Plan;
use super::tally::{Percentiles, Tally};
use crate::output;
use crate::units::{bytes, grouped, time};

/// A generator busier than this may have been the limit itself.
pub const SATURATED: f64 = 0.95;

/// The result of `gopark load`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was asked for.
    pub plan: Plan,
    /// Threads of the generator.
    pub threads: usize,
    /// How latencies are to be read.
    pub loop_kind: &'static str,
    /// Length of the measurement, in seconds.
    pub seconds: f64,
    /// Answers received in that time.
    pub requests: u64,
    /// Answers per second.
    pub requests_per_second: f64,
    /// Bytes of answers per second.
    pub bytes_per_second: f64,
    /// Connections opened.
    pub connections_opened: u64,
    /// Latencies, in nanoseconds.
    pub latency_ns: Percentiles,
    /// Errors of all kinds.
    pub errors: u64,
    /// Errors by kind.
    pub errors_by_kind: serde_json::Map<String, serde_json::Value>,
    /// The busiest generator thread's share of its core.
    pub generator_utilisation: f64,
}

impl Report {
    /// Sums up the threads.
    pub fn new(plan: &Plan, stretches: &[Stretch]) -> Report {
        let mut sum = Tally::new();
        stretches.iter().for_each(|stretch| sum.add(&stretch.tally));
        let elapsed = stretches.iter().map(|stretch| stretch.elapsed).max();
        let seconds = elapsed.unwrap_or(Duration::ZERO).as_secs_f64().max(1e-9);
        let requests: u64 = stretches.iter().map(|stretch| stretch.answered).sum();
        let utilisation = stretches
            .iter()
            .map(|stretch| stretch.own_cpu.as_secs_f64() / stretch.elapsed.as_secs_f64().max(1e-9))
            .fold(0.0, f64::max);
        Report {
            plan: plan.clone(),
            threads: stretches.len(),
            loop_kind: "closed",
            seconds,
            requests,
            requests_per_second: requests as f64 / seconds,
            bytes_per_second: sum.received as f64 / seconds,
            connections_opened: sum.opened,
            latency_ns: sum.percentiles(),
            errors: sum.errors(),
            errors_by_kind: sum
                .named_errors()
                .map(|(name, count)| (name.to_string(), count.into()))
                .collect(),
            generator_utilisation: utilisation,
        }
    }

    /// The result as text.
    pub fn text(&self) -> String {
        let row = |name: &str, value: String| format!("  {name:<14}{value}\n");
        let rate = grouped(self.requests_per_second.round() as u64);
        let received = bytes(self.bytes_per_second.round() as u64);
        let Percentiles {
            p50,
            p90,
            p99,
            p999,
            max,
        } = self.latency_ns;
        let latency = [
            ("p50", p50),
            ("p90", p90),
            ("p99", p99),
            ("p99.9", p999),
            ("max", max),
        ];
        let latency: Vec<String> = latency
            .iter()
            .map(|(name, nanos)| format!("{name} {}", time(*nanos)))
            .collect();
        let latency = match self.requests {
            0 => "-".into(),
            _ => latency.join(", "),
        };
        let mut text = String::new();
        text += &row(
            "requests",
            format!("{} in {:.2} s", grouped(self.requests), self.seconds),
        );
        text += &row(
            "throughput",
            format!("{rate} requests/s, {received}/s received"),
        );
        text += &row("latency", latency);
        text += &row(
            "",
            "closed loop: requests a stall kept from being sent are missing".into(),
        );
        text += &row("errors", self.error_text());
        if self.plan.requests_per_conn.is_some() {
            let opened = self.connections_opened as f64 / self.seconds;
            text += &row(
                "connections",
                format!("{} opened/s", grouped(opened.round() as u64)),
            );
        }
        text += &row("generator", self.utilisation_text());
        text
    }

    fn error_text(&self) -> String {
        if self.errors == 0 {
            return "none".into();
        }
        let kinds: Vec<String> = self
            .errors_by_kind
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        format!("{} ({})", grouped(self.errors), kinds.join(", "))
    }

    fn utilisation_text(&self) -> String {
        let percent = self.generator_utilisation * 100.0;
        let verdict = if self.generator_utilisation >= SATURATED {
            ": SATURATED, the server may be faster than this (try --threads)"
        } else {
            ""
        };
        let threads = if self.threads == 1 {
            "its core"
        } else {
            "a core, the busiest thread"
        };
        format!("{percent:.0} % of {threads}{verdict}")
    }

    /// Prints the result.
    pub fn print(&self, as_json: bool) -> Result<(), crate::failure::Failure> {
        if as_json {
            output::print_json(self)
        } else {
            output::print(&self.text())
        }
    }
}
