//! Stack overflow ends the process with the task's name, never with silent corruption.
//!
//! A guard hit is SIGSEGV (SIGBUS on some systems). The handler runs on the worker's signal stack,
//! on the very thread that faulted, so thread-local words tell it whose guard it was:
//!
//! | the address is in                          | then                                        |
//! |--------------------------------------------|---------------------------------------------|
//! | the running task's, says the [`Lookup`]    | report with the name, abort                 |
//! | another guard of the arena of [`watch`]    | report without a name, abort                |
//! | anything else                              | the handler that was there before ours      |
//!
//! Only async-signal-safe things happen here: atomic loads, `write`, `sigaction`, `abort`.

use std::cell::UnsafeCell;
use std::io;
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering, compiler_fence};
use std::sync::{Arc, Once, OnceLock};
use std::thread::LocalKey;

pub(crate) use super::altstack::{AltStack, ensure_altstack};
use super::arena::Arena;
use super::report;

/// What the report says about the task.
#[derive(Copy, Clone, Debug)]
pub(crate) struct OverflowInfo {
    /// Size of the stack, in bytes.
    pub stack_size: usize,
    /// The task's name, null if it has none. Readable until the process ends.
    pub name_ptr: *const u8,
    /// Bytes of the name.
    pub name_len: usize,
}

/// Finds the task of this thread whose guard contains the address. Called in the signal handler:
/// it must not allocate, lock, or touch a thread-local that has a destructor.
pub(crate) type Lookup = fn(addr: usize) -> Option<OverflowInfo>;

static LOOKUP: OnceLock<Lookup> = OnceLock::new();

thread_local! {
    /// Atomic because a signal handler reads it; nobody else does, so relaxed is enough.
    static ARENA: AtomicPtr<Arena> = const { AtomicPtr::new(ptr::null_mut()) };
}

/// Stores a pointer for the handler that may interrupt this thread at its next memory access.
#[inline]
fn publish<T>(place: &'static LocalKey<AtomicPtr<T>>, value: *const T) {
    // No instruction, but a rule for the compiler, which sees nobody read what is pointed to, or
    // the pointer: what was written before is in memory before the store, and the store before
    // what follows.
    compiler_fence(Ordering::SeqCst);
    place.with(|place| place.store(value.cast_mut(), Ordering::Relaxed));
    compiler_fence(Ordering::SeqCst);
}

/// Registers the way to find the running task.
///
/// The first registration in a process wins; returns whether this was it.
pub(crate) fn set_lookup(lookup: Lookup) -> bool {
    LOOKUP.set(lookup).is_ok()
}

/// While it lives, faults of this thread in any guard of the arena are reported as such.
#[derive(Debug)]
#[must_use]
pub(crate) struct Watch {
    /// Keeps the arena that the thread-local points to.
    _arena: Arc<Arena>,
    _altstack: AltStack,
    /// The thread-local is this thread's.
    stays: PhantomData<*mut ()>,
}

/// All that a worker does before it runs tasks: [`install`], [`ensure_altstack`], and saying whose
/// guards they are.
///
/// # Errors
///
/// As [`install`] and [`ensure_altstack`].
pub(crate) fn watch(arena: Arc<Arena>) -> io::Result<Watch> {
    install()?;
    let altstack = ensure_altstack()?;
    publish(&ARENA, Arc::as_ptr(&arena));
    Ok(Watch {
        _arena: arena,
        _altstack: altstack,
        stays: PhantomData,
    })
}

impl Drop for Watch {
    fn drop(&mut self) {
        publish(&ARENA, ptr::null());
    }
}

/// The handler that was there before ours.
struct Previous {
    /// Set once, after `action` was written.
    known: AtomicBool,
    action: UnsafeCell<MaybeUninit<libc::sigaction>>,
}

// SAFETY: `action` is written once, inside `Once`, before the release store of `known`; everybody
// else reads it after an acquire load of `known`.
unsafe impl Sync for Previous {}

