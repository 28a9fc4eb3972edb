//! The one clock: nanoseconds of monotonic time as a word.
//!
//! Deadlines live in atomic words, so `Instant` (which is two words and opaque) is translated once,
//! here. Zero is kept free: it means "no deadline" everywhere in this crate.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// What is added to the kernel's monotonic time, which may begin at zero with the machine: so instants
/// before that (a deadline "in the past") still have a word of their own.
const AT_ZERO: u64 = 1 << 40;

/// The same moment by `Instant` and by [`now`], the closest pair of a few. `now` was read after
/// `Instant`, so that no deadline is early by what lies between.
static BASE: LazyLock<(Instant, u64)> = LazyLock::new(|| {
    let read = || {
        let (before, instant, after) = (now(), Instant::now(), now());
        // A clock that went back, which none should, says nothing about the pair.
        let gap = after.checked_sub(before).unwrap_or(u64::MAX);
        (gap, instant, after)
    };
    let (_, instant, at) = (0..8).fold(read(), |best, _| {
        let next = read();
        if next.0 < best.0 { next } else { best }
    });
    (instant, at)
});

/// Nanoseconds now. Never zero, never goes back.
///
/// This does not go through `Instant`: that would be three functions more, there and back between one
/// number and two.
///
/// ```
/// let a = netpoll::clock::now();
/// let b = netpoll::clock::now();
/// assert!(0 < a && a <= b);
/// ```
#[inline]
pub fn now() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// The clock that [`has_come`] looks at first shows the time of the last tick, 10 ms ago at most as a rule.
/// Of moments that are closer than this it decides nothing; where ticks are late by more, because the whole
/// machine stood still, a moment comes with the next one.
const CLOSE: u64 = 1_000_000_000;

/// Has this moment come?
///
/// Every read with a deadline asks, and most deadlines are seconds away. The time of the last tick is
/// enough to see that, and costs less than the exact time, for which the counter of the processor is read.
///
/// ```
/// use netpoll::clock;
/// let now = clock::now();
/// assert!(clock::has_come(now) && !clock::has_come(now + 60_000_000_000));
/// ```
#[inline]
pub fn has_come(moment: u64) -> bool {
    moment.saturating_sub(read(libc::CLOCK_MONOTONIC_COARSE)) < CLOSE && now() >= moment
}

#[inline]
fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live timespec that the call writes. With such an address, and a clock that every
    // Linux has, it cannot fail.
    unsafe { libc::clock_gettime(clock, &mut time) };
    AT_ZERO + time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The word for an instant; instants too far away saturate at either end, never reaching zero.
///
/// It may be late by what the closest pair of readings took, some tens of nanoseconds, and is never early:
/// no deadline comes before its moment.
///
/// ```
/// use std::time::{Duration, Instant};
/// let t = Instant::now();
/// let later = netpoll::clock::of(t + Duration::from_micros(3)) - netpoll::clock::of(t);
/// assert_eq!(later, 3_000);
/// ```
#[inline]
pub fn of(instant: Instant) -> u64 {
    let (base, at) = *BASE;
    match instant.checked_duration_since(base) {
        Some(since) => at.saturating_add(nanos(since)),
        None => at.saturating_sub(nanos(base - instant)).max(1),
    }
}

/// A duration in nanoseconds, saturating (584 years).
///
/// ```
/// use std::time::Duration;
/// assert_eq!(netpoll::clock::nanos(Duration::from_micros(3)), 3_000);
/// assert_eq!(netpoll::clock::nanos(Duration::MAX), u64::MAX);
/// ```
#[inline]
pub fn nanos(d: Duration) -> u64 {
    d.as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(d.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_before_the_base_is_in_the_past_and_not_none() {
        let _ = now();
        if let Some(old) = Instant::now().checked_sub(Duration::from_secs(3600)) {
            assert!(of(old) >= 1);
            assert!(of(old) < now());
        }
    }

    #[test]
    fn an_instant_is_never_earlier_by_this_clock_than_by_its_own() {
        for _ in 0..1_000 {
            let (before, instant) = (now(), Instant::now());
            assert!(of(instant) >= before);
        }
    }

    #[test]
    fn a_moment_has_come_when_the_exact_clock_says_so_and_not_a_tick_later() {
        for ahead in [0, 1_000, 3_000_000, 20_000_000] {
            let moment = now() + ahead;
            loop {
                let (before, come, after) = (now(), has_come(moment), now());
                assert!(if come {
                    after >= moment
                } else {
                    before < moment
                });
                if before > moment + 10_000_000 {
                    break;
                }
            }
        }
        assert!(!has_come(now() + 3600 * CLOSE) && !has_come(u64::MAX) && has_come(1));
    }

    #[test]
    fn durations_beyond_the_clock_saturate() {
        assert_eq!(nanos(Duration::MAX), u64::MAX);
    }
}
