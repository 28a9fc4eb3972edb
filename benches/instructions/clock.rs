//! The clock of this program: it moves by a fixed step whenever somebody reads it.
//!
//! A worker decides by the clock when to poll, and under valgrind everything is slow, by no fixed
//! factor: with the machine's clock no two runs would poll equally often. So the C library's function
//! is replaced for this program, and its calls are counted, since a reading is dear and yet few
//! instructions.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Nanoseconds from one reading to the next.
const STEP: u64 = 100;
/// Beyond what the kernel's monotonic clock shows, so that no wait until a moment is over at once.
const START: i64 = 1_000_000_000;

static READS: AtomicU64 = AtomicU64::new(0);

/// How often the clock has been read.
pub fn reads() -> u64 {
    READS.load(Relaxed)
}

/// Every clock shows the same.
///
/// # Safety
/// `at` is null or may be written to.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(
    _clock: libc::clockid_t,
    at: *mut libc::timespec,
) -> libc::c_int {
    let nanos = READS.fetch_add(1, Relaxed) * STEP;
    // SAFETY: contract of this function.
    if let Some(at) = unsafe { at.as_mut() } {
        at.tv_sec = START + (nanos / 1_000_000_000) as i64;
        at.tv_nsec = (nanos % 1_000_000_000) as i64;
    }
    0
}
