//! What the kernel is told about the runtime's threads: who goes first where processors are few.
//!
//! **Workers ask for short turns.** Where more threads want to run than there are processors, Linux lets a
//! thread say how long a turn it wants (since 6.12). It gets no more of a processor for that and no less,
//! but one that wakes up need not wait for another that has had a turn of that length. A worker that has
//! slept has something new to look at, and one that computes has soon had its turn. Above all this is for
//! spare workers ([`super::spare`]), which are there because others compute.
//!
//! **Threads of the pool ask for what the runtime's builder has**, because they would inherit the wish of the
//! worker that starts them. Not for more: whoever yields falls behind by a whole turn, which a closure may do
//! at each lock it waits for.
//!
//! **To run workers first** takes two more things, because one is not enough. **A thread of the pool then
//! runs under `SCHED_IDLE`**: a thread that wakes interrupts it, and a processor that runs nothing else counts
//! as free for one. But Linux (since 6.6) picks by who has had less than its part, and a thread that has slept
//! and waited is owed time. Next to no weight makes a little time a large debt; until it is paid, a worker that
//! wakes on the same processor has had more than its part, is not let past, and nobody asks again before the
//! next tick: it waits for the whole closure, with another processor idle. So **the thread yields before each
//! closure**: it gives up what it is owed, and falls behind by a turn (seen on 6.18; an older kernel may only
//! have it step behind the others once). At next to no weight a turn is several hundred times as long.
//!
//! All of it is advice: where the kernel refuses, nothing else depends on it. The calls themselves are made,
//! because not every C library has functions for them that do it.

use std::time::Duration;

const THIS_THREAD: libc::c_long = 0;
const NO_FLAGS: libc::c_long = 0;
/// The shortest turn that the kernel grants.
pub(super) const SHORT: Duration = Duration::from_micros(100);

/// How the kernel schedules the calling thread, if that may ask for another length of its turns: whoever
/// chose another policy has said who comes first, and a kernel that names no length takes none.
fn attributes() -> Option<libc::sched_attr> {
    // SAFETY: all of its fields are numbers.
    let mut found: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>() as libc::c_long;
    // SAFETY: writes at most `size` bytes into `found`.
    let told = unsafe {
        let at = &raw mut found;
        libc::syscall(libc::SYS_sched_getattr, THIS_THREAD, at, size, NO_FLAGS)
    };
    let ordinary = found.sched_policy == libc::SCHED_OTHER as u32;
    (told == 0 && ordinary && found.sched_runtime != 0).then_some(found)
}

/// How long the turns of the calling thread are; nothing if it cannot ask for others.
pub(super) fn turn() -> Option<Duration> {
    attributes().map(|it| Duration::from_nanos(it.sched_runtime))
}

/// The calling thread wants turns of this length, from now on.
pub(super) fn ask_for(turn: Duration) {
    let Some(mut wanted) = attributes() else {
        return;
    };
    wanted.sched_runtime = turn.as_nanos() as u64;
    // SAFETY: only reads `wanted`.
    let _ = unsafe {
        let at = &raw const wanted;
        libc::syscall(libc::SYS_sched_setattr, THIS_THREAD, at, NO_FLAGS)
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

/// The calling thread gives up what time it is owed, and a turn.
pub(super) fn forfeit() {
    std::thread::yield_now();
}
