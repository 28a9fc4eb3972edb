//! Waiting without a task: an idle connection holds no stack.
//!
//! What waits is a small object on the heap: a waiter, what is watched, and the closure to go on with.
//!
//! | state   | who holds the object | moves on when                                                  |
//! |---------|----------------------|----------------------------------------------------------------|
//! | settling| the calling task     | nothing is there: parked. Something is: a task starts           |
//! | parked  | the slot, as a waiter| made ready (an event, a deadline, closing, the runtime's end): a task starts |
//! | looking | the new task         | the wake-up meant nothing: parked again. Else the closure runs  |
//!
//! Making it ready (any thread, within a poll, under locks) creates a task and queues it, on the worker whose poller brought the event, or from
//! another thread through an inbox; no code of the user's runs
//! there, not even a drop.

use super::header::{Attributes, Header};
use super::{JoinHandle, create_here, create_outside};
use crate::sched::runtime::{Handle, Shared};
use crate::sched::worker;
use netpoll::{Error, Fd, Waiter, Watched};
use std::io;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread;

/// Something with a descriptor, always the same one. Not for use outside this crate.
pub trait HasFd: Send + Sync + 'static {
    /// The descriptor.
    fn fd(&self) -> &Fd;
}

/// One wait. The waiter comes first, so that its address is that of the whole.
#[repr(C)]
struct Idle<W, F> {
    waiter: Waiter,
    runtime: Arc<Shared>,
    /// Where the wait was asked for: the name of the task to come.
    site: &'static Location<'static>,
    what: Arc<W>,
    then: F,
}

/// Calls `then` in a new task when `what` is readable, or will not be any more; returns at once.
/// Without a runtime there is a new thread from the start.
///
/// # Errors
/// If there is no memory for a stack, or no thread, where one is needed at once. `what` and `then` are
/// dropped then.
#[track_caller]
pub(crate) fn when_readable<W, F>(what: Arc<W>, then: F) -> io::Result<()>
where
    W: HasFd,
    F: FnOnce(Arc<W>, Result<(), Error>) + Send + 'static,
{
    let site = Location::caller();
    match worker::current() {
        Some(worker) if worker.running().is_some() => {
            let idle = Box::new(Idle {
                waiter: Waiter::new(ready::<W, F>),
                runtime: worker.runtime.clone(),
                site,
                what,
                then,
            });
            match idle.settle(false) {
                None => Ok(()),
                // A task of its own even so: else a closure that waits again and again would go
                // ever deeper.
                Some((what, then, result)) => super::Builder::new()
                    .spawn(move || then(what, result))
                    .map(drop),
            }
        }
        _ => match Handle::current() {
            Some(handle) => super::Builder::new()
                .spawn_in(&handle, move || {
                    // Dropped without a stack, as above.
                    let _ = when_readable(what, then);
                })
                .map(drop),
            None => thread::Builder::new()
                .spawn(move || {
                    let result = what.fd().wait_readable();
                    then(what, result);
                })
                .map(drop),
        },
    }
}

/// What a wait that is over leaves.
type Over<W, F> = (Arc<W>, F, Result<(), Error>);

impl<W, F> Idle<W, F>
where
    W: HasFd,
    F: FnOnce(Arc<W>, Result<(), Error>) + Send + 'static,
{
    /// Goes on waiting (`None`), or says how the wait ended.
    fn settle(self: Box<Self>, again: bool) -> Option<Over<W, F>> {
        // Once it is parked the object may be gone at any moment; the clone keeps what is watched.
        let what = self.what.clone();
        let at = NonNull::from(Box::leak(self));
        // SAFETY: the object stays where it is until `ready`, or, if it is not parked, until below.
        // With `again` it comes from `ready`, so its last wait was parked and has been woken.
        let result = match unsafe { what.fd().watch_readable(at.cast(), again) } {
            Ok(Watched::Parked) => return None,
            Ok(Watched::Ready) => Ok(()),
            Err(err) => Err(err),
        };
        // SAFETY: not parked, so nobody else has seen the address; leaked just above.
        let this = *unsafe { Box::from_raw(at.as_ptr()) };
        Some((this.what, this.then, result))
    }

    /// The body of the task that a wake-up starts.
    fn look(self: Box<Self>) {
        if let Some((what, then, result)) = self.settle(true) {
            then(what, result);
        }
    }
}

