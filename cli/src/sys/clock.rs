//! Clocks that `std` does not have: CPU time, and the cheap wall clock.

use std::io;
use std::time::Duration;

/// The CPU time a process has used, all its threads together.
#[derive(Clone, Copy, Debug)]
pub struct CpuClock(libc::clockid_t);

impl CpuClock {
    /// The clock of this process.
    pub const OWN: CpuClock = CpuClock(libc::CLOCK_PROCESS_CPUTIME_ID);

    /// The clock of this thread.
    pub const THREAD: CpuClock = CpuClock(libc::CLOCK_THREAD_CPUTIME_ID);

    /// The clock of another process.
    pub fn of(pid: u32) -> io::Result<CpuClock> {
        let mut id = 0;
        // SAFETY: `id` is a live clockid_t that the call writes.
        match unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut id) } {
            0 => Ok(CpuClock(id)),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    /// The time used so far.
    pub fn read(self) -> io::Result<Duration> {
        now(self.0)
    }
}

/// Seconds since 1970, to a few milliseconds, without the price of the exact clock.
pub fn coarse_seconds() -> u64 {
    now(libc::CLOCK_REALTIME_COARSE).map_or(0, |time| time.as_secs())
}

fn now(id: libc::clockid_t) -> io::Result<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live timespec that the call writes.
    match unsafe { libc::clock_gettime(id, &mut time) } {
        0 => Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_of_this_process_is_the_same_through_both_doors() {
        let other = CpuClock::of(std::process::id()).unwrap();
        let first = CpuClock::OWN.read().unwrap();
        let second = other.read().unwrap();
        let third = CpuClock::OWN.read().unwrap();
        assert!(first <= second && second <= third);
        assert!(CpuClock::THREAD.read().unwrap() <= third);
    }

    #[test]
    fn a_process_that_does_not_exist_has_no_clock() {
        const LARGEST: u32 = 1 << 22; // the kernel's limit on process ids
        assert!(CpuClock::of(LARGEST + 1).is_err());
    }
}
