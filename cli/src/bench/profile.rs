//! Where the time of a request goes: gopark and the floor under `perf`, in turn.
//!
//! A ratio says how far gopark is from the floor; this says what is in between. Samples are taken by
//! the clock of the processor time, in user code and in the kernel. Where the kernel has interrupts
//! switched off it is sampled at the moment when it switches them on again, so
//! `_raw_spin_unlock_irqrestore` and the like stand for what they end.

use std::io;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::perf::Perf;
use super::samples::{Samples, parse, report};
use super::tool::{PATIENCE, Room, lines};
use super::workload::{Kind, Workload};
use crate::failure::{Failure, reason};
use crate::sys::child;

/// Who is looked at beside the floor.
pub const OF: &str = "gopark";
/// Who else is, if it takes part: what there is between the two for any stack's sake.
pub const BETWEEN: &str = "floor-pages";
/// Processor time between two samples, in nanoseconds.
const PERIOD: u64 = 100_000;
/// Slices of each server.
pub const SLICES: u32 = 4;
/// How many functions are named.
const NAMED: usize = 12;
/// What makes less of a difference than this share of a request is left out.
const LEAST: f64 = 0.002;

/// What was found.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Profile {
    /// The floor, and gopark.
    pub servers: [Share; 2],
    /// What lies between them.
    #[serde(default)]
    pub between: Option<Share>,
    /// Where they differ most, the greatest difference first.
    pub functions: Vec<Function>,
}

/// A request of one server, in nanoseconds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Share {
    /// The server.
    pub name: String,
    /// In its own code and its libraries.
    pub user_ns: f64,
    /// In the kernel.
    pub kernel_ns: f64,
    /// How many requests there were.
    pub requests: u64,
}

/// The part of one function in a request, in nanoseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Function {
    /// Its name, without generic arguments.
    pub name: String,
    /// Whether it is the kernel's.
    pub kernel: bool,
    /// In the floor.
    pub floor_ns: f64,
    /// In gopark.
    pub gopark_ns: f64,
}

impl Function {
    fn more(&self) -> f64 {
        self.gopark_ns - self.floor_ns
    }
}

/// A server to look at: its name, its process, and one slice of load, which gives the number of requests.
pub type Subject<'a> = (&'a str, u32, &'a mut dyn FnMut() -> Result<u64, Failure>);

/// Is there something to profile, and a perf that may look at the kernel? Better known before the start
/// than after the rounds. `servers` are the names asked for; none means all.
pub fn check(workloads: &[&Workload], servers: &[String]) -> Result<(), Failure> {
    let sliced = workloads.iter().any(|it| matches!(it.kind, Kind::Slices));
    if !sliced || !(servers.is_empty() || servers.iter().any(|it| it == OF)) {
        return Err(Failure::usage(format!(
            "nothing to profile: it takes a workload with a table of CPU per request, and {OF} among the \
             servers"
        )));
    }
    let why = match try_it() {
        Ok(None) => return Ok(()),
        Ok(Some(why)) => why,
        Err(error) => reason(&error),
    };
    Err(Failure::new(format!(
        "cannot profile: perf: {why} (it must be installed, and allowed to look at the kernel: run as \
         root, or set kernel.perf_event_paranoid to 1)"
    )))
}

/// Has perf look at a process that ends at once. What it says if it may not.
fn try_it() -> io::Result<Option<String>> {
    let mut command = Command::new("perf");
    let looking = "record -q -e cpu-clock:k -o /dev/null true";
    command.args(looking.split(' '));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    // Not with our signals blocked: it could not end the process that it has not begun to look at.
    let mut tool = child::start(command.stderr(Stdio::piped()), &[])?;
    let said = tool.child.stderr.take().map(lines);
    tool.wait(PATIENCE);
    if matches!(tool.child.try_wait()?, Some(status) if status.success()) {
        return Ok(None);
    }
    let mut telling = std::iter::from_fn(|| said.as_ref()?.recv_timeout(PATIENCE).ok())
        .map(|line| line.trim().to_string())
        .filter(|line| !matches!(line.as_str(), "" | "Error:" | "Warning:"));
    Ok(Some(
        telling
            .next()
            .unwrap_or_else(|| "it does not say why".into()),
    ))
}

/// Loads them in turn and looks at them: the floor, gopark, and who is between if somebody is.
pub fn measure(mut subjects: Vec<Subject<'_>>) -> Result<Profile, Failure> {
    let failed = |what: &str| Failure::new(format!("perf {what}"));
    let room = Room::make().ok_or_else(|| failed("has no place to write to"))?;
    let period = PERIOD.to_string();
    let record = ["record", "-q", "-e", "cpu-clock", "-c", &period];
    let mut looking = Vec::new();
    for (name, pid, _) in &subjects {
        let perf = Perf::attach(&record, *pid, &room, name);
        looking.push(perf.ok_or_else(|| failed("cannot be started"))?);
    }
    let mut requests = vec![0; subjects.len()];
    for _ in 0..SLICES {
        for ((perf, (_, _, load)), requests) in
            looking.iter_mut().zip(&mut subjects).zip(&mut requests)
        {
            *requests += perf
                .during(load)
                .ok_or_else(|| failed("does not answer"))??;
        }
    }
    let mut seen = Vec::new();
    for ((perf, (name, _, _)), requests) in looking.into_iter().zip(subjects).zip(requests) {
        let samples = parse(&report(&perf.finish())?);
        if samples.is_empty() {
            return Err(failed("has seen nothing"));
        }
        if requests == 0 {
            return Err(Failure::new(format!("{name} answered nothing")));
        }
        seen.push(Seen {
            name,
            samples,
            requests,
        });
    }
    match seen.as_slice() {
        [floor, own, between @ ..] => Ok(compare(floor, own, between.first())),
        _ => Err(Failure::new("it takes two to compare")),
    }
}

