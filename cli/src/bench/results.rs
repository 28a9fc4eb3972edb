//! Everything that a run has found: what is written as JSON, and what every report is made from.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::failed::Failed;
use super::idle::Idle;
use super::paced::PacedTable;
use super::profile::Profile;
use super::run::Outcome;
use super::stall::StallTable;
use crate::failure::Failure;

/// A run.
#[derive(Debug, Deserialize, Serialize)]
pub struct Run {
    /// Processor, cores, kernel.
    pub machine: String,
    /// gopark, and whatever else has a version worth knowing.
    pub versions: Vec<String>,
    /// The command line.
    pub command: Vec<String>,
    /// Who ran where in the first measurement; each table has its own.
    pub places: String,
    /// Bytes in a request, where the workload leaves that open.
    pub size: usize,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// Seconds since 1970.
    pub begun: u64,
    /// Draws the orders.
    pub seed: u64,
    /// Length of a slice.
    pub slice_ms: u64,
    /// By how much neighbours may differ.
    pub tolerance: f64,
    /// Servers that could not run, and why.
    pub absent: Vec<(String, String)>,
    /// CPU per request.
    pub tables: Vec<Measurement>,
    /// Memory.
    pub idle: Vec<Vec<Idle>>,
    /// Answers and latency where workers stall.
    pub stalls: Vec<StallTable>,
    /// Latency of requests at their own pace.
    pub paced: Vec<PacedTable>,
}

/// One table of CPU per request.
#[derive(Debug, Deserialize, Serialize)]
pub struct Measurement {
    /// The workload's name.
    pub workload: String,
    /// What it is.
    pub about: String,
    /// Connections.
    pub conns: usize,
    /// Bytes in an echo request.
    pub size: usize,
    /// Who ran where.
    pub places: String,
    /// Threads that serve.
    pub workers: usize,
    /// Rounds that were asked for.
    pub rounds: usize,
    /// The floor first, then the others.
    pub servers: Vec<Outcome>,
    /// Where the time of a request goes, if that was looked at.
    #[serde(default)]
    pub profile: Option<Profile>,
    /// Those that could not be measured.
    pub failed: Failed,
}

impl Run {
    /// Reads a run that was written with --json.
    pub fn load(path: &Path) -> Result<Run, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::io(format_args!("read {}", path.display()), &error))?;
        serde_json::from_str(&text).map_err(|error| {
            let path = path.display();
            Failure::new(format!("{path} is not a run of this version: {error}"))
        })
    }

    /// The command line, for pasting into a shell.
    pub fn command_line(&self) -> String {
        let plain = |text: &str| {
            let safe = |c: char| c.is_ascii_alphanumeric() || "-_./,:=".contains(c);
            !text.is_empty() && text.chars().all(safe)
        };
        let mut words = vec!["gopark".to_string()];
        words.extend(self.command.iter().skip(1).map(|word| {
            if plain(word) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        }));
        words.join(" ")
    }

    /// When it began, as people write it: `2026-11-21 03:12 UTC`.
    pub fn date(&self) -> String {
        let (day, second) = (self.begun / 86_400, self.begun % 86_400);
        let (year, month, day) = civil(day);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

/// Year, month and day of a number of days since 1970.
fn civil(mut day: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_since_1970_have_the_dates_of_the_calendar() {
        let known = [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_454, (2026, 1, 1)),
            (20_778, (2026, 11, 21)),
        ];
        for (day, date) in known {
            assert_eq!(civil(day), date);
        }
    }
}
