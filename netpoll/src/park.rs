//! How an execution waits: the trait that tasks and threads implement.
//!
//! The reactor knows no stacks and no scheduler. It knows a [`Waiter`], which it can make ready from
//! any thread, and a [`Park`], by which the calling execution gives up its thread until that has
//! happened. `gopark` implements it for its tasks; [`crate::thread`] for plain threads.

use crate::slot::Slot;
use crate::sync::{AtomicBool, Ordering::Relaxed};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU8;

#[cfg(not(loom))]
use crate::{
    counters::bump,
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
///
/// A waiter that is a task would be pushed onto a run queue; this one only counts:
///
/// ```
/// use netpoll::{Slot, Waiter, slot::Settled};
/// use std::{ptr::NonNull, sync::atomic::{AtomicU32, Ordering::SeqCst}};
/// #[repr(C)]
/// struct Counting { waiter: Waiter, woken: AtomicU32 }
/// unsafe fn ready(waiter: NonNull<Waiter>) {
///     // SAFETY: `repr(C)` puts the waiter first in its `Counting`.
///     unsafe { waiter.cast::<Counting>().as_ref() }.woken.fetch_add(1, SeqCst);
/// }
/// let me = Counting { waiter: Waiter::new(ready), woken: AtomicU32::new(0) };
/// let slot = Slot::new();
/// // SAFETY: `me` outlives its stay in the slot.
/// assert_eq!(unsafe { slot.settle(NonNull::from(&me).cast(), || true) }, Settled::Parked);
/// if let Some(waiter) = slot.unblock(true) {
///     // SAFETY: taken out of its slot just now.
///     unsafe { Waiter::ready(waiter) };
/// }
/// assert_eq!(me.woken.load(SeqCst), 1);
/// ```
#[repr(C, align(8))]
pub struct Waiter {
    ready: unsafe fn(NonNull<Waiter>),
    /// Whether it last left its slot because of a readiness. Written by whoever takes it out, before it
    /// is made ready, and read by itself after.
    readiness: AtomicBool,
    /// A [`Reason`]. No part of any protocol.
    reason: AtomicU8,
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
    #[cfg(not(loom))]
    pub const fn new(ready: unsafe fn(NonNull<Waiter>)) -> Waiter {
        Waiter {
            ready,
            readiness: AtomicBool::new(false),
            reason: AtomicU8::new(Reason::Park as u8),
        }
    }

    /// A waiter that `ready` makes ready.
    #[cfg(loom)]
    pub fn new(ready: unsafe fn(NonNull<Waiter>)) -> Waiter {
        Waiter {
            ready,
            readiness: AtomicBool::new(false),
            reason: AtomicU8::new(Reason::Park as u8),
        }
    }

    /// Notes why it parks, for people who look at it. Whoever parks does so before.
    ///
    /// ```
    /// use netpoll::{Reason, Waiter};
    /// let waiter = Waiter::new(|_| ());
    /// waiter.set_reason(Reason::Sleep);
    /// assert_eq!(waiter.reason(), Reason::Sleep);
    /// ```
    #[inline(always)]
    pub fn set_reason(&self, why: Reason) {
        self.reason.store(why as u8, Relaxed);
    }

    /// Why it parks, or did last. It means nothing while it never has.
    pub fn reason(&self) -> Reason {
        Reason::ALL[usize::from(self.reason.load(Relaxed))]
    }

    /// For whoever takes it out of its slot. What makes it ready afterwards carries this over.
    #[inline(always)]
    pub(crate) fn leave_word(&self, readiness: bool) {
        self.readiness.store(readiness, Relaxed);
    }

    /// For the waiter, after its park.
    #[inline(always)]
    pub(crate) fn was_readiness(&self) -> bool {
        self.readiness.load(Relaxed)
    }

    /// Makes the waiter ready to run.
    ///
    /// # Safety
    /// The caller took `waiter` out of a slot and has not made it ready since.
    ///
    /// Go: `runtime.goready`.
    #[inline]
    pub unsafe fn ready(waiter: NonNull<Waiter>) {
        // SAFETY: the waiter is parked until this very call (contract of the caller), so its
        // memory is alive; `ready` is the function given for exactly this waiter.
        unsafe { (waiter.as_ref().ready)(waiter) }
    }
}

/// Why an execution parks. Only for people who look at it: metrics, dumps, traces.
///
/// ```
/// use netpoll::Reason;
/// assert_eq!(Reason::ALL.len(), Reason::COUNT);
/// let parked = [0u64; Reason::COUNT]; // a counter for each
/// assert_eq!(parked[Reason::Read as usize], 0);
/// assert_eq!(Reason::ALL[Reason::Read as usize].name(), "read");
/// ```
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
    ///
    /// ```
    /// use netpoll::Reason;
    /// assert_eq!(Reason::FdLock.name(), "fd_lock");
    /// ```
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
///
/// ```
/// use netpoll::{Error, Refusal};
/// let err = Error::from(Refusal::ShuttingDown);
/// assert_eq!(err, Error::Refused(Refusal::ShuttingDown));
/// assert_eq!(err.to_string(), "runtime is shutting down");
/// ```
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
/// Nobody parks for long in this one: it spins until it was made ready.
///
/// ```
/// use netpoll::{Park, Poller, Reason, Refusal, Slot, Waiter};
/// use std::{ptr::NonNull, sync::atomic::{AtomicBool, Ordering::SeqCst}};
/// #[repr(C)]
/// struct Spinning { waiter: Waiter, ready: AtomicBool, poller: Poller }
/// unsafe fn ready(waiter: NonNull<Waiter>) {
///     // SAFETY: `repr(C)` puts the waiter first, and `park` has not returned yet.
///     unsafe { waiter.cast::<Spinning>().as_ref() }.ready.store(true, SeqCst);
/// }
/// // SAFETY: the waiter lives in `self`, which `park` borrows; `park` consumes one `ready`.
/// unsafe impl Park for Spinning {
///     fn waiter(&self) -> NonNull<Waiter> { NonNull::from(self).cast() }
///     fn park(&self, _: &Slot, _: Reason) {
///         while !self.ready.swap(false, SeqCst) { std::thread::yield_now() }
///     }
///     fn may_park(&self) -> Result<(), Refusal> { Ok(()) }
///     fn poller(&self) -> &Poller { &self.poller }
/// }
/// let (waiter, ready) = (Waiter::new(ready), AtomicBool::new(false));
/// let me = Spinning { waiter, ready, poller: Poller::new()? };
/// assert!(me.may_park().is_ok());
/// assert_eq!(me.try_poller().unwrap().id(), me.poller().id());
/// let slot = Slot::new();
/// std::thread::scope(|s| {
///     s.spawn(|| slot.wake(true));
///     assert!(slot.block(&me, Reason::Sync, || true));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Safety
/// The implementor promises that the waiter stays valid for as long as the execution waits with it, from
/// before it is put into a slot until after `park` has returned; that `park` returns only after
/// [`Waiter::ready`] was called for it once; that what came before that call is seen after `park`; and
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

    /// [`PollDesc::wait_once`] on the poller of the calling execution. False, too, if it has none.
    ///
    /// Provided here, and left as it is by implementors, so that each of them has the whole wait
    /// compiled for itself: one call through the trait object instead of four. That also leaves
    /// fewer frames to return through after a switch, each of which the processor mispredicts.
    ///
    /// ```
    /// use netpoll::{Error, Mode, PollDesc, Reason, park};
    /// use std::{io::Write, os::{fd::AsRawFd, unix::net::UnixStream}, sync::Arc};
    /// let (mut a, b) = UnixStream::pair()?;
    /// let desc = Arc::new(PollDesc::new());
    /// let wait = || park::with_current(|p| {
    ///     match p.wait_once(&desc, Mode::Read, Reason::Read) {
    ///         true => Ok(()),
    ///         false => p.wait_again(&desc, b.as_raw_fd(), Mode::Read, Reason::Read),
    ///     }
    /// });
    /// a.write_all(b"x")?;
    /// assert_eq!(wait(), Ok(())); // "try again"
    /// desc.evict();
    /// assert_eq!(wait(), Err(Error::Closing));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(not(loom))]
    fn wait_once(&self, desc: &Arc<PollDesc>, mode: Mode, why: Reason) -> bool {
        match self.try_poller() {
            Ok(poller) => desc.wait_once(mode, why, self, poller),
            Err(_) => false,
        }
    }

    /// [`Park::wait_once`] in place of a read that could only meet EAGAIN, and counted as such.
    ///
    /// ```
    /// use netpoll::{Mode, PollDesc, park};
    /// use std::sync::atomic::Ordering::Relaxed;
    /// let desc = std::sync::Arc::new(PollDesc::new());
    /// desc.signal(Mode::Read);
    /// assert!(park::with_current(|p| p.skip_read(&desc)));
    /// let counted = park::with_current(|p| p.poller().counters().skipped_reads.load(Relaxed));
    /// assert_eq!(counted, 1);
    /// ```
    #[cfg(not(loom))]
    fn skip_read(&self, desc: &Arc<PollDesc>) -> bool {
        match self.try_poller() {
            Ok(poller) => {
                bump(&poller.counters().skipped_reads, 1);
                desc.wait_once(Mode::Read, Reason::Read, self, poller)
            }
            Err(_) => false,
        }
    }

    /// [`PollDesc::wait_again`] on the poller of the calling execution: what follows when one of the
    /// two above has returned false.
    ///
    /// ```
    /// use netpoll::{Error, Mode, PollDesc, Reason, park};
    /// let desc = std::sync::Arc::new(PollDesc::new());
    /// desc.evict();
    /// let end = park::with_current(|p| p.wait_again(&desc, -1, Mode::Write, Reason::Write));
    /// assert_eq!(end, Err(Error::Closing));
    /// ```
    ///
    /// # Errors
    /// Those of [`PollDesc::wait`] and [`Park::try_poller`].
    #[cfg(not(loom))]
    fn wait_again(
        &self,
        desc: &Arc<PollDesc>,
        fd: RawFd,
        mode: Mode,
        why: Reason,
    ) -> Result<(), Error> {
        desc.wait_again(fd, mode, why, self, self.try_poller()?)
    }
}

