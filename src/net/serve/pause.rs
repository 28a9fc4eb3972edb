//! How long the loop waits after an error: 5 ms, doubled with each further one, at most 1 s.
//!
//! Go: `tempDelay` of `net/http.Server.Serve`.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);
/// So many connections in a row may be lost before that, too, is a reason to wait.
const LOST_IN_A_ROW: u32 = 64;

#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
    lost: u32,
}

impl Pause {
    /// An accept has succeeded.
    pub(super) fn reset(&mut self) {
        *self = Pause::default();
    }

    /// How many failures there were in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        wait.min(LONGEST)
    }

    /// How long to wait after one more connection was lost, if at all.
    pub(super) fn connection_lost(&mut self) -> Option<Duration> {
        self.lost += 1;
        if self.lost < LOST_IN_A_ROW {
            return None;
        }
        self.lost = 0;
        Some(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_five_milliseconds_to_a_second_and_start_anew_after_a_success() {
        let mut pause = Pause::default();
        let millis: Vec<_> = (0..10).map(|_| pause.next().as_millis()).collect();
        assert_eq!(millis, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        for _ in 0..100 {
            assert_eq!(pause.next(), LONGEST);
        }
        pause.reset();
        assert_eq!(pause.next(), FIRST);
    }

    #[test]
    fn one_lost_connection_costs_no_pause_but_an_endless_row_of_them_does() {
        let mut pause = Pause::default();
        let waits = (0..1000).filter_map(|_| pause.connection_lost()).count();
        assert!((1..100).contains(&waits), "{waits}");
        assert_eq!(Pause::default().connection_lost(), None);
    }
}
