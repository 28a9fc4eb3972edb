//! Rules broken on purpose, to show that breaking them is seen.

use gopark::net::TcpConn;
use std::time::{Duration, Instant};

/// A rule that the executor on gopark breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// A read takes data that is there although its deadline has passed.
    DataBeforeDeadline,
    /// An expired deadline is gone once it has been reported.
    DeadlineForgotten,
    /// The second close succeeds.
    CloseTwice,
    /// Ending the reading of a connection that is gone succeeds.
    CloseReadOfNothing,
    /// A write of nothing makes no system call.
    EmptyWriteSkipped,
    /// A write is made in two parts, without the lock between them.
    WriteInParts,
}

impl Twist {
    pub const ALL: [Twist; 6] = [
        Twist::DataBeforeDeadline,
        Twist::DeadlineForgotten,
        Twist::CloseTwice,
        Twist::CloseReadOfNothing,
        Twist::EmptyWriteSkipped,
        Twist::WriteInParts,
    ];

    /// What comes of a call in which this rule is broken; nothing if the rule is not about it.
    pub fn instead(self, conn: &TcpConn, name: &str, args: &[&str]) -> Option<String> {
        let plain = |conn: &TcpConn| crate::call::run(conn, name, args, None);
        match (self, name) {
            (Twist::DataBeforeDeadline, "read") => {
                let outcome = plain(conn);
                if !outcome.contains("i/o timeout") {
                    return Some(outcome);
                }
                // In time for what is there already.
                let _ = conn.set_read_deadline(Some(Instant::now() + Duration::from_millis(5)));
                let outcome = plain(conn);
                let _ = conn.set_read_deadline(Some(Instant::now()));
                Some(outcome)
            }
            (Twist::DeadlineForgotten, "read") => {
                let outcome = plain(conn);
                if outcome.contains("i/o timeout") {
                    let _ = conn.set_read_deadline(None);
                }
                Some(outcome)
            }
            (Twist::CloseTwice, "close") => {
                plain(conn);
                Some("nil".into())
            }
            (Twist::CloseReadOfNothing, "close_read") => {
                plain(conn);
                Some("nil".into())
            }
            (Twist::EmptyWriteSkipped, "write") if args[1] == "0" => Some("n=0 nil".into()),
            (Twist::WriteInParts, "write") => {
                let (start, len) = (
                    args[0].parse::<usize>().ok()?,
                    args[1].parse::<usize>().ok()?,
                );
                let first = len / 2;
                let part = |start: usize, len: usize| {
                    let args = [(start % 251).to_string(), len.to_string()];
                    crate::call::run(conn, name, &[&args[0], &args[1]], None)
                };
                let outcome = part(start, first);
                if !outcome.ends_with(" nil") {
                    return Some(outcome);
                }
                let outcome = part(start + first, len - first);
                let whole = format!("n={} nil", len - first);
                Some(if outcome == whole {
                    format!("n={len} nil")
                } else {
                    outcome
                })
            }
            _ => None,
        }
    }
}
