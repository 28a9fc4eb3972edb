//! Asking the processor for memory that will be needed soon.
//!
//! With a thousand connections each one's memory is cold when its turn comes. The order of turns is
//! known in advance, so the next one's memory can be on its way while the current one is served.

/// Asks for the line at `at`. A hint: it reads nothing and cannot fault, whatever the address.
#[inline(always)]
pub fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect a program could observe, for any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
