//! What one `epoll_wait` has brought and nobody has been told of yet.
//!
//! The events of a batch are handed out one by one, and whoever schedules runs the task that an event
//! has made ready before it takes the next. So the memory of a connection (the entry, the
//! descriptor, the task, its stack) is walked through once for each request; if all events were handed
//! out first, it would be cold again by the time its task ran.
//!
//! An event that waits here is in no danger. Its edge is gone from the kernel, but it will be handed
//! out, and whoever it concerns is either parked by then, and woken, or finds a readiness noted and
//! tries. If its descriptor is closed meanwhile, the sequence number in its token says so.
//!
//! Go: `runtime/netpoll_epoll.go`, whose `netpoll` puts the goroutines of a whole batch into a list.

#![forbid(unsafe_code)]

use mio::event::Event;
use mio::{Events, Token};
use std::cell::{Cell, RefCell};

/// See the [module documentation](self).
#[derive(Debug, Default)]
pub(crate) struct Batch {
    events: RefCell<Vec<Event>>,
    /// The first that was not handed out.
    next: Cell<usize>,
    left: Cell<usize>,
}

impl Batch {
    /// How many have not been handed out.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.left.get()
    }

    /// Takes the events of a wait, in the kernel's order, instead of those that were handed out.
    pub(crate) fn fill(&self, events: &Events) {
        debug_assert_eq!(self.left.get(), 0, "events that nobody was told of");
        let mut mine = self.events.borrow_mut();
        mine.clear();
        mine.extend(events.iter().cloned());
        self.next.set(0);
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
        let token_of = |by| events.get(at + by).map(Event::token);
        Some(Turn {
            event: events.get(at)?.clone(),
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
    pub(crate) event: Event,
    pub(crate) next: Option<Token>,
    pub(crate) later: Option<Token>,
}
