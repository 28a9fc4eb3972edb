//! Room in which answers are put together, shared by the connections of a thread.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// So many are kept for later by a thread, and none of more than so many bytes.
const KEPT: usize = 8;
const KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    static IDLE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer; it goes back to its thread when dropped. With one for each connection, a thousand
/// of them would be cold memory whenever their turn comes.
#[derive(Debug, Default)]
pub struct Scratch(Vec<u8>);

impl Scratch {
    /// One that has been used before, if there is one.
    pub fn take() -> Scratch {
        Scratch(IDLE.with_borrow_mut(Vec::pop).unwrap_or_default())
    }
}

impl Drop for Scratch {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.capacity() != 0 {
            put_back(std::mem::take(&mut self.0));
        }
    }
}

fn put_back(mut room: Vec<u8>) {
    room.clear();
    // While the thread ends there is nowhere to put it.
    let _ = IDLE.try_with(|idle| {
        let mut idle = idle.borrow_mut();
        if idle.len() < KEPT && room.capacity() <= KEPT_BYTES {
            idle.push(room);
        }
    });
}

impl Deref for Scratch {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}
