//! The system calls of copies. All unsafe code of this area is here.

use crate::net::Errno;
use std::{
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

/// Both ends of a pipe, non-blocking: the reading end first.
pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), i32> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two numbers.
    let done = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) };
    if done < 0 {
        return Err(Errno::last().0);
    }
    // SAFETY: the kernel just made both for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Asks for room for `bytes` in a pipe; returns how much there is now, which may be less.
pub(super) fn set_pipe_size(pipe: BorrowedFd<'_>, bytes: usize) -> usize {
    // SAFETY: no memory is passed.
    let size = unsafe {
        libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, bytes as libc::c_int);
        libc::fcntl(pipe.as_raw_fd(), libc::F_GETPIPE_SZ)
    };
    usize::try_from(size).unwrap_or(4096)
}

/// Moves up to `most` bytes between a pipe and something else.
pub(super) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> Result<usize, i32> {
    let flags = libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE;
    let (none_in, none_out) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: no offsets are given, and no other memory is passed.
    let n = unsafe {
        libc::splice(
            from.as_raw_fd(),
            none_in,
            to.as_raw_fd(),
            none_out,
            most,
            flags,
        )
    };
    usize::try_from(n).map_err(|_| Errno::last().0)
}

/// Sends up to `most` bytes of a file, from where it stands, which moves on.
pub(super) fn sendfile(
    to: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    most: usize,
) -> Result<usize, i32> {
    // SAFETY: no offset is given, and no other memory is passed.
    let n = unsafe { libc::sendfile(to.as_raw_fd(), file.as_raw_fd(), ptr::null_mut(), most) };
    usize::try_from(n).map_err(|_| Errno::last().0)
}
