//! Tasks: light threads with stacks of their own.
//!
//! A task that waits parks; its worker runs another one meanwhile. It is safe to use whatever a
//! thread may use, because a started task never changes threads.
//!
//! | file        | what it is                                                        |
//! |-------------|-------------------------------------------------------------------|
//! | `switch`    | new, resume, suspend: how stacks are swapped                       |
//! | `header`    | what a task is made of                                             |
//! | `bits`      | who drops its result, who frees it, and who waits for its end      |
//! | `join`      | the handle and the result                                          |
//! | `scope`     | tasks that borrow                                                  |
//! | `local`     | task-locals                                                        |
//! | `unpark`    | parking by hand                                                    |
//! | `worker_stack` | a call on the worker's stack                                    |
//! | `idle`      | waiting without a task, and starting one when the wait is over    |
//! | `mod`       | spawn, yield, sleep, blocking                                      |

mod bits;
pub(crate) mod header;
pub(crate) mod idle;
mod join;
pub(crate) mod local;
mod scope;
mod switch;
pub(crate) mod unpark;
mod worker_stack;

pub use join::JoinHandle;
pub use local::TaskLocal;
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use unpark::{Task, current, park};
pub use worker_stack::on_worker_stack;

use crate::sched::runtime::{Handle, Shared};
use crate::sched::worker;
use header::{Attributes, Header};
use netpoll::{Reason, Slot};
use std::cell::UnsafeCell;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Settings for one task.
///
/// ```
/// gopark::run(|| {
///     let deep = gopark::task::Builder::new().name("deep").stack_size(1 << 20);
///     assert_eq!(deep.spawn(|| 1).unwrap().join().unwrap(), 1);
/// });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "settings do nothing until `spawn`"]
pub struct Builder {
    name: Option<Arc<str>>,
    stack_size: Option<usize>,
}

impl Builder {
    /// No name, and the runtime's stack size.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// A name, for reports and dumps. Without one a task is known by where it was spawned.
    pub fn name(mut self, name: impl AsRef<str>) -> Builder {
        self.name = Some(name.as_ref().into());
        self
    }

    /// Bytes of address space for the stack, guard included; rounded up to a power of two, and a
    /// page more.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Spawns a task. See [`spawn`].
    ///
    /// # Errors
    /// If there is no memory for the stack, or it is too large.
    ///
    /// # Panics
    /// If the caller is in no runtime.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: the closure and its result borrow nothing.
        unsafe { self.spawn_unchecked(f) }
    }

    /// Spawns a task into the runtime of `handle`, from wherever the caller is.
    ///
    /// ```
    /// let runtime = gopark::Runtime::new()?;
    /// let named = gopark::task::Builder::new().name("from outside");
    /// let task = named.spawn_in(&runtime.handle(), || gopark::task::current().name().map(str::to_owned))?;
    /// assert_eq!(task.join().unwrap().as_deref(), Some("from outside"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the runtime has ended or is shutting down (a task of its own may go on spawning); if there
    /// is no memory for the stack, or it is too large.
    #[track_caller]
    pub fn spawn_in<F, T>(self, handle: &Handle, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let shared = &handle.shared;
        match worker::current() {
            Some(worker) if Arc::ptr_eq(&worker.runtime, shared) => self.spawn(f),
            // SAFETY: the closure and its result borrow nothing.
            _ => unsafe { self.spawn_outside(shared, Location::caller(), f) },
        }
    }

    /// Spawns a task whose closure may borrow.
    ///
    /// # Safety
    /// What the closure and its result borrow stays valid until the task has ended and its result
    /// is dropped.
    #[track_caller]
    pub(crate) unsafe fn spawn_unchecked<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        let site = Location::caller();
        let Some(worker) = worker::current() else {
            let handle = Handle::current().unwrap_or_else(|| no_runtime());
            // SAFETY: contract of this function.
            return unsafe { self.spawn_outside(&handle.shared, site, f) };
        };
        let attributes = Attributes {
            id: worker.next_id(),
            site,
            name: self.name,
            pinned: false,
        };
        let task = create_here(worker, self.stack_size, attributes, f)?;
        // SAFETY: just made, with a slot of this arena; the only handle.
        let handle = unsafe { JoinHandle::new(task, worker.holds.lend()) };
        worker.place(task);
        Ok(handle)
    }

    /// # Safety
    /// As [`Builder::spawn_unchecked`].
    unsafe fn spawn_outside<F, T>(
        self,
        shared: &Arc<Shared>,
        site: &'static Location<'static>,
        f: F,
    ) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        let ended = || io::Error::other("the runtime has ended, or is about to");
        if shared.ending.is_stopping() {
            return Err(ended());
        }
        let attributes = Attributes {
            id: shared.take_ids(1),
            site,
            name: self.name,
            pinned: false,
        };
        let task = create_outside(shared, self.stack_size, attributes, f)?;
        if let Err(task) = shared.place_from_outside(task) {
            // SAFETY: it came back, so nobody else knows it, and its slot is from this arena.
            unsafe { shared.arena.free(Header::discard(task)) };
            return Err(ended());
        }
        // SAFETY: made with a slot of this arena; the only handle, without which the header stays.
        Ok(unsafe { JoinHandle::new(task, shared.arena.clone()) })
    }

    /// Spawns a task that stays on the calling worker. See [`spawn_local`].
    ///
    /// ```
    /// gopark::run(|| {
    ///     let shared = std::rc::Rc::new(1); // not `Send`
    ///     let named = gopark::task::Builder::new().name("stays");
    ///     let task = named.spawn_local(move || *shared + 1)?;
    ///     assert_eq!(task.join().unwrap(), 2);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// If there is no memory for the stack, or it is too large.
    ///
    /// # Panics
    /// If the caller is not a task.
    #[track_caller]
    pub fn spawn_local<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let site = Location::caller();
        let Some(worker) = worker::current() else {
            panic!("spawn_local was called outside a task: the new task could not stay with it");
        };
        let attributes = Attributes {
            id: worker.next_id(),
            site,
            name: self.name,
            pinned: true,
        };
        let task = create_here(worker, self.stack_size, attributes, f)?;
        // SAFETY: just made, with a slot of this arena; the only handle. A `T` that is not `Send`
        // keeps the handle on this thread.
        let handle = unsafe { JoinHandle::new(task, worker.holds.lend()) };
        worker.place(task);
        Ok(handle)
    }
}

