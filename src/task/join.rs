//! The handle of a task, and its result.

use super::header::Header;
use crate::sched::worker;
use crate::stack::Arena;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

/// Waits for a task and takes its result. Dropping it lets the task go on by itself.
///
/// ```
/// gopark::run(|| {
///     let fine = gopark::spawn(|| "done");
///     assert_eq!(fine.join().unwrap(), "done");
///     let bad = gopark::spawn(|| panic!("oh"));
///     assert_eq!(*bad.join().unwrap_err().downcast_ref::<&str>().unwrap(), "oh");
/// });
/// ```
/// It may go to another thread only if the result may:
///
/// ```compile_fail
/// gopark::run(|| {
///     let local = gopark::spawn_local(|| std::rc::Rc::new(1));
///     gopark::spawn(move || drop(local.join()));
/// });
/// ```
///
/// It outlives its runtime: what a task has left is still there. Of a task that its runtime had to
/// give up, `join` says so.
pub struct JoinHandle<T> {
    task: NonNull<Header>,
    /// Taken once, by whichever of `join` and `drop` ends the handle.
    arena: ManuallyDrop<Arc<Arena>>,
    result: PhantomData<T>,
}

// SAFETY: the handle gives access to atomics and, at the end, to the result, which is then moved to
// the thread that joins.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through a shared handle one can only ask whether the task has ended.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("task", &self.header().attributes)
            .field("finished", &self.is_finished())
            .finish()
    }
}

impl<T> JoinHandle<T> {
    /// The handle of a new task.
    ///
    /// # Safety
    /// `task` is alive, its slot is from `arena`, its result is a `T`, and this is its only handle.
    pub(crate) unsafe fn new(task: NonNull<Header>, arena: Arc<Arena>) -> JoinHandle<T> {
        JoinHandle {
            task,
            arena: ManuallyDrop::new(arena),
            result: PhantomData,
        }
    }

    fn header(&self) -> &Header {
        // SAFETY: the header stays until the handle is released, which consumes it.
        unsafe { self.task.as_ref() }
    }

    /// Waits until the task has ended and returns its result, or the payload of its panic.
    ///
    /// The end of a runtime does not cut it short, because it ends the joined task, too.
    ///
    /// ```
    /// gopark::run(|| assert_eq!(gopark::spawn(|| 6 * 7).join().unwrap(), 42));
    /// ```
    ///
    /// # Errors
    /// The payload of the task's panic. Also, with a text as payload: the runtime was shut down and
    /// the task did not end in time; or the caller unwinds from a panic of its own, in which case
    /// the task is let go instead of waited for.
    #[inline]
    pub fn join(self) -> std::thread::Result<T> {
        if std::thread::panicking() && !self.is_finished() && worker::current().is_some() {
            return Err(Box::new("gopark: cannot wait for a task while panicking"));
        }
        self.join_whatever_happens()
    }

    /// [`JoinHandle::join`] for callers whose safety rests on the task's end: one that unwinds holds
    /// its thread.
    // Inlined, because each frame to return through after a switch is mispredicted.
    #[inline(always)]
    pub(crate) fn join_whatever_happens(self) -> std::thread::Result<T> {
        self.header().wait_over();
        if !self.header().is_done() {
            return Err(Box::new(
                "gopark: the task did not end before its runtime did",
            ));
        }
        let mut this = ManuallyDrop::new(self);
        // SAFETY: it is done, `T` is its result (contract of `new`), and `self` is consumed.
        let result = unsafe { this.header().take_result::<T>() };
        // SAFETY: taken here only, because `this` is never dropped.
        let arena = unsafe { ManuallyDrop::take(&mut this.arena) };
        // SAFETY: this is the only handle, and its last call.
        let last = unsafe { Header::let_go(this.task) };
        end(last.then_some(this.task), arena);
        result
    }

    /// Has the task ended? A `join` then returns at once.
    ///
    /// ```
    /// gopark::run(|| {
    ///     let task = gopark::spawn(|| ());
    ///     while !task.is_finished() {
    ///         gopark::yield_now();
    ///     }
    /// });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.header().is_done()
    }

    /// The task, as others see it: to unpark it, for its name.
    ///
    /// ```
    /// gopark::run(|| {
    ///     let parked = gopark::spawn(gopark::park);
    ///     parked.task().unpark();
    ///     parked.join().unwrap();
    /// });
    /// ```
    pub fn task(&self) -> super::Task {
        super::Task::of(self.header())
    }

    /// The task's number, unlike any other's in this process.
    ///
    /// ```
    /// gopark::run(|| {
    ///     let task = gopark::spawn(|| gopark::task::current().id());
    ///     let id = task.id();
    ///     assert_eq!(id, task.join().unwrap());
    /// });
    /// ```
    pub fn id(&self) -> u64 {
        self.header().attributes.id
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // SAFETY: taken here only: a handle that was joined is not dropped.
        let arena = unsafe { ManuallyDrop::take(&mut self.arena) };
        // SAFETY: this is the only handle, and its last call.
        let last = unsafe { Header::detach(self.task) };
        end(last.then_some(self.task), arena);
    }
}

/// The end of a handle. `task` is the task that is done and released, if this was its last touch: its
/// slot goes back, to the caller's worker if that uses the same arena; so does the hold on the arena.
fn end(task: Option<NonNull<Header>>, arena: Arc<Arena>) {
    match worker::current() {
        Some(worker) if worker.holds.is_of(&arena) => {
            if let Some(task) = task {
                // SAFETY: the caller has just set the second of the two bits.
                unsafe { worker.release(task) };
            }
            worker.holds.take_back(arena);
        }
        _ => {
            if let Some(task) = task {
                // SAFETY: as above; nobody uses the slot any more.
                unsafe { arena.free(Header::release(task)) };
            }
        }
    }
}
