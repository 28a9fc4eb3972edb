//! What a task is: a header, a closure that becomes a result, and a stack, all in one slot.
//!
//! ```text
//!   high ┌────────────────────────────┐
//!        │ colour (0 to 1 KiB)        │  so that headers do not share cache sets
//!        ├────────────────────────────┤
//!        │ closure, later its result  │  in a box of its own above 1 KiB
//!        ├────────────────────────────┤
//!        │ Header                     │
//!        ├────────────────────────────┤ ◄─ base of the stack, at the beginning of a cache line
//!        │ stack, growing down        │
//!        │             ...            │
//!        ├────────────────────────────┤
//!   low  │ guard page                 │
//!        └────────────────────────────┘
//! ```
//!
//! A parked task that has done little touches the top page only. Who drops the result and who gives
//! the slot back is decided in [`super::bits`].

use super::bits::{Detached, Done, JoinBits};
use super::local::{self, Locals};
use super::switch::{Entry, Switch, WayBack};
use crate::sched::link::{Link, Linked};
use crate::sched::worker::{self, WorkerShared};
use crate::stack;
use netpoll::{Park, Reason, Slot, Waiter};
use std::cell::{Cell, RefCell, UnsafeCell};
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// Closures and results above this live in a box, so that small tasks touch one page.
const INLINE: usize = 1024;
/// Bytes in a cache line. A header begins with one, and a stack's alignment is less.
const LINE: usize = 64;

/// The slot of those who wait for the end of a task: nobody is in it, so nobody is interrupted there.
static NOWHERE: Slot = Slot::new();

/// What a task is called, and what it is created with.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Attributes {
    pub(crate) id: u64,
    pub(crate) site: &'static Location<'static>,
    pub(crate) name: Option<Arc<str>>,
    /// It starts on the worker that it is given to, and no other takes it: its closure is not `Send`, or
    /// what it will wait for is at home there.
    pub(crate) pinned: bool,
}

/// The fixed part of a task. What a switch touches comes first, in one cache line: with a thousand
/// tasks in turn it is cold.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) waiter: Waiter,
    /// The worker it belongs to, once it has started.
    pub(crate) worker: Cell<*const WorkerShared>,
    pub(crate) way_back: WayBack,
    switch: UnsafeCell<MaybeUninit<Switch>>,
    /// The slot it is parked in, while it is.
    pub(crate) parked_in: Cell<*const Slot>,
    pub(crate) attributes: Attributes,
    vtable: &'static VTable,
    payload: Cell<*mut u8>,
    pub(crate) slot: stack::Slot,
    bits: JoinBits,
    /// The next in whichever intrusive list it is in: an inbox.
    next: Link<Header>,
    /// Its neighbours among the started tasks of its worker.
    pub(crate) links: Cell<[Option<NonNull<Header>>; 2]>,
    /// Emptied at the end of `run`, so there is nothing to drop.
    pub(crate) locals: ManuallyDrop<RefCell<Locals>>,
    pub(crate) unparker: OnceLock<Arc<super::unpark::Unparker>>,
}

// The last that a switch reads is the place it was spawned at, for the watchdog. The portable switch keeps
// more, and takes another line.
#[cfg(all(target_arch = "x86_64", unix, not(gopark_portable_switch)))]
const _: () = assert!(
    std::mem::offset_of!(Header, attributes) + std::mem::offset_of!(Attributes, name) <= LINE
);

/// What depends on the types of closure and result.
struct VTable {
    /// Runs the closure and leaves the result in its place. Does not unwind.
    run: Entry,
    drop_closure: unsafe fn(*mut u8),
    drop_result: unsafe fn(*mut u8),
    /// Only where it is in a box.
    free_payload: Option<unsafe fn(*mut u8)>,
}

/// A closure that becomes its result. `repr(C)`, so that both start where it starts.
#[repr(C)]
union Payload<F, T> {
    closure: ManuallyDrop<F>,
    result: ManuallyDrop<std::thread::Result<T>>,
}

struct Types<F, T>(std::marker::PhantomData<(F, T)>);

impl<F: FnOnce() -> T, T> Types<F, T> {
    const BOXED: bool = size_of::<Payload<F, T>>() > INLINE;
    const VTABLE: VTable = VTable {
        run: Self::run,
        drop_closure: Self::drop_closure,
        drop_result: Self::drop_result,
        free_payload: if Self::BOXED {
            Some(Self::free_payload)
        } else {
            None
        },
    };

