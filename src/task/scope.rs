//! Tasks that borrow from whoever spawns them.

use crate::task::{self, JoinHandle};
use netpoll::{Reason, Slot};
use std::any::Any;
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

/// The handle of a task in a scope.
#[derive(Debug)]
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<()>,
    result: Arc<Packet<T>>,
    scope: PhantomData<&'scope ()>,
}

/// Where a scoped task leaves its result. Dropped before the scope hears of the task's end, or by
/// the handle, which cannot outlive the scope.
type Packet<T> = Mutex<Option<std::thread::Result<T>>>;

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
    /// # Panics
    /// If there is no memory for a stack, or no runtime.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let result: Arc<Packet<T>> = Arc::default();
        let (theirs, data) = (result.clone(), self.data.clone());
        data.running.fetch_add(1, Ordering::Relaxed);
        let body = move || {
            let outcome = catch_unwind(AssertUnwindSafe(f));
            let failed = outcome.is_err();
            *theirs.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            // With the handle gone this drops the result, still inside the scope. A panic nobody
            // can join for is the scope's.
            if failed && Arc::strong_count(&theirs) == 1 {
                data.panicked.store(true, Ordering::Relaxed);
            }
            if catch_unwind(AssertUnwindSafe(|| drop(theirs))).is_err() {
                data.panicked.store(true, Ordering::Relaxed);
            }
            if data.running.fetch_sub(1, Ordering::Release) == 1 {
                data.empty.wake(true);
            }
        };
        // SAFETY: `scope` does not return, nor unwind, before `running` is zero again, which the
        // body makes it as its last act on anything borrowed. What is left in the closure's place
        // then is an `Arc` that borrows nothing.
        match unsafe { task::Builder::new().spawn_unchecked(body) } {
            Ok(handle) => ScopedJoinHandle {
                handle,
                result,
                scope: PhantomData,
            },
            Err(err) => {
                self.data.running.fetch_sub(1, Ordering::Relaxed);
                panic!("gopark: no stack for a task: {err}");
            }
        }
    }
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits until the task has ended and returns its result, or the payload of its panic.
    ///
    /// # Errors
    /// As [`JoinHandle::join`].
    pub fn join(self) -> std::thread::Result<T> {
        self.handle.join()?;
        let result = self
            .result
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        result.unwrap_or_else(|| {
            Err(Box::new("gopark: the task left no result") as Box<dyn Any + Send>)
        })
    }

    /// Has the task ended?
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}
