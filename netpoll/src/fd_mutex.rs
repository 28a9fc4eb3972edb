//! The lock of a descriptor: Go's `fdMutex`, bit for bit.
//!
//! It serialises readers among themselves and writers among themselves, counts everyone who uses
//! the descriptor, and lets one closer in at any time, after which nobody else gets in.
//!
//! | bits   | name     | meaning                                                                 |
//! |--------|----------|-------------------------------------------------------------------------|
//! | 0      | `CLOSED` | set once, never cleared: every later lock or reference fails             |
//! | 1      | `RLOCK`  | the read lock is held                                                    |
//! | 2      | `WLOCK`  | the write lock is held                                                   |
//! | 3..22  | `REF`    | references: lock holders, other users, the closer                        |
//! | 23..42 | `RWAIT`  | how many wait for the read lock                                          |
//! | 43..62 | `WWAIT`  | how many wait for the write lock                                         |
//! | 63     |          | unused                                                                   |
//!
//! | operation           | when           | change                                              | result |
//! |---------------------|----------------|-----------------------------------------------------|--------|
//! | `incref`            | closed         | none                                                | false  |
//! |                     | else           | `REF` + 1                                           | true   |
//! | `incref_and_close`  | closed         | none                                                | false  |
//! |                     | else           | `CLOSED`, `REF` + 1, waiters to 0, all of them woken | true   |
//! | `decref`            | `REF` = 0      | panics                                              |        |
//! |                     | else           | `REF` - 1                                           | last?  |
//! | `rwlock`            | closed         | none                                                | false  |
//! |                     | lock is free   | lock bit, `REF` + 1                                 | true   |
//! |                     | held, no wait  | none                                                | false  |
//! |                     | held           | waiters + 1, sleep, then from the top               |        |
//! | `rwunlock`          | not held       | panics                                              |        |
//! |                     | else           | lock bit off, `REF` - 1, one waiter less and woken  | last?  |
//!
//! *last?* is true if the descriptor is closed and this was the last reference: the caller must
//! destroy it. A woken waiter competes for the lock like anybody else; the lock is not handed over.
//!
//! Go: `internal/poll/fd_mutex.go`.

use crate::park::{Park, Refusal};
use crate::sema::Sema;
use crate::sync::{AtomicU64, Ordering::SeqCst};

const CLOSED: u64 = 1 << 0;
const RLOCK: u64 = 1 << 1;
const WLOCK: u64 = 1 << 2;
const REF: u64 = 1 << 3;
const REF_MASK: u64 = ((1 << 20) - 1) << 3;
const RWAIT: u64 = 1 << 23;
const RMASK: u64 = ((1 << 20) - 1) << 23;
const WWAIT: u64 = 1 << 43;
const WMASK: u64 = ((1 << 20) - 1) << 43;

const OVERFLOW: &str = "too many concurrent operations on a single file or socket (max 1048575)";
const INCONSISTENT: &str = "inconsistent poll.fdMutex";

/// Which of the two locks.
///
/// One does not exclude the other:
///
/// ```
/// use netpoll::fd_mutex::{FdMutex, Side};
/// let mutex = FdMutex::new();
/// assert!(mutex.try_rwlock(Side::Read));
/// assert!(mutex.try_rwlock(Side::Write));
/// assert!(!mutex.try_rwlock(Side::Read)); // held
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The lock of reads and accepts.
    Read,
    /// The lock of writes.
    Write,
}

impl Side {
    /// The lock bit, one waiter, and the mask of the waiters.
    #[inline]
    fn bits(self) -> (u64, u64, u64) {
        match self {
            Side::Read => (RLOCK, RWAIT, RMASK),
            Side::Write => (WLOCK, WWAIT, WMASK),
        }
    }
}

/// See the [module documentation](self).
///
/// Whoever gives the last reference of a closed descriptor back destroys it:
///
/// ```
/// use netpoll::fd_mutex::{FdMutex, Side};
/// let mutex = FdMutex::new();
/// assert!(mutex.try_rwlock(Side::Read)); // a reader is at work
/// assert!(mutex.incref_and_close()); // somebody closes
/// assert!(mutex.is_closing() && !mutex.incref()); // nobody else gets in
/// assert!(!mutex.decref()); // the closer leaves
/// assert!(mutex.rwunlock(Side::Read)); // the reader was the last: it destroys
/// ```
#[derive(Debug, Default)]
// The word that every operation touches is first: see `Fd`.
#[repr(C)]
pub struct FdMutex {
    state: AtomicU64,
    rsema: Sema,
    wsema: Sema,
}

