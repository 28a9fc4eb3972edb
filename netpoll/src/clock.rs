//! The one clock: nanoseconds of monotonic time as a word.
//!
//! Deadlines live in atomic words, so `Instant` (which is two words and opaque) is translated once,
//! here. Zero is kept free: it means "no deadline" everywhere in this crate.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// What the clock reads at the base instant. Far enough from zero that instants a little before the
/// base (a deadline "in the past") still have a word of their own.
const AT_BASE: u64 = 1 << 40;

static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds now. Never zero, never goes back.
///
/// ```
/// let a = netpoll::clock::now();
/// let b = netpoll::clock::now();
/// assert!(0 < a && a <= b);
/// ```
#[inline]
pub fn now() -> u64 {
    AT_BASE.saturating_add(nanos(BASE.elapsed()))
}

/// The word for an instant; instants too far away saturate at either end, never reaching zero.
///
/// ```
/// use std::time::{Duration, Instant};
/// let t = Instant::now();
/// let later = netpoll::clock::of(t + Duration::from_micros(3)) - netpoll::clock::of(t);
/// assert_eq!(later, 3_000);
/// ```
#[inline]
pub fn of(instant: Instant) -> u64 {
    let base = *BASE;
    match instant.checked_duration_since(base) {
        Some(since) => AT_BASE.saturating_add(nanos(since)),
        None => AT_BASE.saturating_sub(nanos(base - instant)).max(1),
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
    fn durations_beyond_the_clock_saturate() {
        assert_eq!(nanos(Duration::MAX), u64::MAX);
    }
}
