//! What came of which operations: so that it shows what the programs reach, and what they no longer do.

use std::{collections::BTreeMap, fmt};

/// How often each operation had each outcome.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<(String, String), usize>);

/// Outcomes that any few hundred programs must reach.
const EXPECTED: &[(&str, &str)] = &[
    ("read", "nil EOF ErrDeadlineExceeded ErrClosed ECONNRESET"),
    ("fill", "nil"),
    ("drain", "EOF ErrDeadlineExceeded ErrClosed"),
    (
        "write",
        "nil ErrDeadlineExceeded ErrClosed ECONNRESET EPIPE",
    ),
    (
        "part of a write",
        "ErrDeadlineExceeded ErrClosed ECONNRESET EPIPE",
    ),
    ("writev", "nil ErrDeadlineExceeded ErrClosed EPIPE"),
    ("close", "nil ErrClosed"),
    ("close_read", "nil ErrClosed ENOTCONN"),
    ("close_write", "nil ErrClosed ENOTCONN"),
    ("set_deadline", "nil ErrClosed"),
    ("set_read_deadline", "nil ErrClosed"),
    ("set_write_deadline", "nil ErrClosed"),
    ("set_linger", "nil ErrClosed"),
];

impl Tally {
    /// Counts the results of one program.
    pub fn add(&mut self, results: &str) {
        for line in results.lines() {
            let Some((call, outcomes)) = line.split_once(": ") else {
                continue; // the end
            };
            let op = call.split_once('.').map_or(call, |(_, op)| op);
            for outcome in outcomes.split(" | ") {
                let part = outcome.starts_with("n=some \"");
                let op = if part { "part of a write" } else { op };
                *self
                    .0
                    .entry((op.into(), end_of_chain(outcome).into()))
                    .or_default() += 1;
            }
        }
    }

    /// Fails if an outcome was never reached.
    pub fn assert_complete(&self) {
        for (op, outcomes) in EXPECTED {
            for outcome in outcomes.split(' ') {
                let seen = self.0.contains_key(&((*op).to_owned(), outcome.to_owned()));
                assert!(seen, "no program reached {outcome} of {op}:\n{self}");
            }
        }
    }
}

/// What an outcome's first error is in the end.
fn end_of_chain(outcome: &str) -> &str {
    let chain = outcome.split_once("chain=[");
    match chain.and_then(|(_, rest)| rest.split_once(']')) {
        Some((chain, _)) => chain.rsplit("> ").next().unwrap_or(chain),
        None => outcome.rsplit(' ').next().unwrap(),
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((op, outcome), count) in &self.0 {
            writeln!(f, "{op:20} {outcome:22} {count}")?;
        }
        Ok(())
    }
}
