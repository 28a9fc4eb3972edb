//! Ctrl-C, heard by a thread.

use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};

/// Where the handler writes.
static SIGNALLED: AtomicI32 = AtomicI32::new(-1);

extern "C" fn handler(_signal: libc::c_int) {
    let fd: RawFd = SIGNALLED.load(Ordering::Relaxed);
    // SAFETY: `write` may be called in a handler, and the byte outlives the call. A full or closed
    // socket means that the thread has been told already.
    unsafe { libc::write(fd, [0u8].as_ptr().cast(), 1) };
}

/// Runs `first` on a thread of its own at the first SIGINT or SIGTERM. The second one of a kind ends
/// the process, as it does without this.
pub fn on_interrupt(first: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (mut ours, theirs) = UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    SIGNALLED.store(theirs.as_raw_fd(), Ordering::Relaxed);
    // The handler may run as long as the process does.
    std::mem::forget(theirs);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: `sigaction` is plain bits; zero is an empty mask and no flags.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
        // SAFETY: the action is initialised, its handler only does what handlers may; the old
        // action is not asked for.
        if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    std::thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || {
            if ours.read_exact(&mut [0]).is_ok() {
                first();
            }
        })?;
    Ok(())
}
