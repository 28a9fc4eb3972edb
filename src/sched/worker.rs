//! A worker: one thread, one poller, and the tasks that have started on it.
//!
//! ```text
//!            other threads                        this thread only
//!     ┌───────────┐  ┌───────────┐      ┌────────┐  ┌─────────┐  ┌──────────┐
//!     │   inbox   │  │ unstarted │      │ ready  │  │ yielded │  │  poller  │
//!     └─────┬─────┘  └─────┬─────┘      └───┬────┘  └────┬────┘  └────┬─────┘
//!           └──────► ready └── next() ◄─────┴────────────┘            │
//!                                │                                    │
//!                          resume the task ── parks in a slot ── event makes it ready
//! ```
//!
//! A started task never leaves its worker, so everything but the inbox and the ring of unstarted
//! tasks is without locks. The loop runs ready tasks in the order in which they became ready. Of the
//! events of a poll it has one delivered before each turn, so that the task that it concerns runs
//! while what was touched to find it is still in the caches; what other tasks wake takes its place in
//! between. It does not sleep before the last of them is delivered, and polls again when there were as
//! many turns as events, at the earliest; [`super::poll`] says when. Tasks that yield give way to those
//! that were woken.
//!
//! Go: `runtime/proc.go`, `schedule` and `findRunnable`.

use super::buffer::AtHand;
use super::cpu_clock::CpuClock;
use super::holds::Holds;
use super::inbox::Inbox;
use super::metrics::{Counts, add, set};
use super::patience::Patience;
use super::presence::Presence;
use super::queue::Queue;
use super::ring::Ring;
use super::runtime::Shared;
use crate::stack::{Arena, Pool, overflow};
use crate::task::header::Header;
use netpoll::{Park, Poller, PollerHandle, Reason, Refusal, Slot, Waiter};
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Every so many switches a task that yielded goes before those that are ready.
const YIELDED_EVERY: u32 = 8;
/// Every so many switches it looks at the common queue even though it has work of its own. Go: 61.
const INJECTED_EVERY: u32 = 64;
/// Task numbers are taken in blocks, so that spawning does not share a counter.
const ID_BLOCK: u64 = 1024;

thread_local! {
    static WORKER: Cell<*const Worker> = const { Cell::new(std::ptr::null()) };
}

/// The part of a worker that other threads may use.
#[derive(Debug)]
pub(crate) struct WorkerShared {
    pub(crate) index: usize,
    pub(crate) poller: PollerHandle,
    pub(crate) inbox: Inbox<Header>,
    pub(crate) unstarted: Ring<Header>,
    pub(crate) counts: Counts,
    /// Unstarted tasks handed to this worker, and how many of them it has taken out of its inbox.
    pub(crate) handed: AtomicU64,
    pub(crate) handed_taken: AtomicU64,
    /// Waits without a task that are at home here.
    pub(crate) waits: AtomicU64,
    /// The task that runs, or ran last.
    pub(super) running: AtomicU64,
    /// Where it was spawned; null from each poll to the next task, and while there is no thread: then no
    /// task can hold this worker.
    pub(super) running_site: AtomicPtr<Location<'static>>,
    /// The watchdog has seen a task hold this worker: give it nothing new.
    pub(crate) held: AtomicBool,
    /// Whether it has a thread, and takes new tasks.
    pub(crate) presence: Presence,
    pub(crate) cpu: CpuClock,
}

/// The part of a worker that only its thread uses.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<WorkerShared>,
    pub(crate) runtime: Arc<Shared>,
    pub(crate) poller: Poller,
    pub(crate) pool: RefCell<Pool>,
    pub(crate) holds: Holds<Arena>,
    pub(super) ready: Queue<NonNull<Header>>,
    yielded: Queue<NonNull<Header>>,
    current: Cell<Option<NonNull<Header>>>,
    /// The newest of the started tasks, which are linked through their headers.
    tasks: Cell<Option<NonNull<Header>>>,
    stopping: Cell<bool>,
    keeps_thread: Cell<bool>,
    /// Switches left until the next poll, and how many there were to begin with.
    pub(super) left: Cell<u32>,
    pub(super) granted: Cell<u32>,
    pub(super) budget: Cell<u32>,
    /// Nanoseconds of a turn, in the slowest stretch of late.
    pub(super) slow: Cell<u64>,
    /// When the current stretch of work began; 0 if it began with a sleep.
    pub(super) busy_since: Cell<u64>,
    turn: Cell<u32>,
    ids: Cell<[u64; 2]>,
    pub(super) stolen: RefCell<Vec<NonNull<Header>>>,
    pub(crate) buffer: AtHand,
    pub(super) patience: Cell<Patience>,
    /// The worker that [`Worker::place`] has looked at last.
    pub(super) looked_at: Cell<usize>,
    pub(super) switches_at_trim: Cell<u64>,
}

