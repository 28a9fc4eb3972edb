//! What the kernel is told about the threads of the blocking pool, if it is to run workers first.
//!
//! Two things, because one is not enough. **Such a thread runs under `SCHED_IDLE`**: a thread that wakes
//! interrupts it, and a processor that runs nothing else counts as free for one. But Linux (since 6.6)
//! picks by who has had less than its part, and a thread that has slept and waited is owed time. Next to no weight makes a
//! little time a large debt; until it is paid, a worker that wakes on the same processor has had more than
//! its part, is not let past, and nobody asks again before the next tick: it waits for the whole closure,
//! with another processor idle. So **the thread yields before each closure**, by which it gives up what it
//! is owed (seen on 6.18; an older kernel may only have it step behind the others once).

const THIS_THREAD: libc::c_long = 0;

/// The calling thread lets the others of its control group go first, from now on: without privileges there
/// is no way back.
pub(super) fn stand_back() {
    // The calls themselves: not every C library has functions for them that do it.
    // SAFETY: takes numbers.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, THIS_THREAD) };
    if policy != libc::c_long::from(libc::SCHED_OTHER) {
        return; // whoever chose another policy has said who comes first
    }
    let (idle, none) = (libc::c_long::from(libc::SCHED_IDLE), 0_i32); // it has no levels
    // SAFETY: `none` is only read. A refusal changes nothing, and nothing depends on it.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            THIS_THREAD,
            idle,
            &raw const none,
        )
    };
}

/// The calling thread gives up what time it is owed.
pub(super) fn forfeit() {
    std::thread::yield_now();
}
