//! The one loop in which the tests wait for what gives no sign of itself: they look, pause, look again.

use std::time::{Duration, Instant};

/// The longest pause. The first ones are short, since most things come soon.
const LONGEST: Duration = Duration::from_millis(1);

/// What `look` finds, if it finds something within `bound`; `pause` lets time pass between two looks.
pub fn find<T>(
    bound: Duration,
    pause: fn(Duration),
    mut look: impl FnMut() -> Option<T>,
) -> Option<T> {
    let end = Instant::now() + bound;
    let mut next = Duration::from_micros(20);
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        pause(next);
        next = LONGEST.min(next * 2);
    }
}
