//! SIGINT and SIGTERM as an event that a task waits for, like any other. Not a thread that takes them, as
//! in `signals`: a server that is one thread should stay one.

use super::signals::stop_set;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};

/// What the handler writes to; it is never closed.
static EVENT: AtomicI32 = AtomicI32::new(-1);
/// There has been one.
static CAUGHT: AtomicBool = AtomicBool::new(false);

extern "C" fn handler(signal: libc::c_int) {
    if CAUGHT.swap(true, SeqCst) {
        // No destructors: whatever the first signal started is what hangs.
        // SAFETY: _exit does not return, and may be called in a handler.
        unsafe { libc::_exit(128 + signal) }
    }
    let one = 1_u64.to_ne_bytes();
    // SAFETY: the calls may be made in a handler; `one` is live, and errno this thread's, which finds it
    // as it was. The write is the only one there ever is, so the counter has room for it.
    unsafe {
        let errno = *libc::__errno_location();
        let _ = libc::write(EVENT.load(SeqCst), one.as_ptr().cast(), one.len());
        *libc::__errno_location() = errno;
    }
}

/// An eventfd that becomes readable with the first SIGINT or SIGTERM. The second one ends the process
/// at once, with 128 plus its number.
pub fn event() -> io::Result<OwnedFd> {
    // SAFETY: takes numbers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    let event = unsafe { OwnedFd::from_raw_fd(fd) };
    EVENT.store(event.try_clone()?.into_raw_fd(), SeqCst);
    // SAFETY: sigaction is plain bits, for which zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // The stack of the task that is interrupted may be small.
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    let both = stop_set();
    // One after the other, in the order in which they were taken.
    action.sa_mask = both;
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: `action` is live and names a handler that calls only what a handler may.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // Whoever started this process may have blocked them.
    // SAFETY: `both` is a live, initialised set; the old mask is not asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &both, std::ptr::null_mut()) } {
        0 => Ok(event),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}
