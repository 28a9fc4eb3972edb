//! Guards: the part of a slot that faults.
//!
//! | method                | since       | mappings per slot | cost of one  |
//! |-----------------------|-------------|-------------------|--------------|
//! | `MADV_GUARD_INSTALL`  | Linux 6.13  | none              | half a µs    |
//! | `mprotect(PROT_NONE)` | always      | two               | 5 µs         |
//!
//! Which one the kernel has is found out by the first guard: EINVAL means the old one. Locked
//! memory (`mlockall`) refuses the new one with EINVAL as well, so the answer is not cached beyond
//! an arena.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::error::{StackError, vm_setting};

/// `MADV_GUARD_INSTALL`, newer than the C library's headers.
#[cfg(target_os = "linux")]
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// How guards are set.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum GuardMethod {
    /// The best this kernel has.
    Auto,
    /// `mprotect`, even where the kernel has better: for tests of the fallback.
    Mprotect,
}

/// Guards of this process that split a mapping, over all arenas: the limit is the process's.
static SPLIT: AtomicUsize = AtomicUsize::new(0);

/// The guards of one arena.
#[derive(Debug)]
pub(super) struct Guards {
    /// Set once the kernel has refused `MADV_GUARD_INSTALL`.
    mprotect: AtomicBool,
    /// This arena's share of [`SPLIT`].
    split: AtomicUsize,
}

impl Guards {
    pub(super) fn new(method: GuardMethod) -> Guards {
        let mprotect = method == GuardMethod::Mprotect || cfg!(not(target_os = "linux"));
        Guards {
            mprotect: AtomicBool::new(mprotect),
            split: AtomicUsize::new(0),
        }
    }

    /// Makes `lo..hi` fault.
    ///
    /// # Errors
    ///
    /// [`StackError::Guard`]. The range may be in use neither before nor after.
    ///
    /// # Safety
    ///
    /// The range is whole pages of a mapping of ours, in a slot that is not cut yet.
    pub(super) unsafe fn install(&self, lo: usize, hi: usize) -> Result<(), StackError> {
        #[cfg(target_os = "linux")]
        if !self.mprotect.load(Ordering::Relaxed) {
            let start = ptr::with_exposed_provenance_mut(lo);
            // SAFETY: by the contract nobody has data in the range, which this throws away.
            if unsafe { libc::madvise(start, hi - lo, MADV_GUARD_INSTALL) } == 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::EINVAL) {
                return Err(self.failed(&error));
            }
            self.mprotect.store(true, Ordering::Relaxed);
        }
        self.split_budget()?;
        let start = ptr::with_exposed_provenance_mut(lo);
        // SAFETY: by the contract nobody uses the range.
        if unsafe { libc::mprotect(start, hi - lo, libc::PROT_NONE) } != 0 {
            return Err(self.failed(&io::Error::last_os_error()));
        }
        self.split.fetch_add(1, Ordering::Relaxed);
        SPLIT.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Refuses early. A process that has used up its mappings cannot even allocate the message
    /// that says so: malloc needs mappings too. An eighth is left for the rest of the program.
    fn split_budget(&self) -> Result<(), StackError> {
        // The file is read for one guard in 256: the kernel's answer rarely changes.
        static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
        let split = SPLIT.load(Ordering::Relaxed);
        if LIMIT.load(Ordering::Relaxed) == usize::MAX || split.is_multiple_of(256) {
            LIMIT.store(
                vm_setting("max_map_count").unwrap_or(usize::MAX),
                Ordering::Relaxed,
            );
        }
        let limit = LIMIT.load(Ordering::Relaxed);
        if 2 * split < limit - limit / 8 {
            return Ok(());
        }
        Err(self.failed(&io::Error::from_raw_os_error(libc::ENOMEM)))
    }

    fn failed(&self, error: &io::Error) -> StackError {
        StackError::Guard {
            errno: error.raw_os_error().unwrap_or(0),
            split: SPLIT.load(Ordering::Relaxed),
            max_map_count: vm_setting("max_map_count"),
        }
    }

    /// Guards of this arena that split a mapping in two.
    pub(super) fn split(&self) -> usize {
        self.split.load(Ordering::Relaxed)
    }

    /// Forgets guards whose mappings are gone.
    pub(super) fn released(&self, guards: usize) {
        let gone = guards.min(self.split());
        self.split.fetch_sub(gone, Ordering::Relaxed);
        SPLIT.fetch_sub(gone, Ordering::Relaxed);
    }
}