fn create_here<F: FnOnce() -> T, T>(
    worker: &worker::Worker,
    stack_size: Option<usize>,
    attributes: Attributes,
    f: F,
) -> io::Result<NonNull<Header>> {
    let arena = &worker.runtime.arena;
    let slot = match stack_size {
        None => worker.pool.borrow_mut().get(arena)?,
        Some(bytes) => arena.alloc_in(arena.class(bytes)?)?,
    };
    Ok(Header::create(slot, attributes, f))
}

pub(crate) fn create_outside<F: FnOnce() -> T, T>(
    shared: &Shared,
    stack_size: Option<usize>,
    attributes: Attributes,
    f: F,
) -> io::Result<NonNull<Header>> {
    let arena = &shared.arena;
    let slot = match stack_size {
        None => arena.alloc()?,
        Some(bytes) => arena.alloc_in(arena.class(bytes)?)?,
    };
    Ok(Header::create(slot, attributes, f))
}

#[cold]
#[track_caller]
fn no_runtime() -> ! {
    panic!("no runtime here: spawn from a task (gopark::run starts one) or through a Handle");
}

/// Runs `f` as a new task.
///
/// It starts on the calling task's worker, unless that is clearly busier than another one; once it
/// has started it stays.
///
/// ```
/// gopark::run(|| {
///     let tasks: Vec<_> = (0..10).map(|i| gopark::spawn(move || i * i)).collect();
///     let sum: i32 = tasks.into_iter().map(|t| t.join().unwrap()).sum();
///     assert_eq!(sum, 285);
/// });
/// ```
///
/// What it captures must be `Send`:
///
/// ```compile_fail
/// let rc = std::rc::Rc::new(1);
/// gopark::spawn(move || drop(rc));
/// ```
///
/// # Panics
/// If the caller is in no runtime, or there is no memory for a stack.
///
/// Go: the `go` statement.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: the closure and its result borrow nothing.
    unsafe { Builder::new().spawn_unchecked(f) }
        .unwrap_or_else(|err| panic!("gopark: cannot spawn: {err}"))
}

/// Runs `f` as a new task that stays on the calling task's worker, so it need not be `Send`.
///
/// ```
/// gopark::run(|| {
///     let shared = std::rc::Rc::new(std::cell::Cell::new(1));
///     let mine = shared.clone();
///     gopark::spawn_local(move || mine.set(2)).join().unwrap();
///     assert_eq!(shared.get(), 2);
/// });
/// ```
///
/// # Panics
/// If the caller is not a task, or there is no memory for a stack.
#[track_caller]
pub fn spawn_local<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Builder::new()
        .spawn_local(f)
        .unwrap_or_else(|err| panic!("gopark: cannot spawn: {err}"))
}

/// Lets the other tasks of this worker run. On a plain thread: the other threads.
///
/// ```
/// gopark::run(|| gopark::yield_now());
/// ```
///
/// Go: `runtime.Gosched`.
// Inlined for the same reason as `park`.
#[inline(always)]
pub fn yield_now() {
    match worker::current() {
        Some(worker) if !std::thread::panicking() => worker.yield_now(),
        Some(_) => {}
        None => std::thread::yield_now(),
    }
}

