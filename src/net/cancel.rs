//! Cancellation: one token that ends whatever was started with it.
//!
//! A token holds a list of watches. Whoever waits with a token leaves a closure that ends the wait:
//! one that lets a deadline pass, or closes a signal. Two things can happen to a watch, and the lock
//! of the list decides which:
//!
//! | first                     | then `cancel`          | then [`Watch::stop`]                     |
//! |---------------------------|------------------------|------------------------------------------|
//! | [`CancelToken::cancel`]   | does nothing           | false: the closure has run or is about to |
//! | [`Watch::stop`]           | does not call it       |                                          |
//!
//! So a dial whose `stop` says true hands out a connection that nothing will touch any more, and one
//! whose `stop` says false hands out none.
//!
//! Closures run, and are dropped, outside the lock: they may wake tasks and close descriptors.

#![forbid(unsafe_code)]

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

type Closure = Box<dyn FnOnce() + Send>;

/// A token that ends dials and look-ups when it is cancelled. Clones are the same token.
///
/// What has been cancelled stays so. A connection that was dialed with a token is independent of it
/// once the dial has returned.
///
/// ```
/// use gopark::net::{CancelToken, Dialer, NetError};
/// let token = CancelToken::new();
/// let dialer = Dialer::new().cancel_token(&token);
/// token.cancel();
/// let err = dialer.dial("tcp", "127.0.0.1:1").unwrap_err();
/// assert!(err.is_cancelled());
/// assert_eq!(err.to_string(), "dial tcp 127.0.0.1:1: operation was canceled");
/// ```
///
/// Go: `context.WithCancel` (`context/context.go`), as `net.Dialer.DialContext` uses it.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Inner>);

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    watches: Mutex<Watches>,
    /// What cancels this token with its parent; held so that the parent forgets it in time.
    _parent: Option<Watch>,
}

#[derive(Default)]
struct Watches {
    closures: BTreeMap<u64, Closure>,
    next: u64,
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// A token that is cancelled with this one, and may be cancelled alone.
    ///
    /// ```
    /// use gopark::net::CancelToken;
    /// let parent = CancelToken::new();
    /// let (one, other) = (parent.child(), parent.child());
    /// one.cancel();
    /// assert!(!parent.is_cancelled() && !other.is_cancelled());
    /// parent.cancel();
    /// assert!(other.is_cancelled());
    /// ```
    ///
    /// Go: `context.WithCancel` of a context that can be cancelled.
    #[must_use]
    pub fn child(&self) -> CancelToken {
        let child = CancelToken(Arc::new_cyclic(|child: &Weak<Inner>| {
            let weak = child.clone();
            let watch = self.on_cancel(move || {
                if let Some(child) = weak.upgrade() {
                    CancelToken(child).cancel();
                }
            });
            Inner {
                _parent: Some(watch),
                ..Inner::default()
            }
        }));
        // The closure finds no child as long as it is being made, but then this does.
        if self.is_cancelled() {
            child.cancel();
        }
        child
    }

    /// A child of `parent`, or a token that stands alone.
    pub(crate) fn below(parent: Option<&CancelToken>) -> CancelToken {
        parent.map_or_else(CancelToken::new, CancelToken::child)
    }

    /// Ends what was started with this token and its children. Only the first call does anything.
    ///
    /// It reaches a dial that has begun:
    ///
    /// ```
    /// use gopark::net::{CancelToken, Dialer, NetError, Resolver};
    /// # let (enter, entered) = std::sync::mpsc::channel();
    /// # let (_never, answer) = std::sync::mpsc::channel::<()>();
    /// # let answer = std::sync::Mutex::new(answer);
    /// let silent = Resolver::new(move |name, _| {
    /// #     enter.send(()).unwrap();
    ///     let _ = answer.lock().unwrap().recv(); // which never comes
    ///     Err(gopark::net::DnsError::no_such_host(name))
    /// });
    /// let token = CancelToken::new();
    /// let dialer = Dialer::new().resolver(silent).cancel_token(&token);
    /// let dialing = std::thread::spawn(move || dialer.dial("tcp", "example.com:80"));
    /// # entered.recv().unwrap();
    /// token.cancel();
    /// assert!(token.is_cancelled());
    /// assert!(dialing.join().unwrap().unwrap_err().is_cancelled());
    /// ```
    ///
    /// Go: `context.CancelFunc`.
    pub fn cancel(&self) {
        let closures = {
            let mut watches = self.0.watches.lock();
            if self.0.cancelled.swap(true, Ordering::AcqRel) {
                return;
            }
            std::mem::take(&mut watches.closures)
        };
        for closure in closures.into_values() {
            closure();
        }
    }

