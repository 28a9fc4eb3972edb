//! One table: all the servers at one number of connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::Cost;
use super::contender::{Contender, FLOOR, Launch, Lineup, Running};
use super::failed::Failed;
use super::generator::{Measured, Remote, Slice, Task};
use super::places::Places;
use super::profile::{self, Profile};
use super::random::Random;
use super::schedule::{Bracketed, judge};
use super::stats::{Spread, median, spread};
use super::syscalls::{self, Method};
use super::workload::{Service, Workload};
use crate::failure::Failure;
use crate::load::progress::Progress;
use crate::sys::process;
use crate::units::connections;

/// What one table is about.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// What the servers are loaded with.
    pub workload: &'static Workload,
    /// Connections to each.
    pub conns: usize,
    /// Bytes in an echo request.
    pub size: usize,
    /// Slices per server.
    pub rounds: usize,
    /// Length of a slice.
    pub slice: Duration,
    /// Where everybody runs.
    pub places: &'a Places,
    /// Count system calls, too.
    pub syscalls: bool,
    /// Profile gopark and the floor, too.
    pub profile: bool,
}

/// A request on one of many connections, the answers under way at the end included; about.
const SWEEP: Duration = Duration::from_micros(10);

/// Starting a server and its generator, about.
const START: Duration = Duration::from_millis(60);

/// Opening a connection, about.
const OPEN: Duration = Duration::from_micros(50);

/// Attaching and ending a tool that looks at a server, about.
const ATTACHING: Duration = Duration::from_millis(250);

/// A slice under a profiler, at least.
const PROFILED: Duration = Duration::from_millis(500);

/// A server with its generator.
struct Pair {
    server: Running,
    generator: Remote,
    /// Resident memory before there was any connection.
    empty: u64,
}

/// System calls per request.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Calls {
    /// How many.
    pub per_request: f64,
    /// How they were counted.
    pub method: Method,
}

/// Everything about one server in one table.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Outcome {
    /// The server.
    pub name: String,
    /// CPU per request relative to the floor. The floor itself has none.
    pub cpu_ratio: Option<Spread>,
    /// Requests per second relative to the floor: the median.
    pub rate_ratio: Option<f64>,
    /// The 99th percentile of latency relative to the floor: the median.
    pub p99_ratio: Option<f64>,
    /// CPU per request, in microseconds: the median over the slices.
    pub cpu_per_request_us: f64,
    /// Requests per second: the median.
    pub requests_per_second: f64,
    /// The median of each slice's median latency, in nanoseconds.
    pub p50_ns: f64,
    /// Of its 99th percentile.
    pub p99_ns: f64,
    /// Of its 99.9th percentile.
    pub p999_ns: f64,
    /// What the tenth of the connections with the fewest answers got of an equal share: the median.
    #[serde(default)]
    pub poorest_tenth: Option<f64>,
    /// The generator's share of its core.
    pub generator_utilisation: f64,
    /// System calls per request, if they could be counted.
    pub syscalls: Option<Calls>,
    /// Resident memory with all connections open and used.
    pub resident_bytes: Option<u64>,
    /// The part of it that came with each connection.
    pub resident_per_connection: Option<f64>,
    /// Errors in all slices.
    pub errors: u64,
    /// Slices dropped because their neighbours differed or something failed.
    pub dropped: usize,
    /// The slices themselves. For the floor, the neighbours of the others.
    pub slices: Vec<Bracketed>,
}

impl Pair {
    fn name(&self) -> &'static str {
        self.server.contender.name
    }
}

impl Outcome {
    /// How a figure of its slices, relative to their neighbours, lies; `None` without a slice that was kept.
    pub fn spread_of(&self, of: fn(&Bracketed) -> Option<f64>) -> Option<Spread> {
        spread_of(&self.slices, of)
    }
}

fn spread_of(slices: &[Bracketed], of: fn(&Bracketed) -> Option<f64>) -> Option<Spread> {
    let figures: Vec<f64> = slices.iter().filter_map(of).collect();
    spread(&figures)
}