/// Starts the task of a wait that was woken.
///
/// # Safety
/// As [`Waiter::ready`]; the waiter is that of an `Idle<W, F>`.
unsafe fn ready<W, F>(waiter: NonNull<Waiter>)
where
    W: HasFd,
    F: FnOnce(Arc<W>, Result<(), Error>) + Send + 'static,
{
    // SAFETY: `repr(C)` puts the waiter first; it was leaked from a box of this very type, and the
    // one call of `ready` for its time in the slot is this one.
    let idle = unsafe { Box::from_raw(waiter.cast::<Idle<W, F>>().as_ptr()) };
    let runtime = idle.runtime.clone();
    let worker = worker::current().filter(|w| Arc::ptr_eq(&w.runtime, &runtime));
    let attributes = Attributes {
        id: worker.map_or_else(|| runtime.take_ids(1), worker::Worker::next_id),
        site: idle.site,
        name: None,
        pinned: false,
    };
    // Only an address goes into the task. If there is none to be had, nothing is dropped in here.
    let parcel = Parcel(Box::into_raw(idle));
    // SAFETY: the task runs once, and the parcel is opened nowhere else once it is placed.
    let body = move || unsafe { parcel.open() }.look();
    let created = match worker {
        Some(worker) => create_here(worker, None, attributes, body),
        None => create_outside(&runtime, None, attributes, body),
    };
    let placed = match (created, worker) {
        (Err(_), _) => Err(None),
        (Ok(task), Some(worker)) => {
            worker.place(task);
            Ok(task)
        }
        (Ok(task), None) => match runtime.place_from_outside(task) {
            Ok(()) => Ok(task),
            Err(task) => Err(Some(Unplaced(task))),
        },
    };
    match placed {
        // SAFETY: made with a slot of this arena; the only handle, without which the header stays.
        Ok(task) => drop(unsafe { JoinHandle::<()>::new(task, runtime.arena.clone()) }),
        Err(task) => give_away(&runtime, parcel, task),
    }
}

/// There is no memory for a stack, or the runtime's workers have left: drops everything, which closes
/// the connection, on a thread that may run any code.
#[cold]
fn give_away<W, F>(runtime: &Arc<Shared>, parcel: Parcel<W, F>, task: Option<Unplaced>)
where
    W: HasFd,
    F: FnOnce(Arc<W>, Result<(), Error>) + Send + 'static,
{
    let arena = runtime.arena.clone();
    let job = Box::new(move || {
        if let Some(task) = task {
            // SAFETY: it came back, so nobody else knows it; its slot is from this arena.
            unsafe { arena.free(Header::discard(task.into_inner())) };
        }
        // SAFETY: the task that would have opened it will not run.
        drop(unsafe { parcel.open() });
    });
    if let Err(job) = runtime.blocking.submit(job, runtime) {
        // Without memory for a stack or a thread there is nowhere left to drop it.
        std::mem::forget(job);
    }
}

/// The address of an object that is on its way to the task that will own it.
struct Parcel<W, F>(*mut Idle<W, F>);

impl<W, F> Clone for Parcel<W, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W, F> Copy for Parcel<W, F> {}

// SAFETY: it stands for a box of things that are `Send`.
unsafe impl<W: HasFd, F: Send> Send for Parcel<W, F> {}

impl<W, F> Parcel<W, F> {
    /// # Safety
    /// Called for one of its copies only.
    unsafe fn open(self) -> Box<Idle<W, F>> {
        // SAFETY: made by `Box::into_raw`; not opened before, by contract.
        unsafe { Box::from_raw(self.0) }
    }
}

/// A task that nobody took.
struct Unplaced(NonNull<Header>);

// SAFETY: an unstarted task is a `Send` closure and plain data.
unsafe impl Send for Unplaced {}

impl Unplaced {
    fn into_inner(self) -> NonNull<Header> {
        self.0
    }
}
