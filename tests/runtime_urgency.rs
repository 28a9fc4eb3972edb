//! What the kernel is told about the runtime's threads.

mod support;

use gopark::{Runtime, blocking};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
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

/// The turn of a worker, if it may ask.
fn short() -> Duration {
    if may_ask() {
        Duration::from_micros(100)
    } else {
        turn()
    }
}

#[test]
fn workers_ask_for_short_turns_and_the_pool_does_not_inherit_them() {
    within(BOUND, || {
        let mine = turn();
        let both = runtime(2).run(|| (turn(), blocking(turn)));
        assert_eq!(both, (short(), mine));
        assert_eq!(turn(), mine, "the thread that waits for them is not theirs");
    });
}

#[test]
fn a_spare_worker_asks_for_them_too() {
    within(BOUND, || {
        let builder = Runtime::builder().workers(1).spare_workers(1);
        let runtime = builder.build().unwrap();
        // It blocks its thread until a task has run that could only run on another.
        let theirs = runtime.run(|| {
            let (says, hears) = std::sync::mpsc::channel();
            drop(gopark::spawn(move || says.send(turn())));
            hears.recv().unwrap()
        });
        assert_eq!(theirs, short());
    });
}

#[test]
fn nobody_asks_where_that_is_turned_off_or_the_thread_is_only_lent() {
    within(BOUND, || {
        let mine = turn();
        let builder = || Runtime::builder().workers(1);
        let off = builder().short_turns(false).build().unwrap();
        assert_eq!(off.run(|| (turn(), blocking(turn))), (mine, mine));
        let lent = builder().run_here(|| (turn(), blocking(turn))).unwrap();
        assert_eq!(lent, (mine, mine));
    });
}

#[test]
fn whoever_has_chosen_another_policy_keeps_it_with_its_turns() {
    within(BOUND, || {
        let (batch, none) = (libc::c_long::from(libc::SCHED_BATCH), 0_i32);
        // SAFETY: `none` is only read; 0 is the calling thread, and the test has it for itself.
        let set =
            unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0_i64, batch, &raw const none) };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
        let here = || (attributes().sched_policy, turn());
        let mine = here();
        assert_eq!(
            runtime(2).run(move || (here(), blocking(here))),
            (mine, mine)
        );
    });
}

#[test]
fn where_workers_go_first_a_closure_waits_for_others_and_not_for_ever() {
    within(BOUND, || {
        let ended = Arc::new(AtomicBool::new(false));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let burning: Vec<_> = (0..processors)
            .map(|_| {
                let ended = ended.clone();
                std::thread::spawn(move || {
                    while !ended.load(Relaxed) {
                        std::hint::spin_loop();
                    }
                })
            })
            .collect();
        let builder = Runtime::builder().workers(2).workers_first(true);
        let runtime = builder.build().unwrap();
        // Each steps behind by a turn of next to no weight: half a second, and half a minute if the turn is
        // as long as the kernel grants.
        let sum: u32 = runtime.run(|| (0..4).map(|_| blocking(|| 1)).sum());
        assert_eq!(sum, 4);
        ended.store(true, Relaxed);
        for thread in burning {
            thread.join().unwrap();
        }
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
