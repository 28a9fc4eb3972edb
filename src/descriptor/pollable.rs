//! Which descriptors can be waited for.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// Whether epoll takes the descriptor. It refuses regular files, directories and some devices, which
/// are always ready. Asked of an epoll of its own, which nobody polls.
///
/// # Errors
/// What `epoll_create1` says, most often too many open files; what `epoll_ctl` says that is not this
/// refusal.
pub(super) fn is_pollable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: no memory is passed.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if epoll < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor for us.
    let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: `event` is one valid event, which the call only reads. The entry goes with the epoll.
    let added = unsafe {
        libc::epoll_ctl(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            fd.as_raw_fd(),
            &mut event,
        )
    };
    if added == 0 {
        return Ok(true);
    }
    match io::Error::last_os_error() {
        err if err.raw_os_error() == Some(libc::EPERM) => Ok(false),
        err => Err(err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn pipes_can_be_waited_for_and_files_cannot() {
        let (r, w) = io::pipe().unwrap();
        assert!(is_pollable(r.as_fd()).unwrap());
        assert!(is_pollable(w.as_fd()).unwrap());
        for always_ready in ["/proc/self/exe", "/", "/dev/null"] {
            let file = File::open(always_ready).unwrap();
            assert!(!is_pollable(file.as_fd()).unwrap(), "{always_ready}");
        }
    }
}
