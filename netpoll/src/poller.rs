//! `Poller`: one epoll instance, the descriptors registered with it, and its timers.
//!
//! A poller belongs to one thread, the only one that polls it, and holds its tables without locks.
//! It never runs a task: it unblocks slots, and whoever is woken decides where that runs. Other
//! threads reach it through a [`PollerHandle`]: they can wake it, and tell it to forget a
//! descriptor.
//!
//! ## The order of a poll
//! [`Poller::collect`] waits and keeps what the kernel says (`Batch`); [`Poller::deliver`] tells one event
//! at a time, and after the last of them lets the timers come, so that a deadline never overtakes data
//! that came before it. [`Poller::poll`] is both.
//!
//! ## Stale events
//! The kernel hands back a token (`Table`). An event that was collected before its descriptor was closed or its
//! registration widened, or that belongs to a duplicate that outlived it, finds the place empty or its number
//! changed, and is dropped.
//!
//! ## Sleeping and waking
//! [`WakeState`] has the table. Any number of wake-ups between two sleeps costs at most one system
//! call.
//!
//! ## Time-outs below a millisecond
//! epoll counts milliseconds and mio rounds up. So a wait is cut to whole milliseconds, and what
//! remains below one is waited with a timerfd that is itself registered here.
//!
//! Go: `runtime/netpoll_epoll.go`, `netpoll`.

pub use crate::batch::BatchId;
use crate::batch::{Batch, Turn};
use crate::clock;
pub use crate::counters::Counters;
use crate::counters::bump;
use crate::desc::{Mode, PollDesc, Reactor};
use crate::error::Error;
pub use crate::handle::PollerHandle;
use crate::handle::Shared;
use crate::removed::Removed;
use crate::table::{Entry, Table};
use crate::timerfd::TimerFd;
use crate::timers::{Sleep, Target, Timers};
use crate::wake_state::WakeState;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

const _: () = assert!(
    usize::BITS == 64,
    "a token holds a table index and a sequence number"
);

const WAKER: Token = Token(usize::MAX);
const TIMERFD: Token = Token(usize::MAX - 1);

/// How many events one `epoll_wait` may bring.
const BATCH: usize = 1024;

static NEXT_ID: AtomicU32 = AtomicU32::new(1);

/// A reactor for one thread. See the [module documentation](self).
///
/// ```
/// use std::time::Duration;
/// let poller = netpoll::Poller::new()?;
/// let handle = poller.handle().clone();
/// let other = std::thread::spawn(move || handle.wake());
/// poller.poll(None)?; // returns: the other thread woke it
/// other.join().unwrap();
/// assert_eq!(poller.poll(Some(Duration::from_micros(100)))?, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Poller {
    handle: PollerHandle,
    epoll: RefCell<mio::Poll>,
    events: RefCell<mio::Events>,
    batch: Batch,
    pub(crate) table: Table,
    timers: RefCell<Timers>,
    fired_up_to: Cell<u64>,
    timerfd: OnceCell<TimerFd>,
}

impl Poller {
    /// A poller with nothing registered.
    ///
    /// # Errors
    /// What `epoll_create1`, `eventfd` or `epoll_ctl` say, most often too many open files.
    pub fn new() -> io::Result<Poller> {
        let epoll = mio::Poll::new()?;
        let waker = mio::Waker::new(epoll.registry(), WAKER)?;
        let registry = epoll.registry().try_clone()?;
        let shared = Shared {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            state: WakeState::new(),
            waker,
            registry,
            removed: Removed::new(),
            stale_timers: AtomicUsize::new(0),
            counters: Counters::default(),
        };
        Ok(Poller {
            handle: PollerHandle(Arc::new(shared)),
            epoll: RefCell::new(epoll),
            events: RefCell::new(mio::Events::with_capacity(BATCH)),
            batch: Batch::default(),
            table: Table::default(),
            timers: RefCell::new(Timers::default()),
            fired_up_to: Cell::new(0),
            timerfd: OnceCell::new(),
        })
    }