#[cfg(not(loom))]
thread_local! {
    static CURRENT: Cell<Option<NonNull<dyn Park>>> = const { Cell::new(None) };
}

/// Says how executions on this thread wait from now on; `None` means as the plain thread they are.
/// Returns what was set before.
///
/// ```
/// use netpoll::{Park, park};
/// use std::ptr::NonNull;
/// park::with_thread(|thread: &dyn Park| {
///     // SAFETY: only the lifetime changes, and what was set is taken back before it ends.
///     let forever: &'static dyn Park = unsafe { std::mem::transmute(thread) };
///     // SAFETY: as above.
///     let before = unsafe { park::set_current(Some(NonNull::from(forever))) };
///     assert!(before.is_none()); // no runtime on this thread
///     assert!(park::with_current(|p| p.may_park().is_ok()));
///     // SAFETY: nothing is left to be valid.
///     unsafe { park::set_current(before) };
/// });
/// ```
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
///
/// ```
/// use netpoll::{Reason, Slot, park};
/// let slot = Slot::new();
/// slot.notify();
/// assert!(park::with_current(|p| slot.block(p, Reason::Sync, || true)));
/// // A plain thread has a poller of its own.
/// assert!(park::with_current(|p| p.poller().id()) > 0);
/// ```
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
///
/// ```
/// use netpoll::{Reason, Slot, park};
/// let done = Slot::new();
/// std::thread::scope(|s| {
///     s.spawn(|| done.wake(true));
///     // Even in a task this holds the thread: nothing else runs on it meanwhile.
///     assert!(park::with_thread(|thread| done.block(thread, Reason::Sync, || true)));
/// });
/// ```
#[cfg(not(loom))]
pub fn with_thread<R>(f: impl FnOnce(&dyn Park) -> R) -> R {
    crate::thread::with_thread(f)
}