impl Previous {
    const fn unknown() -> Previous {
        Previous {
            known: AtomicBool::new(false),
            action: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    fn get(&self) -> Option<&libc::sigaction> {
        self.known.load(Ordering::Acquire).then(|| {
            // SAFETY: `known` says that it was written, and it is never written again.
            unsafe { (*self.action.get()).assume_init_ref() }
        })
    }
}

static BEFORE_SEGV: Previous = Previous::unknown();
static BEFORE_BUS: Previous = Previous::unknown();

fn previous(signal: libc::c_int) -> Option<&'static libc::sigaction> {
    if signal == libc::SIGBUS {
        BEFORE_BUS.get()
    } else {
        BEFORE_SEGV.get()
    }
}

/// Installs the process-wide handler, once however often it is called. What was there before is
/// called for addresses that are not ours; it keeps its signal mask, but not `SA_NODEFER` or
/// `SA_RESETHAND`.
///
/// # Errors
///
/// What `sigaction` said, to every caller.
pub(crate) fn install() -> io::Result<()> {
    static ONCE: Once = Once::new();
    static FAILED: AtomicI32 = AtomicI32::new(0);
    ONCE.call_once(|| {
        let done = install_for(libc::SIGSEGV, &BEFORE_SEGV)
            .and_then(|()| install_for(libc::SIGBUS, &BEFORE_BUS));
        if let Err(error) = done {
            FAILED.store(
                error.raw_os_error().unwrap_or(libc::EINVAL),
                Ordering::Relaxed,
            );
        }
    });
    match FAILED.load(Ordering::Relaxed) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn install_for(signal: libc::c_int, before: &'static Previous) -> io::Result<()> {
    // The old handler is asked for first, and stored: ours may run on another thread as soon as
    // it is installed.
    // SAFETY: all-zero is a valid sigaction (the default action).
    let mut old: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: with no new action given, the call only fills in the old one.
    if unsafe { libc::sigaction(signal, ptr::null(), &mut old) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `install` is inside `Once`, so this is the only write, and nobody reads before
    // `known` is set.
    unsafe { (*before.action.get()).write(old) };
    before.known.store(true, Ordering::Release);

    let mut new = old;
    new.sa_sigaction = on_fault as *const () as usize;
    new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: `on_fault` has the signature that SA_SIGINFO asks for and does only what a signal
    // handler may do.
    if unsafe { libc::sigaction(signal, &new, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid siginfo. For a signal that somebody sent, the address is
    // some other field of it: a number all the same, and in no guard but by malice.
    let addr = unsafe { (*info).si_addr() }.addr();
    // SAFETY: as above.
    let sent = unsafe { (*info).si_code } <= 0;
    if !sent {
        report_if_ours(addr);
    }
    chain(signal, sent, info, context);
}

/// Does not return if the address is in a guard of ours.
fn report_if_ours(addr: usize) {
    if let Some(info) = LOOKUP.get().and_then(|lookup| lookup(addr)) {
        // SAFETY: the name is readable, by the contract of `OverflowInfo`.
        unsafe { report::overflow(&info) };
        abort();
    }
    let arena = ARENA.with(|cell| cell.load(Ordering::Relaxed));
    // SAFETY: the pointer is null or that of the `Watch` of this thread, which holds the arena and
    // clears the pointer before it lets go. The arena's lookup is async-signal-safe.
    let found = unsafe { arena.as_ref() }.and_then(|arena| arena.slot_of(addr));
    if let Some(found) = found
        && found.in_guard
    {
        report::stray(addr, found.slot.index());
        abort();
    }
}

/// Ends the process by SIGABRT, whatever the program has done to that signal.
fn abort() -> ! {
    set_default(libc::SIGABRT);
    // SAFETY: abort may be called in a signal handler.
    unsafe { libc::abort() }
}

fn set_default(signal: libc::c_int) {
    // SAFETY: an all-zero sigaction is the default action without flags; sigaction may be called
    // in a signal handler.
    unsafe {
        let action: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, &action, ptr::null_mut());
    }
}

/// Does what would have happened without us.
fn chain(signal: libc::c_int, sent: bool, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let before = previous(signal);
    match before.map_or(libc::SIG_DFL, |action| action.sa_sigaction) {
        libc::SIG_IGN if sent => {}
        // A fault cannot be ignored: the kernel kills the process for it, as for the default.
        libc::SIG_DFL | libc::SIG_IGN => {
            set_default(signal);
            if sent {
                // Delivered when this handler returns. A fault needs no help: the instruction runs
                // again and faults again.
                // SAFETY: raise may be called in a signal handler.
                unsafe { libc::raise(signal) };
            }
        }
        handler if before.is_some_and(|action| action.sa_flags & libc::SA_SIGINFO != 0) => {
            // SAFETY: whoever installed it said, with SA_SIGINFO, that it has this signature.
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: a handler installed without SA_SIGINFO has this signature.
            let handler: extern "C" fn(libc::c_int) = unsafe { mem::transmute(handler) };
            handler(signal);
        }
    }
}
