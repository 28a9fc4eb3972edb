//! Waiting for readability with nothing but a waiter: no thread, no task, no buffer.
//!
//! The read lock is held for as long as the waiter is in the slot, although nobody runs: so other
//! readers queue behind it as behind a read that blocks. Whoever was woken comes back with
//! `again = true`, takes the lock over from there, and either ends the wait or goes on with it.
//!
//! | [`Fd::watch_readable`]      | lock             | returns                        |
//! |-----------------------------|------------------|--------------------------------|
//! | first call                  | taken            |                                |
//! | `again`, after a wake-up    | taken over       |                                |
//! | data, end or error is there | given back       | `Ready`                        |
//! | nothing there, or nobody has looked | stays held | `Parked`: it will be woken   |
//! | closed, deadline, shutdown  | given back       | the error                      |
//!
//! Whether something is there the kernel says: by the event that was the wake-up, if that was collected
//! after the wait began, because nobody else can have read since; otherwise it is asked (`poll`). It is
//! asked, too, where somebody else may read the same open file without our lock: if a duplicate was handed
//! out, or the descriptor is no socket. (Of a socket that was made elsewhere nobody here knows whether it
//! has duplicates. Who waits with one may be told of what another has taken; the read then waits.) And nobody
//! looks first at an accepted connection where that is likely to be in vain (`first_read.rs`): if something is there
//! all the same, the registration brings an event.

use super::first_read::leaves_a_try;
use super::{EMPTY, Fd, Held, READ, UNKNOWN};
use crate::desc::Mode;
use crate::error::Error;
use crate::park::{self, Waiter};
use crate::poller::BatchId;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;

/// Who waits by [`Fd::watch_readable`]: a [`Waiter`], and what it knows of its wake-up. As a waiter, it
/// must be the first field of a `#[repr(C)]` struct of the implementor.
///
/// ```
/// use netpoll::{Fd, Kind, Waiter, Watched, Watcher, park};
/// use std::ptr::NonNull;
/// unsafe fn ready(me: NonNull<Waiter>) {
///     // SAFETY: it is the watcher below, which lives on.
///     let me = unsafe { me.cast::<Watcher>().as_ref() };
///     park::with_current(|p| me.woken_in(p.poller().batch()));
/// }
/// let (a, b) = std::os::unix::net::UnixStream::pair()?;
/// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
/// let watcher = Watcher::new(ready);
/// // SAFETY: both live until the end of this example.
/// assert_eq!(unsafe { b.watch_readable(NonNull::from(&watcher), false) }, Ok(Watched::Parked));
/// a.write(b"x").unwrap();
/// park::with_current(|p| p.poller().poll(None))?;
/// // SAFETY: it was parked, and has been made ready since.
/// assert!(unsafe { b.ends_watch(&watcher) }); // the event has said all that there is to know
/// assert_eq!(b.read(&mut [0; 8]), Ok(1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[repr(C)]
#[derive(Debug)]
pub struct Watcher {
    waiter: Waiter,
    /// The batch of the poller when the wait began; [`BatchId::FRESH`] if what woke it was collected later.
    since: Cell<BatchId>,
}

impl Watcher {
    /// A watcher that `ready` makes ready: see [`Waiter::new`].
    ///
    /// ```
    /// let watcher = netpoll::Watcher::new(|_| ());
    /// # drop(watcher);
    /// ```
    pub fn new(ready: unsafe fn(NonNull<Waiter>)) -> Watcher {
        Watcher {
            waiter: Waiter::new(ready),
            since: Cell::new(BatchId::NONE),
        }
    }

    /// It was made ready by the thread of a poller, whose batch this is. Whoever says so, from within
    /// `ready`, saves [`Fd::watch_readable`] a question to the kernel. [`Watcher`] has an example.
    #[inline]
    pub fn woken_in(&self, batch: BatchId) {
        if self.waiter.was_readiness() && self.since.get().is_before(batch) {
            self.since.set(BatchId::FRESH);
        }
    }
}

/// What [`Fd::watch_readable`] found.
///
/// As a rule, what is there already needs no waiter:
///
/// ```
/// use netpoll::{Fd, Kind, Watched, Watcher, Waiter};
/// use std::ptr::NonNull;
/// unsafe fn nobody(_: NonNull<Waiter>) {}
/// let (a, b) = std::os::unix::net::UnixStream::pair()?;
/// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
/// a.write(b"x").unwrap();
/// let watcher = Watcher::new(nobody);
/// // SAFETY: there is a byte, so the watcher is put nowhere.
/// let found = unsafe { b.watch_readable(NonNull::from(&watcher), false) };
/// assert_eq!(found, Ok(Watched::Ready));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// A read would not block.
    Ready,
    /// The waiter is in place. It will be made ready, perhaps it has been already.
    Parked,
}