    /// Whether it was cancelled.
    ///
    /// Go: `Context.Err() != nil`.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Has `f` called once when the token is cancelled, at once if it is already.
    ///
    /// Go: `context.AfterFunc` (`context/context.go`), which starts a goroutine for it.
    pub(crate) fn on_cancel(&self, f: impl FnOnce() + Send + 'static) -> Watch {
        let mut watches = self.0.watches.lock();
        let id = watches.next;
        watches.next += 1;
        if self.is_cancelled() {
            drop(watches);
            f();
        } else {
            watches.closures.insert(id, Box::new(f));
        }
        Watch {
            token: self.clone(),
            id,
        }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// A closure left with a token. Dropping it takes the closure back.
#[must_use]
pub(crate) struct Watch {
    token: CancelToken,
    id: u64,
}

impl Watch {
    /// Takes the closure back. False if the token was cancelled before: then the closure has run, or
    /// is about to.
    pub(crate) fn stop(self) -> bool {
        self.take().is_some()
    }

    /// The result is dropped by the caller, who does not hold the lock.
    fn take(&self) -> Option<Closure> {
        self.token.0.watches.lock().closures.remove(&self.id)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::atomic::AtomicU32, thread};

    fn counted(token: &CancelToken) -> (Watch, Arc<AtomicU32>) {
        let calls = Arc::new(AtomicU32::new(0));
        let mine = calls.clone();
        let watch = token.on_cancel(move || {
            mine.fetch_add(1, Ordering::SeqCst);
        });
        (watch, calls)
    }

    #[test]
    fn a_closure_runs_once_whether_it_comes_before_the_cancelling_or_after() {
        let token = CancelToken::new();
        let (before, calls) = counted(&token);
        token.cancel();
        token.cancel();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert!(!before.stop());
        let (after, calls) = counted(&token);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert!(!after.stop());
    }

    #[test]
    fn a_closure_that_was_taken_back_or_whose_watch_is_gone_never_runs() {
        let token = CancelToken::new();
        let (stopped, a) = counted(&token);
        let (dropped, b) = counted(&token);
        assert!(stopped.stop());
        drop(dropped);
        assert!(token.0.watches.lock().closures.is_empty());
        token.cancel();
        assert_eq!((Arc::strong_count(&a), Arc::strong_count(&b)), (1, 1));
        assert_eq!(a.load(Ordering::SeqCst) + b.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn stopping_and_cancelling_at_once_agree_on_who_was_first() {
        for _ in 0..500 {
            let token = CancelToken::new();
            let (watch, calls) = counted(&token);
            let other = token.clone();
            let canceller = thread::spawn(move || other.cancel());
            let stopped = watch.stop();
            canceller.join().unwrap();
            assert_eq!(calls.load(Ordering::SeqCst), u32::from(!stopped));
        }
    }

    #[test]
    fn a_child_ends_with_its_parent_and_a_parent_forgets_a_child_that_is_gone() {
        let parent = CancelToken::new();
        let child = parent.child();
        let grandchild = child.child();
        let (watch, calls) = counted(&grandchild);
        drop(child);
        parent.cancel();
        assert!(grandchild.is_cancelled() && parent.child().is_cancelled());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert!(!watch.stop());

        let parent = CancelToken::new();
        for _ in 0..3 {
            drop(parent.child());
        }
        assert!(parent.0.watches.lock().closures.is_empty());
    }
}
