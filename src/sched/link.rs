//! The link by which something is in an intrusive list.

use crate::sync::{AtomicPtr, Ordering};

/// A pointer to the next element. Written by whoever owns the element at that moment; ordered by
/// the head of the list, so relaxed is enough here.
#[derive(Debug)]
pub(crate) struct Link<T>(AtomicPtr<T>);

impl<T> Link<T> {
    pub(crate) fn new() -> Self {
        Link(AtomicPtr::new(std::ptr::null_mut()))
    }
    #[inline]
    pub(crate) fn get(&self) -> *mut T {
        self.0.load(Ordering::Relaxed)
    }
    #[inline]
    pub(crate) fn set(&self, next: *mut T) {
        self.0.store(next, Ordering::Relaxed);
    }
}

/// Something that can be in one intrusive list at a time.
pub(crate) trait Linked: Sized {
    fn link(&self) -> &Link<Self>;
}
