//! Table entries that other threads want a poller to forget.
//!
//! A list under a lock, and beside it a flag so that the poller need not take the lock to learn that
//! the list is empty. Both are written with the lock held, so they never disagree for whoever holds
//! it; without it the flag may be late, and the poller then forgets at its next look.

use crate::sync::{AtomicBool, Mutex, Ordering};

/// Entries waiting to be forgotten: place in the table, sequence number.
#[derive(Debug, Default)]
pub struct Removed {
    list: Mutex<Vec<(u32, u32)>>,
    any: AtomicBool,
}

impl Removed {
    /// An empty list.
    pub fn new() -> Removed {
        Removed::default()
    }

    /// Adds an entry. Any thread.
    pub fn push(&self, key: u32, seq: u32) {
        let mut list = self.list.lock();
        list.push((key, seq));
        self.any.store(true, Ordering::Release);
    }

    /// Takes everything that has been added so far; one load when that is nothing.
    #[inline]
    pub fn take(&self) -> Vec<(u32, u32)> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut list = self.list.lock();
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *list)
    }
}
