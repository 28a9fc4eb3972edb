//! `Signal`: waiting, with deadlines and an end, for what no descriptor announces.
//!
//! It is a [`PollDesc`] that is registered nowhere. Its two directions are two places to wait; what
//! epoll does for a descriptor, [`Signal::notify`] does here. All rules are those of a descriptor:
//!
//! | who             | does                                                                        |
//! |-----------------|-----------------------------------------------------------------------------|
//! | who may wait    | [`Signal::prepare`], then looks at the thing itself, then [`Signal::wait`]  |
//! | who changes it  | changes it, then [`Signal::notify`]                                         |
//! | whoever         | [`Signal::set_deadline`], which reaches a wait that has begun               |
//! | whoever         | [`Signal::close`]: every wait, now and later, ends                          |
//!
//! A notification between the look and the wait is kept, so the wait ends at once. `Ok` from a wait
//! says only: look again. At most one execution may wait in one direction at a time.

use crate::desc::{Mode, PollDesc};
use crate::error::Error;
use crate::park::{self, Reason};
use crate::poller::PollerHandle;
use crate::sync::Mutex;
use std::sync::Arc;
use std::time::Instant;

/// Two places to wait. See the [module documentation](self).
///
/// ```
/// use netpoll::{Error, Mode, Reason, Signal};
/// use std::time::{Duration, Instant};
/// let signal = Signal::new();
/// signal.notify(Mode::Read);
/// assert_eq!(signal.wait(Mode::Read, Reason::Sync), Ok(()));
/// signal.set_deadline(Mode::Read, Some(Instant::now() + Duration::from_millis(2)));
/// assert_eq!(signal.wait(Mode::Read, Reason::Sync), Err(Error::Timeout));
/// ```
#[derive(Debug, Default)]
pub struct Signal {
    desc: Arc<PollDesc>,
    /// The pollers that may hold a timer, so that they can be told when nobody wants it any more.
    timers_on: Mutex<[Option<PollerHandle>; 2]>,
}

impl Signal {
    /// Nobody waits, no deadline.
    pub fn new() -> Signal {
        Signal::default()
    }

    /// Fails where a wait would fail at once; otherwise forgets earlier notifications, so the caller
    /// must look at the thing itself before it waits.
    ///
    /// The queue below is a lock and a signal. A push between the look and the wait is not lost:
    ///
    /// ```
    /// use netpoll::{Error, Mode, Reason, Signal};
    /// use std::sync::Mutex;
    /// let (queue, signal) = (Mutex::new(Vec::new()), Signal::new());
    /// let pop = || -> Result<u32, Error> {
    ///     loop {
    ///         signal.prepare(Mode::Read)?;
    ///         if let Some(value) = queue.lock().unwrap().pop() {
    ///             return Ok(value);
    ///         }
    ///         signal.wait(Mode::Read, Reason::Sync)?;
    ///     }
    /// };
    /// std::thread::scope(|s| {
    ///     s.spawn(|| { queue.lock().unwrap().push(7); signal.notify(Mode::Read) });
    ///     assert_eq!(pop(), Ok(7));
    /// });
    /// signal.close();
    /// assert_eq!(pop(), Err(Error::Closing));
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`] or [`Error::Timeout`].
    pub fn prepare(&self, mode: Mode) -> Result<(), Error> {
        self.desc.prepare(mode)
    }

    /// Waits for a notification.
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`], [`Error::Refused`], or what keeps a plain thread from
    /// having a poller.
    ///
    /// # Panics
    /// If somebody else waits in this direction.
    pub fn wait(&self, mode: Mode, why: Reason) -> Result<(), Error> {
        park::with_current(|park| {
            let poller = park.try_poller()?;
            self.note_poller(mode, poller.handle());
            self.desc.wait_signal(mode, why, park, poller)
        })
    }

    /// What is waited for may have happened. Any thread.
    pub fn notify(&self, mode: Mode) {
        self.desc.signal(mode);
    }

    /// Sets the moment from which waits fail; `None` is never. It reaches a wait that has begun.
    pub fn set_deadline(&self, mode: Mode, deadline: Option<Instant>) {
        let word = deadline.map_or(0, crate::clock::of);
        self.desc.set_deadline(mode, word);
    }

    /// Ends every wait, now and from now on.
    pub fn close(&self) {
        self.desc.evict();
    }

    fn note_poller(&self, mode: Mode, poller: &PollerHandle) {
        let mut known = self.timers_on.lock();
        let known = &mut known[mode as usize];
        if known.as_ref().is_none_or(|old| old.id() != poller.id()) {
            if let Some(old) = known.as_ref()
                && self.desc.is_armed_by(mode, old.id())
            {
                old.disarmed();
            }
            *known = Some(poller.clone());
        }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.desc.evict();
        for mode in [Mode::Read, Mode::Write] {
            if let Some(poller) = self.timers_on.lock()[mode as usize].take()
                && self.desc.is_armed_by(mode, poller.id())
            {
                poller.disarmed();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_deadline_set_from_outside_ends_a_wait_that_has_begun() {
        let signal = Arc::new(Signal::new());
        let mine = signal.clone();
        let waiter = thread::spawn(move || mine.wait(Mode::Write, Reason::Sync));
        let start = Instant::now();
        while !signal.desc.is_waited(Mode::Write) {
            assert!(start.elapsed() < Duration::from_secs(30));
            thread::yield_now();
        }
        signal.set_deadline(Mode::Write, Some(Instant::now()));
        assert_eq!(waiter.join().unwrap(), Err(Error::Timeout));
        signal.set_deadline(Mode::Write, None);
        signal.notify(Mode::Write);
        assert_eq!(signal.wait(Mode::Write, Reason::Sync), Ok(()));
    }

    #[test]
    fn closing_ends_both_directions_for_good() {
        let signal = Signal::new();
        signal.close();
        for mode in [Mode::Read, Mode::Write] {
            assert_eq!(signal.wait(mode, Reason::Sync), Err(Error::Closing));
            assert_eq!(signal.prepare(mode), Err(Error::Closing));
        }
    }

    #[test]
    fn a_timer_nobody_wants_any_more_does_not_stay_in_the_heap() {
        // As many as it takes for the poller to tidy up.
        thread::spawn(|| {
            let far = Instant::now() + Duration::from_secs(3600);
            for _ in 0..1000 {
                let signal = Arc::new(Signal::new());
                signal.set_deadline(Mode::Read, Some(far));
                let mine = signal.clone();
                let other = thread::spawn(move || mine.notify(Mode::Read));
                signal.wait(Mode::Read, Reason::Sync).unwrap();
                other.join().unwrap();
            }
            park::with_current(|park| {
                // One that comes: it is then that stale ones are dropped.
                let soon = crate::clock::now() + 1_000_000;
                crate::sleep::sleep_until(soon, park, park.poller()).unwrap();
                assert!(park.poller().timers() < 200, "{}", park.poller().timers());
            });
        })
        .join()
        .unwrap();
    }
}
