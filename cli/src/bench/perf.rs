//! `perf`, attached to a server and told over a named pipe when to look, so that what it finds has
//! nothing of the time it takes to attach.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::sys::child::{self, Kept};
use crate::sys::fifo;

/// How long a tool may take to attach or to report.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A directory of our own for the tools' files.
#[derive(Debug)]
pub struct Room(PathBuf);

impl Room {
    /// Makes it, empty. `None` if there is no place for one.
    pub fn make() -> Option<Room> {
        let path = std::env::temp_dir().join(format!("gopark-bench-{}", std::process::id()));
        // Left over from a process of the same number, which must be gone.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).ok()?;
        Some(Room(path))
    }

    /// Where a file of that name is, or may be.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What is left behind are a few bytes in a temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One that runs, and does not look yet.
#[derive(Debug)]
pub struct Perf {
    tool: Kept,
    orders: File,
    answers: mpsc::Receiver<String>,
    out: PathBuf,
}

impl Perf {
    /// Starts `perf` with these arguments on the process `pid`, to write its report to the file `out` of
    /// `room`. `None` if it is not there or not permitted.
    pub fn attach(args: &[&str], pid: u32, room: &Room, out: &str) -> Option<Perf> {
        let control = room.file(&format!("{out}-control"));
        let acknowledge = room.file(&format!("{out}-ack"));
        fifo::make(&control).ok()?;
        fifo::make(&acknowledge).ok()?;
        // Opened for both directions, neither end waits for the other process.
        let both = |path: &Path| OpenOptions::new().read(true).write(true).open(path).ok();
        let (orders, answers) = (both(&control)?, both(&acknowledge)?);
        let out = room.file(out);
        let (control, acknowledge) = (control.display(), acknowledge.display());
        let mut command = Command::new("perf");
        command.args(args).arg("--delay=-1");
        command.arg(format!("--control=fifo:{control},{acknowledge}"));
        command.arg("-p").arg(pid.to_string()).arg("-o").arg(&out);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let tool = child::start(command.stderr(Stdio::null()), &[]).ok()?;
        Some(Perf {
            tool,
            orders,
            answers: lines(answers),
            out,
        })
    }

    /// Runs `load` and looks meanwhile.
    pub fn during<T>(&mut self, load: impl FnOnce() -> T) -> Option<T> {
        self.order("enable\n")?;
        let result = load();
        self.order("disable\n")?;
        Some(result)
    }

    fn order(&mut self, what: &str) -> Option<()> {
        self.orders.write_all(what.as_bytes()).ok()?;
        self.answers.recv_timeout(PATIENCE).ok().map(drop)
    }

    /// Has it write its report. Gives the file.
    pub fn finish(mut self) -> PathBuf {
        self.tool.end(libc::SIGINT, PATIENCE);
        self.out
    }
}

/// The lines of a stream, read by a thread so that waiting for them can be bounded. The thread
/// ends with the stream.
pub fn lines(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
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
