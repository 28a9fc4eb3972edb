//! Child processes that do not outlive us.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::{affinity, signals};

/// A child process that ends when this value is dropped, or when this process dies.
#[derive(Debug)]
pub struct Kept {
    /// The process itself, for its pipes.
    pub child: Child,
}

/// Starts `command` in a process group of its own, so that Ctrl-C in the terminal reaches only
/// us, and kept on `cores` unless there are none. It starts with no signal blocked, whatever we
/// block.
pub fn start(command: &mut Command, cores: &[usize]) -> io::Result<Kept> {
    let parent = std::process::id();
    let cores = affinity::Set::of(cores)?;
    let before_exec = move || {
        // SAFETY: prctl with PR_SET_PDEATHSIG takes a signal number and touches no memory.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        // SAFETY: getppid takes no arguments and cannot fail.
        if unsafe { libc::getppid() } as u32 != parent {
            // We died between fork and prctl, so the signal will never come.
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        signals::unblock_all()?;
        cores.as_ref().map_or(Ok(()), affinity::Set::pin)
    };
    command.process_group(0);
    // SAFETY: the closure runs between fork and exec. It makes system calls, builds its
    // errors from numbers without allocating, and takes no lock.
    unsafe { command.pre_exec(before_exec) };
    Ok(Kept {
        child: command.spawn()?,
    })
}

impl Kept {
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process has ended, but no longer than `patience`. True if it has.
    pub fn wait(&mut self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        loop {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks the process to end with `signal`, and kills it when it has not ended after `patience`.
    pub fn end(&mut self, signal: i32, patience: Duration) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // SAFETY: kill touches no memory. The child has not been waited for, so the number is
        // still its own.
        unsafe { libc::kill(self.child.id() as i32, signal) };
        if self.wait(patience) {
            return;
        }
        // Both fail only for a process that is already gone, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.end(libc::SIGKILL, Duration::from_secs(5));
    }
}