impl Table<'_> {
    /// How long measuring takes, about.
    pub fn cost(&self, contenders: usize) -> Cost {
        let (servers, conns) = (contenders as u32 + 1, self.conns as u32);
        let slice = self.lead() + self.window() + SWEEP * conns;
        let counting = if self.syscalls {
            self.window() + ATTACHING
        } else {
            Duration::ZERO
        };
        let profiling = if self.profile {
            (self.profiled() * profile::SLICES + ATTACHING * 2) * 2
        } else {
            Duration::ZERO
        };
        Cost {
            fixed: (START + OPEN * conns + counting) * servers + profiling,
            round: slice * (2 * servers - 1),
        }
    }

    /// Unmeasured load before each slice: it fills the caches with this server's data, for the
    /// floor and for the others alike.
    fn lead(&self) -> Duration {
        (self.slice / 5).max(Duration::from_millis(30))
    }

    /// A slice in which every connection has its turn some times over.
    fn window(&self) -> Duration {
        self.slice.max(SWEEP * 5 * self.conns as u32)
    }

    /// A slice under a profiler.
    fn profiled(&self) -> Duration {
        self.window().max(PROFILED)
    }

    /// Measures. `stop` ends it early, with the rounds so far.
    pub fn run(
        &self,
        lineup: &Lineup,
        seed: u64,
        stop: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<(Vec<Outcome>, Option<Profile>, Failed), Failure> {
        let upstream = self.upstream(lineup)?;
        let upstream = upstream.as_ref();
        let mut floor = self.start(lineup, &FLOOR, upstream)?;
        let (mut others, mut failed) = (Vec::new(), Failed::new());
        for contender in lineup.suited(self.workload, self.places.workers) {
            match self.start(lineup, &contender, upstream) {
                Ok(pair) => others.push(pair),
                Err(why) => failed.push((contender.name.into(), why.to_string())),
            }
        }
        let mut gone = vec![false; others.len()];
        let mut slices: Vec<Vec<Bracketed>> = vec![Vec::new(); others.len()];
        let mut floors: Vec<Measured> = Vec::new();
        let mut random = Random::new(seed);
        for round in 1..=self.rounds {
            let mut before = self.load(&mut floor)?;
            for index in random.order(others.len()) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                if gone[index] {
                    continue;
                }
                progress.show(|| {
                    let name = others[index].server.contender.name;
                    let conns = connections(self.conns);
                    format!("{conns}, round {round}/{}: {name}", self.rounds)
                });
                let slice = match self.load(&mut others[index]) {
                    Ok(slice) => slice,
                    Err(why) => {
                        gone[index] = true;
                        let name = others[index].server.contender.name;
                        failed.push((name.into(), why.to_string()));
                        continue;
                    }
                };
                let after = self.load(&mut floor)?;
                floors.push(before.clone());
                slices[index].push(Bracketed {
                    before,
                    slice,
                    after: after.clone(),
                });
                before = after;
            }
            floors.push(before);
        }
        let mut profile = None;
        if self.profile {
            let alive = others.iter_mut().zip(&gone).filter(|(_, gone)| !**gone);
            let alive = alive.map(|(pair, _)| pair);
            let looked_at = [profile::OF, profile::BETWEEN];
            let mut looked_at: Vec<&mut Pair> =
                alive.filter(|it| looked_at.contains(&it.name())).collect();
            looked_at.sort_by_key(|it| it.name() != profile::OF);
            if looked_at.first().is_some_and(|it| it.name() == profile::OF) {
                progress.show(|| format!("{}, profile", connections(self.conns)));
                looked_at.insert(0, &mut floor);
                match self.profile_of(looked_at, stop) {
                    Ok(found) => profile = Some(found),
                    Err(why) => failed.push(("the profile".into(), why.to_string())),
                }
            }
        }
        let mut outcomes = vec![self.outcome(&mut floor, &floors, Vec::new(), stop)];
        for ((pair, slices), gone) in others.iter_mut().zip(slices).zip(gone) {
            if gone {
                continue;
            }
            let own: Vec<Measured> = slices.iter().map(|slice| slice.slice.clone()).collect();
            outcomes.push(self.outcome(pair, &own, slices, stop));
        }
        Ok((outcomes, profile, failed))
    }

    /// The server that the servers ask, if they do. It runs beside the generator.
    fn upstream(&self, lineup: &Lineup) -> Result<Option<Running>, Failure> {
        if self.workload.service != Service::Fanout {
            return Ok(None);
        }
        let launch = Launch {
            service: Service::Echo,
            cores: &self.places.generator,
            workers: 1,
            buffer: 4096,
            deadline: None,
            upstream: None,
        };
        lineup.start(&FLOOR, launch).map(Some)
    }

    fn start(
        &self,
        lineup: &Lineup,
        contender: &Contender,
        upstream: Option<&Running>,
    ) -> Result<Pair, Failure> {
        let launch = Launch {
            upstream: upstream.map(|it| it.addr),
            ..Launch::of(self.workload, self.size, self.places)
        };
        let server = lineup.start(contender, launch)?;
        let empty = process::resident_bytes(server.process.pid()).unwrap_or(0);
        let plan = self.workload.plan(server.addr, self.conns, self.size);
        let task = Task {
            plan,
            server: server.process.pid(),
            helper: upstream.map(|it| it.process.pid()),
            threads: self.places.generator_threads.min(self.conns),
        };
        let generator = Remote::start(&task, &self.places.generator)?;
        Ok(Pair {
            server,
            generator,
            empty,
        })
    }

    fn load(&self, pair: &mut Pair) -> Result<Measured, Failure> {
        pair.generator.run(Slice {
            lead: self.lead(),
            window: self.window(),
        })
    }

    fn outcome(
        &self,
        pair: &mut Pair,
        own: &[Measured],
        slices: Vec<Bracketed>,
        stop: &AtomicBool,
    ) -> Outcome {
        let over = |figure: fn(&Measured) -> f64| median(own.iter().map(figure));
        let (cpu_ratio, dropped) = judge(&slices);
        let poorest: Vec<f64> = own.iter().filter_map(|slice| slice.poorest_tenth).collect();
        let relative = |of| spread_of(&slices, of).map(|it| it.median);
        let (rate_ratio, p99_ratio) = (
            relative(Bracketed::rate_ratio),
            relative(Bracketed::p99_ratio),
        );
        let pid = pair.server.process.pid();
        let resident = process::resident_bytes(pid);
        let count = self.syscalls && !stop.load(Ordering::Relaxed);
        Outcome {
            name: pair.server.contender.name.to_string(),
            cpu_ratio,
            rate_ratio,
            p99_ratio,
            cpu_per_request_us: over(|slice| slice.cpu_per_request().unwrap_or(0.0)),
            requests_per_second: over(Measured::rate),
            p50_ns: over(|slice| slice.latency_ns.p50 as f64),
            p99_ns: over(|slice| slice.latency_ns.p99 as f64),
            p999_ns: over(|slice| slice.latency_ns.p999 as f64),
            poorest_tenth: spread(&poorest).map(|it| it.median),
            generator_utilisation: over(|slice| slice.utilisation),
            syscalls: if count {
                self.syscalls_of(pid, &mut pair.generator)
            } else {
                None
            },
            resident_bytes: resident,
            resident_per_connection: resident
                .map(|bytes| bytes.saturating_sub(pair.empty) as f64 / self.conns as f64),
            errors: own.iter().map(|slice| slice.errors).sum(),
            dropped,
            slices,
        }
    }

    fn profile_of(&self, looked_at: Vec<&mut Pair>, stop: &AtomicBool) -> Result<Profile, Failure> {
        let slice = Slice {
            lead: Duration::ZERO,
            window: self.profiled(),
        };
        let whom: Vec<_> = (looked_at.iter())
            .map(|pair| (pair.name(), pair.server.process.pid()))
            .collect();
        let mut loads: Vec<_> = looked_at
            .into_iter()
            .map(|pair| {
                move || {
                    if stop.load(Ordering::Relaxed) {
                        return Err(Failure::new("it was stopped"));
                    }
                    Ok(pair.generator.run(slice)?.all_requests)
                }
            })
            .collect();
        let mut subjects = Vec::<profile::Subject<'_>>::new();
        for ((name, pid), load) in whom.into_iter().zip(&mut loads) {
            subjects.push((name, pid, load));
        }
        profile::measure(subjects)
    }

    fn syscalls_of(&self, pid: u32, generator: &mut Remote) -> Option<Calls> {
        let slice = Slice {
            lead: Duration::ZERO,
            window: self.window(),
        };
        let (method, calls, measured) = syscalls::count(pid, || generator.run(slice))?;
        let requests = measured.ok()?.all_requests;
        (requests > 0).then(|| Calls {
            per_request: calls as f64 / requests as f64,
            method,
        })
    }
}
