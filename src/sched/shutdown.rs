//! Ending a runtime within a bound.
//!
//! 1. `stopping` is set and every worker woken. Each interrupts whatever its tasks wait for; a call
//!    that can fail returns an error, and every later one fails too, after a turn through the loop
//!    so that a task that tries again and again does not hold its worker.
//!    What waits without a task ([`crate::task::idle`]) is given one, a few hundred at a time.
//! 2. Tasks end by themselves. When as many have ended as were spawned, the workers return.
//! 3. When most of the bound has passed, `abandoned` is set. A worker that sees it gives up its
//!    remaining tasks: header, stack and everything on it stay where they are for ever, because
//!    others may hold references into them. Their joiners are told. Such references may also lead
//!    to the thread-locals of the worker's thread, so that thread stays too: it reports its end, and
//!    then sleeps for good without having destroyed them.
//! 4. A thread that does not come back (its task never blocks) is left behind and counted; it
//!    returns if its task ever gives way.

use super::runtime::Shared;
use super::worker::{self, Worker};
use crate::task::header::Header;
use netpoll::Waiter;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How many waits without a task end in one look.
const IDLE_AT_ONCE: usize = 256;

/// Of a bound, a tenth is for workers to notice that they are to give their tasks up, and so much at
/// least where that is no more than half of it: on a busy machine a thread waits for its turn.
const NOTICE: Duration = Duration::from_millis(250);

/// How far a runtime has got with its end.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    stopping: AtomicBool,
    abandoned: AtomicBool,
    /// When the workers give up by themselves, because nobody waits for them.
    give_up_at: OnceLock<Instant>,
    books: Mutex<Books>,
    thread_ended: Condvar,
}

#[derive(Debug, Default)]
struct Books {
    threads: usize,
    begun: bool,
    leaked: Vec<String>,
    kept: usize,
}

/// What a shutdown could not end.
///
/// ```
/// use std::time::Duration;
/// let runtime = gopark::Runtime::new()?;
/// let deaf = gopark::task::Builder::new().name("deaf");
/// drop(deaf.spawn_in(&runtime.handle(), || loop { gopark::park() })?);
/// let report = runtime.shutdown_timeout(Duration::from_secs(1));
/// assert!(!report.is_clean());
/// assert!(report.leaked[0].starts_with("deaf"), "{report}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// The tasks that had not ended, by name. Their stacks are leaked.
    pub leaked: Vec<String>,
    /// Threads that were held by a task and left behind.
    pub stuck_threads: usize,
    /// Threads that have nothing more to do and use no processor time, but stay: a leaked task had
    /// started there, and what it has lent out may lead to the thread's thread-locals.
    pub kept_threads: usize,
    /// One of the runtime's own tasks asked for the end, and could not wait for itself: the runtime
    /// ends behind it, within the bound, and nobody is told what did not.
    pub in_background: bool,
}

impl ShutdownReport {
    /// Did everything end?
    pub fn is_clean(&self) -> bool {
        self.leaked.is_empty() && self.stuck_threads == 0 && !self.in_background
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_background {
            return f.write_str("the runtime ends behind the task that asked for it");
        }
        if self.is_clean() {
            return f.write_str("the runtime has ended");
        }
        write!(
            f,
            "the runtime has ended, but {} tasks had not",
            self.leaked.len()
        )?;
        if self.stuck_threads > 0 {
            write!(f, " and {} threads are held by one", self.stuck_threads)?;
        }
        const SHOWN: usize = 10;
        for name in self.leaked.iter().take(SHOWN) {
            write!(f, "; {name}")?;
        }
        match self.leaked.len().checked_sub(SHOWN) {
            Some(more) if more > 0 => write!(f, "; and {more} more"),
            _ => Ok(()),
        }
    }
}

impl Ending {
    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn is_abandoned(&self) -> bool {
        let late = |at: &Instant| Instant::now() >= *at;
        self.abandoned.load(Ordering::Acquire) || self.give_up_at.get().is_some_and(late)
    }

    pub(crate) fn thread_starts(&self) {
        self.books().threads += 1;
    }

    /// Counts a thread that is about to start, unless the runtime has begun to end.
    pub(crate) fn thread_may_start(&self) -> bool {
        let mut books = self.books();
        if !books.begun {
            books.threads += 1;
        }
        !books.begun
    }

    pub(crate) fn thread_ends(&self) {
        self.books().threads -= 1;
        self.thread_ended.notify_all();
    }

    /// Waits for `bound`, or until the runtime begins to end.
    pub(crate) fn pause(&self, bound: Duration) {
        let books = self.books();
        if !books.begun {
            let _ = self.thread_ended.wait_timeout(books, bound);
        }
    }

    /// For a runtime whose worker has ended on the caller's own thread.
    pub(crate) fn wait_for_threads(&self, bound: Duration) {
        self.wait(Instant::now() + bound);
    }

    #[cfg(test)]
    pub(crate) fn gives_up_within(&self, time: Duration) -> bool {
        let soon = |at: &Instant| *at < Instant::now() + time;
        self.abandoned.load(Ordering::Acquire) || self.give_up_at.get().is_some_and(soon)
    }

    /// Waits until every thread has ended, or `until`. Returns how many have not.
    fn wait(&self, until: Instant) -> usize {
        let mut books = self.books();
        while books.threads > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.thread_ended.wait_timeout(books, left);
            books = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        books.threads
    }
}