    /// The part that other threads may use.
    ///
    /// ```
    /// let poller = netpoll::Poller::new()?;
    /// let handle = poller.handle().clone();
    /// assert_eq!(std::thread::spawn(move || handle.id()).join().unwrap(), poller.id());
    /// assert_eq!(poller.counters().wakes.load(std::sync::atomic::Ordering::Relaxed), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn handle(&self) -> &PollerHandle {
        &self.handle
    }

    /// The number of this poller, unlike any other's in this process.
    #[inline]
    pub fn id(&self) -> u32 {
        self.handle.0.id
    }

    /// What it has done so far.
    #[inline]
    pub fn counters(&self) -> &Counters {
        &self.handle.0.counters
    }

    /// How many timers wait in the heap, those counted that nobody wants any more.
    ///
    /// ```
    /// use netpoll::{Mode, Reason, Signal, park};
    /// use std::time::{Duration, Instant};
    /// let signal = Signal::new();
    /// signal.set_deadline(Mode::Read, Some(Instant::now() + Duration::from_millis(2)));
    /// signal.wait(Mode::Read, Reason::Sync).unwrap_err(); // its timer has come
    /// assert_eq!(park::with_current(|p| p.poller().timers()), 0);
    /// ```
    pub fn timers(&self) -> usize {
        self.timers.borrow().len()
    }

    /// Waits until something happens, a timer comes, another thread calls [`PollerHandle::wake`],
    /// or `timeout` has passed; makes ready whoever waited for it. `None` waits without bound, zero
    /// does not wait. It may return early with nothing done.
    ///
    /// Returns how many descriptors had events.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// let poller = netpoll::Poller::new()?;
    /// let start = Instant::now();
    /// assert_eq!(poller.poll(Some(Duration::from_micros(300)))?, 0);
    /// assert!(start.elapsed() >= Duration::from_micros(300)); // nobody woke it
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `epoll_wait` says, which is nothing a running program meets. An interrupted wait is not
    /// an error.
    pub fn poll(&self, timeout: Option<Duration>) -> io::Result<usize> {
        let before = self.counters().events.load(Ordering::Relaxed);
        self.collect(timeout)?;
        while self.deliver() {}
        let after = self.counters().events.load(Ordering::Relaxed);
        Ok(after.wrapping_sub(before) as usize)
    }

    /// The first half of [`Poller::poll`]: waits, and keeps what has happened for
    /// [`Poller::deliver`]. What an earlier call has left undelivered is delivered first, and then this
    /// one does not wait: whoever was made ready runs on this thread.
    ///
    /// Returns how many events there are.
    ///
    /// ```
    /// use netpoll::{Mode, PollDesc, desc::Reactor};
    /// use std::{io::Write, os::{fd::AsRawFd, unix::net::UnixStream}, sync::Arc};
    /// let (mut a, b) = UnixStream::pair()?;
    /// let (poller, desc) = (netpoll::Poller::new()?, Arc::new(PollDesc::new()));
    /// poller.register(b.as_raw_fd(), &desc, Mode::Read).unwrap();
    /// a.write_all(b"x")?;
    /// assert_eq!(poller.collect(None)?, 1);
    /// assert!(desc.is_quiet(Mode::Read)); // nobody has been told yet
    /// assert!(poller.deliver());
    /// assert!(!desc.is_quiet(Mode::Read));
    /// assert!(!poller.deliver()); // that was all
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Poller::poll`].
    pub fn collect(&self, timeout: Option<Duration>) -> io::Result<usize> {
        let left_over = self.batch.left() > 0;
        while self.deliver() {}
        let shared = &*self.handle.0;
        self.forget_removed();
        let timeout = if left_over {
            Some(Duration::ZERO)
        } else {
            self.until_next_timer(timeout)
        };
        bump(&shared.counters.polls, 1);
        let result = if timeout == Some(Duration::ZERO) {
            self.wait(timeout)
        } else {
            let blocks = shared.state.try_sleep();
            let result = if blocks {
                bump(&shared.counters.sleeps, 1);
                self.wait(timeout)
            } else {
                self.wait(Some(Duration::ZERO))
            };
            shared.state.wake_up();
            result
        };
        match result {
            Ok(()) => self.batch.fill(&self.events.borrow()),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
        if self.batch.left() == 0 {
            self.fire_timers();
        }
        Ok(self.batch.left())
    }

    /// How many events were collected and not delivered yet.
    ///
    /// ```
    /// let poller = netpoll::Poller::new()?;
    /// assert_eq!(poller.undelivered(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn undelivered(&self) -> usize {
        self.batch.left()
    }

    /// The batch that is being delivered, or was delivered last.
    ///
    /// ```
    /// let (one, other) = (netpoll::Poller::new()?, netpoll::Poller::new()?);
    /// assert_eq!(one.batch(), one.batch()); // nothing was collected in between
    /// assert_ne!(one.batch(), other.batch());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn batch(&self) -> BatchId {
        BatchId {
            poller: self.id(),
            number: self.batch.number(),
        }
    }

    /// The second half of [`Poller::poll`], one event at a time: makes ready whoever waits for the next
    /// event that was collected, and after the last of them whoever waits for a moment that has come:
    /// data that came before a deadline is not overtaken by it.
    ///
    /// False if there was none. See [`Poller::collect`].
    #[inline]
    pub fn deliver(&self) -> bool {
        let Some(turn) = self.batch.take() else {
            return false;
        };
        self.dispatch(&turn);
        if self.batch.left() == 0 {
            self.fire_timers();
        }
        true
    }

    /// Calls `epoll_wait` for whole milliseconds, or lets the timerfd end it where less is left.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = match timeout {
            None => None,
            Some(t) if t.is_zero() => Some(t),
            Some(t) if t >= Duration::from_millis(1) => Some(Duration::from_millis(
                u64::try_from(t.as_millis()).unwrap_or(u64::MAX),
            )),
            // No timerfd to be had (too many open files): late by less than a millisecond is
            // better than never.
            Some(t) => match self.timerfd().and_then(|timerfd| timerfd.set(t)) {
                Ok(()) => None,
                Err(_) => Some(Duration::from_millis(1)),
            },
        };
        let mut events = self.events.borrow_mut();
        self.epoll.borrow_mut().poll(&mut events, timeout)
    }

    fn timerfd(&self) -> io::Result<&TimerFd> {
        if let Some(timerfd) = self.timerfd.get() {
            return Ok(timerfd);
        }
        let timerfd = TimerFd::new()?;
        self.handle.0.registry.register(
            &mut SourceFd(&timerfd.as_raw_fd()),
            TIMERFD,
            Interest::READABLE,
        )?;
        Ok(self.timerfd.get_or_init(|| timerfd))
    }

    /// The caller's bound or the next timer, whichever is first.
    fn until_next_timer(&self, timeout: Option<Duration>) -> Option<Duration> {
        if timeout == Some(Duration::ZERO) {
            return timeout;
        }
        let Some(next) = self.timers.borrow().next() else {
            return timeout;
        };
        let left = Duration::from_nanos(next.saturating_sub(clock::now()));
        Some(timeout.map_or(left, |t| t.min(left)))
    }

    /// Hands an event to its descriptor.
    #[inline]
    fn dispatch(&self, turn: &Turn) {
        let counters = self.counters();
        let descs = self.table.entries.borrow();
        let desc_of = |token: Token| descs.get(token.0 as u32 as usize);
        if let Some(entry) = turn.later.and_then(desc_of) {
            entry.desc.prefetch();
        }
        if let Some(entry) = turn.next.and_then(desc_of) {
            entry.desc.prefetch_reader();
        }
        let (token, mut event) = (turn.token, turn.event);
        let seq = (token.0 >> 32) as u32;
        match desc_of(token) {
            Some(entry) if entry.seq == seq => {
                bump(&counters.events, 1);
                // Without `OUT` in the interest, `ERR` alone is what any pending error of a socket looks
                // like, and says nothing about whether the kernel can tell when to read.
                event.only_error &= entry.both;
                entry.desc.event(event);
            }
            _ if token == WAKER || token == TIMERFD => {}
            _ => bump(&counters.stale_events, 1),
        }
    }

    /// Lets every timer come whose moment has passed.
    fn fire_timers(&self) {
        let mut timers = self.timers.borrow_mut();
        if timers.next().is_none() {
            return;
        }
        let shared = &*self.handle.0;
        let now = clock::now();
        self.fired_up_to.set(now);
        while let Some((when, target)) = timers.pop_due(now) {
            bump(&shared.counters.timers_fired, 1);
            match target {
                Target::Desc(desc, mode) => {
                    if !desc.wants_timer(mode, shared.id, when) {
                        self.one_stale_less();
                    }
                    desc.timer(mode, when, shared.id);
                }
                Target::Sleep(sleep) => {
                    if sleep.done.load(Ordering::Relaxed) {
                        self.one_stale_less();
                    }
                    sleep.slot.wake(true);
                }
            }
        }
        let stale = shared.stale_timers.load(Ordering::Relaxed);
        if stale > 0 && timers.rebuild_if_stale(stale, shared.id) {
            shared.stale_timers.store(0, Ordering::Relaxed);
        }
    }

    fn one_stale_less(&self) {
        let stale = &self.handle.0.stale_timers;
        // Only an estimate: a timer may be counted and come at the same moment.
        let _ = stale.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    }

    /// Interrupts up to `most` of those who wait for a descriptor registered here; returns how many.
    /// For a runtime that ends: who waits without a task is known nowhere else.
    ///
    /// ```
    /// let poller = netpoll::Poller::new()?;
    /// assert_eq!(poller.interrupt_some(usize::MAX), 0); // nobody waits
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn interrupt_some(&self, most: usize) -> usize {
        let mut waited = Vec::new();
        for (_, entry) in self.table.entries.borrow().iter() {
            for mode in [Mode::Read, Mode::Write] {
                if waited.len() < most && self.is_waited_here(&entry.desc, mode) {
                    waited.push((entry.desc.clone(), mode));
                }
            }
        }
        // The table is free again: whoever is woken may do what it likes with it.
        for (desc, mode) in &waited {
            desc.interrupt(*mode);
        }
        waited.len()
    }

    /// Does anybody wait for a descriptor registered here? Who does so without a task is known nowhere
    /// else.
    ///
    /// ```
    /// let poller = netpoll::Poller::new()?;
    /// assert!(!poller.is_waited_for());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_waited_for(&self) -> bool {
        self.forget_removed();
        let waits = |entry: &Entry| {
            self.is_waited_here(&entry.desc, Mode::Read)
                || self.is_waited_here(&entry.desc, Mode::Write)
        };
        self.table
            .entries
            .borrow()
            .iter()
            .any(|(_, entry)| waits(entry))
    }

    /// Does somebody wait in this direction, and for an event from here? One whose other direction is
    /// at home elsewhere is in two tables.
    fn is_waited_here(&self, desc: &PollDesc, mode: Mode) -> bool {
        desc.home(mode) == self.id() && desc.is_waited(mode)
    }

    /// Makes `sleep` ready at `when`.
    pub(crate) fn add_sleep(&self, when: u64, sleep: Arc<Sleep>) {
        self.timers.borrow_mut().push(when, Target::Sleep(sleep));
    }
}

impl Reactor for Poller {
    #[inline]
    fn id(&self) -> u32 {
        self.handle.0.id
    }

    fn register(&self, fd: RawFd, desc: &Arc<PollDesc>, mode: Mode) -> Result<(), Error> {
        desc.register(fd, mode, self)
    }

    fn arm(&self, when: u64, desc: &Arc<PollDesc>, mode: Mode) {
        self.timers
            .borrow_mut()
            .push(when, Target::Desc(desc.clone(), mode));
    }

    fn disarmed(&self) {
        self.handle.disarmed();
    }

    #[inline]
    fn fired_up_to(&self) -> u64 {
        self.fired_up_to.get()
    }
}

#[cfg(test)]
#[path = "poller_tests.rs"]
mod tests;
