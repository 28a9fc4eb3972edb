//! What happened: counts, latencies, and errors by kind.

use std::io;
use std::time::Duration;

use gopark::net::NetError;
use hdrhistogram::Histogram;

/// Ways in which a request, or the connection under it, can fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// Nobody listens.
    Refused,
    /// The connection was reset, before or while it was used.
    Reset,
    /// No answer in time.
    Timeout,
    /// The server closed a connection that waited for an answer.
    Eof,
    /// The server closed a connection in the middle of an answer.
    Short,
    /// The answer is not what was asked for: other bytes, or bytes that are not HTTP.
    Wrong,
    /// An HTTP answer with a status other than 2xx or 3xx.
    Status,
    /// This machine has no free port for the connection.
    NoPort,
    /// This process has no free descriptor for the connection.
    NoDescriptor,
    /// Anything else.
    Other,
}

/// Every kind with its name, in the order of the counters.
pub const TROUBLES: [(Trouble, &str); 10] = [
    (Trouble::Refused, "refused"),
    (Trouble::Reset, "reset"),
    (Trouble::Timeout, "timeout"),
    (Trouble::Eof, "eof"),
    (Trouble::Short, "short"),
    (Trouble::Wrong, "wrong"),
    (Trouble::Status, "status"),
    (Trouble::NoPort, "no_port"),
    (Trouble::NoDescriptor, "no_descriptor"),
    (Trouble::Other, "other"),
];

impl From<&io::Error> for Trouble {
    fn from(error: &io::Error) -> Trouble {
        match error.errno() {
            Some(libc::ECONNREFUSED) => Trouble::Refused,
            Some(libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED) => Trouble::Reset,
            Some(libc::ETIMEDOUT) => Trouble::Timeout,
            Some(libc::EADDRNOTAVAIL) => Trouble::NoPort,
            Some(libc::EMFILE | libc::ENFILE) => Trouble::NoDescriptor,
            _ => Trouble::Other,
        }
    }
}

/// Counters of one thread, for one stretch of time.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Requests answered.
    pub requests: u64,
    /// Connections opened.
    pub opened: u64,
    /// Bytes of answers.
    pub received: u64,
    /// Errors, in the order of [`TROUBLES`].
    pub troubles: [u64; TROUBLES.len()],
    /// Latencies, in nanoseconds.
    pub latency: Histogram<u64>,
}

/// The latencies that reports name.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, serde::Serialize)]
pub struct Percentiles {
    /// The median, in nanoseconds, as all of these.
    pub p50: u64,
    /// Nine in ten are at most this.
    pub p90: u64,
    /// 99 in 100.
    pub p99: u64,
    /// 999 in 1,000.
    pub p999: u64,
    /// The slowest.
    pub max: u64,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Tally {
        let hour = Duration::from_secs(3600).as_nanos() as u64;
        let latency = Histogram::new_with_bounds(1, hour, 3)
            .expect("one nanosecond to one hour at three digits is a valid range");
        Tally {
            requests: 0,
            opened: 0,
            received: 0,
            troubles: [0; TROUBLES.len()],
            latency,
        }
    }

    /// Counts an answer.
    pub fn answered(&mut self, after: Duration) {
        self.requests += 1;
        self.latency
            .saturating_record((after.as_nanos() as u64).max(1));
    }

    /// Counts an error.
    pub fn trouble(&mut self, kind: Trouble) {
        self.troubles[kind as usize] += 1;
    }

    /// Errors of all kinds.
    pub fn errors(&self) -> u64 {
        self.troubles.iter().sum()
    }

    /// The errors that happened, by name.
    pub fn named_errors(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        TROUBLES
            .iter()
            .map(|&(kind, name)| (name, self.troubles[kind as usize]))
            .filter(some)
    }

    /// Adds the counters of another thread or stretch.
    pub fn add(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.opened += other.opened;
        self.received += other.received;
        for (sum, count) in self.troubles.iter_mut().zip(other.troubles) {
            *sum += count;
        }
        self.latency
            .add(&other.latency)
            .expect("both have the same range");
    }

    /// The latencies that reports name.
    pub fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.latency.value_at_quantile(quantile);
        Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.latency.max(),
        }
    }
}

fn some(named: &(&'static str, u64)) -> bool {
    named.1 > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_count_under_their_own_names() {
        for (index, (kind, _)) in TROUBLES.iter().enumerate() {
            assert_eq!(*kind as usize, index);
        }
        let mut tally = Tally::new();
        tally.trouble(Trouble::Short);
        tally.trouble(Trouble::from(&io::Error::from_raw_os_error(libc::EPIPE)));
        tally.trouble(Trouble::Short);
        assert_eq!(
            tally.named_errors().collect::<Vec<_>>(),
            [("reset", 1), ("short", 2)]
        );
        assert_eq!(tally.errors(), 3);
    }

    #[test]
    fn percentiles_are_those_of_the_values_recorded() {
        let (mut odd, mut even) = (Tally::new(), Tally::new());
        for micros in 1..=10_000u64 {
            let tally = if micros % 2 == 0 { &mut even } else { &mut odd };
            tally.answered(Duration::from_micros(micros));
        }
        odd.add(&even);
        assert_eq!(odd.requests, 10_000);
        let found = odd.percentiles();
        let close = |nanos: u64, micros: f64| {
            let off = (nanos as f64 / 1000.0 - micros).abs() / micros;
            assert!(off < 0.002, "{nanos} ns is not {micros} us");
        };
        close(found.p50, 5_000.0);
        close(found.p90, 9_000.0);
        close(found.p99, 9_900.0);
        close(found.p999, 9_990.0);
        close(found.max, 10_000.0);
    }

    #[test]
    fn a_tally_without_answers_has_percentiles_of_zero() {
        assert_eq!(Tally::new().percentiles().p99, 0);
    }
}
