//! From a file to a socket.
//!
//! Go: `internal/poll/sendfile.go`.

#![forbid(unsafe_code)]

use super::{Failed, Handled, Progress, Stream, sys};
use crate::net::{Cause, fail};
use netpoll::Mode;
use std::{fs::File, os::fd::AsFd};

/// The most one call is asked for. The kernel reads as much of the file ahead, on this thread.
const CHUNK: u64 = 4 << 20;

pub(super) fn run(
    file: &File,
    to: &dyn Stream,
    progress: &mut Progress,
) -> Result<Handled, Failed> {
    to.begin(Mode::Write)
        .map_err(|err| Failed::Whole(Cause::from(err)))?;
    let done = to.fd().write_with("sendfile", |fd| {
        while progress.left > 0 {
            let most = usize::try_from(progress.left.min(CHUNK)).expect("a chunk is a size");
            match sys::sendfile(fd, file.as_fd(), most) {
                Ok(0) => return Ok(Handled::Yes),
                Ok(n) => progress.moved(n),
                // Not with this kind of file.
                Err(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP | libc::ESPIPE)
                    if progress.written == 0 =>
                {
                    return Ok(Handled::No);
                }
                Err(errno) => return Err(errno),
            }
        }
        Ok(Handled::Yes)
    });
    match done {
        Ok(handled) => Ok(handled),
        // What fails before anything is sent is left to an ordinary write to report, as Go does.
        Err(err) if progress.written == 0 && err.errno().is_none() => Ok(Handled::No),
        Err(err) => Err(Failed::Writing(fail::cause(err))),
    }
}
