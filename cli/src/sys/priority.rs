//! Being served first.

/// Puts this process before all ordinary ones, as far as it may. Gives what came of it, in words.
pub fn raise() -> &'static str {
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: `first` is a live sched_param that the call reads; 0 is this process.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &first) } == 0 {
        return "real-time priority";
    }
    // SAFETY: setpriority takes numbers and touches no memory; 0 is this process.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) } == 0 {
        return "the highest ordinary priority";
    }
    "no raised priority: its own delays are in the latencies"
}
