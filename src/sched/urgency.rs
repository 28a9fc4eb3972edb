//! What the kernel is told about the runtime's threads: who goes first where processors are few.
//!
//! **Workers ask for short turns.** Where more threads want to run than there are processors, Linux lets a
//! thread say how long a turn it wants (since 6.12). It gets no more of a processor for that and no less,
//! but one that wakes up need not wait for another that has had a turn of that length. A worker that has
//! slept has something new to look at, and one that computes has soon had its turn. Above all this is for
//! spare workers ([`super::spare`]), which are there because others compute.
//!
//! **Threads of the pool ask for long ones.** They compute, or sleep in the kernel; and a thread that asks
//! for nothing has what the worker that started it has asked for.
//!
//! **To run workers first** takes two more things, because one is not enough. **A thread of the pool then
//! runs under `SCHED_IDLE`**: a thread that wakes interrupts it, and a processor that runs nothing else counts
//! as free for one. But Linux (since 6.6) picks by who has had less than its part, and a thread that has slept
//! and waited is owed time. Next to no weight makes a little time a large debt; until it is paid, a worker that
//! wakes on the same processor has had more than its part, is not let past, and nobody asks again before the
//! next tick: it waits for the whole closure, with another processor idle. So **the thread yields before each
//! closure**, by which it gives up what it is owed (seen on 6.18; an older kernel may only have it step behind
//! the others once).
//!
//! All of it is advice: where the kernel refuses, nothing else depends on it. The calls themselves are made,
//! because not every C library has functions for them that do it.

use std::time::Duration;

const THIS_THREAD: libc::c_long = 0;
/// The shortest and the longest turns that the kernel grants.
const SHORT: Duration = Duration::from_micros(100);
const LONG: Duration = Duration::from_millis(100);

/// The calling thread is a worker's.
pub(super) fn answers() {
    ask_for_turns_of(SHORT);
}

/// The calling thread is one of the blocking pool's.
pub(super) fn computes() {
    ask_for_turns_of(LONG);
}

fn ask_for_turns_of(length: Duration) {
    // SAFETY: all of its fields are numbers.
    let mut now: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>() as libc::c_long;
    // SAFETY: writes at most `size` bytes into `now`.
    let told = unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            THIS_THREAD,
            &raw mut now,
            size,
            0_i64, // no flags
        )
    };
    // Whoever chose another policy has said who comes first; a kernel that names no length takes none.
    if told != 0 || now.sched_policy != libc::SCHED_OTHER as u32 || now.sched_runtime == 0 {
        return;
    }
    now.sched_runtime = length.as_nanos() as u64;
    // SAFETY: only reads `now`.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_sched_setattr,
            THIS_THREAD,
            &raw const now,
            0_i64, // no flags
        )
    };
}

/// The calling thread lets the others of its control group go first, from now on: without privileges there
/// is no way back.
pub(super) fn stand_back() {
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
