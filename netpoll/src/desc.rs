//! `PollDesc`: what the reactor knows about one descriptor.
//!
//! Two [`Slot`]s (`rg` for the reader, `wg` for the writer), two deadlines, and a word of facts that
//! change under the feet of those who wait. The rules that make lost wake-ups impossible:
//!
//! * Whoever changes something (a deadline, closing, an event) **publishes the change first and
//!   unblocks the slots after**. Whoever waits enters the slot first and looks at the facts after. One
//!   of the two sees the other.
//! * Nothing is decided by *who* woke a waiter. It looks again: closed? expired? else it tries.
//!
//! ## Deadlines without a heap
//! A deadline is a moment in an atomic word. It needs a timer only while somebody waits, so the
//! waiter arms one, on its own poller, when it parks: `armed` says which poller holds a timer for
//! this direction and for when. A deadline that only moves forward leaves the timer alone; the timer
//! then comes too early and interrupts the waiter, which looks again and arms the next. A deadline
//! that moves to before the armed timer interrupts the waiter too. A stale timer (other poller, or
//! other moment than `armed` says) is dropped. Go tells stale timers by a sequence number; here the
//! moment itself is that number, because firing decides nothing: expiry is always
//! `clock::has_come`, asked afresh. Only a waiter writes `armed`, under the lock of its direction.
//!
//! ## Where it is registered
//! Each direction has a home: the poller on which its last waiter parked. Both are usually the
//! same. A waiter whose own poller is not the home of its direction registers there before it parks
//! and takes the old registration away if the other direction does not need it. So an event always
//! reaches a waiter through the poller that its own thread runs, and registering anew is also a
//! fresh look at the descriptor's state.
//!
//! Go: `runtime/netpoll.go`, `pollDesc` and the functions around it: [`PollDesc::check`] is
//! `netpollcheckerr`, `prepare` and `wait` are `runtime_pollReset` and `runtime_pollWait`, `evict` is
//! `runtime_pollUnblock`, `event` is `netpollready`, `timer` is `netpolldeadlineimpl`.

mod wait;

use crate::clock;
use crate::error::Error;
use crate::slot::Slot;
use crate::sync::{Arc, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::os::fd::RawFd;

#[cfg(not(loom))]
use crate::registration::Registrations;
#[cfg(not(loom))]
use crate::{
    prefetch::{Whereabouts, prefetch},
    sync::Mutex,
};

/// A direction.
///
/// ```
/// use netpoll::{Error, Fd, Kind, Mode};
/// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
/// let a = Fd::new(a.into(), Kind::STREAM)?;
/// a.set_deadline(&[Mode::Write.other()], Some(std::time::Instant::now()))?;
/// assert_eq!(a.read(&mut [0]), Err(Error::Timeout));
/// assert_eq!(a.write(b"still possible"), Ok(()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Mode {
    /// Reading, accepting.
    Read = 0,
    /// Writing, connecting.
    Write = 1,
}

/// The descriptor is being closed; no wait may begin any more.
const CLOSING: u32 = 1 << 0;
/// The last event was an error and nothing else (`EPOLLERR` alone): the kernel cannot say when to read.
const EVENT_ERR: u32 = 1 << 1;
/// Hang-up, half close, error or urgent data was seen: a short read no longer proves an empty
/// socket. Never cleared.
const NO_SKIP: u32 = 1 << 2;
/// As long as nobody has waited to write, it need not be registered for that. Never changes.
#[cfg(not(loom))]
const READ_FIRST: u32 = 1 << 3;

/// No timer is armed.
const UNARMED: u64 = u64::MAX;