/// The worker of the calling thread, if it is one.
///
/// The reference is good for as long as the caller stays on this thread, which a task does for life.
#[inline]
pub(crate) fn current<'a>() -> Option<&'a Worker> {
    // SAFETY: set by `Worker::main` for as long as it runs; code on this thread that could use the
    // reference runs inside it.
    unsafe { WORKER.get().as_ref() }
}

/// The worker of the calling task, if that may give way: it does not unwind, and it is a task, not a call
/// on the worker's stack ([`crate::task::on_worker_stack`]).
#[inline(always)]
pub(crate) fn of_task<'a>() -> Option<&'a Worker> {
    current().filter(|worker| worker.running().is_some() && !std::thread::panicking())
}

/// Counts a panic of the task that runs.
pub(crate) fn note_panic() {
    if let Some(worker) = current() {
        add(&worker.shared.counts.panicked, 1);
    }
}

/// Makes a task ready: on its own worker by a push, from elsewhere through the inbox.
///
/// # Safety
/// As [`Waiter::ready`]; the waiter is that of a started task.
pub(crate) unsafe fn task_ready(waiter: NonNull<Waiter>) {
    let task: NonNull<Header> = waiter.cast();
    // SAFETY: the task is parked until this call, so its header and its worker are alive.
    let home = unsafe { task.as_ref() }.worker.get();
    match current() {
        Some(worker) if std::ptr::eq(&*worker.shared, home) => worker.make_ready(task),
        // SAFETY: as above.
        _ => unsafe { ready_elsewhere(task, home) },
    }
}

/// # Safety
/// As [`task_ready`]; `home` is the task's worker.
#[cold]
unsafe fn ready_elsewhere(task: NonNull<Header>, home: *const WorkerShared) {
    // SAFETY: both are alive, by contract. The clone keeps the worker's shared part alive until the
    // wake-up is done, because the task may run, and its runtime end, as soon as it is in the inbox.
    unsafe {
        Arc::increment_strong_count(home);
        // A worker that has left gave up its tasks: this one never runs again.
        let _ = Arc::from_raw(home).hand_over(task);
    }
}

impl WorkerShared {
    pub(crate) fn new(index: usize, poller: PollerHandle) -> WorkerShared {
        WorkerShared {
            index,
            poller,
            inbox: Inbox::new(),
            unstarted: Ring::new(),
            counts: Counts::default(),
            handed: AtomicU64::new(0),
            handed_taken: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            running: AtomicU64::new(0),
            running_site: AtomicPtr::new(std::ptr::null_mut()),
            held: AtomicBool::new(false),
            presence: Presence::permanent(),
            cpu: CpuClock::default(),
        }
    }

    /// One that has no thread yet.
    pub(crate) fn spare(index: usize, poller: PollerHandle) -> WorkerShared {
        let worker = WorkerShared {
            presence: Presence::absent(),
            ..WorkerShared::new(index, poller)
        };
        worker.inbox.close_if_empty();
        worker
    }

    /// Puts a task into the inbox and sees to it that the worker looks. Gives it back if the worker
    /// has left.
    ///
    /// # Safety
    /// The task is alive, in no other queue, and either unstarted or of this worker.
    pub(crate) unsafe fn hand_over(&self, task: NonNull<Header>) -> Result<(), NonNull<Header>> {
        // SAFETY: contract of this function.
        unsafe { self.inbox.push(task) }?;
        self.poller.wake();
        Ok(())
    }

    /// Does it sleep, or has it no thread? Then no task holds it.
    pub(super) fn is_at_rest(&self) -> bool {
        self.poller.is_sleeping() || !self.presence.is_here()
    }

    /// The task that runs, and where it was spawned. Nothing while the worker polls, sleeps, or has been
    /// woken and waits for a processor.
    pub(super) fn runs(&self) -> Option<(u64, &'static Location<'static>)> {
        // SAFETY: the word holds null or what was a `&'static Location`.
        let site = unsafe { self.running_site.load(Acquire).as_ref() }?;
        Some((self.running.load(Acquire), site))
    }