/// What perf saw of one server.
struct Seen<'a> {
    name: &'a str,
    samples: Samples,
    requests: u64,
}

impl Seen<'_> {
    /// So many samples in nanoseconds of a request.
    fn each(&self, count: u64) -> f64 {
        (count * PERIOD) as f64 / self.requests as f64
    }

    fn share(&self) -> Share {
        let sum = |kernel: bool| -> u64 {
            let its = self.samples.iter().filter(|((k, _), _)| *k == kernel);
            its.map(|(_, count)| count).sum()
        };
        Share {
            name: self.name.into(),
            user_ns: self.each(sum(false)),
            kernel_ns: self.each(sum(true)),
            requests: self.requests,
        }
    }
}

fn compare(floor: &Seen<'_>, own: &Seen<'_>, between: Option<&Seen<'_>>) -> Profile {
    let servers = [floor.share(), own.share()];
    let both = floor.samples.keys().chain(own.samples.keys());
    let mut known: Vec<&(bool, String)> = both.collect();
    known.sort();
    known.dedup();
    let mut functions: Vec<Function> = known
        .into_iter()
        .map(|key| {
            let of = |it: &Seen<'_>| it.each(it.samples.get(key).copied().unwrap_or(0));
            Function {
                name: key.1.clone(),
                kernel: key.0,
                floor_ns: of(floor),
                gopark_ns: of(own),
            }
        })
        .collect();
    let least = (servers[0].user_ns + servers[0].kernel_ns) * LEAST;
    functions.retain(|it| it.more().abs() >= least);
    functions.sort_by(|a, b| b.more().abs().total_cmp(&a.more().abs()));
    functions.truncate(NAMED);
    Profile {
        servers,
        between: between.map(Seen::share),
        functions,
    }
}

/// The columns of the functions.
pub const HEADS: [&str; 5] = ["function", "in", "floor ns", "gopark ns", "more"];

/// The functions, in rows.
pub fn rows(profile: &Profile) -> Vec<Vec<String>> {
    let row = |it: &Function| {
        vec![
            it.name.clone(),
            if it.kernel { "kernel" } else { "user" }.into(),
            format!("{:.0}", it.floor_ns),
            format!("{:.0}", it.gopark_ns),
            format!("{:+.0}", it.more()),
        ]
    };
    profile.functions.iter().map(row).collect()
}

/// In a sentence.
pub fn sentence(profile: &Profile) -> String {
    let [floor, own] = &profile.servers;
    let of = |it: &Share| {
        let (user, kernel) = (it.user_ns / 1e3, it.kernel_ns / 1e3);
        format!(
            "{}: {user:.2} us in user code and {kernel:.2} us in the kernel",
            it.name
        )
    };
    let between = profile.between.as_ref();
    format!(
        "a request under perf: {}; {}{}; the difference: {:+.2} and {:+.2} us",
        of(floor),
        between.map_or(String::new(), |it| of(it) + "; "),
        of(own),
        (own.user_ns - floor.user_ns) / 1e3,
        (own.kernel_ns - floor.kernel_ns) / 1e3,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: &str = "\
# Samples: 10  of event 'cpu-clock'
#      Samples  Symbol
           400  [k] tcp_ack
            50  [.] peer::raw_epoll::Loop<S,F>::run
             3  [k] ep_item_poll.isra.0
";
    const OWN: &str = "
           380  [k] tcp_ack
           110  [.] <serve::Http as serve::Session>::answer
            20  [.] <<http::Head as Iterator>::Item as Parse>::next
            10  [.] gopark::spawn<alloc::boxed::Box<dyn Fn<()>>>::inner
";

    #[test]
    fn what_perf_reports_becomes_nanoseconds_of_a_request_and_the_greatest_differences() {
        let [floor, own] = [("floor", FLOOR), ("gopark", OWN)].map(|(name, said)| Seen {
            name,
            samples: parse(said),
            requests: 1_000,
        });
        let profile = compare(&floor, &own, None);
        let shares = profile
            .servers
            .each_ref()
            .map(|it| (it.user_ns, it.kernel_ns));
        assert_eq!(shares, [(5_000.0, 40_300.0), (14_000.0, 38_000.0)]);
        let found: Vec<(&str, bool, f64)> = profile
            .functions
            .iter()
            .map(|it| (it.name.as_str(), it.kernel, it.more()))
            .collect();
        let expected = [
            ("serve::Http as serve::Session::answer", false, 11_000.0),
            ("peer::raw_epoll::Loop::run", false, -5_000.0),
            (
                "http::Head as Iterator::Item as Parse::next",
                false,
                2_000.0,
            ),
            ("tcp_ack", true, -2_000.0),
            ("gopark::spawn::inner", false, 1_000.0),
            ("ep_item_poll", true, -300.0),
        ];
        assert_eq!(found, expected);
        assert!(sentence(&profile).ends_with("+9.00 and -2.30 us"));
        assert_eq!(rows(&profile)[1][1..], ["user", "5000", "0", "-5000"]);
        let between = Seen {
            name: BETWEEN,
            samples: parse(OWN),
            requests: 2_000,
        };
        let told = sentence(&compare(&floor, &own, Some(&between)));
        let expected =
            "; floor-pages: 7.00 us in user code and 19.00 us in the kernel; gopark: 14.00";
        assert!(told.contains(expected), "{told}");
    }
}
