//! What one `epoll_wait` has brought and nobody has been told of yet.
//!
//! The events of a batch are handed out one by one, and whoever schedules runs the task that an event
//! has made ready before it takes the next. So the memory of a connection (the entry, the
//! descriptor, the task, its stack) is walked through once for each request; if all events were handed
//! out first, it would be cold again by the time its task ran.
//!
//! An event that waits here is in no danger. Its edge is gone from the kernel, but it will be handed
//! out, and whoever it concerns is either parked by then, and woken, or finds a readiness noted and
//! tries. If its descriptor is closed meanwhile, the sequence number in its token says so; if it moves
//! to another poller, or its registration is widened, that is a fresh look. Whoever has nothing to run must look here
//! before it sleeps: what the next event makes ready runs on its own thread, and nobody would wake it.
//! [`Poller::collect`](crate::Poller::collect) sees to that, too.
//!
//! Go: `runtime/netpoll_epoll.go`, whose `netpoll` puts the goroutines of a whole batch into a list.

#![forbid(unsafe_code)]

use crate::desc::Event;
use mio::{Events, Token};
use std::cell::{Cell, RefCell};

/// A batch of a poller, told from every other as long as fewer than four thousand million lie between.
///
/// What a batch says of a descriptor was true when it was collected. So it says nothing about what somebody
/// has read since; but who began to wait in an earlier batch, and lets nobody else read, need not ask again.
///
/// ```
/// use std::time::Duration;
/// let poller = netpoll::Poller::new()?;
/// let before = poller.batch();
/// assert!(!before.is_before(poller.batch()));
/// poller.poll(Some(Duration::ZERO))?;
/// assert!(before.is_before(poller.batch()));
/// let other = netpoll::Poller::new()?;
/// other.poll(Some(Duration::ZERO))?;
/// assert!(!before.is_before(other.batch())); // nobody can say
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchId {
    pub(crate) poller: u32,
    pub(crate) number: u32,
}

impl BatchId {
    /// No batch of any poller; there is none with this number.
    pub(crate) const NONE: BatchId = BatchId {
        poller: 0,
        number: 0,
    };
    /// Another one that is none.
    pub(crate) const FRESH: BatchId = BatchId {
        poller: 0,
        number: 1,
    };

    /// Is it an earlier batch of the same poller than `now`, which is that poller's batch of the moment?
    #[inline]
    pub fn is_before(self, now: BatchId) -> bool {
        self.poller == now.poller && self.number != now.number
    }
}

/// See the [module documentation](self).
#[derive(Debug, Default)]
pub(crate) struct Batch {
    events: RefCell<Vec<(Token, Event)>>,
    /// The first that was not handed out.
    next: Cell<usize>,
    left: Cell<usize>,
    number: Cell<u32>,
}

impl Batch {
    /// How many have not been handed out.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.left.get()
    }

    /// How many there have been; it wraps around.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.number.get()
    }

    /// Takes the events of a wait, in the kernel's order, instead of those that were handed out.
    pub(crate) fn fill(&self, events: &Events) {
        debug_assert_eq!(self.left.get(), 0, "events that nobody was told of");
        let mut mine = self.events.borrow_mut();
        mine.clear();
        mine.extend(events.iter().map(|event| (event.token(), meaning(event))));
        self.next.set(0);
        self.number.set(self.number.get().wrapping_add(1));
        self.left.set(mine.len());
    }

    /// The next one.
    #[inline]
    pub(crate) fn take(&self) -> Option<Turn> {
        let left = self.left.get().checked_sub(1)?;
        let at = self.next.get();
        self.left.set(left);
        self.next.set(at + 1);
        let events = self.events.borrow();
        let token_of = |by| events.get(at + by).map(|(token, _)| *token);
        let (token, event) = *events.get(at)?;
        Some(Turn {
            token,
            event,
            next: token_of(NEXT),
            later: token_of(LATER),
        })
    }
}

/// So many turns ahead of its own, who waits for a descriptor is asked for, and before that the
/// descriptor. Not further: what is asked for too early is gone again when its turn comes.
const NEXT: usize = 2;
const LATER: usize = 3;

/// An event, and whose turns come soon.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) token: Token,
    pub(crate) event: Event,
    pub(crate) next: Option<Token>,
    pub(crate) later: Option<Token>,
}

/// Translates an event. Nearly all say only that there is data, or room, or both.
#[inline]
fn meaning(event: &mio::event::Event) -> Event {
    if event.is_error() | event.is_priority() | event.is_read_closed() {
        return unusual(event);
    }
    Event {
        readable: event.is_readable(),
        writable: event.is_writable(),
        only_error: false,
        no_skip: false,
    }
}

/// Read is also how half close, hang-up and errors are learnt of; write is not told of the peer's half
/// close (`RDHUP`), or a writer that waits for room would spin.
#[cold]
#[inline(never)]
fn unusual(event: &mio::event::Event) -> Event {
    let (error, urgent) = (event.is_error(), event.is_priority());
    let (readable, read_closed) = (event.is_readable(), event.is_read_closed());
    // mio counts HUP, and ERR beside OUT or alone, as "write closed".
    let writable = event.is_writable() || event.is_write_closed();
    Event {
        readable: readable || read_closed || error || urgent,
        writable: writable || error,
        only_error: error && !readable && !read_closed && !urgent && !event.is_writable(),
        no_skip: read_closed || error || urgent,
    }
}