    unsafe extern "C" fn run(header: NonNull<Header>) {
        // SAFETY: the worker resumes a live task; the header outlives its run.
        let header = unsafe { header.as_ref() };
        let payload = header.payload.get().cast::<Payload<F, T>>();
        // SAFETY: `create` put a closure here and nothing has taken it: a task runs once.
        let closure = unsafe { ManuallyDrop::take(&mut (*payload).closure) };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(closure));
        if result.is_err() {
            worker::note_panic();
        }
        // SAFETY: the closure was moved out; the place is big and aligned enough for either.
        unsafe { (*payload).result = ManuallyDrop::new(result) };
        if header.bits.written() {
            // SAFETY: just written, and the handle is gone.
            unsafe { Self::drop_result(payload.cast()) };
        }
        local::clear(&header.locals);
    }

    unsafe fn drop_closure(payload: *mut u8) {
        let payload = payload.cast::<Payload<F, T>>();
        // SAFETY: the caller owns a task that has not started, so the closure is in its place.
        unsafe { ManuallyDrop::drop(&mut (*payload).closure) };
    }

    // Not inlined into `run`, most of whose results are not dropped there.
    #[inline(never)]
    unsafe fn drop_result(payload: *mut u8) {
        let payload = payload.cast::<Payload<F, T>>();
        // SAFETY: the caller owns a result that was written here.
        let result = unsafe { ManuallyDrop::take(&mut (*payload).result) };
        // A panic in the drop of a result that nobody wants ends here, as the task's own did.
        let drop_it = std::panic::AssertUnwindSafe(|| drop(result));
        if let Err(panic) = std::panic::catch_unwind(drop_it) {
            std::mem::forget(panic);
        }
    }

    unsafe fn free_payload(payload: *mut u8) {
        // SAFETY: made by `Box::into_raw` in `create`; closure and result are moved out.
        drop(unsafe { Box::from_raw(payload.cast::<MaybeUninit<Payload<F, T>>>()) });
    }
}

impl Header {
    /// Makes a task in `slot`. It is started by the worker that first resumes it.
    pub(crate) fn create<F, T>(
        slot: stack::Slot,
        attributes: Attributes,
        closure: F,
    ) -> NonNull<Header>
    where
        F: FnOnce() -> T,
    {
        let down = |at: usize, size: usize, align: usize| (at - size) & !(align - 1);
        let top = slot.hi() - slot.colour();
        let (payload, top) = if Types::<F, T>::BOXED {
            let payload = Box::into_raw(Box::<Payload<F, T>>::new_uninit());
            (payload.cast::<u8>(), top)
        } else {
            let layout = std::alloc::Layout::new::<Payload<F, T>>();
            let payload = down(top, layout.size(), layout.align());
            (payload as *mut u8, payload)
        };
        let at = down(top, size_of::<Header>(), LINE);
        // SAFETY: either a fresh box or free memory of the slot, aligned by `down`.
        unsafe {
            payload.cast::<Payload<F, T>>().write(Payload {
                closure: ManuallyDrop::new(closure),
            });
        }
        // Inline payloads are small and slots at least 16 KiB, so this only guards the arithmetic.
        debug_assert!(at > slot.lo() + 2048, "no room for a stack");
        let header = NonNull::new(at as *mut Header).expect("a slot is not at address zero");
        // SAFETY: inside the slot, which the caller owns, aligned by `down`.
        unsafe {
            header.write(Header {
                waiter: Waiter::new(worker::task_ready),
                worker: Cell::new(std::ptr::null()),
                way_back: WayBack::default(),
                switch: UnsafeCell::new(MaybeUninit::uninit()),
                parked_in: Cell::new(std::ptr::null()),
                vtable: &Types::<F, T>::VTABLE,
                payload: Cell::new(payload),
                slot,
                bits: JoinBits::new(),
                next: Link::new(),
                links: Cell::new([None; 2]),
                attributes,
                locals: ManuallyDrop::default(),
                unparker: OnceLock::new(),
            });
        }
        header
    }

    /// Its worker's loop has resumed it once, or is about to.
    pub(crate) fn has_started(&self) -> bool {
        !self.worker.get().is_null()
    }

    pub(crate) fn waiter(&self) -> NonNull<Waiter> {
        // From the whole header, so that the pointer may be cast back to it.
        NonNull::from(self).cast()
    }

    /// The task's first steps: it belongs to `worker` from now on, which lays out its stack. Called once.
    ///
    /// # Safety
    /// On the thread of the worker that the task will stay on; not started before.
    #[inline]
    pub(crate) unsafe fn start(&self, worker: *const WorkerShared) {
        self.worker.set(worker);
        let run = self.vtable.run;
        let base = std::ptr::from_ref(self).addr();
        // SAFETY: the slot is the task's alone and everything below the header is free; the header
        // lives until `release`, which follows `finish`. `run` does not unwind.
        let switch = unsafe { Switch::new(self.slot, base, NonNull::from(self), run) };
        // SAFETY: nobody else looks at the switch of a task that has not started.
        unsafe { (*self.switch.get()).write(switch) };
    }

    /// Runs the task until it parks or yields (false) or ends (true).
    ///
    /// # Safety
    /// On the thread of its worker, started, not finished, and not from within itself.
    #[inline(always)]
    pub(crate) unsafe fn resume(&self) -> bool {
        // SAFETY: written by `start`; only the worker's loop reaches here, so the reference is
        // unique. The task itself reaches only `way_back`.
        unsafe {
            (*self.switch.get())
                .assume_init_mut()
                .resume(&self.way_back)
        }
    }

