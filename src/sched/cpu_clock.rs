//! How much processor time a worker's thread has used, read from another thread.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::time::Duration;

/// The clock of a thread. Without one, time does not pass.
#[derive(Debug, Default)]
pub(crate) struct CpuClock(AtomicI32);

impl CpuClock {
    /// Sets it to the clock of the calling thread.
    pub(crate) fn follow_this_thread(&self) {
        let mut id = 0;
        // SAFETY: `pthread_self` is alive, and `id` is written by the call.
        let code = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut id) };
        self.0.store(if code == 0 { id } else { 0 }, Relaxed);
    }

    /// What the thread has used so far; nothing if it has ended.
    pub(crate) fn time(&self) -> Option<Duration> {
        let id = self.0.load(Relaxed);
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is written by the call. The number stands for a thread's identifier, not
        // for memory: if that thread has ended, the call says so.
        if id == 0 || unsafe { libc::clock_gettime(id, &raw mut time) } != 0 {
            return None;
        }
        Some(Duration::new(
            u64::try_from(time.tv_sec).ok()?,
            u32::try_from(time.tv_nsec).ok()?,
        ))
    }
}