    /// See [`WorkerShared::runs`].
    pub(super) fn runs_nothing(&self) {
        self.running_site.store(std::ptr::null_mut(), Relaxed);
    }

    /// May others give it new tasks? Not while a task holds it, nor when it is leaving or away. Advice.
    #[inline]
    pub(super) fn takes_more(&self) -> bool {
        self.presence.is_open() && !self.held.load(Relaxed)
    }

    /// Tasks that this worker has or will have to run, and waits that will become tasks here.
    pub(crate) fn load(&self) -> u64 {
        let finished = self.counts.finished.load(Relaxed);
        let alive = self.counts.started.load(Relaxed).saturating_sub(finished);
        let taken = self.handed_taken.load(Relaxed);
        let coming = self.handed.load(Relaxed).saturating_sub(taken);
        alive + coming + self.waits.load(Relaxed) + self.unstarted.len() as u64
    }
}

impl Worker {
    pub(crate) fn new(shared: Arc<WorkerShared>, runtime: Arc<Shared>, poller: Poller) -> Worker {
        Worker {
            pool: RefCell::new(Pool::new(&runtime.arena)),
            holds: Holds::new(runtime.arena.clone()),
            shared,
            runtime,
            poller,
            ready: Queue::new(),
            yielded: Queue::new(),
            current: Cell::new(None),
            tasks: Cell::new(None),
            stopping: Cell::new(false),
            keeps_thread: Cell::new(false),
            left: Cell::new(1),
            granted: Cell::new(1),
            budget: Cell::new(64),
            slow: Cell::new(0),
            busy_since: Cell::new(0),
            turn: Cell::new(0),
            ids: Cell::new([0, 0]),
            stolen: RefCell::default(),
            buffer: AtHand::default(),
            patience: Cell::default(),
            looked_at: Cell::new(0),
            switches_at_trim: Cell::new(0),
        }
    }

    /// The life of a worker's thread. Gives back its poller, and true if the thread must not end: see
    /// [`Worker::keep_thread`].
    pub(crate) fn main(self) -> (Poller, bool) {
        let watch = overflow::watch(self.runtime.arena.clone());
        if let Err(err) = &watch {
            eprintln!("gopark: stack overflows on this worker will not be named: {err}");
        }
        self.shared.cpu.follow_this_thread();
        WORKER.set(&self);
        // SAFETY: `self` stays where it is until the reset below.
        let before = unsafe { netpoll::park::set_current(Some(NonNull::from(&self as &dyn Park))) };
        self.run();
        self.shared.runs_nothing();
        // SAFETY: whoever set it before has promised that it stays valid until it is replaced by them.
        unsafe { netpoll::park::set_current(before) };
        WORKER.set(std::ptr::null());
        self.pool.borrow_mut().drain(&self.runtime.arena);
        set(&self.shared.counts.stacks_cached, 0);
        (self.poller, self.keeps_thread.get())
    }

    /// A started task was given up here. It may have lent a reference to a thread-local to somebody
    /// who still runs, so the thread-locals of this thread must never be destroyed.
    pub(crate) fn keep_thread(&self) {
        self.keeps_thread.set(true);
    }

    fn run(&self) {
        loop {
            if !self.shared.inbox.is_empty() {
                self.take_inbox();
            }
            match self.next() {
                Some(task) => {
                    self.run_task(task);
                    let left = self.left.get() - 1;
                    self.left.set(left);
                    if left == 0 && !self.poll_busy() {
                        return;
                    }
                }
                // The event just delivered concerned nobody; the next one may.
                None if self.poller.undelivered() > 0 => {}
                None if self.steal() => {}
                None => {
                    if !self.sleep() {
                        return;
                    }
                }
            }
        }
    }

    /// Who runs next. Ready and unstarted tasks take turns; those that yielded come after, but
    /// not last for ever.
    #[inline]
    fn next(&self) -> Option<NonNull<Header>> {
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        self.poller.deliver();
        if turn.is_multiple_of(INJECTED_EVERY) && !self.runtime.injector_is_empty() {
            self.take_injected();
        }
        if turn.is_multiple_of(YIELDED_EVERY)
            && let Some(task) = self.yielded.pop()
        {
            return Some(task);
        }
        let unstarted_first = turn & 1 != 0 && self.shared.unstarted.len() > 0;
        if unstarted_first && let Some(task) = self.shared.unstarted.pop() {
            return Some(task);
        }
        if let Some(task) = self.ready.pop() {
            return Some(task);
        }
        if let Some(task) = self.shared.unstarted.pop() {
            return Some(task);
        }
        self.yielded.pop()
    }