/// Waits for `duration`, to the precision of the system's timers (well below a millisecond). Others
/// get their turn even if there is nothing to wait for.
/// It ends early when the runtime shuts down.
///
/// ```
/// use std::time::{Duration, Instant};
/// gopark::run(|| {
///     let start = Instant::now();
///     gopark::sleep(Duration::from_micros(300));
///     assert!(start.elapsed() >= Duration::from_micros(300));
/// });
/// ```
///
/// Go: `time.Sleep`.
pub fn sleep(duration: Duration) {
    let when = netpoll::clock::now().saturating_add(netpoll::clock::nanos(duration));
    sleep_to(when);
}

/// Waits until `moment`. See [`sleep`].
///
/// ```
/// use std::time::{Duration, Instant};
/// let end = Instant::now() + Duration::from_millis(1);
/// gopark::run(|| gopark::sleep_until(end));
/// assert!(Instant::now() >= end);
/// ```
pub fn sleep_until(moment: Instant) {
    sleep_to(netpoll::clock::of(moment));
}

fn sleep_to(when: u64) {
    let in_task = worker::current().is_some_and(|w| w.running().is_some());
    if in_task && std::thread::panicking() {
        let left = when.saturating_sub(netpoll::clock::now());
        return std::thread::sleep(Duration::from_nanos(left));
    }
    if netpoll::clock::now() >= when {
        return yield_now();
    }
    netpoll::park::with_current(|park| {
        // Only a shutdown refuses a sleep here, and ending early is what sleeps do then.
        let _ = netpoll::sleep::sleep_until(when, park, park.poller());
    });
}

/// Parks the caller in `slot` until it is made ready, whatever happens meanwhile: for waits that
/// others' safety rests on, which a shutdown must not cut short.
pub(crate) fn wait(slot: &Slot, why: Reason) {
    match worker::of_task() {
        Some(worker) => while !slot.wait(worker, why) {},
        // Where there is no task, or it must not switch: the thread waits.
        None => netpoll::park::with_thread(|park| while !slot.wait(park, why) {}),
    }
}

/// Runs `f` on a thread of the blocking pool while the calling task waits, for calls that would hold
/// the worker: files, name look-ups, long computations. `f` may borrow from the task. On a plain
/// thread it just runs.
///
/// It cannot be cut short: a task that is in here when its runtime shuts down ends after `f` does.
///
/// ```
/// gopark::run(|| {
///     let text = String::from("borrowed");
///     let n = gopark::blocking(|| text.len());
///     assert_eq!(n, 8);
/// });
/// ```
///
/// # Panics
/// With the panic of `f`.
pub fn blocking<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let Some(worker) = worker::of_task() else {
        return f();
    };
    let packet = Packet {
        f: UnsafeCell::new(Some(f)),
        result: UnsafeCell::new(None),
        done: Slot::new(),
    };
    let at = PacketPtr(&raw const packet);
    let job: Box<dyn FnOnce() + Send + '_> = Box::new(move || {
        let at = at;
        // SAFETY: the task waits below until `done` is made ready, so the packet is alive until
        // then, and only this thread looks at its cells. `wake` touches nothing after that.
        unsafe {
            let packet = &*at.0;
            let f = (*packet.f.get()).take().expect("a job runs once");
            *packet.result.get() = Some(catch_unwind(AssertUnwindSafe(f)));
            packet.done.wake(true);
        }
    });
    // SAFETY: only the lifetime changes. The job runs, and is dropped, before `wait` returns or, at
    // its last instructions, touches nothing borrowed.
    let job: Box<dyn FnOnce() + Send> = unsafe { std::mem::transmute(job) };
    match worker.runtime.blocking.submit(job, &worker.runtime) {
        Ok(()) => wait(&packet.done, Reason::Blocking),
        // No thread to be had: better slow than not at all.
        Err(job) => job(),
    }
    match packet.result.into_inner().expect("the job has run") {
        Ok(value) => value,
        Err(panic) => resume_unwind(panic),
    }
}

/// What a blocking closure and its task share, on the task's stack.
struct Packet<F, T> {
    f: UnsafeCell<Option<F>>,
    result: UnsafeCell<Option<std::thread::Result<T>>>,
    done: Slot,
}

struct PacketPtr<F, T>(*const Packet<F, T>);

// SAFETY: the closure goes to the pool's thread and the result comes back, both `Send`; who looks at
// which when is ordered by `submit` and by the slot.
unsafe impl<F: Send, T: Send> Send for PacketPtr<F, T> {}
