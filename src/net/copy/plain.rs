//! A read and a write at a time.

#![forbid(unsafe_code)]

use super::{CopyFrom, CopyTo, Progress};
use crate::net::NetError;
use std::io;

/// How much is read at a time. Go: `io.Copy`.
const CHUNK: usize = 32 << 10;

pub(super) fn run<R, W>(from: &R, to: &W, progress: &mut Progress) -> io::Result<()>
where
    R: CopyFrom + ?Sized,
    W: CopyTo + ?Sized,
{
    // On the heap: stacks are small.
    let mut buf = vec![0; CHUNK.min(usize::try_from(progress.left).unwrap_or(CHUNK))];
    while progress.left > 0 {
        let most = usize::try_from(progress.left).unwrap_or(CHUNK).min(CHUNK);
        let n = match from.read_some(&mut buf[..most]) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            Err(err) => return Err(err),
        };
        match to.write_whole(&buf[..n]) {
            Ok(()) => progress.moved(n),
            Err(err) => {
                progress.moved(err.bytes());
                return Err(err);
            }
        }
    }
    Ok(())
}
