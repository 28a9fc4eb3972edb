//! Counting a server's system calls while it is loaded.
//!
//! `perf stat` with the tracepoint `raw_syscalls:sys_enter` is the first choice: it hardly slows
//! the server. `strace -c` stops the server at every call; the next requests then wait already
//! when it reads, so servers that read in vain at full speed seem not to. It is used where perf
//! is missing or not permitted, and named.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::sys::child::{self, Kept};
use crate::sys::fifo;

/// How long a tool may take to attach or to report.
const PATIENCE: Duration = Duration::from_secs(5);

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

/// A directory of our own for the tools' files.
struct Room(PathBuf);

impl Room {
    fn make() -> Option<Room> {
        let path = std::env::temp_dir().join(format!("gopark-bench-{}", std::process::id()));
        // Left over from a process of the same number, which must be gone.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).ok()?;
        Some(Room(path))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What is left behind are a few bytes in a temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// perf starts with counting switched off and is told over a named pipe when to count, so the
/// figure has nothing of the time it takes to attach.
fn perf<T>(pid: u32, room: &Room, load: &mut impl FnMut() -> T) -> Option<(u64, T)> {
    let (control, acknowledge, out) = (room.file("control"), room.file("ack"), room.file("perf"));
    fifo::make(&control).ok()?;
    fifo::make(&acknowledge).ok()?;
    // Opened for both directions, neither end waits for the other process.
    let both = |path: &Path| OpenOptions::new().read(true).write(true).open(path).ok();
    let (mut orders, answers) = (both(&control)?, both(&acknowledge)?);
    let mut command = Command::new("perf");
    command
        .args([
            "stat",
            "-x,",
            "-e",
            "raw_syscalls:sys_enter",
            "--delay=-1",
            "-p",
        ])
        .arg(pid.to_string())
        .arg(format!(
            "--control=fifo:{},{}",
            control.display(),
            acknowledge.display()
        ))
        .arg("-o")
        .arg(&out);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut tool = child::start(&mut command, &[]).ok()?;
    let answers = lines(answers);
    orders.write_all(b"enable\n").ok()?;
    answers.recv_timeout(PATIENCE).ok()?;
    let result = load();
    orders.write_all(b"disable\n").ok()?;
    answers.recv_timeout(PATIENCE).ok()?;
    let text = finish(&mut tool, &out)?;
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
    let text = finish(&mut tool, &out)?;
    Some((strace_count(&text)?, result))
}

/// The lines of a stream, read by a thread so that waiting for them can be bounded. The thread
/// ends with the stream.
fn lines(stream: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Has a tool write its report, and reads it.
fn finish(tool: &mut Kept, out: &Path) -> Option<String> {
    tool.end(libc::SIGINT, PATIENCE);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut File::open(out).ok()?, &mut text).ok()?;
    Some(text)
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
