//! Tasks that borrow from whoever spawns them.

use crate::sched::worker;
use crate::task::{self, JoinHandle};
use netpoll::{Reason, Slot};
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the tasks of a scope share with it.
#[derive(Debug, Default)]
struct Data {
    running: AtomicUsize,
    panicked: AtomicBool,
    /// Where the scope waits for its last task.
    empty: Slot,
}

/// The scope that [`scope`] hands to its closure.
///
/// ```
/// gopark::run(|| {
///     let mut halves = [1, 2, 3, 4];
///     gopark::scope(|s| {
///         for half in halves.chunks_mut(2) {
///             drop(s.spawn(|| half.reverse()));
///         }
///     });
///     assert_eq!(halves, [2, 1, 4, 3]);
/// });
/// ```
pub struct Scope<'scope, 'env: 'scope> {
    data: Arc<Data>,
    /// Invariant, as in the standard library: a scope must not be shortened.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("running", &self.data.running)
            .finish_non_exhaustive()
    }
}

impl Data {
    /// One task less. The last act of a task on anything of the scope's.
    fn leave(&self) {
        if self.running.fetch_sub(1, Ordering::Release) == 1 {
            self.empty.wake(true);
        }
    }
}

/// The handle of a task in a scope. Dropping it lets the task go on until the scope's end.
///
/// ```
/// gopark::run(|| {
///     let text = String::from("shared");
///     let n = gopark::scope(|s| {
///         let task = s.spawn(|| text.len());
///         task.join().unwrap()
///     });
///     assert_eq!(n, 6);
/// });
/// ```
pub struct ScopedJoinHandle<'scope, T> {
    /// None if the task ran in place.
    handle: Option<JoinHandle<()>>,
    packet: Arc<Packet<T>>,
    scope: PhantomData<&'scope ()>,
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// Where a scoped task leaves its result. Dropped by the task before the scope hears of its end, or
/// by the handle, which cannot outlive the scope.
struct Packet<T> {
    result: Mutex<Option<std::thread::Result<T>>>,
    scope: Arc<Data>,
}

impl<T> Drop for Packet<T> {
    fn drop(&mut self) {
        let result = self
            .result
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        // A panic that nobody took by joining is the scope's.
        if matches!(result, Some(Err(_))) {
            self.scope.panicked.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs `f`, which may spawn tasks that borrow from outside it, and waits for all of them.
///
/// ```
/// gopark::run(|| {
///     let words = vec!["a", "bc"];
///     let total = gopark::scope(|s| {
///         let first = s.spawn(|| words[0].len());
///         let second = s.spawn(|| words[1].len());
///         first.join().unwrap() + second.join().unwrap()
///     });
///     assert_eq!(total, 3);
/// });
/// ```
///
/// What a task borrows must outlive the scope:
///
/// ```compile_fail
/// let handle = gopark::scope(|s| {
///     let local = 1;
///     s.spawn(|| &local)
/// });
/// ```
///
/// A task must not keep what belongs to another one, nor give its handle away:
///
/// ```compile_fail
/// let mut kept = None;
/// gopark::scope(|s| kept = Some(s.spawn(|| 1)));
/// ```
///
/// The end of the runtime does not cut it short: it ends the tasks.
///
/// # Panics
/// With the panic of `f`, after all tasks have ended; or if a task that was not joined panicked.
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let scope = Scope {
        data: Arc::default(),
        scope: PhantomData,
        env: PhantomData,
    };
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    while scope.data.running.load(Ordering::Acquire) != 0 {
        // Nothing may cut this short: the tasks use what we borrow.
        task::wait(&scope.data.empty, Reason::Join);
    }
    match result {
        Err(panic) => resume_unwind(panic),
        Ok(_) if scope.data.panicked.load(Ordering::Relaxed) => panic!("a scoped task panicked"),
        Ok(value) => value,
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a task that may borrow from outside the scope.
    ///
    /// A task that unwinds from a panic cannot wait for others. What it spawns (in a `Drop`, that
    /// is) runs in place, before this returns.
    ///
    /// ```
    /// gopark::run(|| {
    ///     let mut numbers = [1, 2, 3];
    ///     gopark::scope(|s| {
    ///         for n in &mut numbers {
    ///             s.spawn(move || *n *= 10);
    ///         }
    ///     });
    ///     assert_eq!(numbers, [10, 20, 30]);
    /// });
    /// ```
    ///
    /// # Panics
    /// If there is no memory for a stack, or no runtime, or it has ended.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let packet = Arc::new(Packet {
            result: Mutex::new(None),
            scope: self.data.clone(),
        });
        let entered = Entered::new(self.data.clone());
        let theirs = packet.clone();
        let body = move || {
            let entered = entered;
            let outcome = catch_unwind(AssertUnwindSafe(f));
            *theirs.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            // With the handle gone this drops the result, still inside the scope.
            if catch_unwind(AssertUnwindSafe(|| drop(theirs))).is_err() {
                entered.0.panicked.store(true, Ordering::Relaxed);
            }
        };
        let handle = if std::thread::panicking() && worker::current().is_some() {
            body();
            None
        } else {
            // SAFETY: `scope` does not return, nor unwind, before `running` is zero again, which
            // `entered` makes it when the body has run, as the last act on anything borrowed, or
            // when it is dropped unrun. What is left in the closure's place borrows nothing.
            match unsafe { task::Builder::new().spawn_unchecked(body) } {
                Ok(handle) => Some(handle),
                Err(err) => panic!("gopark: cannot spawn: {err}"),
            }
        };
        ScopedJoinHandle {
            handle,
            packet,
            scope: PhantomData,
        }
    }
}

/// Counts one task of the scope from its creation to its end, whichever way that comes.
struct Entered(Arc<Data>);

impl Entered {
    fn new(data: Arc<Data>) -> Entered {
        data.running.fetch_add(1, Ordering::Relaxed);
        Entered(data)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits until the task has ended and returns its result, or the payload of its panic.
    ///
    /// ```
    /// gopark::run(|| {
    ///     let text = String::from("borrowed");
    ///     gopark::scope(|s| {
    ///         let task = s.spawn(|| text.len());
    ///         while !task.is_finished() {
    ///             gopark::yield_now();
    ///         }
    ///         assert_eq!(task.join().unwrap(), 8);
    ///         assert!(s.spawn(|| panic!("on purpose")).join().is_err()); // and nobody else is hurt
    ///     });
    /// });
    /// ```
    ///
    /// # Errors
    /// As [`JoinHandle::join`].
    pub fn join(self) -> std::thread::Result<T> {
        if let Some(handle) = self.handle {
            handle.join()?;
        }
        let mut result = self
            .packet
            .result
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        result.take().expect("a task that has ended left a result")
    }

    /// Has the task ended?
    pub fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }
}
