//! How an execution waits: the trait that tasks and threads implement.
//!
//! The reactor knows no stacks and no scheduler. It knows a [`Waiter`], which it can make ready from
//! any thread, and a [`Park`], by which the calling execution gives up its thread until that has
//! happened. `gopark` implements it for its tasks; [`crate::thread`] for plain threads.

use crate::slot::Slot;
use std::fmt;
use std::ptr::NonNull;

#[cfg(not(loom))]
use crate::{
    desc::{Mode, PollDesc},
    error::Error,
    poller::Poller,
};
#[cfg(not(loom))]
use std::{cell::Cell, os::fd::RawFd, sync::Arc};

/// The head of everything that can be parked: one function that makes it ready.
///
/// It must be the first field of a `#[repr(C)]` struct of the implementor, and its alignment keeps
/// the pointer clear of the small values of a [`Slot`].
#[repr(C, align(8))]
pub struct Waiter {
    ready: unsafe fn(NonNull<Waiter>),
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

impl Waiter {
    /// A waiter that `ready` makes ready.
    ///
    /// `ready` is called with the address of this waiter, from any thread, exactly once for each
    /// time the waiter was taken out of a slot.
    pub const fn new(ready: unsafe fn(NonNull<Waiter>)) -> Waiter {
        Waiter { ready }
    }

    /// Makes the waiter ready to run.
    ///
    /// # Safety
    /// The caller took `waiter` out of a slot and has not made it ready since.
    #[inline]
    pub unsafe fn ready(waiter: NonNull<Waiter>) {
        // SAFETY: the waiter is parked until this very call (contract of the caller), so its
        // memory is alive; `ready` is the function given for exactly this waiter.
        unsafe { (waiter.as_ref().ready)(waiter) }
    }
}

/// Why an execution parks. Only for people who look at it: metrics, dumps, traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Data, or room in the accept queue, on a descriptor.
    Read = 0,
    /// Room to write on a descriptor, or a connect.
    Write,
    /// The read or write lock of a descriptor.
    FdLock,
    /// The last operation on a descriptor that is being closed.
    Close,
    /// A moment in time.
    Sleep,
    /// The end of another task.
    Join,
    /// A closure on the blocking pool.
    Blocking,
    /// A channel.
    Chan,
    /// A lock, a condition or a wait group.
    Sync,
    /// An explicit `park`.
    Park,
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = 10;
    /// All reasons, in the order of their numbers.
    pub const ALL: [Reason; Reason::COUNT] = [
        Reason::Read,
        Reason::Write,
        Reason::FdLock,
        Reason::Close,
        Reason::Sleep,
        Reason::Join,
        Reason::Blocking,
        Reason::Chan,
        Reason::Sync,
        Reason::Park,
    ];

    /// The word for it in metrics and dumps.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Read => "read",
            Reason::Write => "write",
            Reason::FdLock => "fd_lock",
            Reason::Close => "close",
            Reason::Sleep => "sleep",
            Reason::Join => "join",
            Reason::Blocking => "blocking",
            Reason::Chan => "chan",
            Reason::Sync => "sync",
            Reason::Park => "park",
        }
    }
}

/// Why an execution must not park now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The runtime of the calling task is shutting down: everything that blocks ends.
    ShuttingDown,
    /// The calling task is unwinding from a panic. A switch would leave the thread's panic count
    /// raised for every other task of the worker.
    Unwinding,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::ShuttingDown => "runtime is shutting down",
            Refusal::Unwinding => "cannot wait while the task is panicking",
        })
    }
}

impl std::error::Error for Refusal {}

/// How the calling execution waits.
///
/// # Safety
/// The implementor promises that the waiter stays valid from the moment it is put into a slot until
/// `park` returns, that `park` returns only after [`Waiter::ready`] was called for it once, and
/// that a call of [`Waiter::ready`] that comes before `park` makes `park` return at once.
pub unsafe trait Park {
    /// The waiter of the calling execution.
    fn waiter(&self) -> NonNull<Waiter>;

    /// Gives up the thread until the waiter was made ready. `slot` is the slot that the waiter sits
    /// in: whoever must end the wait from outside (shutdown) interrupts that slot.
    fn park(&self, slot: &Slot, why: Reason);

    /// May the calling execution park at all?
    ///
    /// # Errors
    /// The reason why it must not.
    fn may_park(&self) -> Result<(), Refusal>;

    /// The poller whose events reach the calling execution: the one that runs when it parks.
    #[cfg(not(loom))]
    fn poller(&self) -> &Poller;

    /// [`Park::poller`], for an execution that may not have one yet and may fail to get it: a plain
    /// thread makes its own at its first wait.
    ///
    /// # Errors
    /// What the kernel said, most often too many open files.
    #[cfg(not(loom))]
    fn try_poller(&self) -> Result<&Poller, Error> {
        Ok(self.poller())
    }

    /// [`PollDesc::wait`] on the poller of the calling execution.
    ///
    /// Provided here, and left as it is by implementors, so that each of them has the whole wait
    /// compiled for itself: one call through the trait object instead of four. That also leaves
    /// fewer frames to return through after a switch, each of which the processor mispredicts.
    ///
    /// # Errors
    /// Those of [`PollDesc::wait`] and [`Park::try_poller`].
    #[cfg(not(loom))]
    fn wait_event(
        &self,
        desc: &Arc<PollDesc>,
        fd: RawFd,
        mode: Mode,
        why: Reason,
    ) -> Result<(), Error> {
        desc.wait(fd, mode, why, self, self.try_poller()?)
    }
}

#[cfg(not(loom))]
thread_local! {
    static CURRENT: Cell<Option<NonNull<dyn Park>>> = const { Cell::new(None) };
}

/// Says how executions on this thread wait from now on; `None` means as the plain thread they are.
/// Returns what was set before.
///
/// # Safety
/// The pointee must stay valid until another call on this thread replaces it.
#[cfg(not(loom))]
#[inline]
pub unsafe fn set_current(park: Option<NonNull<dyn Park>>) -> Option<NonNull<dyn Park>> {
    CURRENT.replace(park)
}

/// Calls `f` with the way in which the calling execution waits: as a task where a runtime has said
/// so with [`set_current`], otherwise as a plain thread.
#[cfg(not(loom))]
#[inline]
pub fn with_current<R>(f: impl FnOnce(&dyn Park) -> R) -> R {
    match CURRENT.get() {
        // SAFETY: `set_current`'s contract: valid until replaced, and only code that runs on this
        // thread can replace it, which `f` may not do for the execution it runs in.
        Some(park) => f(unsafe { park.as_ref() }),
        None => crate::thread::with_thread(f),
    }
}

/// Calls `f` with the calling thread itself as what waits, even where a task runs: for waits that
/// must not switch.
#[cfg(not(loom))]
pub fn with_thread<R>(f: impl FnOnce(&dyn Park) -> R) -> R {
    crate::thread::with_thread(f)
}
