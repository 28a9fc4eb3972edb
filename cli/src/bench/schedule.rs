//! In which order the servers are loaded, and what their slices are compared with.
//!
//! A round is `floor, x, floor, y, floor, ..., floor`: every measured slice has a slice of the
//! floor on both sides. Which contender comes where is drawn anew each round, so that nobody
//! always follows the same neighbour.

use super::generator::Measured;
use super::stats::{Spread, spread};

/// Neighbours that differ by more than this part of their mean say that the machine changed
/// meanwhile, and the slice between them is dropped.
pub const TOLERANCE: f64 = 0.15;

/// A measured slice between its neighbours.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub struct Bracketed {
    /// The floor before it.
    pub before: Measured,
    /// The slice itself.
    pub slice: Measured,
    /// The floor after it.
    pub after: Measured,
}

impl Bracketed {
    /// The slice's CPU per request, divided by that of its neighbours; `None` if it is dropped.
    pub fn cpu_ratio(&self) -> Option<f64> {
        self.ratio(Measured::cpu_per_request)
    }

    /// The slice's requests per second, divided by those of its neighbours.
    pub fn rate_ratio(&self) -> Option<f64> {
        // The CPU tells whether the neighbours are to be trusted.
        self.cpu_ratio()?;
        let rate = Measured::rate;
        Some(rate(&self.slice) / ((rate(&self.before) + rate(&self.after)) / 2.0))
    }

    /// The slice's 99th percentile of latency, divided by that of its neighbours.
    pub fn p99_ratio(&self) -> Option<f64> {
        self.cpu_ratio()?;
        let p99 = |slice: &Measured| slice.latency_ns.p99 as f64;
        Some(p99(&self.slice) / ((p99(&self.before) + p99(&self.after)) / 2.0).max(1.0))
    }

    fn ratio(&self, figure: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        let (before, after) = (figure(&self.before)?, figure(&self.after)?);
        let mean = (before + after) / 2.0;
        let quiet = mean > 0.0 && (before - after).abs() <= TOLERANCE * mean;
        let clean = self.slice.errors + self.before.errors + self.after.errors == 0;
        let own = figure(&self.slice)?;
        // Answers without CPU time come from a clock that was read too early or too late.
        (quiet && clean && own > 0.0).then_some(own / mean)
    }
}

/// The ratios of one contender's slices, and how many were dropped.
pub fn judge(slices: &[Bracketed]) -> (Option<Spread>, usize) {
    let ratios: Vec<f64> = slices.iter().filter_map(Bracketed::cpu_ratio).collect();
    let dropped = slices.len() - ratios.len();
    (spread(&ratios), dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(micros: f64) -> Measured {
        let requests = 1000;
        let server_cpu = micros * requests as f64 / 1e6;
        Measured {
            requests,
            server_cpu,
            seconds: 1.0,
            ..Measured::default()
        }
    }

    fn bracketed(before: f64, own: f64, after: f64) -> Bracketed {
        Bracketed {
            before: slice(before),
            slice: slice(own),
            after: slice(after),
        }
    }

    #[test]
    fn a_slice_is_compared_with_the_mean_of_its_neighbours() {
        let ratio = bracketed(5.0, 5.7, 5.4).cpu_ratio().unwrap();
        assert!((ratio - 5.7 / 5.2).abs() < 1e-9);
    }

    #[test]
    fn a_slow_drift_of_the_machine_cancels() {
        let slices: Vec<Bracketed> = (0..20)
            .map(|at| {
                let speed = 1.0 + f64::from(at) * 0.1;
                bracketed(5.0 * speed, 5.5 * (speed + 0.05), 5.0 * (speed + 0.1))
            })
            .collect();
        let (spread, dropped) = judge(&slices);
        assert_eq!(dropped, 0);
        assert!((spread.unwrap().median - 1.1).abs() < 0.001);
    }

    #[test]
    fn a_slice_between_unlike_neighbours_is_dropped() {
        let kept = bracketed(5.0, 5.0, 5.7);
        let dropped = bracketed(5.0, 5.0, 6.0);
        assert!(kept.cpu_ratio().is_some() && dropped.cpu_ratio().is_none());
        assert_eq!(judge(&[kept, dropped]).1, 1);
    }

    #[test]
    fn a_slice_with_errors_or_without_answers_is_dropped() {
        let mut errors = bracketed(5.0, 5.0, 5.0);
        errors.slice.errors = 1;
        assert_eq!(errors.cpu_ratio(), None);
        let mut nothing = bracketed(5.0, 5.0, 5.0);
        nothing.slice.requests = 0;
        assert_eq!(nothing.cpu_ratio(), None);
        assert!(judge(&[]).0.is_none());
    }
}
