//! Waiting without a task: an idle connection holds no stack.
//!
//! What waits is a small object on the heap: a watcher, what is watched, and the closure to go on with.
//!
//! | state   | who holds the object | moves on when                                                  |
//! |---------|----------------------|----------------------------------------------------------------|
//! | settling| the calling task     | nothing is there: parked. Something is: a task starts           |
//! | parked  | the slot, as a waiter| made ready (an event, a deadline, closing, the runtime's end): a task starts |
//! | looking | the new task         | the wake-up meant nothing: parked again. Else the closure runs  |
//! | running | the new task         | the closure wants another wait ([`Each`]): settling. Else it is gone |
//!
//! | file   | what it knows                                                        |
//! |--------|----------------------------------------------------------------------|
//! | `wake` | how a wait becomes a task, from any thread                           |
//! | `then` | what follows a wait: once, or another wait each time                 |
//! | `home` | the worker on which its tasks start, and what that means for its load |

mod home;
mod then;
mod wake;

use crate::sched::runtime::Handle;
use crate::sched::worker;
use home::Home;
use netpoll::{Error, Fd, Watched, Watcher};
use std::io;
use std::panic::Location;
use std::ptr::NonNull;
use std::thread;
pub(crate) use then::{Each, Once, Then};
use wake::ready;

/// Something with a descriptor, always the same one; clones of it have that one, too. Not for use outside
/// this crate.
pub trait HasFd: Send + Sync + 'static {
    /// The descriptor.
    fn fd(&self) -> &Fd;
}

/// One wait. The watcher comes first, so that its address is that of the whole.
#[repr(C)]
pub(crate) struct Idle<W, T> {
    watcher: Watcher,
    home: Home,
    /// Where the wait was asked for: the name of the task to come.
    site: &'static Location<'static>,
    what: W,
    then: T,
}

/// Goes on with `then` in a new task when `what` is readable, or will not be any more; returns at once.
/// Without a runtime there is a new thread from the start.
///
/// # Errors
/// If there is no memory for a stack, or no thread, where one is needed at once. `what` and `then` are
/// dropped then.
#[track_caller]
pub(crate) fn when_readable<W, T>(what: W, then: T) -> io::Result<()>
where
    W: HasFd + Clone,
    T: Then<W>,
{
    let site = Location::caller();
    match worker::current() {
        Some(worker) if worker.running().is_some() => {
            let idle = Box::new(Idle {
                watcher: Watcher::new(ready::<W, T>),
                home: Home::new(worker),
                site,
                what,
                then,
            });
            match idle.settle(false) {
                None => Ok(()),
                // A task of its own even so: else a closure that waits again and again would go
                // ever deeper.
                Some((idle, result)) => super::Builder::new()
                    .spawn(move || T::go_on(idle, result))
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
                .spawn(move || then.on_thread(what))
                .map(drop),
        },
    }
}

impl<W, T> Idle<W, T>
where
    W: HasFd + Clone,
    T: Then<W>,
{
    /// Goes on waiting (`None`), or says how the wait ended.
    fn settle(self: Box<Self>, again: bool) -> Option<(Box<Self>, Result<(), Error>)> {
        // Once it is parked the object may be gone at any moment; the clone keeps what is watched.
        let what = self.what.clone();
        if let Some(worker) = worker::current() {
            self.home.is_now(worker);
        }
        let at = NonNull::from(Box::leak(self));
        // SAFETY: the object stays where it is until `ready`, or, if it is not parked, until below.
        // With `again` it comes from `ready`, so its last wait was parked and has been woken.
        let result = match unsafe { what.fd().watch_readable(at.cast(), again) } {
            Ok(Watched::Parked) => return None,
            Ok(Watched::Ready) => Ok(()),
            Err(err) => Err(err),
        };
        // SAFETY: not parked, so nobody else has seen the address; leaked just above.
        Some((unsafe { Box::from_raw(at.as_ptr()) }, result))
    }

    /// The body of the task that a wake-up starts.
    fn look(self: Box<Self>) {
        // SAFETY: it comes from `ready`, so its last wait was parked and has been woken, with this watcher.
        if unsafe { self.what.fd().ends_watch(&self.watcher) } {
            T::go_on(self, Ok(()));
        } else if let Some((idle, result)) = self.settle(true) {
            T::go_on(idle, result);
        }
    }
}