    #[inline]
    fn run_task(&self, task: NonNull<Header>) {
        // SAFETY: a task in a queue is alive.
        let header = unsafe { task.as_ref() };
        let counts = &self.shared.counts;
        add(&counts.switches, 1);
        // Release, both: who sees it running sees that this is a new switch.
        self.shared.running.store(header.attributes.id, Release);
        let site = std::ptr::from_ref(header.attributes.site).cast_mut();
        self.shared.running_site.store(site, Release);
        if !header.has_started() {
            // SAFETY: it came out of a queue of unstarted tasks, so it is ours alone from now on.
            unsafe { self.start(task) };
        }
        self.current.set(Some(task));
        // SAFETY: started, on its worker's thread, and we are not inside a task: `current` was none.
        let ended = unsafe { header.resume() };
        self.current.set(None);
        if ended {
            // SAFETY: `resume` has just said so.
            unsafe { self.finish(task) };
        }
    }

    /// # Safety
    /// As [`Header::start`].
    #[inline]
    unsafe fn start(&self, task: NonNull<Header>) {
        self.link(task);
        add(&self.shared.counts.started, 1);
        // SAFETY: contract of this function.
        unsafe { task.as_ref().start(Arc::as_ptr(&self.shared)) };
    }

    /// # Safety
    /// As [`Header::finish`].
    #[inline]
    unsafe fn finish(&self, task: NonNull<Header>) {
        self.unlink(task);
        // Release: who counts it as finished counts what it spawned, too.
        let counts = &self.shared.counts;
        let finished = counts.finished.load(Relaxed) + 1;
        counts.finished.store(finished, Release);
        // SAFETY: contract of this function.
        if unsafe { Header::finish(task) } {
            // SAFETY: `finish` said that the handle is gone, so this is the last touch.
            unsafe { self.release(task) };
        }
    }

    /// Gives back the slot of a task that has ended and whose handle is gone.
    ///
    /// # Safety
    /// As [`Header::release`].
    #[inline]
    pub(crate) unsafe fn release(&self, task: NonNull<Header>) {
        // SAFETY: contract of this function; nobody uses the slot any more.
        unsafe {
            let slot = Header::release(task);
            self.pool.borrow_mut().put(&self.runtime.arena, slot);
        }
    }

    /// Takes in what other threads have handed over.
    #[inline(never)]
    fn take_inbox(&self) {
        let mut n = 0;
        // SAFETY: this is the owner's thread.
        unsafe {
            self.shared.inbox.take(|task| {
                n += 1;
                // SAFETY: a task in an inbox is alive.
                if task.as_ref().has_started() {
                    self.make_ready(task);
                } else {
                    add(&self.shared.handed_taken, 1);
                    self.enqueue_unstarted(task);
                }
            });
        }
        add(&self.shared.counts.inbox, n);
        self.share_unstarted();
    }

    #[inline]
    pub(crate) fn make_ready(&self, task: NonNull<Header>) {
        self.ready.push(task);
    }

    /// Lets others run: the caller goes behind everybody who is ready now.
    #[inline]
    pub(crate) fn yield_now(&self) {
        let Some(task) = self.current.get() else {
            return;
        };
        self.yielded.push(task);
        add(&self.shared.counts.yields, 1);
        // SAFETY: `task` runs, on this thread, on its own stack; it is in a queue, so it comes back.
        unsafe { task.as_ref().way_back.suspend() };
    }

    /// The task that runs is not to be seen as such until it is taken up again.
    #[inline]
    pub(crate) fn put_aside(&self) -> Option<&Header> {
        // SAFETY: a running task is alive, and the caller runs on it.
        self.current.take().map(|task| unsafe { task.as_ref() })
    }

    /// See [`Worker::put_aside`].
    #[inline]
    pub(crate) fn take_up(&self, task: &Header) {
        self.current.set(Some(NonNull::from(task)));
    }

