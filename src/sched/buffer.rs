//! The buffer that a worker lends.
//!
//! A read that has something to read borrows it ([`crate::net::Lease`]). One place is what nearly all of them
//! need: the buffer that the last task has put back is there for the next, still warm.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;

/// Its size.
pub(crate) const SIZE: usize = 64 * 1024;

/// Its memory.
pub(crate) type Bytes = Box<[u8; SIZE]>;

/// A worker's place for one.
#[derive(Default)]
pub(crate) struct AtHand(Cell<Option<Bytes>>);

impl AtHand {
    /// The buffer that is here, if there is one.
    #[inline]
    pub(crate) fn take(&self) -> Option<Bytes> {
        self.0.take()
    }

    /// Puts one here, and gives back the one that was.
    #[inline]
    pub(crate) fn put(&self, bytes: Bytes) -> Option<Bytes> {
        self.0.replace(Some(bytes))
    }
}

impl fmt::Debug for AtHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtHand").finish_non_exhaustive()
    }
}
