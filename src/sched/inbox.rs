//! The inbox: how other threads hand a worker something to run.
//!
//! A lock-free stack of tasks, linked through their headers, so that handing over allocates
//! nothing. Anybody pushes; only the owner takes, everything at once, and turns it round, so that
//! tasks leave in the order in which they came.
//!
//! | step           | by      | change                                                     |
//! |----------------|---------|------------------------------------------------------------|
//! | [`Inbox::push`]| anybody | `task.next` = head, then head = task, if head is still that |
//! | [`Inbox::take`]| owner   | head swapped for null; the chain now belongs to the owner   |
//!
//! There is no ABA: elements are only ever taken all together.

use super::link::{Link, Linked};
use crate::sync::{AtomicPtr, Ordering};
use std::ptr::NonNull;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    head: AtomicPtr<T>,
}

impl<T: Linked> Inbox<T> {
    pub(crate) fn new() -> Self {
        Inbox {
            head: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Hands over `item`.
    ///
    /// # Safety
    /// `item` is alive until it is taken, and in no other list.
    pub(crate) unsafe fn push(&self, item: NonNull<T>) {
        // SAFETY: alive by contract.
        let link: &Link<T> = unsafe { item.as_ref() }.link();
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            link.set(head);
            // Release: the owner sees the link and everything the pusher did to the task.
            match self.head.compare_exchange(
                head,
                item.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Is there anything? May be stale by the time the answer is used.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes everything, oldest first.
    ///
    /// # Safety
    /// Called by the owner only.
    pub(crate) unsafe fn take(&self, mut each: impl FnMut(NonNull<T>)) {
        let mut newest = NonNull::new(self.head.swap(std::ptr::null_mut(), Ordering::Acquire));
        let mut oldest: Option<NonNull<T>> = None;
        while let Some(item) = newest {
            // SAFETY: alive until taken, which is now; the chain is ours.
            let link = unsafe { item.as_ref() }.link();
            newest = NonNull::new(link.get());
            link.set(oldest.map_or(std::ptr::null_mut(), NonNull::as_ptr));
            oldest = Some(item);
        }
        while let Some(item) = oldest {
            // SAFETY: as above; read before `each` may run and free it.
            oldest = NonNull::new(unsafe { item.as_ref() }.link().get());
            each(item);
        }
    }
}
