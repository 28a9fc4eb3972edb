//! Waiting as a plain thread.
//!
//! A thread that meets EAGAIN runs a small poller of its own, as a worker that has only itself: no
//! hidden runtime, no helper thread. The poller is made at the thread's first wait for a descriptor
//! and lives as long as the thread. Waits for anything else (a lock, the end of a task) use the
//! standard library's thread parking until then. In the destructors of a thread that ends, each wait has a
//! waiter, and if need be a poller, of its own.

use crate::error::Error;
use crate::park::{Park, Reason, Refusal, Waiter};
use crate::poller::{Poller, PollerHandle};
use crate::slot::Slot;
use std::cell::OnceCell;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

thread_local! {
    static THREAD: ThreadPark = ThreadPark::new();
}

/// The waiter of one plain thread.
#[repr(C)]
struct ThreadPark {
    waiter: Waiter,
    woken: AtomicBool,
    thread: Thread,
    poller: OnceCell<Poller>,
    /// How others reach the poller, set together with it.
    handle: OnceLock<PollerHandle>,
}

/// Calls `f` with the calling thread as the one that waits.
pub(crate) fn with_thread<R>(f: impl FnOnce(&dyn Park) -> R) -> R {
    let mut f = Some(f);
    let call = |thread: &ThreadPark| f.take().map(|f| f(thread));
    match THREAD.try_with(call) {
        Ok(Some(value)) => value,
        // The thread ends and its thread-local is gone. Others' safety may rest on this wait (`run` lends
        // out its caller's stack), so it must not panic: it has a waiter of its own.
        _ => with_own_waiter(f),
    }
}

#[cold]
fn with_own_waiter<R>(f: Option<impl FnOnce(&dyn Park) -> R>) -> R {
    let f = f.expect("it was not called");
    f(&ThreadPark::new())
}

impl ThreadPark {
    fn new() -> ThreadPark {
        ThreadPark {
            waiter: Waiter::new(ready),
            woken: AtomicBool::new(false),
            thread: std::thread::current(),
            poller: OnceCell::new(),
            handle: OnceLock::new(),
        }
    }
}

/// Makes the thread of this waiter runnable.
///
/// # Safety
/// As [`Waiter::ready`]; `waiter` is the first field of a `ThreadPark`.
unsafe fn ready(waiter: NonNull<Waiter>) {
    // SAFETY: `repr(C)` puts the waiter first, and the thread is parked until `woken` is set, so
    // its thread-local storage, or its stack, is alive.
    let park = unsafe { waiter.cast::<ThreadPark>().as_ref() };
    // A thread that readies itself does so while it runs its own poller: nothing to wake.
    if THREAD
        .try_with(|mine| std::ptr::eq(mine, park))
        .unwrap_or(false)
    {
        park.woken.store(true, Ordering::Release);
        return;
    }
    // From the store on the thread may run and end, so what wakes it is cloned before.
    match park.handle.get().cloned() {
        Some(poller) => {
            park.woken.store(true, Ordering::Release);
            poller.wake();
        }
        None => {
            let thread = park.thread.clone();
            park.woken.store(true, Ordering::Release);
            thread.unpark();
        }
    }
}

// SAFETY: the waiter lives in thread-local storage, or in the frame of `with_own_waiter`, and `with_thread`
// lends it only for a call that either outlasts; `park` returns only after it has consumed one `woken`, which only `ready` sets, and a `ready` that
// comes first is found by the first look.
unsafe impl Park for ThreadPark {
    fn waiter(&self) -> NonNull<Waiter> {
        // From the whole struct, so that `ready` may cast it back.
        NonNull::from(self).cast()
    }

    fn park(&self, _slot: &Slot, _why: Reason) {
        while !self.woken.swap(false, Ordering::Acquire) {
            match self.poller.get() {
                Some(poller) => {
                    if let Err(err) = poller.poll(None) {
                        // Nothing that can be waited out makes epoll_wait fail, and somebody has
                        // the waiter's address, so neither a return nor a panic may end this.
                        eprintln!("netpoll: epoll_wait failed in a thread that waits: {err}");
                        std::process::abort();
                    }
                }
                None => std::thread::park(),
            }
        }
    }

    fn may_park(&self) -> Result<(), Refusal> {
        Ok(())
    }

    fn poller(&self) -> &Poller {
        match self.try_poller() {
            Ok(poller) => poller,
            Err(err) => panic!("netpoll: no poller for this thread: {err}"),
        }
    }

    fn try_poller(&self) -> Result<&Poller, Error> {
        if let Some(poller) = self.poller.get() {
            return Ok(poller);
        }
        let poller = Poller::new().map_err(|err| Error::Sys {
            call: "epoll_create1",
            errno: err.raw_os_error().unwrap_or(libc::EMFILE),
        })?;
        let _ = self.handle.set(poller.handle().clone());
        Ok(self.poller.get_or_init(|| poller))
    }
}
