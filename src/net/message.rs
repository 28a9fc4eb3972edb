//! The system calls that move one message: with an address, with control data. Unsafe code only.

use netpoll::SockAddr;
use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

/// What `recvmsg` says besides the bytes.
#[derive(Debug)]
pub(super) struct Received {
    /// The bytes of the message that are in the buffer.
    pub bytes: usize,
    /// The bytes of control data.
    pub control: usize,
    /// `MSG_TRUNC`, `MSG_CTRUNC` and so on.
    pub flags: i32,
    /// Who sent it.
    pub from: SockAddr,
}

/// The count a system call returned, or its error number.
#[inline]
fn count(n: isize) -> Result<usize, i32> {
    usize::try_from(n).map_err(|_| io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

#[inline]
pub(super) fn recv(fd: BorrowedFd<'_>, buf: &mut [u8], flags: i32) -> Result<usize, i32> {
    let (at, len) = (buf.as_mut_ptr().cast(), buf.len());
    // SAFETY: `buf` is valid for `len` bytes of writing.
    count(unsafe { libc::recv(fd.as_raw_fd(), at, len, flags) })
}

#[inline]
pub(super) fn recv_from(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: i32,
) -> Result<(usize, SockAddr), i32> {
    let mut from = SockAddr::empty();
    let (name, name_len) = from.as_mut_parts();
    let (at, len) = (buf.as_mut_ptr().cast(), buf.len());
    // SAFETY: `buf` is valid for `len` bytes of writing, and `name` for as many as `name_len` says.
    let n = count(unsafe { libc::recvfrom(fd.as_raw_fd(), at, len, flags, name, name_len) })?;
    Ok((n, from))
}

#[inline]
pub(super) fn send(fd: BorrowedFd<'_>, buf: &[u8]) -> Result<usize, i32> {
    let (at, len) = (buf.as_ptr().cast(), buf.len());
    // SAFETY: `buf` is valid for `len` bytes of reading.
    count(unsafe { libc::send(fd.as_raw_fd(), at, len, libc::MSG_NOSIGNAL) })
}

#[inline]
pub(super) fn send_to(fd: BorrowedFd<'_>, buf: &[u8], to: &SockAddr) -> Result<usize, i32> {
    let (at, len) = (buf.as_ptr().cast(), buf.len());
    let (name, name_len) = (to.as_ptr(), to.len());
    let (fd, flags) = (fd.as_raw_fd(), libc::MSG_NOSIGNAL);
    // SAFETY: `buf` is valid for `len` bytes of reading, and `name` for `name_len`.
    count(unsafe { libc::sendto(fd, at, len, flags, name, name_len) })
}

pub(super) fn recv_msg(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    control: &mut [u8],
    flags: i32,
) -> Result<Received, i32> {
    let mut from = SockAddr::empty();
    let (name, name_len) = from.as_mut_parts();
    let mut iov = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    };
    // SAFETY: all-zero is a valid empty `msghdr`.
    let mut msg: libc::msghdr = unsafe { mem::zeroed() };
    msg.msg_name = name.cast();
    // SAFETY: the pointer is to the length inside `from`, which is alive.
    msg.msg_namelen = unsafe { *name_len };
    msg.msg_iov = &raw mut iov;
    msg.msg_iovlen = 1;
    if !control.is_empty() {
        msg.msg_control = control.as_mut_ptr().cast();
        msg.msg_controllen = control.len();
    }
    // SAFETY: `msg` describes three areas that are valid for writing, and outlive the call.
    let bytes = count(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut msg, flags) })?;
    // SAFETY: as above; the kernel has written this much of the name.
    unsafe { *name_len = msg.msg_namelen };
    Ok(Received {
        bytes,
        control: msg.msg_controllen,
        flags: msg.msg_flags,
        from,
    })
}

pub(super) fn send_msg(
    fd: BorrowedFd<'_>,
    buf: &[u8],
    control: &[u8],
    to: Option<&SockAddr>,
    flags: i32,
) -> Result<usize, i32> {
    let mut iov = libc::iovec {
        iov_base: buf.as_ptr().cast_mut().cast(),
        iov_len: buf.len(),
    };
    // SAFETY: all-zero is a valid empty `msghdr`.
    let mut msg: libc::msghdr = unsafe { mem::zeroed() };
    (msg.msg_name, msg.msg_namelen) = match to {
        Some(to) => (to.as_ptr().cast_mut().cast(), to.len()),
        None => (ptr::null_mut(), 0),
    };
    msg.msg_iov = &raw mut iov;
    msg.msg_iovlen = 1;
    if !control.is_empty() {
        msg.msg_control = control.as_ptr().cast_mut().cast();
        msg.msg_controllen = control.len();
    }
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: `msg` describes three areas valid for reading; `sendmsg` writes to none of them.
    count(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const msg, flags) })
}
