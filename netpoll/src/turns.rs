//! Many at once in one direction of a descriptor, where no order has to be kept.
//!
//! A stream needs its readers one after the other: their bytes must not be torn. Datagrams come and
//! go whole, and the kernel takes turns by itself, so nobody who finds one has any business with a
//! lock. But a slot has place for one waiter only, and an edge comes once. So:
//!
//! | an operation is | it holds                  | and is moved on by                                      |
//! |-----------------|---------------------------|---------------------------------------------------------|
//! | *trying*        | a reference               | itself: done, or EAGAIN                                 |
//! | *first*         | the lock of its direction | an event, the deadline or closing, through the slot     |
//! | *behind*        | nothing                   | whoever was first and gives the lock back, or closing   |
//!
//! | from     | to       | when                                                                      |
//! |----------|----------|---------------------------------------------------------------------------|
//! | start    | first    | the lock is free                                                          |
//! | start    | trying   | somebody is first; neither waits for the other                            |
//! | trying   | done     | there was something, or an error other than EAGAIN                        |
//! | trying   | behind   | EAGAIN and somebody is first                                              |
//! | trying   | first    | EAGAIN and the lock is free again                                         |
//! | behind   | first    | the lock was given back, and nobody was faster (else it queues again)      |
//! | first    | first    | EAGAIN: waits in the slot, tries again                                    |
//! | first    | done     | there was something, an error, the deadline or closing: gives the lock back |
//!
//! ## Why nothing sits while somebody sleeps
//! *Whoever sleeps behind has somebody first in front of him, or a wake-up on its way.* To queue he
//! had to see the lock held, and every unlock takes one out of the queue. *Whoever is first looks
//! after he has forgotten what was noted earlier* ([`PollDesc::prepare`](crate::PollDesc::prepare)),
//! so what comes after his look wakes him. One edge may stand for many datagrams: he takes one of
//! them, his unlock wakes the next, who takes another and wakes the next, until one finds nothing and
//! stays, first, in the slot. Those who are awake meanwhile help themselves beside the chain. So a
//! single event wakes as many as there is work for, and one more to keep watch.
//!
//! Deadline and closing end the waits as with any lock: closing wakes all; an expired deadline ends
//! the first's wait, and each that follows finds it expired.

use crate::error::Error;
use crate::fd_mutex::{FdMutex, Side};
use crate::park::Refusal;

/// What an operation is made of.
pub trait Turns {
    /// The lock and the count of references.
    fn mutex(&self) -> &FdMutex;
    /// The last reference of a closed descriptor is gone.
    fn destroy(&self);
    /// Takes the lock, queueing for it; false if closed.
    ///
    /// # Errors
    /// When the caller must not park.
    fn lock(&self, side: Side) -> Result<bool, Refusal>;
    /// Fails if closing or after the deadline.
    ///
    /// # Errors
    /// Those of [`PollDesc::check`](crate::PollDesc::check).
    fn check(&self, side: Side) -> Result<(), Error>;
    /// [`Turns::check`], then forgets a readiness noted earlier. With the lock only.
    ///
    /// # Errors
    /// As [`Turns::check`].
    fn prepare(&self, side: Side) -> Result<(), Error>;
    /// Waits for an event. With the lock only.
    ///
    /// # Errors
    /// Those of [`PollDesc::wait`](crate::PollDesc::wait).
    fn wait(&self, side: Side) -> Result<(), Error>;
}

/// What [`run`] holds while it calls.
struct Held<'a, T: Turns>(&'a T, Option<Side>);

impl<T: Turns> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let mutex = self.0.mutex();
        let last = match self.1 {
            Some(side) => mutex.rwunlock(side),
            None => mutex.decref(),
        };
        if last {
            self.0.destroy();
        }
    }
}

/// Runs `call` until it does not say EAGAIN, beside any number of others. `name` is the system call
/// that errors name; `call` returns the error number that it met.
///
/// # Errors
/// [`Error::Closing`], [`Error::Timeout`], what `call` says, or that the caller must not park.
#[inline]
pub fn run<T, R>(
    on: &T,
    side: Side,
    name: &'static str,
    mut call: impl FnMut() -> Result<R, i32>,
) -> Result<R, Error>
where
    T: Turns,
{
    let failed = |errno| Error::Sys { call: name, errno };
    if !on.mutex().try_rwlock(side) {
        if !on.mutex().incref() {
            return Err(Error::Closing);
        }
        {
            let _held = Held(on, None);
            on.check(side)?;
            match uninterrupted(&mut call) {
                Err(libc::EAGAIN) => {}
                done => return done.map_err(failed),
            }
        }
        if !on.lock(side)? {
            return Err(Error::Closing);
        }
    }
    let _held = Held(on, Some(side));
    on.prepare(side)?;
    loop {
        match uninterrupted(&mut call) {
            Err(libc::EAGAIN) => on.wait(side)?,
            done => return done.map_err(failed),
        }
    }
}

#[inline]
fn uninterrupted<R>(call: &mut impl FnMut() -> Result<R, i32>) -> Result<R, i32> {
    loop {
        match call() {
            Err(libc::EINTR) => {}
            done => return done,
        }
    }
}
