//! The four calls that every request makes.
//!
//! glibc's `read`, `write`, `recv` and `send` are cancellation points: in a process with threads
//! each call switches the thread's cancellation state there and back. Nothing here is ever
//! cancelled that way, so these go to the kernel directly. A socket is read with `recvfrom`, which
//! passes by the file layer; the errors are those of `read`, whose name they carry.

use crate::error::errno;
use std::os::fd::RawFd;

/// What a call returned: a count, or the error number.
#[inline]
fn count(n: libc::c_long) -> Result<usize, i32> {
    usize::try_from(n).map_err(|_| errno())
}

/// Reads up to `len` bytes.
///
/// # Safety
/// `at` is valid for `len` bytes of writing.
#[inline]
pub(crate) unsafe fn read(fd: RawFd, socket: bool, at: *mut u8, len: usize) -> Result<usize, i32> {
    let none = std::ptr::null_mut::<u8>();
    // SAFETY: contract of this function; a null address is not written.
    count(unsafe {
        if socket {
            libc::syscall(libc::SYS_recvfrom, fd, at, len, 0, none, none)
        } else {
            libc::syscall(libc::SYS_read, fd, at, len)
        }
    })
}

/// Writes up to `len` bytes. On a socket a broken pipe raises no signal.
///
/// # Safety
/// `at` is valid for `len` bytes of reading.
#[inline]
pub(crate) unsafe fn write(
    fd: RawFd,
    socket: bool,
    at: *const u8,
    len: usize,
) -> Result<usize, i32> {
    let none = std::ptr::null::<u8>();
    // SAFETY: contract of this function; no address is given, so none is read.
    count(unsafe {
        if socket {
            libc::syscall(libc::SYS_sendto, fd, at, len, libc::MSG_NOSIGNAL, none, 0)
        } else {
            libc::syscall(libc::SYS_write, fd, at, len)
        }
    })
}
