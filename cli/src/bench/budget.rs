//! How many rounds a run of many measurements can afford.
//!
//! What a measurement costs is only guessed beforehand, so the rounds are worked out anew before
//! each: whoever took longer than guessed takes it from those that follow.

use std::time::Duration;

/// With fewer rounds than this, some of them dropped, nothing could be said.
const LEAST: usize = 6;

/// More are not worth waiting for.
const MOST: usize = 40;

/// How long a measurement takes, about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cost {
    /// However many rounds there are.
    pub fixed: Duration,
    /// Each round.
    pub round: Duration,
}

impl Cost {
    /// With that many rounds.
    pub fn with(&self, rounds: usize) -> Duration {
        self.fixed + self.round * rounds as u32
    }
}

/// How many rounds there are to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rounds {
    /// As many as were asked for.
    Fixed(usize),
    /// As many as fit into a time, for all measurements together.
    Within(Duration),
}

impl Rounds {
    /// The rounds of the measurements that are left, when `spent` of the time is gone.
    pub fn each(self, spent: Duration, left: &[Cost]) -> usize {
        let within = match self {
            Rounds::Fixed(rounds) => return rounds,
            Rounds::Within(time) => time,
        };
        let sum = |part: fn(&Cost) -> Duration| left.iter().map(part).sum::<Duration>();
        let (fixed, round) = (sum(|cost| cost.fixed), sum(|cost| cost.round));
        let free = within.saturating_sub(spent).saturating_sub(fixed);
        let rounds = free.as_secs_f64() / round.as_secs_f64().max(1e-9);
        (rounds as usize).clamp(LEAST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(fixed: u64, round: u64) -> Cost {
        Cost {
            fixed: Duration::from_secs(fixed),
            round: Duration::from_secs(round),
        }
    }

    #[test]
    fn the_rounds_of_all_measurements_together_fit_into_the_time() {
        let costs = [cost(10, 2), cost(20, 3), cost(0, 5)];
        let rounds = Rounds::Within(Duration::from_secs(140));
        assert_eq!(rounds.each(Duration::ZERO, &costs), 11);
        let whole: Duration = costs.iter().map(|cost| cost.with(11)).sum();
        assert_eq!(whole, Duration::from_secs(140));
        // The first one took 56 seconds instead of 32.
        assert_eq!(rounds.each(Duration::from_secs(56), &costs[1..]), 8);
        assert_eq!(rounds.each(Duration::from_secs(500), &costs[2..]), LEAST);
        assert_eq!(rounds.each(Duration::ZERO, &[]), MOST);
    }

    #[test]
    fn rounds_that_were_asked_for_are_what_there_is() {
        let rounds = Rounds::Fixed(2);
        assert_eq!(rounds.each(Duration::from_secs(9), &[cost(1, 1)]), 2);
    }
}
