//! What a writer offers, and how a reader takes it: the rendezvous, without the waiting.
//!
//! | state    | who moves it on                                                                   |
//! |----------|-----------------------------------------------------------------------------------|
//! | `None`   | the writer offers its bytes: to `Bytes`                                           |
//! | `Bytes`  | a reader copies as many as it has room for: to `Taken`; or the writer withdraws them: to `None` |
//! | `Taken`  | the writer learns how many: to `None`                                             |
//!
//! One writer at a time (the write lock of its end); readers take turns likewise. Everything happens
//! under one short lock, the copy included, so the bytes cannot go away while they are copied.

use parking_lot::Mutex;
use std::{marker::PhantomData, ptr};

/// The place where one direction of a pipe meets.
#[derive(Debug, Default)]
pub(super) struct Meeting(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    Bytes(Bytes),
    Taken(usize),
}

/// A slice of the writer's, without its lifetime.
#[derive(Debug)]
struct Bytes {
    at: *const u8,
    len: usize,
}

// SAFETY: it stands for a `&[u8]`, which may be used from any thread; `Offer` keeps it borrowed.
unsafe impl Send for Bytes {}

impl Meeting {
    /// Offers `bytes` until the result is dropped or withdrawn.
    ///
    /// # Panics
    /// If there is an offer already.
    pub(super) fn offer<'a>(&'a self, bytes: &'a [u8]) -> Offer<'a> {
        let mut state = self.0.lock();
        assert!(matches!(*state, State::None), "two writers at once");
        *state = State::Bytes(Bytes {
            at: bytes.as_ptr(),
            len: bytes.len(),
        });
        Offer {
            meeting: self,
            bytes: PhantomData,
        }
    }

    /// Copies what is offered into `buf` as far as it goes; `None` if nothing is.
    pub(super) fn take(&self, buf: &mut [u8]) -> Option<usize> {
        let mut state = self.0.lock();
        let State::Bytes(offered) = &*state else {
            return None;
        };
        let n = offered.len.min(buf.len());
        // SAFETY: the writer's slice is borrowed until its `Offer` is gone, whose drop takes the
        // bytes away under the lock that is held here. It is valid for `len >= n` bytes; `buf` is
        // borrowed uniquely, so the two do not overlap.
        unsafe { ptr::copy_nonoverlapping(offered.at, buf.as_mut_ptr(), n) };
        *state = State::Taken(n);
        Some(n)
    }
}

/// Bytes on offer. They stay borrowed until it is dropped. (It lives on the writer's stack and is
/// never forgotten; a stack that its runtime gives up is leaked whole, with its borrows.)
#[derive(Debug)]
pub(super) struct Offer<'a> {
    meeting: &'a Meeting,
    bytes: PhantomData<&'a [u8]>,
}

impl Offer<'_> {
    /// Has a reader taken some?
    pub(super) fn is_taken(&self) -> bool {
        matches!(*self.meeting.0.lock(), State::Taken(_))
    }

    /// Ends the offer: how many bytes a reader took, if one came.
    pub(super) fn withdraw(self) -> Option<usize> {
        self.end()
    }

    fn end(&self) -> Option<usize> {
        match std::mem::take(&mut *self.meeting.0.lock()) {
            State::Taken(n) => Some(n),
            State::None | State::Bytes(_) => None,
        }
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_takes_what_it_has_room_for_and_the_writer_learns_how_much() {
        let meeting = Meeting::default();
        let mut buf = [0; 3];
        assert_eq!(meeting.take(&mut buf), None);
        let offer = meeting.offer(b"hello");
        assert!(!offer.is_taken());
        assert_eq!(meeting.take(&mut buf), Some(3));
        assert_eq!(&buf, b"hel");
        assert_eq!(meeting.take(&mut buf), None, "an offer is taken once");
        assert!(offer.is_taken());
        assert_eq!(offer.withdraw(), Some(3));
    }

    #[test]
    fn an_offer_that_is_gone_cannot_be_taken() {
        let meeting = Meeting::default();
        drop(meeting.offer(b"x"));
        assert_eq!(meeting.take(&mut [0]), None);
        assert_eq!(meeting.offer(b"x").withdraw(), None);
        assert_eq!(meeting.take(&mut [0]), None);
        // Even of nothing there is an offer.
        let nothing = meeting.offer(b"");
        assert_eq!(meeting.take(&mut [0]), Some(0));
        assert_eq!(nothing.withdraw(), Some(0));
    }
}
