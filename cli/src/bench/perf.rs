//! `perf`, attached to a server and told over a named pipe when to look, so that what it finds has
//! nothing of the time it takes to attach.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::tool::{PATIENCE, Room, lines};
use crate::sys::child::{self, Kept};
use crate::sys::fifo;

/// Between two looks whether it is still there.
const LOOK: Duration = Duration::from_millis(20);

/// One that runs, and looks only while it is told to.
#[derive(Debug)]
pub struct Perf {
    tool: Kept,
    orders: File,
    answers: Option<Receiver<String>>,
    /// The pipe of the answers: what is written here is read like one.
    end: File,
    out: PathBuf,
}

impl Perf {
    /// Starts `perf` with these arguments on the process `pid`, to write its report to the file `out` of
    /// `room`. `None` if it cannot be started; whether it may look is known at the first order.
    pub fn attach(args: &[&str], pid: u32, room: &Room, out: &str) -> Option<Perf> {
        let control = room.file(&format!("{out}-control"));
        let acknowledge = room.file(&format!("{out}-ack"));
        fifo::make(&control).ok()?;
        fifo::make(&acknowledge).ok()?;
        // Opened for both directions, neither end waits for the other process.
        let both = |path: &Path| OpenOptions::new().read(true).write(true).open(path).ok();
        let (orders, answers) = (both(&control)?, both(&acknowledge)?);
        let end = answers.try_clone().ok()?;
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
            answers: Some(lines(answers)),
            end,
            out,
        })
    }

    /// Runs `load` and looks meanwhile. `None` if perf has ended, or does not answer.
    pub fn during<T>(&mut self, load: impl FnOnce() -> T) -> Option<T> {
        self.order("enable\n")?;
        let result = load();
        self.order("disable\n")?;
        Some(result)
    }

    fn order(&mut self, what: &str) -> Option<()> {
        self.orders.write_all(what.as_bytes()).ok()?;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.answers.as_ref()?.recv_timeout(LOOK) {
                Ok(_) => return Some(()),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let runs = matches!(self.tool.child.try_wait(), Ok(None));
            if !runs || Instant::now() > until {
                return None;
            }
        }
    }

    /// Has it write its report. Gives the file.
    pub fn finish(mut self) -> PathBuf {
        self.tool.end(libc::SIGINT, PATIENCE);
        std::mem::take(&mut self.out)
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        // The reader of the answers would wait for ever: the pipe has an end here that may write.
        self.answers = None;
        // If that fails, the thread stays until the process ends.
        let _ = self.end.write_all(b"\n");
    }
}
