//! Connecting a socket within limits, whatever its network.

#![forbid(unsafe_code)]

use super::{Cause, Limits, fail};
use netpoll::{Error, Fd, Mode, SockAddr};
use std::{sync::Arc, time::Instant};

/// Connects with the deadline as the write deadline, which it is not any more afterwards; cancelling
/// lets that pass. A connection the token may still reach is not handed out.
///
/// Go: `netFD.connect` (`net/fd_unix.go`).
pub(super) fn connect(fd: Fd, to: &SockAddr, limits: &Limits) -> Result<Fd, Cause> {
    if limits.deadline.is_some() {
        fd.set_deadline(&[Mode::Write], limits.deadline)
            .map_err(fail::cause)?;
    }
    let fd = match &limits.token {
        None => {
            fd.connect(to).map_err(fail::cause)?;
            fd
        }
        Some(token) => {
            let fd = Arc::new(fd);
            let reached = fd.clone();
            let watch = token.on_cancel(move || {
                // A descriptor that is closed already waits for nothing.
                let _ = reached.set_deadline(&[Mode::Write], Some(Instant::now()));
            });
            let result = fd.connect(to);
            let cancelled = !watch.stop();
            match result {
                Ok(()) | Err(Error::Timeout) if cancelled => return Err(Cause::Cancelled),
                result => result.map_err(fail::cause)?,
            }
            // The closure, which had the only other one, is gone.
            Arc::into_inner(fd).ok_or(Cause::Cancelled)?
        }
    };
    if limits.deadline.is_some() {
        fd.set_deadline(&[Mode::Write], None).map_err(fail::cause)?;
    }
    Ok(fd)
}
