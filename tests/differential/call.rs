//! One call on gopark, and what came of it in the words of the executor on Go.

use crate::golden;
use crate::program::next_byte;
use crate::twist::Twist;
use gopark::net::{Cause, NetError, TcpConn};
use std::{
    io::{self, IoSlice},
    time::{Duration, Instant},
};

const EOF: &str = r#""EOF" timeout=- temporary=- is=[io.EOF] chain=[EOF]"#;

/// Makes one call and says what came of it.
pub fn run(conn: &TcpConn, name: &str, args: &[&str], twist: Option<Twist>) -> String {
    if let Some(outcome) = twist.and_then(|twist| twist.instead(conn, name, args)) {
        return outcome;
    }
    let number = |i: usize| args[i].parse::<usize>().unwrap();
    match name {
        "read" => {
            let mut buf = vec![0; number(0)];
            let result = conn.read(&mut buf);
            let n = *result.as_ref().unwrap_or(&0);
            let end = (n == 0 && !buf.is_empty()).then_some(EOF);
            received(&buf[..n], false, &end_or(result, end))
        }
        "fill" => {
            let mut buf = vec![0; number(0)];
            let mut n = 0;
            let mut end = "nil".to_owned();
            while n < buf.len() && end == "nil" {
                match conn.read(&mut buf[n..]) {
                    Ok(0) => end = EOF.into(),
                    Ok(more) => n += more,
                    Err(err) => end = failure::<()>(Err(err)),
                }
            }
            received(&buf[..n], false, &end)
        }
        "drain" => {
            let mut all = Vec::new();
            let result = io::Read::read_to_end(&mut &*conn, &mut all);
            received(&all, number(0) == 1, &end_or(result, Some(EOF)))
        }
        "write" => {
            let mut buf = vec![0; number(1)];
            pattern(number(0) as u8, &mut buf);
            sent(conn.write(&buf), buf.len())
        }
        "writev" => {
            let mut next = number(0) as u8;
            let bufs = (1..args.len()).map(|i| {
                let mut buf = vec![0; number(i)];
                next = pattern(next, &mut buf);
                buf
            });
            let bufs: Vec<_> = bufs.collect();
            let mut slices: Vec<_> = bufs.iter().map(|buf| IoSlice::new(buf)).collect();
            let total = bufs.iter().map(Vec::len).sum();
            sent(conn.write_buffers(&mut &mut slices[..]), total)
        }
        "write_close" | "write_close_write" => {
            let mut buf = vec![0; number(1)];
            pattern(number(0) as u8, &mut buf);
            let written = conn.write(&buf);
            let closed = match name {
                "write_close" => conn.close(),
                _ => conn.close_write(),
            };
            format!("{} {}", sent(written, buf.len()), failure(closed))
        }
        "close" => failure(conn.close()),
        "close_read" => failure(conn.close_read()),
        "close_write" => failure(conn.close_write()),
        "set_linger" => failure(conn.set_linger((args[0] == "0").then_some(Duration::ZERO))),
        "set_nodelay" => failure(conn.set_nodelay(true)),
        "set_deadline" => failure(conn.set_deadline(moment(args[0]))),
        "set_read_deadline" => failure(conn.set_read_deadline(moment(args[0]))),
        "set_write_deadline" => failure(conn.set_write_deadline(moment(args[0]))),
        "addr" => {
            let ends = (conn.local_addr(), conn.peer_addr());
            format!("{} {}", ends.0.unwrap(), ends.1.unwrap())
        }
        other => panic!("no operation {other}"),
    }
}

fn moment(when: &str) -> Option<Instant> {
    let now = Instant::now();
    match when {
        "past" => Some(now.checked_sub(Duration::from_secs(1)).unwrap_or(now)),
        "soon" => Some(now + Duration::from_millis(10)),
        "near" => Some(now + Duration::from_millis(100)),
        "far" => Some(now + Duration::from_secs(3600)),
        "never" => None,
        other => panic!("no moment {other}"),
    }
}

/// Fills `buf` from byte `first` on and returns the byte that would follow.
fn pattern(first: u8, buf: &mut [u8]) -> u8 {
    let mut next = first;
    for byte in buf {
        *byte = next;
        next = next_byte(next);
    }
    next
}

/// The result of a write; a part that went out has no determined length.
fn sent(result: io::Result<usize>, total: usize) -> String {
    let n = match &result {
        Ok(n) => *n,
        Err(err) => err.bytes(),
    };
    if 0 < n && n < total {
        return format!("n=some {}", failure(result));
    }
    format!("n={n} {}", failure(result))
}

/// What was read, as runs of the writers' pattern. When how much came is not determined, neither is
/// the length of the last run.
fn received(data: &[u8], vague: bool, end: &str) -> String {
    let runs: Vec<_> = data.chunk_by(|&a, &b| b == next_byte(a)).collect();
    let run = |(i, run): (usize, &&[u8])| {
        if vague && i + 1 == runs.len() {
            format!("{}+some", run[0])
        } else {
            format!("{}+{}", run[0], run.len())
        }
    };
    let text: Vec<_> = runs.iter().enumerate().map(run).collect();
    let n = if vague {
        "some".into()
    } else {
        data.len().to_string()
    };
    format!("n={n} [{}] {end}", text.join(" "))
}

/// `end` for a result that is no error.
fn end_or(result: io::Result<usize>, end: Option<&str>) -> String {
    match (result, end) {
        (Ok(_), Some(end)) => end.to_owned(),
        (result, _) => failure(result),
    }
}

/// An error in full, or `nil`.
fn failure<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => "nil".into(),
        Err(err) => golden::describe(Cause::from(err)),
    }
}
