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
//! | nothing there               | stays held       | `Parked`: it will be woken     |
//! | closed, deadline, shutdown  | given back       | the error                      |

use super::{Fd, Held, READ};
use crate::desc::Mode;
use crate::error::Error;
use crate::park::{self, Waiter};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;

/// What [`Fd::watch_readable`] found.
///
/// What is there already needs no waiter:
///
/// ```
/// use netpoll::{Fd, Kind, Waiter, Watched};
/// use std::ptr::NonNull;
/// unsafe fn nobody(_: NonNull<Waiter>) {}
/// let (a, b) = std::os::unix::net::UnixStream::pair()?;
/// let (a, b) = (Fd::new(a.into(), Kind::STREAM)?, Fd::new(b.into(), Kind::STREAM)?);
/// a.write(b"x").unwrap();
/// let waiter = Waiter::new(nobody);
/// // SAFETY: there is a byte, so the waiter is put nowhere.
/// let found = unsafe { b.watch_readable(NonNull::from(&waiter), false) };
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
    /// Has `waiter` made ready when a read would not block, or when there is something else to know
    /// (a deadline, closing). It must then call this again, with `again` set, to learn what.
    ///
    /// The calling execution is the one whose poller brings the event, so it must be one that goes on
    /// polling: a task's worker. It parks itself only to wait for other readers.
    ///
    /// ```
    /// use netpoll::{Error, Fd, Kind, Waiter, Watched};
    /// use std::{ptr::NonNull, sync::atomic::{AtomicBool, Ordering::SeqCst}};
    /// static WOKEN: AtomicBool = AtomicBool::new(false);
    /// unsafe fn ready(_: NonNull<Waiter>) { WOKEN.store(true, SeqCst) }
    /// let (a, _b) = std::os::unix::net::UnixStream::pair()?;
    /// let a = Fd::new(a.into(), Kind::STREAM)?;
    /// let waiter = Waiter::new(ready);
    /// let at = NonNull::from(&waiter);
    /// // SAFETY: waiter and descriptor live until the end of this example.
    /// assert_eq!(unsafe { a.watch_readable(at, false) }, Ok(Watched::Parked));
    /// a.set_deadline(&[netpoll::Mode::Read], Some(std::time::Instant::now()))?;
    /// assert!(WOKEN.load(SeqCst)); // there is something to know: ask again
    /// // SAFETY: it was parked, and has been made ready since.
    /// assert_eq!(unsafe { a.watch_readable(at, true) }, Err(Error::Timeout));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closing`], [`Error::Timeout`], [`Error::Refused`], or what the kernel says.
    ///
    /// # Safety
    /// `waiter` stays valid until it is made ready, and `self` until then, too. With `again`: the last
    /// call for this descriptor returned [`Watched::Parked`], and its waiter has been made ready since.
    pub unsafe fn watch_readable(
        &self,
        waiter: NonNull<Waiter>,
        again: bool,
    ) -> Result<Watched, Error> {
        let held = if again {
            Held::<READ>(self)
        } else {
            self.lock::<READ>()?
        };
        self.desc.check(Mode::Read)?;
        // As in `wait_readable`: a socket known to be empty need not be asked.
        let mut sure = !again
            && self.drained.load(Relaxed)
            && self.desc.home(Mode::Read) != 0
            && self.desc.is_quiet(Mode::Read);
        loop {
            if !sure {
                self.desc.reset(Mode::Read);
                self.drained.store(false, Relaxed);
                if self.is_ready_now(libc::POLLIN | libc::POLLRDHUP)? {
                    return Ok(Watched::Ready);
                }
            }
            sure = false;
            let parked = park::with_current(|p| {
                let poller = p.try_poller()?;
                // SAFETY: the waiter is valid by contract; the current execution's poller is that of
                // the calling thread.
                unsafe { self.desc.settle(self.sysfd, Mode::Read, waiter, p, poller) }
            })?;
            if parked {
                // The lock stays held, for the waiter. Nothing of `self` is touched from here on.
                std::mem::forget(held);
                return Ok(Watched::Parked);
            }
        }
    }
}
