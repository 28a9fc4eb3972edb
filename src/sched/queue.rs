//! A queue of one thread: first in, first out.
//!
//! Every switch goes through one, so it is less than a `RefCell<VecDeque>`: the length is a power of
//! two and the counters only grow, as in [`super::ring`], and no borrow is ever out while a caller's
//! code runs, so none is counted.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;

/// How many places there are to begin with.
const FIRST: usize = 64;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// How many were ever taken out, and put in.
    head: Cell<usize>,
    tail: Cell<usize>,
    /// A power of two of them. Those from `head` to `tail`, counted round, hold something.
    places: UnsafeCell<Box<[MaybeUninit<T>]>>,
}

impl<T: Copy> Queue<T> {
    pub(crate) fn new() -> Self {
        Queue {
            head: Cell::new(0),
            tail: Cell::new(0),
            places: UnsafeCell::new(Box::new_uninit_slice(FIRST)),
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.tail.get().wrapping_sub(self.head.get())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one at the end.
    #[inline]
    pub(crate) fn push(&self, item: T) {
        // SAFETY: the cell is not `Sync`, and no method calls foreign code while it has a reference.
        let places = unsafe { &mut *self.places.get() };
        if self.len() == places.len() {
            return self.grow_and_push(item);
        }
        let tail = self.tail.get();
        // SAFETY: a number masked by a length that is a power of two is below it.
        unsafe { places.get_unchecked_mut(tail & (places.len() - 1)) }.write(item);
        self.tail.set(tail.wrapping_add(1));
    }

    /// Takes the oldest.
    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        let head = self.head.get();
        if head == self.tail.get() {
            return None;
        }
        self.head.set(head.wrapping_add(1));
        // SAFETY: as in `push`; between `head` and `tail`, so it was written.
        Some(unsafe { self.read(head) })
    }

    /// What is in it, oldest first, without taking it out.
    pub(crate) fn snapshot(&self) -> Vec<T> {
        let all = (0..self.len()).map(|i| self.head.get().wrapping_add(i));
        // SAFETY: between `head` and `tail`, so all were written.
        all.map(|at| unsafe { self.read(at) }).collect()
    }

    /// # Safety
    /// The place of this number holds something.
    #[inline]
    unsafe fn read(&self, number: usize) -> T {
        // SAFETY: as in `push`.
        let places = unsafe { &*self.places.get() };
        let at = number & (places.len() - 1);
        // SAFETY: masked as in `push`; written, by contract.
        unsafe { places.get_unchecked(at).assume_init_read() }
    }

    /// Twice as many places, and one more in them.
    #[cold]
    fn grow_and_push(&self, item: T) {
        let all = self.snapshot();
        // SAFETY: as in `push`.
        let places = unsafe { &mut *self.places.get() };
        *places = Box::new_uninit_slice(2 * places.len());
        for (place, item) in places.iter_mut().zip(&all) {
            place.write(*item);
        }
        self.head.set(0);
        self.tail.set(all.len());
        self.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn it_gives_back_what_was_put_in_in_that_order_while_it_grows_and_wraps() {
        let (queue, mut model) = (Queue::new(), VecDeque::new());
        // Each round puts in more than it takes out, so it grows while it is wrapped round.
        for round in 0..12 * FIRST {
            for i in 0..3 {
                queue.push((round, i));
                model.push_back((round, i));
            }
            for _ in 0..2 {
                assert_eq!(queue.pop(), model.pop_front());
            }
            assert_eq!(queue.len(), model.len());
        }
        assert!(queue.len() > 4 * FIRST, "it has grown more than once");
        assert!(queue.snapshot().iter().eq(&model));
        while let Some(item) = queue.pop() {
            assert_eq!(Some(item), model.pop_front());
        }
        assert!(queue.is_empty() && model.is_empty());
    }
}
