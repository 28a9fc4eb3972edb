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
//! | [`Inbox::close`]| owner  | head swapped for `CLOSED`                                    |
//! | [`Inbox::close_if_empty`]| owner | null to `CLOSED`, if head is still null            |
//! | [`Inbox::reopen`]| the next owner | `CLOSED` to null                                 |
//!
//! There is no ABA: elements are only ever taken all together. A push into a closed inbox gives the
//! element back, so nothing is ever handed to a worker that has left.
//!
//! [`Inbox::push`] and [`Inbox::is_empty`] are sequentially consistent because of the sleeping
//! worker: who pushes then notifies the poller, and a poller that returns then looks here.

use super::link::{Link, Linked};
use crate::sync::{AtomicPtr, Ordering};
use std::ptr::NonNull;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    head: AtomicPtr<T>,
}

/// The head of an inbox whose owner has left: no address, because of its alignment.
fn closed<T>() -> *mut T {
    const { assert!(align_of::<T>() > 1) };
    std::ptr::without_provenance_mut(1)
}

impl<T: Linked> Inbox<T> {
    pub(crate) fn new() -> Self {
        Inbox {
            head: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Hands over `item`, or gives it back if the inbox is closed.
    ///
    /// # Safety
    /// `item` is alive until it is taken, and in no other list.
    pub(crate) unsafe fn push(&self, item: NonNull<T>) -> Result<(), NonNull<T>> {
        // SAFETY: alive by contract.
        let link: &Link<T> = unsafe { item.as_ref() }.link();
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                return Err(item);
            }
            link.set(head);
            // Releases, too: the owner sees the link and everything the pusher did to the task.
            match self.head.compare_exchange(
                head,
                item.as_ptr(),
                Ordering::SeqCst,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(now) => head = now,
            }
        }
    }

    /// Is there anything? May be stale by the time the answer is used.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::SeqCst).is_null()
    }

    /// Takes everything, oldest first.
    ///
    /// # Safety
    /// Called by the owner only.
    pub(crate) unsafe fn take(&self, each: impl FnMut(NonNull<T>)) {
        // SAFETY: contract of this function.
        unsafe { self.replace(std::ptr::null_mut(), each) }
    }

    /// Closes it, and takes everything that is left.
    ///
    /// # Safety
    /// Called by the owner only, who does not call [`Inbox::take`] again.
    pub(crate) unsafe fn close(&self, each: impl FnMut(NonNull<T>)) {
        // SAFETY: contract of this function.
        unsafe { self.replace(closed(), each) }
    }

    /// Closes it if there is nothing in it.
    pub(crate) fn close_if_empty(&self) -> bool {
        self.head
            .compare_exchange(
                std::ptr::null_mut(),
                closed(),
                Ordering::SeqCst,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Opens one that is closed, for a new owner.
    pub(crate) fn reopen(&self) {
        let open = std::ptr::null_mut();
        let was = self
            .head
            .compare_exchange(closed(), open, Ordering::SeqCst, Ordering::Relaxed);
        debug_assert!(was.is_ok(), "nobody opens one that is open");
    }

    unsafe fn replace(&self, new: *mut T, mut each: impl FnMut(NonNull<T>)) {
        let old = self.head.swap(new, Ordering::Acquire);
        debug_assert!(old != closed(), "used after it was closed");
        let mut newest = NonNull::new(old);
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

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;

    struct Item {
        link: Link<Item>,
        from: usize,
        number: usize,
    }

    impl Linked for Item {
        fn link(&self) -> &Link<Item> {
            &self.link
        }
    }

    fn item(from: usize, number: usize) -> NonNull<Item> {
        let link = Link::new();
        NonNull::from(Box::leak(Box::new(Item { link, from, number })))
    }

    /// Ends an item and says which it was.
    fn open(item: NonNull<Item>) -> (usize, usize) {
        // SAFETY: made by `item`, taken out of the inbox or never put in, so ours alone.
        let item = unsafe { Box::from_raw(item.as_ptr()) };
        (item.from, item.number)
    }

    /// So many pushers with so many items each, against an owner that takes now and then.
    fn all_arrive_once_and_in_order(pushers: usize, each: usize) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let inbox = Arc::new(Inbox::new());
            let threads: Vec<_> = (0..pushers)
                .map(|from| {
                    let inbox = inbox.clone();
                    loom::thread::spawn(move || {
                        for number in 0..each {
                            // SAFETY: new, alive until it is opened.
                            unsafe { inbox.push(item(from, number)) }.unwrap();
                        }
                    })
                })
                .collect();
            let mut seen = vec![0; pushers];
            let mut take = || {
                // SAFETY: this is the only thread that takes.
                unsafe {
                    inbox.take(|it| {
                        let (from, number) = open(it);
                        assert_eq!(number, seen[from], "out of order, lost or doubled");
                        seen[from] += 1;
                    });
                }
            };
            take();
            take();
            threads.into_iter().for_each(|t| t.join().unwrap());
            take();
            assert_eq!(seen, vec![each; pushers], "lost");
            assert!(inbox.is_empty());
        });
    }

    #[test]
    fn two_pushers_of_two_arrive_once_and_in_order() {
        all_arrive_once_and_in_order(2, 2);
    }

    #[test]
    fn three_pushers_of_one_arrive_once() {
        all_arrive_once_and_in_order(3, 1);
    }

    #[test]
    fn an_item_is_taken_or_comes_back_when_the_owner_leaves() {
        for force in [false, true] {
            loom::model(move || {
                let inbox = Arc::new(Inbox::new());
                let theirs = inbox.clone();
                // SAFETY: new, alive until it is opened.
                let push = move || match unsafe { theirs.push(item(0, 0)) } {
                    Ok(()) => false,
                    Err(back) => {
                        open(back);
                        true
                    }
                };
                let pusher = loom::thread::spawn(push);
                let mut taken = 0;
                let count = |it| {
                    open(it);
                    taken += 1;
                };
                // SAFETY: this is the only thread that takes, and it closes once.
                unsafe {
                    if force {
                        inbox.close(count);
                    } else if !inbox.close_if_empty() {
                        inbox.close(count);
                    }
                }
                let came_back = pusher.join().unwrap();
                assert_eq!(taken + usize::from(came_back), 1);
            });
        }
    }
}
