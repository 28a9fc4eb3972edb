//! The end of a wait: a task is started for it.
//!
//! Any thread may come here, within a poll and under locks. So no code of the user's runs, not even a drop.

use super::{HasFd, Idle, Then};
use crate::sched::runtime::Shared;
use crate::sched::worker::{self, Worker};
use crate::task::header::{Attributes, Header};
use crate::task::{create_here, create_outside};
use netpoll::Waiter;
use std::ptr::NonNull;
use std::sync::Arc;

/// Starts the task of a wait that was woken.
///
/// # Safety
/// As [`Waiter::ready`]; the waiter is that of an `Idle<W, T>`.
pub(super) unsafe fn ready<W, T>(waiter: NonNull<Waiter>)
where
    W: HasFd + Clone,
    T: Then<W>,
{
    // SAFETY: `repr(C)` puts the watcher first, and in it the waiter; it was leaked from a box of this
    // very type, and the one call of `ready` for its time in the slot is this one.
    let idle = unsafe { Box::from_raw(waiter.cast::<Idle<W, T>>().as_ptr()) };
    match worker::current() {
        Some(worker) if idle.home.is(worker) => {
            idle.watcher.woken_in(worker.poller.batch());
            ready_here(idle, worker);
        }
        _ => ready_elsewhere(idle),
    }
}

/// On the thread of the worker where it is at home: by an event or a timer, nearly always.
fn ready_here<W, T>(idle: Box<Idle<W, T>>, worker: &Worker)
where
    W: HasFd + Clone,
    T: Then<W>,
{
    let attributes = idle.attributes(worker.next_id());
    // Only an address goes into the task. If there is no stack to be had, nothing is dropped in here.
    let parcel = Parcel(Box::into_raw(idle));
    match create_here(worker, None, attributes, parcel.body()) {
        Ok(task) => {
            // SAFETY: just made, and nobody has a handle.
            unsafe { Header::never_joined(task) };
            worker.place(task);
        }
        Err(_) => give_away(&worker.runtime, parcel, None),
    }
}

/// From any other thread, another worker's or not: by closing, say, or a deadline that was moved.
#[cold]
fn ready_elsewhere<W, T>(idle: Box<Idle<W, T>>)
where
    W: HasFd + Clone,
    T: Then<W>,
{
    let (runtime, home) = idle.home.both();
    let attributes = idle.attributes(runtime.take_ids(1));
    let parcel = Parcel(Box::into_raw(idle));
    match create_outside(&runtime, None, attributes, parcel.body()) {
        Ok(task) => {
            // SAFETY: just made, and nobody has a handle.
            unsafe { Header::never_joined(task) };
            if let Err(task) = runtime.place_from_outside_at(T::STAYS.then_some(home), task) {
                give_away(&runtime, parcel, Some(Unplaced(task)));
            }
        }
        Err(_) => give_away(&runtime, parcel, None),
    }
}

impl<W, T: Then<W>> Idle<W, T> {
    /// Of the task to come.
    fn attributes(&self, id: u64) -> Attributes {
        Attributes {
            id,
            site: self.site,
            name: None,
            pinned: T::STAYS,
        }
    }
}

/// There is no memory for a stack, or the runtime's workers have left: drops everything, which closes
/// the connection, on a thread that may run any code.
#[cold]
fn give_away<W, T>(runtime: &Arc<Shared>, parcel: Parcel<W, T>, task: Option<Unplaced>)
where
    W: HasFd + Clone,
    T: Then<W>,
{
    let arena = runtime.arena.clone();
    let job = Box::new(move || {
        if let Some(task) = task {
            // SAFETY: it came back, so nobody else knows it; its slot is from this arena.
            unsafe { arena.free(Header::discard(task.into_inner())) };
        }
        // SAFETY: the task that would have opened it will not run.
        let idle = unsafe { parcel.open() };
        // SAFETY: its wait was parked and has been woken, and nobody has asked why.
        unsafe { idle.what.fd().leave_watch() };
        drop(idle);
    });
    if let Err(job) = runtime.blocking.submit(job, runtime) {
        // Without memory for a stack or a thread there is nowhere left to drop it.
        std::mem::forget(job);
    }
}

/// The address of an object that is on its way to the task that will own it.
struct Parcel<W, T>(*mut Idle<W, T>);

impl<W, T> Clone for Parcel<W, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W, T> Copy for Parcel<W, T> {}

// SAFETY: it stands for a box of things that are `Send`.
unsafe impl<W: HasFd + Clone, T: Send> Send for Parcel<W, T> {}

impl<W, T> Parcel<W, T>
where
    W: HasFd + Clone,
    T: Then<W>,
{
    /// What the task does.
    fn body(self) -> impl FnOnce() {
        // SAFETY: a task runs once, and the parcel is opened nowhere else once the task is placed.
        move || unsafe { self.open() }.look()
    }

    /// # Safety
    /// Called for one of its copies only.
    unsafe fn open(self) -> Box<Idle<W, T>> {
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
