//! Between sockets and pipes: from the source into a pipe of the pool, and from there to the target.
//!
//! The pipe is empty before each filling, so that "would block" is said by the source alone, and by
//! the target alone while it is emptied: each is then waited for as in a read or a write, with its
//! lock, its deadline and its closing.
//!
//! Go: `internal/poll/splice_linux.go`, `Splice`.

#![forbid(unsafe_code)]

use super::{Failed, Handled, Progress, Stream, pipe_pool};
use crate::net::{Cause, fail};
use netpoll::{Error, Mode};

pub(super) fn run(
    from: &dyn Stream,
    to: &dyn Stream,
    progress: &mut Progress,
) -> Result<Handled, Failed> {
    // Without a pipe, and where the kernel cannot splice, bytes go the plain way.
    let Ok(mut pipe) = pipe_pool::lend() else {
        return Ok(Handled::No);
    };
    let mut first = true;
    while progress.left > 0 {
        from.begin(Mode::Read)
            .map_err(|err| Failed::Whole(Cause::from(err)))?;
        let most = progress.left;
        let filled = from.fd().read_with("splice", |fd| pipe.fill(fd, most));
        match filled {
            Ok(0) => return Ok(Handled::Yes),
            Ok(_) => {}
            Err(err) if first && is_refusal(err) => return Ok(Handled::No),
            Err(err) => return Err(Failed::Reading(fail::cause(err))),
        }
        first = false;
        to.begin(Mode::Write)
            .map_err(|err| Failed::Whole(Cause::from(err)))?;
        let emptied = to.fd().write_with("splice", |fd| {
            while pipe.held() > 0 {
                match pipe.empty(fd)? {
                    0 => return Err(libc::EPIPE),
                    n => progress.moved(n),
                }
            }
            Ok(())
        });
        emptied.map_err(|err| Failed::Writing(fail::cause(err)))?;
    }
    Ok(Handled::Yes)
}

/// Whether the kernel cannot do it with these ends. It says so before anything is moved.
fn is_refusal(err: Error) -> bool {
    matches!(err.errno(), Some(libc::EINVAL | libc::ENOSYS))
}
