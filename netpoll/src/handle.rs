//! `PollerHandle`: what other threads may do with a poller.
//!
//! A [`Poller`](crate::Poller) belongs to its thread. Others can end its wait, look whether it sleeps or
//! has something to collect, read its counters, and have it forget a descriptor:
//!
//! | by                          | at once                                  | when the poller next looks     |
//! |-----------------------------|------------------------------------------|--------------------------------|
//! | [`PollerHandle::wake`]      | ends the wait, by one write if it sleeps | does not wait                  |
//! | `deregister`                | takes the descriptor out of epoll        | drops the entry of its table   |
//! | `disarmed`                  | counts a timer that nobody wants         | tidies up, if these are most   |
//!
//! Go: `runtime/netpoll_epoll.go`, `netpollBreak` and `netpollclose`.

use crate::counters::Counters;
use crate::removed::Removed;
use crate::wake_state::WakeState;
use mio::unix::SourceFd;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The part of a [`Poller`](crate::Poller) that other threads may use.
///
/// ```
/// let poller = netpoll::Poller::new()?;
/// let handle = poller.handle().clone(); // `Send`, `Sync`
/// assert_eq!(handle.id(), poller.id());
/// handle.wake();
/// assert!(!handle.is_sleeping());
/// poller.poll(None)?; // does not wait: it was woken before
/// assert_eq!(handle.counters().sleeps.load(std::sync::atomic::Ordering::Relaxed), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PollerHandle(pub(crate) Arc<Shared>);

/// What a poller and its handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: u32,
    pub(crate) state: WakeState,
    pub(crate) waker: mio::Waker,
    pub(crate) registry: mio::Registry,
    pub(crate) removed: Removed,
    pub(crate) stale_timers: AtomicUsize,
    pub(crate) counters: Counters,
}

impl PollerHandle {
    /// The number of the poller.
    #[inline]
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// Ends the poller's current wait, or its next one if it is not waiting.
    ///
    /// Go: `runtime.netpollBreak`.
    pub fn wake(&self) {
        if self.0.state.notify() {
            self.0.counters.wakes.fetch_add(1, Ordering::Relaxed);
            if let Err(err) = self.0.waker.wake() {
                // An eventfd write fails only if the descriptor is not one.
                panic!("netpoll: cannot wake a poller: {err}");
            }
        }
    }

    /// Is the poller asleep right now? By the time the answer is used it may not be.
    #[inline]
    pub fn is_sleeping(&self) -> bool {
        self.0.state.is_sleeping()
    }

    /// Has the kernel events that the poller has not collected yet? A system call, and by the time the
    /// answer is used it may be wrong.
    ///
    /// ```
    /// use std::time::Duration;
    /// let poller = netpoll::Poller::new()?;
    /// poller.poll(Some(Duration::ZERO))?;
    /// assert!(!poller.handle().has_events());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn has_events(&self) -> bool {
        let mut epoll = libc::pollfd {
            fd: self.0.registry.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: `epoll` is one live pollfd; a time-out of zero does not wait.
        unsafe { libc::poll(&raw mut epoll, 1, 0) == 1 }
    }

    /// What the poller has done so far.
    #[inline]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    pub(crate) fn disarmed(&self) {
        self.0.stale_timers.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a descriptor out: out of epoll at once if `delete`, out of the table when the poller
    /// next looks.
    pub(crate) fn deregister(&self, fd: RawFd, key: u32, seq: u32, delete: bool) {
        if delete {
            // An error says that it is not there any more: its number was given to another file, say.
            let _ = self.0.registry.deregister(&mut SourceFd(&fd));
        }
        self.0.removed.push(key, seq);
    }
}
