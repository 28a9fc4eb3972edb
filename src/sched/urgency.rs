//! What the kernel is told about the threads of a runtime, if it is to run workers first.
//!
//! Linux picks, of the threads that have had no more than their part of a processor, the one whose
//! time slice would end first; and it lets one that wakes with a shorter slice than the running
//! thread's interrupt that. A worker runs for some tens of microseconds at a time, so it asks for a short slice. But one
//! that wakes often has always just had its part, and then waits: so the threads it must not wait for
//! also get a smaller weight, beside which its part is larger.

/// The slice that a worker asks for, in nanoseconds: the shortest there is.
const SLICE: u64 = 100_000;
/// The nice value of a thread that stands back: about a third of the weight of one with zero.
const NICE: i32 = 5;

/// The kernel's `struct sched_attr`, in its first version.
#[repr(C)]
#[derive(Debug, Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

const THIS_THREAD: libc::c_long = 0;
const SIZE: u32 = size_of::<Attributes>() as u32;
/// Threads and processes that this one starts are ordinary.
const RESET_ON_FORK: u64 = 1;

fn change(change: impl FnOnce(&mut Attributes)) {
    let mut now = Attributes::default();
    // SAFETY: `now` is written by the call, up to the size that is given.
    let read =
        unsafe { libc::syscall(libc::SYS_sched_getattr, THIS_THREAD, &raw mut now, SIZE, 0) };
    if read != 0 || now.policy != libc::SCHED_OTHER as u32 {
        return; // whoever chose another policy has said who comes first
    }
    (now.size, now.deadline, now.period) = (SIZE, 0, 0);
    change(&mut now);
    // SAFETY: `now` is only read. A refusal changes nothing, and nothing depends on it.
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, THIS_THREAD, &raw const now, 0) };
}

/// The calling thread is a worker.
pub(super) fn hurry() {
    change(|now| {
        now.runtime = SLICE;
        now.flags |= RESET_ON_FORK;
    });
}

/// The calling thread lets workers go first.
pub(super) fn stand_back() {
    change(|now| {
        now.nice = now.nice.max(NICE);
        now.runtime = 0; // what it may have from the worker that started it
    });
}
