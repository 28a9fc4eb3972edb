//! What the kernel is told about the runtime's threads.

mod support;

use gopark::{Runtime, blocking};
use std::time::Duration;
use support::{BOUND, runtime, within};

/// How the kernel schedules the calling thread.
fn attributes() -> libc::sched_attr {
    // SAFETY: all of its fields are numbers.
    let mut found: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>() as libc::c_long;
    // SAFETY: writes at most `size` bytes into `found`; 0 is the calling thread.
    let told =
        unsafe { libc::syscall(libc::SYS_sched_getattr, 0_i64, &raw mut found, size, 0_i64) };
    assert_eq!(told, 0, "{}", std::io::Error::last_os_error());
    found
}

/// How long a turn the calling thread asks for.
fn turn() -> Duration {
    Duration::from_nanos(attributes().sched_runtime)
}

fn ask_for(turn: Duration) {
    let mut wanted = attributes();
    wanted.sched_runtime = turn.as_nanos() as u64;
    // SAFETY: only reads `wanted`; 0 is the calling thread.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0_i64, &raw const wanted, 0_i64) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

/// Does the kernel let ordinary threads ask? It has since Linux 6.12. Asked by a thread of its own.
fn may_ask() -> bool {
    let asking = || {
        let wanted = Duration::from_millis(7);
        let ordinary = attributes().sched_policy == libc::SCHED_OTHER as u32;
        ordinary && {
            ask_for(wanted);
            turn() == wanted
        }
    };
    std::thread::spawn(asking).join().unwrap()
}

#[test]
fn workers_ask_for_short_turns_and_the_pool_that_they_start_for_long_ones() {
    within(BOUND, || {
        let mine = turn();
        let expected = if may_ask() {
            (Duration::from_micros(100), Duration::from_millis(100))
        } else {
            (mine, mine)
        };
        assert_eq!(runtime(2).run(|| (turn(), blocking(turn))), expected);
        assert_eq!(turn(), mine, "the thread that waits for them is not theirs");
    });
}

#[test]
fn a_thread_that_is_only_lent_stays_as_it_is() {
    within(BOUND, || {
        let mine = turn();
        let builder = Runtime::builder().workers(1);
        assert_eq!(builder.run_here(turn).unwrap(), mine);
    });
}

#[test]
fn nice_stays_what_it_was() {
    within(BOUND, || {
        // SAFETY: takes numbers; 0 is the calling thread, and the test has it for itself.
        let set = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 3) };
        assert_eq!(set, 0);
        let nice = || attributes().sched_nice;
        assert_eq!(runtime(2).run(move || (nice(), blocking(nice))), (3, 3));
    });
}