/// Says, when a thread of the runtime ends, that it has.
#[derive(Debug)]
pub(crate) struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Its tasks could neither run nor be freed, and others wait for them.
            eprintln!("gopark: a thread of the runtime panicked; this is a bug in gopark");
            std::process::abort();
        }
        self.0.ending.thread_ends();
    }
}

impl Shared {
    pub(crate) fn end_guard(self: Arc<Self>) -> EndGuard {
        EndGuard(self)
    }

    /// Ends the runtime. Only the first call does anything.
    pub(crate) fn shut_down(self: &Arc<Self>, bound: Duration) -> ShutdownReport {
        if std::mem::replace(&mut self.ending.books().begun, true) {
            return ShutdownReport::default();
        }
        let begun = Instant::now();
        let end = begun
            .checked_add(bound)
            .unwrap_or_else(|| begun + Duration::from_secs(1 << 30));
        let own_task = worker::current().is_some_and(|w| Arc::ptr_eq(&w.runtime, self));
        let own_closure = || {
            let runtime = super::blocking::runtime_of_this_thread();
            runtime.is_some_and(|runtime| Arc::ptr_eq(&runtime, self))
        };
        let in_background = own_task || own_closure();
        if in_background {
            self.ending.give_up_at.get_or_init(|| end);
        }
        self.ending.stopping.store(true, Ordering::SeqCst);
        self.ending.thread_ended.notify_all();
        self.blocking.stop();
        self.wake_all();
        if in_background {
            // Its worker goes on with the task that asked, so nobody waits.
            return ShutdownReport {
                in_background,
                ..ShutdownReport::default()
            };
        }
        crate::task::blocking(|| {
            let bound = bound.min(end - begun);
            let notice = (bound / 10).max(NOTICE).min(bound / 2);
            if self.ending.wait(end - notice) > 0 {
                self.ending.abandoned.store(true, Ordering::Release);
                self.wake_all();
                self.ending.wait(end);
            }
            let mut books = self.ending.books();
            ShutdownReport {
                leaked: std::mem::take(&mut books.leaked),
                kept_threads: books.kept,
                stuck_threads: books.threads,
                in_background,
            }
        })
    }

    fn wake_all(&self) {
        for worker in self.workers.iter() {
            worker.poller.wake();
        }
    }
}

impl Worker {
    /// Does what the end of the runtime asks of a worker. False if the worker must return.
    #[inline]
    pub(crate) fn look_at_shutdown(&self) -> bool {
        !self.runtime.ending.is_stopping() || self.shut_down()
    }

    #[cold]
    fn shut_down(&self) -> bool {
        if !self.is_stopping() {
            self.set_stopping();
            self.for_each_task(|task| {
                // SAFETY: listed tasks are alive.
                let slot = unsafe { task.as_ref() }.parked_in.get();
                // SAFETY: a parked task's slot is alive, and the task cannot go on meanwhile: it
                // runs on this thread only.
                if let Some(waiter) = unsafe { slot.as_ref() }.and_then(|slot| slot.unblock(false))
                {
                    // SAFETY: just taken out of its slot.
                    unsafe { Waiter::ready(waiter) };
                }
            });
        }
        // Who waits without a task gets one now, to learn of the end; not all at once, for the memory.
        if self.poller.interrupt_some(IDLE_AT_ONCE) > 0 {
            self.poller.handle().wake();
            return true;
        }
        let (spawned, finished) = self.runtime.spawned_and_finished();
        // A spawn from outside may come in between: then the inbox is not empty, or is closed to it.
        if spawned == finished && self.shared.inbox.close_if_empty() {
            self.runtime.wake_all();
            return false;
        }
        if self.runtime.ending.is_abandoned() {
            self.abandon();
            return false;
        }
        true
    }

    /// Gives up every task that has not ended.
    fn abandon(&self) {
        let mut lost: Vec<NonNull<Header>> = Vec::new();
        self.for_each_task(|task| lost.push(task));
        lost.extend(self.unstarted_among_ready());
        while let Some(task) = self.shared.unstarted.pop() {
            lost.push(task);
        }
        while self.runtime.take_injected(usize::MAX, &mut lost) {}
        // SAFETY: this is the owner's thread, and it takes nothing more.
        unsafe {
            self.shared.inbox.close(|task| {
                // SAFETY: a task in an inbox is alive; a started one is listed already.
                if !task.as_ref().has_started() {
                    lost.push(task);
                }
            });
        }
        if lost.is_empty() {
            return;
        }
        // SAFETY: lost tasks are alive.
        let had_started = |task: &NonNull<Header>| unsafe { task.as_ref() }.has_started();
        if lost.iter().any(had_started) {
            self.keep_thread();
            self.runtime.ending.books().kept += 1;
        }
        // The lost tasks point to it, and others may still wake them.
        std::mem::forget(self.shared.clone());
        let mut names = Vec::with_capacity(lost.len());
        for task in lost {
            // SAFETY: alive, of this worker or unstarted and in hand; no loop resumes it again.
            let header = unsafe { task.as_ref() };
            let why = if !header.has_started() {
                "not started"
            } else if header.parked_in.get().is_null() {
                "ready"
            } else {
                header.waiter.reason().name()
            };
            names.push(format!("{} ({why})", header.attributes));
            self.runtime.arena.leak(header.slot);
            // SAFETY: as above; its slot was just leaked.
            unsafe { header.abandon() };
        }
        if self.runtime.ending.give_up_at.get().is_some() {
            eprintln!(
                "gopark: given up at the end of a runtime: {}",
                names.join("; ")
            );
        }
        self.runtime.ending.books().leaked.extend(names);
    }
}
