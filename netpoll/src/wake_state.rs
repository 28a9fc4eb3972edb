//! Whether a poller sleeps, and who must write to wake it.
//!
//! | state      | [`WakeState::notify`], any thread       | the poller                                         |
//! |------------|-----------------------------------------|----------------------------------------------------|
//! | `RUNNING`  | to `NOTIFIED`; nothing to write         | [`WakeState::try_sleep`]: to `SLEEPING`, may block |
//! | `SLEEPING` | to `NOTIFIED`; the caller must write    | [`WakeState::wake_up`]: to `RUNNING`               |
//! | `NOTIFIED` | stays; nothing to write                 | `try_sleep` fails: it must not block. `wake_up`: to `RUNNING` |
//!
//! Any number of wake-ups between two sleeps costs at most one write.
//!
//! Who wakes a poller has published its reason before (an entry in an inbox, a flag). `wake_up` is a
//! swap and not a store, because it must *read* the notification that it clears: only so does the
//! poller see that reason when it looks afterwards.
//!
//! Go: `netpollWakeSig` in `runtime/netpoll_epoll.go`.

use crate::sync::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};

const RUNNING: u32 = 0;
const SLEEPING: u32 = 1;
const NOTIFIED: u32 = 2;

/// See the [module documentation](self).
#[derive(Debug)]
pub struct WakeState(AtomicU32);

impl Default for WakeState {
    fn default() -> Self {
        WakeState::new()
    }
}

impl WakeState {
    /// Running, not notified.
    pub fn new() -> WakeState {
        WakeState(AtomicU32::new(RUNNING))
    }

    /// Called by the poller before it blocks; false if it must not, because somebody notified it.
    #[inline]
    pub fn try_sleep(&self) -> bool {
        self.0
            .compare_exchange(RUNNING, SLEEPING, SeqCst, SeqCst)
            .is_ok()
    }

    /// Called by the poller after [`WakeState::try_sleep`], whatever that said and whatever ended
    /// the wait. What was published before a notification is visible after this.
    #[inline]
    pub fn wake_up(&self) {
        self.0.swap(RUNNING, SeqCst);
    }

    /// Notes that the poller must not sleep; true if it does, and the caller must end that.
    #[inline]
    #[must_use = "true means that the caller must end the sleep"]
    pub fn notify(&self) -> bool {
        self.0.swap(NOTIFIED, SeqCst) == SLEEPING
    }

    /// Does it sleep right now? By the time the answer is used it may not.
    #[inline]
    pub fn is_sleeping(&self) -> bool {
        self.0.load(Relaxed) == SLEEPING
    }
}