impl Fd {
    /// Has `watcher` made ready when a read would not block, or when there is something else to know
    /// (a deadline, closing). It must then call this again, with `again` set, to learn what.
    ///
    /// The calling execution is the one whose poller brings the event, so it must be one that goes on
    /// polling: a task's worker. It parks itself only to wait for other readers.
    ///
    /// ```
    /// use netpoll::{Error, Fd, Kind, Waiter, Watched, Watcher};
    /// use std::{ptr::NonNull, sync::atomic::{AtomicBool, Ordering::SeqCst}};
    /// static WOKEN: AtomicBool = AtomicBool::new(false);
    /// unsafe fn ready(_: NonNull<Waiter>) { WOKEN.store(true, SeqCst) }
    /// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
    /// let a = Fd::new(a.into(), Kind::STREAM)?;
    /// let watcher = Watcher::new(ready);
    /// let at = NonNull::from(&watcher);
    /// // SAFETY: watcher and descriptor live until the end of this example.
    /// assert_eq!(unsafe { a.watch_readable(at, false) }, Ok(Watched::Parked));
    /// a.set_deadline(&[netpoll::Mode::Read], Some(std::time::Instant::now()))?;
    /// assert!(WOKEN.load(SeqCst)); // there is something to know: ask again
    /// // SAFETY: it was parked, and has been made ready since.
    /// assert_eq!(unsafe { a.watch_readable(at, true) }, Err(Error::Timeout));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`], [`Error::Refused`], or what the kernel says. A deadline that
    /// has passed already may be said by a wake-up that comes at once.
    ///
    /// # Safety
    /// `watcher` stays valid until it is made ready, and `self` until then, too. With `again`: the last
    /// call for this descriptor returned [`Watched::Parked`], and its watcher, which is this one, has been
    /// made ready since; and neither [`Fd::leave_watch`] was called since, nor did [`Fd::ends_watch`]
    /// return true.
    pub unsafe fn watch_readable(
        &self,
        watcher: NonNull<Watcher>,
        again: bool,
    ) -> Result<Watched, Error> {
        let held = if again {
            Held::<READ>(self)
        } else {
            self.lock::<READ>()?
        };
        if again {
            // What woke it is used up, and whoever reads next must look.
            self.known.store(UNKNOWN, Relaxed);
        }
        // As in `wait_readable`: a socket known to be empty need not be asked.
        let sure = self.known.load(Relaxed) == EMPTY
            && self.desc.home(Mode::Read) != 0
            && self.desc.is_quiet(Mode::Read);
        if !sure {
            self.desc.check(Mode::Read)?;
        }
        let first = !sure && self.waits_first();
        let mut asks = !sure && !first;
        loop {
            if asks {
                self.desc.reset(Mode::Read);
                let fresh = self.is_fresh();
                self.known.store(UNKNOWN, Relaxed);
                if self.is_ready_now(libc::POLLIN | libc::POLLRDHUP)? {
                    return Ok(Watched::Ready);
                }
                if fresh {
                    self.first_was_vain();
                }
            }
            let parked = park::with_current(|p| {
                let poller = p.try_poller()?;
                // SAFETY: valid by contract, and not in the slot before the next call.
                unsafe { watcher.as_ref() }.since.set(poller.batch());
                let waiter = watcher.cast();
                // SAFETY: a waiter comes first in the watcher, which is valid by contract; the current
                // execution's poller is that of the calling thread.
                unsafe { self.desc.settle(self.sysfd, Mode::Read, waiter, p, poller) }
            });
            match parked {
                Ok(true) => {
                    // The lock stays held, for the watcher. Nothing of `self` is touched from here on.
                    std::mem::forget(held);
                    return Ok(Watched::Parked);
                }
                // In place of a first look: that can be had all the same.
                Err(err) if asks || !first || !leaves_a_try(&err) => return Err(err),
                _ => asks = true,
            }
        }
    }

    /// In place of a second call of [`Fd::watch_readable`]: true if the wake-up itself says that a read
    /// would not block. That ends the wait. The read will say if a deadline has passed, too.
    ///
    /// [`Watcher`] has an example where it is; here it is not:
    ///
    /// ```
    /// use netpoll::{Error, Fd, Kind, Mode, Watched, Watcher};
    /// use std::{ptr::NonNull, time::Instant};
    /// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
    /// let a = Fd::new(a.into(), Kind::STREAM)?;
    /// let watcher = Watcher::new(|_| ());
    /// let at = NonNull::from(&watcher);
    /// // SAFETY: both live until the end of this example.
    /// assert_eq!(unsafe { a.watch_readable(at, false) }, Ok(Watched::Parked));
    /// a.set_deadline(&[Mode::Read], Some(Instant::now()))?; // makes it ready
    /// // SAFETY: so it was parked, and has been made ready since.
    /// assert!(!unsafe { a.ends_watch(&watcher) });
    /// // SAFETY: the same.
    /// assert_eq!(unsafe { a.watch_readable(at, true) }, Err(Error::Timeout));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Safety
    /// As for [`Fd::watch_readable`] with `again`.
    #[inline]
    pub unsafe fn ends_watch(&self, watcher: &Watcher) -> bool {
        let fresh = watcher.since.replace(BatchId::NONE) == BatchId::FRESH;
        let alone = self.kind.socket && !self.exposed.load(Relaxed);
        let ends = fresh && alone && self.desc.is_plain();
        if ends {
            // The readiness is used up, and no try was made for it.
            self.known.store(UNKNOWN, Relaxed);
            drop(Held::<READ>(self));
        }
        ends
    }

    /// In place of a second call of [`Fd::watch_readable`], for who does not want to know what woke it.
    ///
    /// ```
    /// use netpoll::{Fd, Kind, Watched, Watcher};
    /// use std::ptr::NonNull;
    /// let (a, b) = std::os::unix::net::UnixStream::pair()?;
    /// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
    /// let watcher = Watcher::new(|_| ());
    /// // SAFETY: both live until the end of this example.
    /// assert_eq!(unsafe { b.watch_readable(NonNull::from(&watcher), false) }, Ok(Watched::Parked));
    /// a.write(b"x").unwrap();
    /// netpoll::park::with_current(|p| p.poller().poll(None))?;
    /// // SAFETY: it was parked, and has been made ready since.
    /// unsafe { b.leave_watch() };
    /// assert_eq!(b.read(&mut [0; 8]), Ok(1)); // others may read again
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Safety
    /// As for [`Fd::watch_readable`] with `again`.
    pub unsafe fn leave_watch(&self) {
        self.known.store(UNKNOWN, Relaxed);
        drop(Held::<READ>(self));
    }
}
