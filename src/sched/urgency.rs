//! What the kernel is told about the threads of the blocking pool, if it is to run workers first.
//!
//! Two things, because one is not enough. **Such a thread runs under `SCHED_IDLE`**: a thread that wakes
//! interrupts it, and a processor that runs nothing else counts as free for one. But Linux picks by who has
//! had less than its part, and a thread that has slept and waited is owed time. Next to no weight makes a
//! little time a large debt; until it is paid, a worker that wakes on the same processor has had more than
//! its part, is not let past, and nobody asks again before the next tick: it waits for the whole closure,
//! with another processor idle. So **the thread yields before each closure**, by which it gives up what it
//! is owed.

/// The calling thread lets all others of the machine go first, from now on: without privileges there is no
/// way back.
pub(super) fn stand_back() {
    // SAFETY: takes numbers; 0 is the calling thread.
    if unsafe { libc::sched_getscheduler(0) } != libc::SCHED_OTHER {
        return; // whoever chose another policy has said who comes first
    }
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: `priority` is only read. A refusal changes nothing, and nothing depends on it.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const priority) };
}

/// The calling thread, which stands back, gives up what time it is owed.
pub(super) fn forfeit() {
    std::thread::yield_now();
}