/// What one epoll event says; [`PollDesc::event`] has an example.
///
/// ```
/// let end = netpoll::desc::Event { readable: true, writable: true, no_skip: true, ..Default::default() };
/// let desc = netpoll::PollDesc::new();
/// desc.event(end); // the peer hung up: both directions are woken
/// assert!(!desc.is_quiet(netpoll::Mode::Read) && !desc.is_quiet(netpoll::Mode::Write));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `IN`, `PRI`, `RDHUP`, `HUP` or `ERR`.
    pub readable: bool,
    /// `OUT`, `HUP` or `ERR`.
    pub writable: bool,
    /// `ERR` and nothing else.
    pub only_error: bool,
    /// Anything after which a short read is no proof of an empty socket.
    pub no_skip: bool,
}

impl Mode {
    /// The opposite direction.
    pub fn other(self) -> Mode {
        match self {
            Mode::Read => Mode::Write,
            Mode::Write => Mode::Read,
        }
    }
}

/// What a waiter needs of the poller it parks on.
///
/// [`Poller`](crate::Poller) is one; a model of the protocol may be another.
///
/// ```
/// use netpoll::{Mode, PollDesc, Poller, clock, desc::Reactor};
/// use std::{os::fd::AsRawFd, sync::Arc, time::Duration};
/// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
/// let (poller, desc) = (Poller::new()?, Arc::new(PollDesc::new()));
/// poller.register(a.as_raw_fd(), &desc, Mode::Read).unwrap();
/// assert_eq!(desc.home(Mode::Read), poller.id());
/// let when = clock::now();
/// poller.arm(when, &desc, Mode::Read);
/// poller.disarmed(); // it will come all the same, and find that nobody wants it
/// poller.poll(Some(Duration::ZERO))?;
/// assert!(poller.fired_up_to() >= when);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Reactor {
    /// The number of this poller; never 0.
    fn id(&self) -> u32;
    /// Makes this poller the home of one direction of a descriptor.
    ///
    /// # Errors
    /// When the descriptor cannot be waited for.
    fn register(&self, fd: RawFd, desc: &Arc<PollDesc>, mode: Mode) -> Result<(), Error>;
    /// Asks for [`PollDesc::timer`] with the same arguments at `when`.
    fn arm(&self, when: u64, desc: &Arc<PollDesc>, mode: Mode);
    /// One armed timer of this poller is no longer wanted.
    fn disarmed(&self);
    /// The moment up to which this poller has let its timers come.
    fn fired_up_to(&self) -> u64;
}

/// One direction. The slot comes first: of the write side a read touches nothing else.
#[derive(Debug)]
#[repr(C)]
struct Side {
    slot: Slot,
    /// The moment after which operations fail; 0 is none.
    deadline: AtomicU64,
    /// When the armed timer comes; [`UNARMED`] is none.
    armed: AtomicU64,
    /// The poller that holds it. Only the waiter of this direction writes the two words.
    armed_by: AtomicU32,
    /// The poller on which this direction is registered; 0 is none.
    home: AtomicU32,
}

impl Side {
    fn new() -> Side {
        Side {
            slot: Slot::new(),
            deadline: AtomicU64::new(0),
            armed: AtomicU64::new(UNARMED),
            armed_by: AtomicU32::new(0),
            home: AtomicU32::new(0),
        }
    }
}

/// The reactor's side of one descriptor.
///
/// A descriptor holds one ([`Fd`](crate::Fd)); a wait that has nothing to do with the kernel can use one
/// as well:
///
/// ```
/// use netpoll::{Error, Mode, PollDesc, Reason, park};
/// use std::{sync::Arc, thread};
/// let desc = Arc::new(PollDesc::new());
/// desc.prepare(Mode::Read).unwrap(); // then the caller looks whether it must wait
/// let other = desc.clone();
/// let signaller = thread::spawn(move || other.signal(Mode::Read));
/// let wait = || park::with_current(|p| desc.wait_signal(Mode::Read, Reason::Sync, p, p.poller()));
/// assert_eq!(wait(), Ok(())); // "look again"
/// assert!(!desc.is_waited(Mode::Read));
/// desc.evict();
/// assert_eq!(wait(), Err(Error::Closing));
/// # signaller.join().unwrap();
/// ```
#[derive(Debug)]
// What a parked read and its wake-up touch comes first and without gaps: with a thousand descriptors
// in turn each line of it is cold.
#[repr(C)]
pub struct PollDesc {
    facts: AtomicU32,
    /// Of the last waiter.
    #[cfg(not(loom))]
    whereabouts: Whereabouts,
    sides: [Side; 2],
    #[cfg(not(loom))]
    pub(crate) registrations: Mutex<Registrations>,
}