    /// The task that runs.
    #[inline]
    pub(crate) fn running(&self) -> Option<&Header> {
        // SAFETY: a running task is alive, and the caller runs on it.
        self.current.get().map(|task| unsafe { task.as_ref() })
    }

    /// Tasks in the queue of the ready that have not started: they may not leave this worker, or there
    /// is no other.
    pub(crate) fn unstarted_among_ready(&self) -> Vec<NonNull<Header>> {
        let mut ready = self.ready.snapshot();
        // SAFETY: a task in a queue is alive.
        ready.retain(|task| !unsafe { task.as_ref() }.has_started());
        ready
    }

    /// Is there a task here, in whatever state?
    pub(super) fn has_tasks(&self) -> bool {
        self.tasks.get().is_some() || !self.ready.is_empty() || self.shared.unstarted.len() > 0
    }

    /// Started tasks that have not ended.
    pub(crate) fn for_each_task(&self, mut f: impl FnMut(NonNull<Header>)) {
        let mut next = self.tasks.get();
        while let Some(task) = next {
            // SAFETY: listed tasks are alive; read before `f` may do something with it.
            next = unsafe { task.as_ref() }.links.get()[1];
            f(task);
        }
    }

    fn link(&self, task: NonNull<Header>) {
        let old = self.tasks.replace(Some(task));
        // SAFETY: both are alive and listed here only.
        unsafe {
            task.as_ref().links.set([None, old]);
            if let Some(old) = old {
                let [_, next] = old.as_ref().links.get();
                old.as_ref().links.set([Some(task), next]);
            }
        }
        let counts = &self.shared.counts;
        let alive = counts.started.load(Relaxed) + 1 - counts.finished.load(Relaxed);
        if alive > counts.alive_max.load(Relaxed) {
            set(&counts.alive_max, alive);
        }
    }

    fn unlink(&self, task: NonNull<Header>) {
        // SAFETY: the task and its neighbours are alive and listed here only.
        unsafe {
            let [before, after] = task.as_ref().links.get();
            match before {
                Some(b) => b.as_ref().links.set([b.as_ref().links.get()[0], after]),
                None => self.tasks.set(after),
            }
            if let Some(a) = after {
                a.as_ref().links.set([before, a.as_ref().links.get()[1]]);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self) -> Refusal {
        // A task that tries again and again must still give way, or it could not be abandoned.
        self.yield_now();
        Refusal::ShuttingDown
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(crate) fn set_stopping(&self) {
        self.stopping.set(true);
    }

    /// A number for a new task.
    #[inline]
    pub(crate) fn next_id(&self) -> u64 {
        let [mut next, mut end] = self.ids.get();
        if next == end {
            next = self.runtime.take_ids(ID_BLOCK);
            end = next + ID_BLOCK;
        }
        self.ids.set([next + 1, end]);
        next
    }
}

// SAFETY: a parked task's header stays until the task has ended, which it cannot while parked.
// `park` goes back to the loop, which resumes the task only after `make_ready` put it into a queue,
// once for each `Waiter::ready`. A ready that comes before the task has left its stack only puts it
// into a queue of this very thread, or of its inbox, which nobody looks at until it has.
unsafe impl Park for Worker {
    #[inline]
    fn waiter(&self) -> NonNull<Waiter> {
        self.running()
            .expect("only a task waits as a task")
            .waiter()
    }

    #[inline]
    fn park(&self, slot: &Slot, why: Reason) {
        let task = self.running().expect("only a task parks");
        debug_assert!(!std::thread::panicking(), "a switch while unwinding");
        let counts = &self.shared.counts;
        add(&counts.parks, 1);
        let parked = &counts.parked[why as usize];
        add(parked, 1);
        task.waiter.set_reason(why);
        task.parked_in.set(slot);
        // SAFETY: we are on this task's stack; `may_park` and `of_task` keep a task that unwinds from
        // coming here.
        unsafe { task.way_back.suspend() };
        task.parked_in.set(std::ptr::null());
        set(parked, parked.load(Relaxed).wrapping_sub(1));
    }

    #[inline]
    fn may_park(&self) -> Result<(), Refusal> {
        if std::thread::panicking() {
            Err(Refusal::Unwinding)
        } else if self.stopping.get() {
            Err(self.refuse())
        } else {
            Ok(())
        }
    }

    #[inline]
    fn poller(&self) -> &Poller {
        &self.poller
    }
}
