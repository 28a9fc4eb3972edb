//! How long an idle worker has left its neighbours' unstarted tasks to them.
//!
//! It does so when it has as much to do as they, and looks again every [`PAUSE`]. What it may take when
//! it has waited for so long, [`super::placement`] says.
//!
//! | state                | a look that takes some                | one that leaves some  | one that sees none |
//! |----------------------|---------------------------------------|-----------------------|--------------------|
//! | at ease              | stays                                 | to waiting, since now | stays              |
//! | waiting              | to at ease                            | stays                 | to at ease         |
//! | waiting for [`LONG`] | to waiting, one [`PAUSE`] before that | stays                 | to at ease         |
//!
//! Who has not looked for [`LONG`] waits since now. Time counts and not the looks: that an event brings one
//! of them forward makes no wait longer.

#![forbid(unsafe_code)]

use std::time::Duration;

/// Between two looks, if nothing else happens.
pub(super) const PAUSE: Duration = Duration::from_micros(250);
/// Longer than a thread usually waits for a processor.
pub(super) const LONG: Duration = Duration::from_millis(6);

/// See the [module documentation](self). By default at ease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Patience {
    /// Since when it waits, by [`netpoll::clock`]; 0 if it is at ease.
    since: u64,
    /// When it looked last.
    last: u64,
}

/// What came of looking for unstarted tasks elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Took,
    Left,
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

impl Patience {
    pub(super) fn is_waiting(self) -> bool {
        self.since != 0
    }

    /// How long it has waited at this moment.
    pub(super) fn waited(self, now: u64) -> Duration {
        if self.is_waiting() && now.saturating_sub(self.last) <= nanos(LONG) {
            Duration::from_nanos(now.saturating_sub(self.since))
        } else {
            Duration::ZERO
        }
    }

    /// What it is after a look at this moment that saw some.
    pub(super) fn after(self, look: Look, now: u64) -> Patience {
        let waited = self.waited(now);
        let waits = match look {
            Look::Took if waited < LONG => return Patience::default(),
            Look::Took => LONG - PAUSE,
            Look::Left => waited,
        };
        Patience {
            since: now - nanos(waits),
            last: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1 << 40;

    /// What it has waited after looks that leave some, each so long after the one before.
    fn waiting(pauses: &[Duration]) -> (Patience, u64) {
        let mut now = START;
        let mut patience = Patience::default().after(Look::Left, now);
        for pause in pauses {
            now += nanos(*pause);
            patience = patience.after(Look::Left, now);
        }
        (patience, now)
    }

    #[test]
    fn time_counts_and_not_how_often_it_looks() {
        let soon = Duration::from_micros(1);
        let (often, now) = waiting(&[soon; 100]);
        assert_eq!(often.waited(now), 100 * soon);
        let (seldom, now) = waiting(&[PAUSE; 24]);
        assert_eq!(seldom.waited(now), LONG);
        assert_eq!(seldom.waited(now + nanos(PAUSE)), LONG + PAUSE);
    }

    #[test]
    fn what_it_saw_long_ago_is_forgotten() {
        let (patience, now) = waiting(&[PAUSE; 24]);
        let later = now + nanos(LONG) + 1;
        assert_eq!(patience.waited(later), Duration::ZERO);
        let anew = patience.after(Look::Left, later);
        assert!(anew.is_waiting());
        assert_eq!(anew.waited(later + 1), Duration::from_nanos(1));
    }

    #[test]
    fn one_that_takes_is_at_ease_but_after_a_long_wait_one_pause_from_taking_again() {
        let (short, now) = waiting(&[PAUSE]);
        assert!(!short.after(Look::Took, now).is_waiting());
        let (long, now) = waiting(&[PAUSE; 24]);
        let took = long.after(Look::Took, now);
        assert!(took.is_waiting() && took.waited(now) < LONG);
        assert_eq!(took.waited(now + nanos(PAUSE)), LONG);
        assert!(!Patience::default().after(Look::Took, now).is_waiting());
    }
}
