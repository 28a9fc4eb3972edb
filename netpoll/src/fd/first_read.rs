//! The first read of an accepted connection: whether to try it, or to wait at once.
//!
//! The request of a new connection may have come with it, or it comes a moment later. A try that is too
//! early costs a system call for nothing. A wait that was not needed costs a turn, and a registration if the
//! connection would have ended without one; the kernel then reports what is there already. Which of
//! the two it will be, the connections before it tell: as a rule their clients are of one kind. So each thread has a
//! guess, [`FirstReads`], made of its tries:
//!
//! | the last tries             | the first reads after them                                            |
//! |----------------------------|-----------------------------------------------------------------------|
//! | the last found something   | are tried                                                             |
//! | `n` in a row found nothing | 2ⁿ⁻¹ - 1 of them, at most 63, wait at once; then one is tried          |
//!
//! So one that found nothing among many that found something changes nothing.
//!
//! Who cannot wait tries: a task that must not park, a thread that gets no poller, a connection that
//! cannot be registered.
//!
//! Go: none; its first read tries, as every read.

use super::{EMPTY, FRESH, Fd, Kind};
use crate::counters::bump;
use crate::desc::{Mode, PollDesc};
use crate::error::Error;
use crate::park::{self, Reason};
use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;

/// More tries in a row than this that found nothing count as this many.
const MOST: u8 = 7;

thread_local! {
    static GUESS: FirstReads = const { FirstReads::new() };
}

/// What the first reads of connections have found on a thread.
struct FirstReads {
    /// How many of the next ones wait at once.
    left: Cell<u8>,
    /// How many tries in a row have found nothing, up to [`MOST`].
    vain: Cell<u8>,
    /// The same before the last try.
    before: Cell<u8>,
}

impl FirstReads {
    const fn new() -> FirstReads {
        FirstReads {
            left: Cell::new(0),
            vain: Cell::new(0),
            before: Cell::new(0),
        }
    }

    /// Whether to try the next one. If so, it counts as one that finds something until
    /// [`FirstReads::was_vain`] says otherwise.
    fn is_worth_a_try(&self) -> bool {
        if let Some(left) = self.left.get().checked_sub(1) {
            self.left.set(left);
            return false;
        }
        self.before.set(self.vain.take());
        true
    }

    /// The last try has found nothing.
    fn was_vain(&self) {
        let vain = (self.before.get() + 1).min(MOST);
        self.vain.set(vain);
        self.left.set((1 << (vain - 1)) - 1);
    }
}

/// Whether a wait in place of the first try ended with an error that says nothing about the try.
pub(super) fn leaves_a_try(err: &Error) -> bool {
    matches!(
        err,
        Error::Sys { .. } | Error::NotPollable | Error::Refused(_)
    )
}

impl Fd {
    /// Takes over a connection that was just accepted, in non-blocking mode: like
    /// [`Fd::from_nonblocking`], but its first read waits without a try if those of the connections before it
    /// have found nothing.
    ///
    /// ```
    /// use netpoll::{Fd, Kind};
    /// use std::net::{TcpListener, TcpStream};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = Fd::new(TcpStream::connect(listener.local_addr()?)?.into(), Kind::TCP)?;
    /// let listener = Fd::new(listener.into(), Kind::STREAM)?;
    /// let conn = Fd::accepted(listener.accept()?.0, Kind::TCP);
    /// client.write(b"hello").unwrap();
    /// assert_eq!(conn.read(&mut [0; 64]), Ok(5)); // either way
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn accepted(fd: OwnedFd, kind: Kind) -> Fd {
        if kind.skip_short_read {
            Fd::with_desc(fd, kind, PollDesc::read_first(), FRESH)
        } else {
            Fd::from_nonblocking(fd, kind)
        }
    }

    /// After a skipped read whose wait did not end with a readiness, or could not begin; and before the
    /// first one of an accepted connection. `Ok` is "try now". The read lock is held.
    #[cold]
    #[inline(never)]
    pub(super) fn skip_on(&self) -> Result<(), Error> {
        let fresh = self.is_fresh();
        if !fresh || self.waits_first() {
            match self.wait_again(Mode::Read, Reason::Read) {
                // What is there can be read all the same; and if nothing is, that leads to the same error.
                Err(err) if fresh && leaves_a_try(&err) => self.owes_a_try(),
                waited => return waited,
            }
        }
        self.desc.reset(Mode::Read);
        Ok(())
    }

    /// Has nobody looked at it yet?
    pub(super) fn is_fresh(&self) -> bool {
        self.known.load(Relaxed) == FRESH
    }

    /// Whether to wait without a try, which is only for one that is fresh. It is not any more, unless a try is to
    /// come; if that is in vain, [`Fd::first_was_vain`] must be told.
    pub(super) fn waits_first(&self) -> bool {
        if !self.is_fresh() {
            return false;
        }
        if !self.desc.is_quiet(Mode::Read) {
            self.owes_a_try();
            return false;
        }
        if GUESS.with(FirstReads::is_worth_a_try) {
            return false;
        }
        // As after a short read: nothing is there until an event says so.
        self.known.store(EMPTY, Relaxed);
        park::with_current(|p| {
            if let Ok(poller) = p.try_poller() {
                bump(&poller.counters().skipped_reads, 1);
            }
        });
        true
    }

    /// The first try has found nothing.
    pub(super) fn first_was_vain(&self) {
        GUESS.with(FirstReads::was_vain);
    }

    /// A try has met EAGAIN.
    pub(super) fn has_not_read(&self) {
        self.count_eagain();
        if self.is_fresh() {
            self.owes_a_try();
            self.first_was_vain();
        }
    }
}
