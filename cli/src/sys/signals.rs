//! SIGINT and SIGTERM, taken by a thread instead of a handler.

use std::io;
use std::thread;

/// From now on the first SIGINT or SIGTERM runs `first`, and the second one ends the process at
/// once with 128 plus its number.
///
/// Call it before starting threads: they inherit the blocked signals, so that only the thread
/// started here receives them.
pub fn on_stop(first: impl FnOnce(i32) + Send + 'static) -> io::Result<()> {
    let set = stop_set();
    // SAFETY: `set` is a live, initialised set; the old mask is not asked for.
    let code = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code));
    }
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            first(wait(&set));
            let again = wait(&set);
            // No destructors: whatever the first signal started is what hangs.
            // SAFETY: _exit does not return and needs nothing from us.
            unsafe { libc::_exit(128 + again) }
        })?;
    Ok(())
}

/// Lets every signal through again. A child process inherits what its parent blocks.
///
/// Async-signal-safe: it is called between fork and exec.
pub fn unblock_all() -> io::Result<()> {
    // SAFETY: sigset_t is plain bits; sigemptyset below gives it its defined empty value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is live.
    unsafe { libc::sigemptyset(&mut set) };
    // SAFETY: `set` is a live, initialised set; the old mask is not asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut()) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// SIGINT and SIGTERM.
pub(super) fn stop_set() -> libc::sigset_t {
    // SAFETY: sigset_t is plain bits; sigemptyset below gives it its defined empty value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is live and the numbers are valid signals, so none of these can fail.
    unsafe {
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGINT);
        libc::sigaddset(&mut set, libc::SIGTERM);
    }
    set
}

fn wait(set: &libc::sigset_t) -> i32 {
    loop {
        let mut signal = 0;
        // SAFETY: `set` is a live, initialised set and `signal` a live integer.
        if unsafe { libc::sigwait(set, &mut signal) } == 0 {
            return signal;
        }
    }
}
