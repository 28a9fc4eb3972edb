//! A stack for signal handlers: the overflow report cannot run on the stack that overflowed.
//!
//! Threads that std started have one, if the program's `main` is Rust's. Threads of a program that
//! loads us as a library do not, and std's is only as large as the kernel's minimum where registers
//! are large (AMX), which leaves a handler no room of its own.

use std::io;
use std::marker::PhantomData;
use std::mem;
use std::ptr;

use super::mapping::{Mapping, page_size};

/// What the report needs, and whatever handler was there before ours.
const ROOM: usize = 16 << 10;
/// Ours is at least this large.
const LEAST: usize = 32 << 10;

/// The promise that this thread has a signal stack, until it is dropped. It stays on its thread.
///
/// ```text
///   base ─▶ guard page │ signal stack, growing down towards the guard
/// ```
#[derive(Debug)]
#[must_use]
pub(crate) struct AltStack {
    ours: Option<Ours>,
    /// Signal stacks belong to threads.
    stays: PhantomData<*mut ()>,
}

#[derive(Debug)]
struct Ours {
    mapping: Mapping,
    previous: libc::stack_t,
}

/// Makes sure that the calling thread has a signal stack with room for the overflow report.
///
/// # Errors
///
/// What `mmap`, `mprotect` or `sigaltstack` said.
pub(crate) fn ensure_altstack() -> io::Result<AltStack> {
    let previous = current()?;
    let present = previous.ss_flags & libc::SS_DISABLE == 0;
    if present && previous.ss_size >= frame_size() + ROOM {
        return Ok(AltStack {
            ours: None,
            stays: PhantomData,
        });
    }
    let page = page_size();
    let size = LEAST.max(frame_size() + ROOM).next_multiple_of(page);
    let mapping = Mapping::reserve(page + size)?;
    let base = ptr::with_exposed_provenance_mut::<libc::c_void>(mapping.base());
    // SAFETY: the page is the first of a mapping that nobody else knows.
    if unsafe { libc::mprotect(base, page, libc::PROT_NONE) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let stack = libc::stack_t {
        ss_sp: base.wrapping_byte_add(page),
        ss_flags: 0,
        ss_size: size,
    };
    // SAFETY: the memory stays mapped until `drop` has taken it out of use.
    if unsafe { libc::sigaltstack(&stack, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(AltStack {
        ours: Some(Ours { mapping, previous }),
        stays: PhantomData,
    })
}

/// The calling thread's signal stack.
fn current() -> io::Result<libc::stack_t> {
    // SAFETY: all-zero is a valid stack_t: a null pointer and two numbers.
    let mut stack: libc::stack_t = unsafe { mem::zeroed() };
    // SAFETY: with no new stack given, the call only fills in the old one.
    if unsafe { libc::sigaltstack(ptr::null(), &mut stack) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(stack)
}

/// Bytes the kernel itself pushes to deliver a signal on this processor.
fn frame_size() -> usize {
    #[cfg(target_os = "linux")]
    // SAFETY: getauxval reads a table the kernel left; it answers 0 for what it does not know.
    let kernel = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    #[cfg(not(target_os = "linux"))]
    let kernel = 0;
    kernel.max(libc::MINSIGSTKSZ)
}

impl Drop for AltStack {
    fn drop(&mut self) {
        let Some(Ours { mapping, previous }) = self.ours.take() else {
            return;
        };
        let in_use = match current() {
            Ok(now) => now.ss_sp.addr() == mapping.base() + page_size(),
            Err(_) => true,
        };
        // If somebody has put another one in the place of ours, that one stays.
        // SAFETY: `previous` is what this very thread had; AltStack is not Send.
        if in_use && unsafe { libc::sigaltstack(&previous, ptr::null_mut()) } != 0 {
            // The kernel would go on using it, so it cannot be unmapped.
            mapping.leak();
        }
    }
}
