//! Pipes for splicing, kept for the next copy.
//!
//! Bytes cannot go from socket to socket but through a pipe, and making one of useful size costs three
//! system calls. A pipe that still holds bytes after a copy that failed is closed, never kept.
//!
//! Go: `internal/poll/splice_linux.go`, `splicePipePool`.

#![forbid(unsafe_code)]

use super::sys;
use parking_lot::Mutex;
use std::os::fd::{AsFd, OwnedFd};

/// Go: `maxSpliceSize`.
const SIZE: usize = 1 << 20;
/// More than so many idle pipes are not kept: each is two descriptors.
const KEPT: usize = 16;

static POOL: Mutex<Vec<Pipe>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Pipe {
    reading: OwnedFd,
    writing: OwnedFd,
    size: usize,
}

/// A pipe that is in use. It goes back when it is dropped empty.
#[derive(Debug)]
pub(super) struct Lent {
    pipe: Option<Pipe>,
    /// Bytes in it.
    held: usize,
}

/// A pipe with nothing in it.
///
/// # Errors
/// What `pipe2` says, most often too many open files.
pub(super) fn lend() -> Result<Lent, i32> {
    let kept = POOL.lock().pop();
    let pipe = match kept {
        Some(pipe) => pipe,
        None => {
            let (reading, writing) = sys::pipe()?;
            let size = sys::set_pipe_size(writing.as_fd(), SIZE);
            Pipe {
                reading,
                writing,
                size,
            }
        }
    };
    Ok(Lent {
        pipe: Some(pipe),
        held: 0,
    })
}

impl Lent {
    fn pipe(&self) -> &Pipe {
        self.pipe.as_ref().expect("it is there until the drop")
    }

    /// How many bytes it holds.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Fills it from `source` as far as `most`; it must be empty.
    pub(super) fn fill(
        &mut self,
        source: std::os::fd::BorrowedFd<'_>,
        most: u64,
    ) -> Result<usize, i32> {
        let pipe = self.pipe();
        let most = usize::try_from(most).unwrap_or(pipe.size).min(pipe.size);
        let n = sys::splice(source, pipe.writing.as_fd(), most)?;
        self.held += n;
        Ok(n)
    }

    /// Moves some of what it holds to `target`.
    pub(super) fn empty(&mut self, target: std::os::fd::BorrowedFd<'_>) -> Result<usize, i32> {
        let n = sys::splice(self.pipe().reading.as_fd(), target, self.held)?;
        self.held -= n;
        Ok(n)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let pipe = self.pipe.take();
        if self.held == 0 {
            let mut pool = POOL.lock();
            if pool.len() < KEPT {
                pool.extend(pipe);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Follows Go's TestSplicePipePool, as far as there is something to find: nothing collects garbage.
    #[test]
    fn a_pipe_that_still_holds_bytes_is_not_lent_again() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"left over").unwrap();
        let mut lent = lend().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&lent.pipe().reading);
        assert_eq!(lent.fill(reader.as_fd(), 4), Ok(4));
        assert_eq!(lent.held(), 4);
        drop(lent);
        let same = |pipe: &Pipe| std::os::fd::AsRawFd::as_raw_fd(&pipe.reading) == number;
        assert!(!POOL.lock().iter().any(same));
        let mut lent = lend().unwrap();
        assert_eq!(lent.fill(reader.as_fd(), u64::MAX), Ok(5));
        let (reader, writer) = std::io::pipe().unwrap();
        assert_eq!(lent.empty(writer.as_fd()), Ok(5));
        drop((lent, reader));
        assert!(POOL.lock().len() <= KEPT);
    }
}