impl FdMutex {
    /// Open, unlocked, unreferenced.
    pub fn new() -> FdMutex {
        FdMutex::default()
    }

    /// Takes a reference; false if closed.
    ///
    /// ```
    /// let mutex = netpoll::FdMutex::new();
    /// assert!(mutex.incref());
    /// assert!(!mutex.decref()); // not closed, so nothing to destroy
    /// assert!(mutex.incref_and_close());
    /// assert!(!mutex.incref());
    /// ```
    ///
    /// # Panics
    /// At the 1,048,576th reference.
    #[inline]
    pub fn incref(&self) -> bool {
        let mut old = self.state.load(SeqCst);
        loop {
            if old & CLOSED != 0 {
                return false;
            }
            let new = old + REF;
            assert!(new & REF_MASK != 0, "{OVERFLOW}");
            match self.state.compare_exchange(old, new, SeqCst, SeqCst) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
    }

    /// Closes and takes the closer's reference; false if it was closed already. Everyone who waits
    /// for a lock is woken and fails.
    ///
    /// ```
    /// use netpoll::{FdMutex, fd_mutex::Side, park};
    /// let mutex = FdMutex::new();
    /// assert!(mutex.incref_and_close());
    /// assert!(!mutex.incref_and_close()); // once only
    /// assert_eq!(park::with_current(|p| mutex.rwlock(Side::Write, p)), Ok(false));
    /// assert!(mutex.decref());
    /// ```
    ///
    /// # Panics
    /// At the 1,048,576th reference.
    pub fn incref_and_close(&self) -> bool {
        let mut old = self.state.load(SeqCst);
        loop {
            if old & CLOSED != 0 {
                return false;
            }
            let mut new = (old | CLOSED) + REF;
            assert!(new & REF_MASK != 0, "{OVERFLOW}");
            new &= !(RMASK | WMASK);
            match self.state.compare_exchange(old, new, SeqCst, SeqCst) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        for _ in 0..(old & RMASK) / RWAIT {
            self.rsema.release();
        }
        for _ in 0..(old & WMASK) / WWAIT {
            self.wsema.release();
        }
        true
    }

    /// Gives a reference back; true if the caller must destroy the descriptor.
    ///
    /// ```
    /// let mutex = netpoll::FdMutex::new();
    /// assert!(mutex.incref()); // a user
    /// assert!(mutex.incref_and_close()); // the closer
    /// assert!(!mutex.decref());
    /// assert!(mutex.decref()); // the last one destroys
    /// ```
    ///
    /// # Panics
    /// If there is no reference to give back.
    #[inline]
    #[must_use = "true means that the descriptor must be destroyed now"]
    pub fn decref(&self) -> bool {
        let mut old = self.state.load(SeqCst);
        loop {
            assert!(old & REF_MASK != 0, "{INCONSISTENT}");
            let new = old - REF;
            match self.state.compare_exchange(old, new, SeqCst, SeqCst) {
                Ok(_) => return new & (CLOSED | REF_MASK) == CLOSED,
                Err(now) => old = now,
            }
        }
    }

    /// Takes a lock, and a reference with it, if it is free right now.
    ///
    /// ```
    /// use netpoll::{FdMutex, fd_mutex::Side};
    /// let mutex = FdMutex::new();
    /// assert!(mutex.try_rwlock(Side::Read));
    /// assert!(!mutex.try_rwlock(Side::Read));
    /// assert!(!mutex.rwunlock(Side::Read)); // not closed, so nothing to destroy
    /// assert!(mutex.try_rwlock(Side::Read));
    /// ```
    ///
    /// # Panics
    /// At the 1,048,576th reference.
    #[inline]
    pub fn try_rwlock(&self, side: Side) -> bool {
        let (bit, _, _) = side.bits();
        let mut old = self.state.load(SeqCst);
        loop {
            if old & (CLOSED | bit) != 0 {
                return false;
            }
            let new = (old | bit) + REF;
            assert!(new & REF_MASK != 0, "{OVERFLOW}");
            match self.state.compare_exchange(old, new, SeqCst, SeqCst) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
    }

    /// Takes a lock, and a reference with it, waiting as `park` says; false if closed.
    ///
    /// ```
    /// use netpoll::{FdMutex, fd_mutex::Side, park};
    /// let mutex = FdMutex::new();
    /// assert!(mutex.try_rwlock(Side::Write));
    /// std::thread::scope(|s| {
    ///     // Another thread waits for its turn.
    ///     let next = s.spawn(|| park::with_current(|p| mutex.rwlock(Side::Write, p)));
    ///     assert!(!mutex.rwunlock(Side::Write));
    ///     assert_eq!(next.join().unwrap(), Ok(true));
    /// });
    /// ```
    ///
    /// # Errors
    /// When the caller must not park.
    ///
    /// # Panics
    /// At the 1,048,576th reference or waiter.
    #[inline]
    pub fn rwlock(&self, side: Side, park: &dyn Park) -> Result<bool, Refusal> {
        if self.try_rwlock(side) {
            Ok(true)
        } else {
            self.rwlock_slow(side, park)
        }
    }

    #[cold]
    fn rwlock_slow(&self, side: Side, park: &dyn Park) -> Result<bool, Refusal> {
        let (bit, wait, mask) = side.bits();
        loop {
            let old = self.state.load(SeqCst);
            if old & CLOSED != 0 {
                return Ok(false);
            }
            if old & bit == 0 {
                if self.try_rwlock(side) {
                    return Ok(true);
                }
                continue;
            }
            park.may_park()?;
            let new = old + wait;
            assert!(new & mask != 0, "{OVERFLOW}");
            if self.replace(old, new) {
                // A waiter that is refused here leaves its count behind. The unlock that takes it
                // off banks a release, and the next waiter looks once more than it had to.
                self.sema(side).acquire(park)?;
            }
        }
    }

    /// Gives a lock and its reference back; true if the caller must destroy the descriptor.
    ///
    /// ```
    /// use netpoll::{FdMutex, fd_mutex::Side};
    /// let mutex = FdMutex::new();
    /// assert!(mutex.try_rwlock(Side::Write));
    /// assert!(mutex.incref_and_close());
    /// assert!(!mutex.decref());
    /// assert!(mutex.rwunlock(Side::Write)); // the writer was the last one: it destroys
    /// ```
    ///
    /// # Panics
    /// If the lock is not held.
    #[inline]
    #[must_use = "true means that the descriptor must be destroyed now"]
    pub fn rwunlock(&self, side: Side) -> bool {
        let (bit, _, mask) = side.bits();
        let old = self.state.load(SeqCst);
        // Nearly always it is open, and nobody waits.
        let plain = old & (bit | mask | CLOSED) == bit && old & REF_MASK != 0;
        if plain && self.replace(old, (old & !bit) - REF) {
            return false;
        }
        self.rwunlock_slow(side)
    }

    #[inline]
    fn replace(&self, old: u64, new: u64) -> bool {
        let replaced = self.state.compare_exchange(old, new, SeqCst, SeqCst);
        replaced.is_ok()
    }

    #[cold]
    #[inline(never)]
    fn rwunlock_slow(&self, side: Side) -> bool {
        let (bit, wait, mask) = side.bits();
        loop {
            let old = self.state.load(SeqCst);
            assert!(old & bit != 0 && old & REF_MASK != 0, "{INCONSISTENT}");
            let mut new = (old & !bit) - REF;
            if old & mask != 0 {
                new -= wait;
            }
            if self.replace(old, new) {
                if old & mask != 0 {
                    self.sema(side).release();
                }
                return new & (CLOSED | REF_MASK) == CLOSED;
            }
        }
    }

    /// Has somebody begun to close?
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.state.load(SeqCst) & CLOSED != 0
    }

    fn sema(&self, side: Side) -> &Sema {
        match side {
            Side::Read => &self.rsema,
            Side::Write => &self.wsema,
        }
    }
}
