//! Counting a server's system calls while it is loaded.
//!
//! `perf stat` with the tracepoint `raw_syscalls:sys_enter` is the first choice: it hardly slows
//! the server. `strace -c` stops the server at every call; the next requests then wait already
//! when it reads, so servers that read in vain at full speed seem not to. It is used where perf
//! is missing or not permitted, and named.

use std::process::{Command, Stdio};

use super::perf::Perf;
use super::tool::{PATIENCE, Room, lines};
use crate::sys::child;

/// How calls were counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The tracepoint, at full speed.
    Perf,
    /// strace, which slows the server and hides calls that fail with EAGAIN.
    Strace,
}

/// Runs `load` while the calls of `pid` are counted. Gives the calls and what `load` gave; `None`
/// if no tool could count. `load` may run more than once.
pub fn count<T>(pid: u32, mut load: impl FnMut() -> T) -> Option<(Method, u64, T)> {
    let room = Room::make()?;
    if let Some((calls, result)) = perf(pid, &room, &mut load) {
        return Some((Method::Perf, calls, result));
    }
    let (calls, result) = strace(pid, &room, &mut load)?;
    Some((Method::Strace, calls, result))
}

fn perf<T>(pid: u32, room: &Room, load: &mut impl FnMut() -> T) -> Option<(u64, T)> {
    let calls = ["stat", "-x,", "-e", "raw_syscalls:sys_enter"];
    let mut perf = Perf::attach(&calls, pid, room, "perf")?;
    let result = perf.during(load)?;
    let text = std::fs::read_to_string(perf.finish()).ok()?;
    Some((perf_count(&text)?, result))
}

fn strace<T>(pid: u32, room: &Room, load: &mut impl FnMut() -> T) -> Option<(u64, T)> {
    let out = room.file("strace");
    let mut command = Command::new("strace");
    command
        .args(["-c", "-f", "-p", &pid.to_string(), "-o"])
        .arg(&out);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut tool = child::start(&mut command, &[]).ok()?;
    let said = lines(tool.child.stderr.take()?);
    while !said.recv_timeout(PATIENCE).ok()?.contains("attached") {}
    let result = load();
    tool.end(libc::SIGINT, PATIENCE);
    let text = std::fs::read_to_string(&out).ok()?;
    Some((strace_count(&text)?, result))
}

/// The count in `123456,,raw_syscalls:sys_enter,...`.
fn perf_count(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find(|line| line.contains("raw_syscalls:sys_enter"))?;
    line.split(',').next()?.parse().ok()
}

/// The sum of the column `calls` in the table that `strace -c` prints.
fn strace_count(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .rev()
        .find(|line| line.trim_end().ends_with("total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reports_of_both_tools_are_understood() {
        let perf = "# started on Sat Nov 21\n\n531200,,raw_syscalls:sys_enter,1000123,100.00,,\n";
        assert_eq!(perf_count(perf), Some(531_200));
        assert_eq!(
            perf_count("<not counted>,,raw_syscalls:sys_enter,0,100.00,,"),
            None
        );
        let strace = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.030000           3     10000           read
 40.00    0.020000           2     10001         5 write
------ ----------- ----------- --------- --------- ----------------
100.00    0.050000           2     20001         5 total
";
        assert_eq!(strace_count(strace), Some(20_001));
        assert_eq!(strace_count(""), None);
    }
}