impl Default for PollDesc {
    fn default() -> Self {
        Self::new()
    }
}

impl PollDesc {
    /// A descriptor that is open, idle and registered nowhere.
    pub fn new() -> PollDesc {
        PollDesc {
            facts: AtomicU32::new(0),
            #[cfg(not(loom))]
            whereabouts: Whereabouts::default(),
            sides: [Side::new(), Side::new()],
            #[cfg(not(loom))]
            registrations: Mutex::new(Registrations::default()),
        }
    }

    /// [`PollDesc::new`] for a descriptor that will be read from first, and perhaps never waited for to write: a
    /// registration for both directions would bring an event at once, which says that there is room. Only for
    /// one that epoll is known to be able to wait for, as for a TCP connection: `ERR` alone says nothing then.
    ///
    /// ```
    /// use netpoll::{Mode, PollDesc, Poller, desc::Reactor};
    /// use std::{os::fd::AsRawFd, sync::Arc, time::Duration};
    /// for (desc, events) in [(PollDesc::read_first(), 0), (PollDesc::new(), 1)] {
    ///     let (a, _b) = std::os::unix::net::UnixStream::pair()?;
    ///     let (desc, poller) = (Arc::new(desc), Poller::new()?);
    ///     poller.register(a.as_raw_fd(), &desc, Mode::Read).unwrap();
    ///     assert_eq!(poller.poll(Some(Duration::ZERO))?, events); // there is room
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(not(loom))]
    pub fn read_first() -> PollDesc {
        PollDesc {
            facts: AtomicU32::new(READ_FIRST),
            ..PollDesc::new()
        }
    }

    /// See [`PollDesc::read_first`].
    #[cfg(not(loom))]
    pub(crate) fn is_read_first(&self) -> bool {
        self.facts.load(Relaxed) & READ_FIRST != 0
    }

    fn side(&self, mode: Mode) -> &Side {
        &self.sides[mode as usize]
    }

    /// Does an operation in this direction fail before it starts?
    ///
    /// Closing beats an expired deadline, which beats an error event.
    ///
    /// ```
    /// use netpoll::{Error, Mode, PollDesc, clock};
    /// let desc = PollDesc::new();
    /// desc.set_deadline(Mode::Read, clock::now());
    /// assert_ne!(desc.deadline(Mode::Read), 0);
    /// assert_eq!(desc.check(Mode::Read), Err(Error::Timeout));
    /// desc.timer(Mode::Read, clock::now(), 1); // nobody waits, nobody armed it: nothing happens
    /// desc.set_deadline(Mode::Read, 0);
    /// assert_eq!(desc.check(Mode::Read), Ok(()));
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`] or [`Error::NotPollable`].
    #[inline]
    pub fn check(&self, mode: Mode) -> Result<(), Error> {
        if self.allows(mode) {
            return Ok(());
        }
        self.check_in_full(mode)
    }

    /// [`PollDesc::check`] for whoever need not know what is wrong.
    #[inline]
    pub(crate) fn allows(&self, mode: Mode) -> bool {
        self.facts.load(SeqCst) & self.ends(mode) == 0 && {
            let deadline = self.side(mode).deadline.load(SeqCst);
            deadline == 0 || !clock::has_come(deadline)
        }
    }

    #[inline(never)]
    fn check_in_full(&self, mode: Mode) -> Result<(), Error> {
        let facts = self.facts.load(SeqCst);
        if facts & CLOSING != 0 {
            return Err(Error::Closing);
        }
        let deadline = self.side(mode).deadline.load(SeqCst);
        if deadline != 0 && clock::has_come(deadline) {
            return Err(Error::Timeout);
        }
        if mode == Mode::Read && facts & EVENT_ERR != 0 {
            return Err(Error::NotPollable);
        }
        Ok(())
    }

    /// Starts an operation: [`PollDesc::check`], then forgets a readiness noted earlier, because
    /// the operation tries first.
    ///
    /// # Errors
    /// Those of [`PollDesc::check`].
    #[inline]
    pub fn prepare(&self, mode: Mode) -> Result<(), Error> {
        self.check(mode)?;
        self.side(mode).slot.reset();
        Ok(())
    }

    /// Forgets a readiness noted earlier: the caller is about to look for itself.
    #[inline]
    pub fn reset(&self, mode: Mode) {
        self.side(mode).slot.reset();
    }

    /// Has no event come for this direction since the last [`PollDesc::prepare`], and could a short
    /// read therefore be believed?
    #[inline]
    pub fn is_quiet(&self, mode: Mode) -> bool {
        self.facts.load(SeqCst) & NO_SKIP == 0 && !self.side(mode).slot.is_ready()
    }

    /// Has every event so far been about data and room, and nothing else?
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.facts.load(SeqCst) & NO_SKIP == 0
    }

    /// What is waited for in this direction, without a kernel object, may have happened.
    #[inline]
    pub fn signal(&self, mode: Mode) {
        self.side(mode).slot.wake(true);
    }

    /// The facts with which no wait in this direction may begin. An error event that came with the
    /// readiness just consumed is among them: its edge is gone, and no other may come.
    #[inline]
    fn ends(&self, mode: Mode) -> u32 {
        match mode {
            Mode::Read => CLOSING | EVENT_ERR,
            Mode::Write => CLOSING,
        }
    }

    /// A timer armed for `when` on `poller` has come. Called by the thread that runs it.
    ///
    /// It decides nothing. It interrupts the waiter, which looks at its deadline and arms the next
    /// timer if that has moved.
    pub fn timer(&self, mode: Mode, when: u64, poller: u32) {
        if self.wants_timer(mode, poller, when) {
            self.side(mode).slot.wake(false);
        }
    }

    /// Is the timer that `poller` holds for this direction and moment the armed one?
    pub(crate) fn wants_timer(&self, mode: Mode, poller: u32, when: u64) -> bool {
        let side = self.side(mode);
        side.armed_by.load(Relaxed) == poller
            && side.armed.load(SeqCst) == when
            && self.facts.load(Relaxed) & CLOSING == 0
    }

    /// Sets the deadline of one direction: a word of [`clock`], or 0 for none.
    ///
    /// Moving it forward, or setting it while nobody waits, is this store and two loads. A deadline
    /// earlier than the armed timer interrupts the waiter, which looks for itself.
    #[inline]
    pub fn set_deadline(&self, mode: Mode, deadline: u64) {
        let side = self.side(mode);
        // The last moment there is would look like no timer at all, and each wait would arm another.
        let deadline = deadline.min(UNARMED - 1);
        side.deadline.swap(deadline, SeqCst);
        if side.slot.is_waited() && deadline != 0 && deadline < side.armed.load(SeqCst) {
            side.slot.wake(false);
        }
    }

    /// The deadline of one direction as it was last set; 0 is none.
    pub fn deadline(&self, mode: Mode) -> u64 {
        self.side(mode).deadline.load(SeqCst)
    }

    /// Asks the processor for what a request touches of a descriptor.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(self);
        // An allocation need not begin with a line.
        prefetch(&self.side(Mode::Write).deadline);
    }

    /// Asks the processor for the memory of whoever waits to read: what stands for it in the slot, what
    /// it has the descriptor from, and the lines of its stack that it will touch on its way from the wait
    /// back to whoever reads.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn prefetch_reader(&self) {
        if let Some(waiter) = self.side(Mode::Read).slot.waiting() {
            self.whereabouts.prefetch(waiter, self);
        }
    }

    /// An event has come: notes what it says, then makes both directions ready as far as it goes.
    ///
    /// ```
    /// use netpoll::{Error, Mode, PollDesc, desc::Event};
    /// let desc = PollDesc::new();
    /// desc.event(Event { readable: true, ..Event::default() });
    /// assert!(!desc.is_quiet(Mode::Read)); // the next read must ask the kernel
    /// desc.reset(Mode::Read);
    /// assert!(desc.is_quiet(Mode::Read));
    /// // `EPOLLERR` and nothing else: the kernel cannot say when to read.
    /// desc.event(Event { readable: true, writable: true, only_error: true, no_skip: true });
    /// assert_eq!(desc.check(Mode::Read), Err(Error::NotPollable));
    /// desc.event(Event { readable: true, ..Event::default() }); // it can, after all
    /// assert_eq!(desc.check(Mode::Read), Ok(()));
    /// ```
    #[inline]
    pub fn event(&self, event: Event) {
        if event.only_error | event.no_skip | (self.facts.load(SeqCst) & EVENT_ERR != 0) {
            self.note(event);
        }
        if event.readable {
            self.side(Mode::Read).slot.wake(true);
        }
        if event.writable {
            self.side(Mode::Write).slot.wake(true);
        }
    }

    /// What an event changes about the descriptor beside its readiness, and few do.
    #[cold]
    #[inline(never)]
    fn note(&self, event: Event) {
        let facts = self.facts.load(SeqCst);
        let set =
            if event.only_error { EVENT_ERR } else { 0 } | if event.no_skip { NO_SKIP } else { 0 };
        if facts & set != set {
            self.facts.fetch_or(set, SeqCst);
        }
        if facts & EVENT_ERR != 0 && !event.only_error {
            self.facts.fetch_and(!EVENT_ERR, SeqCst);
        }
    }

    /// Ends every wait, now and from now on, with [`Error::Closing`].
    pub fn evict(&self) {
        self.facts.fetch_or(CLOSING, SeqCst);
        for side in &self.sides {
            side.slot.wake(false);
        }
    }

    /// The number of the poller on which this direction is registered; 0 is none.
    #[inline]
    pub fn home(&self, mode: Mode) -> u32 {
        self.side(mode).home.load(SeqCst)
    }

    /// Says on which poller this direction is registered. A waiter that may still rely on the old
    /// one must be interrupted after this.
    ///
    /// ```
    /// use netpoll::{Mode, PollDesc};
    /// let desc = PollDesc::new();
    /// assert_eq!(desc.home(Mode::Read), 0);
    /// desc.set_home(Mode::Read, 7);
    /// desc.interrupt(Mode::Read); // who waits looks again, and registers where it waits now
    /// assert_eq!((desc.home(Mode::Read), desc.home(Mode::Write)), (7, 0));
    /// ```
    pub fn set_home(&self, mode: Mode, poller: u32) {
        self.side(mode).home.store(poller, SeqCst);
    }

    /// Does somebody wait in this direction, or is about to?
    #[inline]
    pub fn is_waited(&self, mode: Mode) -> bool {
        self.side(mode).slot.is_waited()
    }

    /// Makes whoever waits in this direction look at the world again.
    pub fn interrupt(&self, mode: Mode) {
        self.side(mode).slot.wake(false);
    }

    /// Is a timer armed on `poller` for this direction?
    #[cfg(not(loom))]
    pub(crate) fn is_armed_by(&self, mode: Mode, poller: u32) -> bool {
        let side = self.side(mode);
        side.armed_by.load(Relaxed) == poller && side.armed.load(Relaxed) != UNARMED
    }
}