    /// The worker's last touch of a task that has ended. True if the slot must be given back now;
    /// otherwise the header may be gone when this returns.
    ///
    /// # Safety
    /// `resume` has returned true, once, just now.
    #[inline]
    pub(crate) unsafe fn finish(task: NonNull<Header>) -> bool {
        // SAFETY: alive until `done` below. The reference is of this block, not of the function,
        // because the memory may go before the function returns.
        let done = unsafe {
            let header = task.as_ref();
            // Written by `start`, and the task has ended: dropping it does nothing much.
            (*header.switch.get()).assume_init_drop();
            header.bits.done()
        };
        if let Done::Wake(joiner) = done {
            // SAFETY: just taken out of the word. It is the joiner's waiter, not this task's.
            unsafe { Waiter::ready(joiner) };
        }
        done == Done::Free
    }

    /// Leaves a task that will never end where it is, header, stack and all, and tells its joiner.
    ///
    /// # Safety
    /// By its worker (or by whoever took it out of a queue, unstarted), which will not resume it
    /// again; the slot is never reused.
    pub(crate) unsafe fn abandon(&self) {
        // The switch is not dropped: that would unwind a stack whose borrows may be in use.
        if let Some(joiner) = self.bits.leak() {
            // SAFETY: just taken out of the word.
            unsafe { Waiter::ready(joiner) };
        }
    }

    /// Has the task ended?
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.bits.is_done()
    }

    /// Waits until the task has ended, or was given up. For the handle, and only once.
    #[inline(always)]
    pub(crate) fn wait_over(&self) {
        if self.bits.is_over() {
            return;
        }
        match worker::of_task() {
            Some(worker) => self.wait_as(worker),
            None => self.wait_as_thread(),
        }
    }

    /// Where there is no task, or it must not switch: the thread waits.
    #[cold]
    fn wait_as_thread(&self) {
        netpoll::park::with_thread(|park| self.wait_as(park));
    }

    #[inline(always)]
    fn wait_as<P: Park + ?Sized>(&self, park: &P) {
        if self.bits.wait(park.waiter()) {
            park.park(&NOWHERE, Reason::Join);
        }
        debug_assert!(self.bits.is_over(), "woken before the end");
    }

    /// Takes the result.
    ///
    /// # Safety
    /// The task is done, `T` is its result type, and this is the only call.
    pub(crate) unsafe fn take_result<T>(&self) -> std::thread::Result<T> {
        // SAFETY: a done task has written its result, and the handle has not detached. The result is at
        // the start of its `Payload`, whatever the closure's type was.
        unsafe { self.payload.get().cast::<std::thread::Result<T>>().read() }
    }

    /// The handle is dropped without a join. True if the slot must be given back now; otherwise the
    /// header may be gone when this returns.
    ///
    /// # Safety
    /// The caller is the only handle, and this or [`Header::let_go`] is its last call.
    pub(crate) unsafe fn detach(task: NonNull<Header>) -> bool {
        // SAFETY: alive until the handle's last touch; see `finish` for the reference.
        unsafe {
            match task.as_ref().bits.detach() {
                Detached::Left => false,
                Detached::DropResult => {
                    (task.as_ref().vtable.drop_result)(task.as_ref().payload.get());
                    Header::let_go(task)
                }
            }
        }
    }

    /// There is no handle, and nobody will wait for its end. In place of [`Header::detach`].
    ///
    /// # Safety
    /// The task was just made, and is in nobody else's hands.
    #[inline]
    pub(crate) unsafe fn never_joined(task: NonNull<Header>) {
        // SAFETY: alive, being new.
        unsafe { task.as_ref() }.bits.never_joined();
    }

    /// The handle's last touch, the result being taken. True if the slot must be given back now.
    ///
    /// # Safety
    /// As [`Header::detach`].
    #[inline]
    pub(crate) unsafe fn let_go(task: NonNull<Header>) -> bool {
        // SAFETY: as in `detach`.
        unsafe { task.as_ref().bits.release() }
    }

    /// Ends a task that nobody has started: drops its closure and returns its slot.
    ///
    /// # Safety
    /// Nobody else knows the task.
    pub(crate) unsafe fn discard(task: NonNull<Header>) -> stack::Slot {
        // SAFETY: contract of this function; the closure is where `create` put it.
        unsafe {
            let header = task.as_ref();
            (header.vtable.drop_closure)(header.payload.get());
            Header::release(task)
        }
    }

    /// Ends the header's life and returns its slot.
    ///
    /// # Safety
    /// The caller was told to give the slot back, or the task is in nobody else's hands.
    #[inline]
    pub(crate) unsafe fn release(header: NonNull<Header>) -> stack::Slot {
        // SAFETY: nobody else knows the header any more.
        unsafe {
            let h = header.as_ref();
            let slot = h.slot;
            if let Some(free) = h.vtable.free_payload {
                free(h.payload.get());
            }
            header.drop_in_place();
            slot
        }
    }
}

impl Linked for Header {
    fn link(&self) -> &Link<Header> {
        &self.next
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}"),
            None => write!(f, "task {} spawned at {}", self.id, self.site),
        }
    }
}
