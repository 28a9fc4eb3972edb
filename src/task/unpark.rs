//! Parking a task and making it ready again, by hand.

use super::header::{Attributes, Header};
use crate::sched::worker;
use netpoll::{Park, Reason, Slot};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What outlives a task so that others can hold on to it.
#[derive(Debug)]
pub(crate) struct Unparker {
    slot: Slot,
    id: u64,
    name: Option<Arc<str>>,
}

thread_local! {
    static OF_THREAD: OnceLock<Arc<Unparker>> = const { OnceLock::new() };
}

/// A task (or a plain thread), as others see it: [`current`] makes one.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::sync::Arc;
/// gopark::run(|| {
///     let flag = Arc::new(AtomicBool::new(false));
///     let (me, set) = (gopark::task::current(), flag.clone());
///     gopark::spawn(move || {
///         set.store(true, Ordering::Release);
///         me.unpark();
///     });
///     while !flag.load(Ordering::Acquire) {
///         gopark::park();
///     }
/// });
/// ```
///
/// Who it is:
///
/// ```
/// gopark::run(|| {
///     let named = gopark::task::Builder::new().name("accountant");
///     let task = named.spawn(gopark::task::current).unwrap().join().unwrap();
///     assert_eq!(task.name(), Some("accountant"));
///     assert_ne!(task.id(), gopark::task::current().id());
/// });
/// ```
#[derive(Clone)]
pub struct Task(Arc<Unparker>);

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.0.id)
            .field("name", &self.0.name)
            .finish()
    }
}

impl Task {
    /// Makes the task's [`park`], the one it is in or else its next one, return. Calls do not add up.
    #[inline]
    pub fn unpark(&self) {
        self.0.slot.notify();
    }

    /// The task's number, unlike any other's in this process; 0 for a plain thread.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The name it was given, if any.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }
}

impl Task {
    /// What others hold on to, of the task with this header.
    pub(super) fn of(header: &Header) -> Task {
        Task(unparker(header).clone())
    }
}

#[inline]
fn unparker(header: &Header) -> &Arc<Unparker> {
    header
        .unparker
        .get_or_init(|| new_unparker(&header.attributes))
}

#[cold]
fn new_unparker(attributes: &Attributes) -> Arc<Unparker> {
    Arc::new(Unparker {
        slot: Slot::new(),
        id: attributes.id,
        name: attributes.name.clone(),
    })
}

/// The calling task, or the calling plain thread.
///
/// ```
/// let me = gopark::task::current();
/// std::thread::spawn(move || me.unpark());
/// gopark::park(); // a plain thread parks, too
/// ```
pub fn current() -> Task {
    match worker::current().and_then(|w| w.running()) {
        Some(task) => Task::of(task),
        None => OF_THREAD.with(|mine| {
            let make = || {
                let name = std::thread::current().name().map(Arc::from);
                Arc::new(Unparker {
                    slot: Slot::new(),
                    id: 0,
                    name,
                })
            };
            Task(mine.get_or_init(make).clone())
        }),
    }
}

/// Waits until somebody calls [`Task::unpark`] for the caller; at once if somebody has since the
/// last `park`. It may also return without that, so look at what you wait for: while the runtime shuts
/// down, or the task unwinds, it returns at once.
///
/// ```
/// gopark::run(|| {
///     gopark::task::current().unpark();
///     gopark::park(); // returns at once
/// });
/// ```
// Inlined: a frame to return through after a switch is mispredicted unless the task before came from
// the same place (see `switch`), and two that hand over to each other do not.
#[inline(always)]
pub fn park() {
    if let Some(worker) = worker::current()
        && let Some(task) = worker.running()
    {
        // The header, and so the slot, stays for as long as the task runs: no need to hold on to it.
        park_in(worker, &unparker(task).slot);
    } else {
        park_thread();
    }
}

#[cold]
fn park_thread() {
    netpoll::park::with_current(|thread| park_in(thread, &current().0.slot));
}

#[inline(always)]
fn park_in<P: Park + ?Sized>(park: &P, slot: &Slot) {
    // While the runtime shuts down, or the task unwinds, parking returns at once. A worker learns of
    // a shutdown in its own loop, so it cannot begin between this look and the park.
    if park.may_park().is_ok() {
        slot.wait(park, Reason::Park);
    }
}
