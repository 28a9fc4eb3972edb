//! Running something on the worker's stack instead of the task's.
//!
//! A task's stack is cold memory when its turn comes: with a thousand tasks in turn, each line of it
//! that a request touches is fetched anew. The worker's own stack is the one piece of stack that is
//! always warm. A parser, a formatter, anything that goes deep and does not wait can run there.
//!
//! | meanwhile                    | is                                                           |
//! |------------------------------|--------------------------------------------------------------|
//! | the task                     | suspended in all but name: nobody can make it ready or resume it |
//! | the worker                   | inside `resume`, with this call on top of it                 |
//! | whatever waits               | a plain thread, and holds the worker: there is no task to park |
//!
//! Go: `runtime/asm_amd64.s`, `systemstack`, which its runtime keeps for itself.

use super::header::Header;
use crate::sched::worker::{self, Worker};
use netpoll::Park;
use std::ptr::NonNull;

/// Calls `f` on the stack of the calling task's worker, and returns what it returns; outside of a task
/// it just calls it. For work that uses much stack, or is done for each of many connections, and does
/// not wait. A panic in `f` comes out of this call.
///
/// While `f` runs there is no task: what waits in there waits as a plain thread does, and holds its
/// worker; [`task::current`](super::current) is that of a thread, task-locals are the thread's, and
/// [`yield_now`](super::yield_now) does nothing. What is spawned in there is spawned as ever; but what
/// only this worker can run, such as a task that has started on it, does not run before `f` has returned,
/// so waiting for that in there is waiting for ever.
///
/// ```
/// fn depth(n: u32) -> u32 {
///     let block = std::hint::black_box([n; 256]); // a kilobyte at each level
///     if n == 0 { 0 } else { 1 + depth(n - 1).min(block[0]) }
/// }
/// let small = gopark::task::Builder::new().stack_size(16 << 10);
/// let deep = gopark::run(|| {
///     let task = small.spawn(|| gopark::task::on_worker_stack(|| depth(200))).unwrap();
///     task.join().unwrap()
/// });
/// assert_eq!(deep, 200); // on its own stack it would have overflowed
/// ```
///
/// What `f` borrows may not leave its thread any more than it could without the detour:
///
/// ```
/// let own = std::rc::Rc::new(7); // not `Send`
/// assert_eq!(gopark::run(|| gopark::task::on_worker_stack(|| 7)), *own);
/// assert_eq!(gopark::task::on_worker_stack(|| *own), 7);
/// ```
#[inline]
pub fn on_worker_stack<R>(f: impl FnOnce() -> R) -> R {
    match worker::current().and_then(Away::from) {
        // SAFETY: the caller runs on the stack of this task. Until `away` is dropped it is not the
        // running one, so nothing in `f` can suspend it.
        Some(away) => unsafe { away.task.way_back.on_worker_stack(f) },
        None => f(),
    }
}

/// A worker without a running task, although one has not suspended.
struct Away<'a> {
    worker: &'a Worker,
    task: &'a Header,
    park: Option<NonNull<dyn Park>>,
}

impl<'a> Away<'a> {
    #[inline]
    fn from(worker: &'a Worker) -> Option<Away<'a>> {
        let task = worker.put_aside()?;
        // SAFETY: sets nothing.
        let park = unsafe { netpoll::park::set_current(None) };
        Some(Away { worker, task, park })
    }
}

/// Also when `f` panics.
impl Drop for Away<'_> {
    #[inline]
    fn drop(&mut self) {
        self.worker.take_up(self.task);
        // SAFETY: it was set before, by the worker for as long as it runs, and so it does.
        unsafe { netpoll::park::set_current(self.park) };
    }
}
