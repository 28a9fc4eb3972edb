//! Anonymous memory from the kernel: reserve, discard, release.

use std::io;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The kernel's page size in bytes.
pub(super) fn page_size() -> usize {
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    match PAGE.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: sysconf only reads a number.
            let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let page = usize::try_from(page).expect("the kernel has a page size");
            PAGE.store(page, Ordering::Relaxed);
            page
        }
        page => page,
    }
}

/// Address space of our own, released on drop.
#[derive(Debug)]
pub(super) struct Mapping {
    base: usize,
    len: usize,
}

impl Mapping {
    /// Reserves `len` bytes, a multiple of the page size, readable and writable, without huge pages
    /// and without a claim on memory that is not touched.
    pub(super) fn reserve(len: usize) -> io::Result<Mapping> {
        #[cfg(target_os = "linux")]
        const KIND: libc::c_int = libc::MAP_NORESERVE | libc::MAP_STACK;
        #[cfg(not(target_os = "linux"))]
        const KIND: libc::c_int = libc::MAP_NORESERVE;

        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | KIND;
        // SAFETY: without MAP_FIXED the kernel picks an unused range, so no memory of anybody
        // changes.
        let base = unsafe { libc::mmap(ptr::null_mut(), len, access, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mapping = Mapping {
            base: base.expose_provenance(),
            len,
        };
        mapping.refuse_huge_pages();
        Ok(mapping)
    }

    /// `MAP_STACK` already says so to kernels since 6.7; older ones need to be told.
    fn refuse_huge_pages(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: the range is ours, and this advice changes no contents. It fails with EINVAL on
        // kernels built without huge pages, where there is nothing to refuse.
        unsafe {
            libc::madvise(
                ptr::with_exposed_provenance_mut(self.base),
                self.len,
                libc::MADV_NOHUGEPAGE,
            );
        }
    }

    /// The lowest address.
    pub(super) fn base(&self) -> usize {
        self.base
    }

    /// Bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Keeps the address space for the rest of the process.
    pub(super) fn leak(self) {
        mem::forget(self);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range came from mmap, this value is its only owner, and whoever holds
        // addresses into it promised not to use them once the owner is gone. munmap can fail only
        // when it would split a mapping at vm.max_map_count; then the range stays, unused.
        unsafe { libc::munmap(ptr::with_exposed_provenance_mut(self.base), self.len) };
    }
}

/// Gives the memory of `lo..hi` back to the kernel; the range stays mapped and reads as zeroes.
/// Guards in it survive.
///
/// # Safety
///
/// The range lies in a [`Mapping`], is made of whole pages, and nobody refers to its contents.
pub(super) unsafe fn discard(lo: usize, hi: usize) {
    // SAFETY: by the contract above. A failure (EINVAL for a range locked by mlockall) leaves the
    // pages where they are, which costs memory and nothing else.
    unsafe {
        libc::madvise(
            ptr::with_exposed_provenance_mut(lo),
            hi - lo,
            libc::MADV_DONTNEED,
        );
    }
}
