//! Holds on something shared, lent by one thread and taken back.
//!
//! A handle keeps its arena alive. Counting that up and down in a word that all workers share is what
//! a spawn would mostly cost; so a worker keeps the counts that come back for the handles to come.

use std::cell::Cell;
use std::sync::Arc;

/// Counts that are kept at most.
const KEEP: usize = 64;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Holds<T> {
    of: Arc<T>,
    /// How many of the counts of `of` are ours, besides that of `of` itself.
    kept: Cell<usize>,
}

impl<T> Holds<T> {
    pub(crate) fn new(of: Arc<T>) -> Self {
        let kept = Cell::new(0);
        Holds { of, kept }
    }

    /// Is it a hold on the same thing?
    #[inline]
    pub(crate) fn is_of(&self, hold: &Arc<T>) -> bool {
        Arc::ptr_eq(&self.of, hold)
    }

    #[inline]
    pub(crate) fn lend(&self) -> Arc<T> {
        let Some(rest) = self.kept.get().checked_sub(1) else {
            return self.of.clone();
        };
        self.kept.set(rest);
        // SAFETY: the address of an `Arc`, with a count that `take_back` forgot to give back, and
        // that is not ours any more.
        unsafe { Arc::from_raw(Arc::as_ptr(&self.of)) }
    }

    /// Takes back what was lent, here or elsewhere.
    #[inline]
    pub(crate) fn take_back(&self, hold: Arc<T>) {
        let kept = self.kept.get();
        if kept < KEEP && self.is_of(&hold) {
            std::mem::forget(hold);
            self.kept.set(kept + 1);
        }
    }
}

impl<T> Drop for Holds<T> {
    fn drop(&mut self) {
        while self.kept.get() > 0 {
            drop(self.lend());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_and_taken_back_is_counted_once_and_let_go_at_the_end() {
        let thing = Arc::new(());
        let holds = Holds::new(thing.clone());
        let lent: Vec<_> = (0..2 * KEEP).map(|_| holds.lend()).collect();
        assert_eq!(Arc::strong_count(&thing), 2 + 2 * KEEP);
        lent.into_iter().for_each(|hold| holds.take_back(hold));
        assert_eq!(Arc::strong_count(&thing), 2 + KEEP);
        let (again, other) = (holds.lend(), Arc::new(()));
        assert_eq!(Arc::strong_count(&thing), 2 + KEEP);
        holds.take_back(other.clone());
        assert_eq!(Arc::strong_count(&other), 1);
        drop(holds);
        assert_eq!(Arc::strong_count(&thing), 2);
        drop(again);
        assert_eq!(Arc::strong_count(&thing), 1);
    }
}
