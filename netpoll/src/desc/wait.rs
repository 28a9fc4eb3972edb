//! Waiting for a descriptor: enter the slot, look, park, and look again.
//!
//! | in order                  | why there                                                        |
//! |---------------------------|------------------------------------------------------------------|
//! | may the caller park?      | one that may not must not come near the slot                      |
//! | enter the slot            | from here on, whoever changes something interrupts                |
//! | the last look             | at home here? a timer armed for the deadline? nothing that ends it? |
//! | park                      | woken by an event, or interrupted                                 |
//! | interrupted: look again   | closed, expired, or moved: the error, or the next attempt         |
//!
//! Go: `runtime/netpoll.go`, `poll_runtime_pollWait`.

use super::{CLOSING, Mode, PollDesc, Reactor, UNARMED};
use crate::error::Error;
use crate::park::{Park, Reason, Waiter};
use crate::slot::Settled;
use crate::sync::{Arc, Ordering::Relaxed, Ordering::SeqCst};
use std::os::fd::RawFd;
use std::ptr::NonNull;

impl PollDesc {
    /// Waits for an event in this direction, registering the descriptor with the caller's poller
    /// first if that is not its home.
    ///
    /// `Ok` means "try again". A deadline that fired but was moved before the waiter ran has not
    /// happened.
    ///
    /// ```
    /// use netpoll::{Mode, PollDesc, Reason, park};
    /// use std::{io::Write, os::{fd::AsRawFd, unix::net::UnixStream}, sync::Arc};
    /// let (mut a, b) = UnixStream::pair()?;
    /// let desc = Arc::new(PollDesc::new());
    /// a.write_all(b"x")?;
    /// park::with_current(|p| {
    ///     let waited = desc.wait(b.as_raw_fd(), Mode::Read, Reason::Read, p, p.poller());
    ///     assert_eq!(waited, Ok(()));
    ///     assert_eq!(desc.home(Mode::Read), p.poller().id()); // registered here
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`PollDesc::check`], and [`Error::Refused`] when the execution must not park.
    #[inline]
    pub fn wait<P: Park + ?Sized>(
        self: &Arc<Self>,
        fd: RawFd,
        mode: Mode,
        why: Reason,
        park: &P,
        reactor: &impl Reactor,
    ) -> Result<(), Error> {
        if self.wait_once(mode, why, park, reactor) {
            Ok(())
        } else {
            self.wait_again(fd, mode, why, park, reactor)
        }
    }

    /// The first attempt of [`PollDesc::wait`], all that most waits need. False if it did not end
    /// with a readiness, or could not begin; then [`PollDesc::wait_again`] looks why and goes on. A
    /// function of its own because what it has on the stack while the execution is parked is cold
    /// memory for every connection.
    ///
    /// ```
    /// use netpoll::{Mode, PollDesc, Reason, park};
    /// use std::sync::Arc;
    /// let desc = Arc::new(PollDesc::new());
    /// let once = || park::with_current(|p| desc.wait_once(Mode::Read, Reason::Read, p, p.poller()));
    /// assert!(!once()); // registered nowhere: no event could come
    /// desc.signal(Mode::Read);
    /// assert!(once());
    /// ```
    #[inline]
    pub fn wait_once<P: Park + ?Sized>(
        self: &Arc<Self>,
        mode: Mode,
        why: Reason,
        park: &P,
        reactor: &impl Reactor,
    ) -> bool {
        if park.may_park().is_err() || self.facts.load(SeqCst) & self.ends(mode) != 0 {
            return false;
        }
        let slot = &self.side(mode).slot;
        self.note_whereabouts(park.waiter(), std::ptr::from_ref(&slot).addr());
        slot.block(park, why, || self.may_stay(mode, reactor))
    }

    /// What is touched when `waiter` is made ready lies at `from` and behind it.
    #[inline(always)]
    fn note_whereabouts(self: &Arc<Self>, waiter: NonNull<Waiter>, from: usize) {
        #[cfg(not(loom))]
        {
            let (desc, owner) = (Arc::as_ptr(self).addr(), std::ptr::from_ref(self).addr());
            let waiter = waiter.addr().get();
            self.whereabouts.note(waiter, from, desc, owner);
        }
        #[cfg(loom)]
        let _ = (waiter, from);
    }

    /// [`PollDesc::wait`] after a [`PollDesc::wait_once`] that returned false: looks at the world,
    /// registers if need be, and waits on.
    ///
    /// ```
    /// use netpoll::{Error, Mode, PollDesc, Reason, park};
    /// let desc = std::sync::Arc::new(PollDesc::new());
    /// desc.evict();
    /// let end = park::with_current(|p| {
    ///     desc.wait_again(-1, Mode::Read, Reason::Read, p, p.poller())
    /// });
    /// assert_eq!(end, Err(Error::Closing));
    /// ```
    ///
    /// # Errors
    /// Those of [`PollDesc::wait`].
    pub fn wait_again<P: Park + ?Sized>(
        self: &Arc<Self>,
        fd: RawFd,
        mode: Mode,
        why: Reason,
        park: &P,
        reactor: &impl Reactor,
    ) -> Result<(), Error> {
        loop {
            park.may_park()?;
            self.look_again(fd, mode, reactor)?;
            if self.wait_once(mode, why, park, reactor) {
                return Ok(());
            }
        }
    }

    /// The last look of a waiter: would an event for this direction reach it here, and the deadline,
    /// and has nothing happened that ends its wait?
    #[inline]
    fn may_stay(self: &Arc<Self>, mode: Mode, reactor: &impl Reactor) -> bool {
        if self.home(mode) != reactor.id() {
            return false;
        }
        self.arm(mode, reactor);
        self.facts.load(SeqCst) & self.ends(mode) == 0
    }

    /// After a wait that was not for a readiness, or had no place to begin.
    fn look_again(
        self: &Arc<Self>,
        fd: RawFd,
        mode: Mode,
        reactor: &impl Reactor,
    ) -> Result<(), Error> {
        self.check(mode)?;
        if self.home(mode) != reactor.id() {
            reactor.register(fd, self, mode)?;
        }
        Ok(())
    }

    /// [`PollDesc::wait`] for a waiter that has no thread to give up. True if it is parked: it will be
    /// made ready, by an event or because the world has changed. False is "try again".
    ///
    /// ```
    /// use netpoll::{Error, Mode, PollDesc, Waiter, park};
    /// use std::{ptr::NonNull, sync::Arc};
    /// unsafe fn nobody(_: NonNull<Waiter>) {}
    /// let (desc, waiter) = (Arc::new(PollDesc::new()), Waiter::new(nobody));
    /// desc.evict();
    /// let at = NonNull::from(&waiter);
    /// // SAFETY: it is closed, so the waiter is not put anywhere; this thread polls for itself.
    /// let end = park::with_current(|p| unsafe { desc.settle(0, Mode::Read, at, p, p.poller()) });
    /// assert_eq!(end, Err(Error::Closing));
    /// ```
    ///
    /// # Errors
    /// Those of [`PollDesc::wait`].
    ///
    /// # Safety
    /// Those of [`Slot::settle`](crate::Slot::settle). Called on the thread of `reactor`.
    pub unsafe fn settle(
        self: &Arc<Self>,
        fd: RawFd,
        mode: Mode,
        waiter: NonNull<Waiter>,
        park: &dyn Park,
        reactor: &impl Reactor,
    ) -> Result<bool, Error> {
        let side = self.side(mode);
        self.note_whereabouts(waiter, waiter.addr().get());
        loop {
            park.may_park()?;
            if self.facts.load(SeqCst) & self.ends(mode) != 0 {
                self.check(mode)?;
            }
            // SAFETY: contract of this function.
            let settled = unsafe { side.slot.settle(waiter, || self.may_stay(mode, reactor)) };
            match settled {
                Settled::Parked => return Ok(true),
                Settled::Ready => return Ok(false),
                Settled::Interrupted => self.look_again(fd, mode, reactor)?,
            }
        }
    }

    /// [`PollDesc::wait`] for something that no kernel object announces: nothing is registered, and
    /// whoever makes it happen calls [`PollDesc::signal`]. The caller has called
    /// [`PollDesc::prepare`] before it looked whether it must wait at all.
    ///
    /// ```
    /// use netpoll::{Error, Mode, PollDesc, Reason, clock, park};
    /// let desc = std::sync::Arc::new(PollDesc::new());
    /// desc.set_deadline(Mode::Read, clock::now() + 2_000_000); // two milliseconds
    /// let end = park::with_current(|p| desc.wait_signal(Mode::Read, Reason::Sync, p, p.poller()));
    /// assert_eq!(end, Err(Error::Timeout));
    /// ```
    ///
    /// # Errors
    /// Those of [`PollDesc::wait`].
    #[inline]
    pub fn wait_signal<P: Park + ?Sized>(
        self: &Arc<Self>,
        mode: Mode,
        why: Reason,
        park: &P,
        reactor: &impl Reactor,
    ) -> Result<(), Error> {
        loop {
            park.may_park()?;
            let ready = self.side(mode).slot.block(park, why, || {
                self.arm(mode, reactor);
                self.facts.load(SeqCst) & CLOSING == 0
            });
            if ready {
                return Ok(());
            }
            self.check(mode)?;
        }
    }

    /// Makes `armed` true: after this it names a timer of the waiter's own poller that has not come
    /// yet and comes no later than the deadline, or none if there is no deadline.
    ///
    /// Called by the waiter, which is in its slot already, so whoever moves the deadline from now on sees it
    /// and compares with what is written here.
    #[inline]
    fn arm(self: &Arc<Self>, mode: Mode, timers: &impl Reactor) {
        let side = self.side(mode);
        let (deadline, armed) = (side.deadline.load(SeqCst), side.armed.load(SeqCst));
        let settled = if armed == UNARMED {
            deadline == 0
        } else {
            // Most deadlines only move on, past a timer that is armed already.
            armed <= deadline && self.is_live(armed, mode, timers)
        };
        if !settled {
            self.arm_for(mode, timers);
        }
    }

    /// Whether a timer of this direction is still to come here. One of another poller may never come (its
    /// thread may not poll again), and one of ours that lies behind us has come already.
    #[inline]
    fn is_live(&self, armed: u64, mode: Mode, timers: &impl Reactor) -> bool {
        self.side(mode).armed_by.load(Relaxed) == timers.id() && armed > timers.fired_up_to()
    }

    #[inline(never)]
    fn arm_for(self: &Arc<Self>, mode: Mode, timers: &impl Reactor) {
        let side = self.side(mode);
        let mut deadline = side.deadline.load(SeqCst);
        loop {
            let armed = side.armed.load(SeqCst);
            if armed == UNARMED && deadline == 0 {
                return;
            }
            let live = armed != UNARMED && self.is_live(armed, mode, timers);
            if live && (deadline == 0 || armed <= deadline) {
                return;
            }
            if live {
                timers.disarmed();
            }
            side.armed_by.store(timers.id(), Relaxed);
            if deadline == 0 {
                side.armed.store(UNARMED, SeqCst);
            } else {
                side.armed.store(deadline, SeqCst);
                timers.arm(deadline, self, mode);
            }
            // Whoever moved the deadline while `armed` was being written may have compared it with
            // the old value: look again.
            let now = side.deadline.load(SeqCst);
            if now == deadline {
                return;
            }
            deadline = now;
        }
    }
}
