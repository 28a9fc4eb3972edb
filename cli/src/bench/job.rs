//! One measurement to be made: a workload, a number of connections, and where everybody runs.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::budget::Cost;
use super::contender::Lineup;
use super::places::Places;
use super::results::{Measurement, Run};
use super::run::Table;
use super::workload::{Cores, Kind, Workload};
use super::{idle, paced, stall, table};
use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::load::progress::Progress;

/// What is the same for all measurements of a run.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Bytes in a request, where the workload leaves that open.
    pub size: usize,
    /// Length of a slice.
    pub slice: Duration,
    /// System calls are counted.
    pub syscalls: bool,
    /// gopark and the floor are profiled.
    pub profile: bool,
}

/// A measurement.
#[derive(Clone, Debug)]
pub struct Job {
    workload: &'static Workload,
    /// Connections.
    pub conns: usize,
    places: Places,
}

impl Job {
    /// The measurements that the command line asks for.
    pub fn all(
        args: &BenchArgs,
        workloads: &[&'static Workload],
        allowed: &[usize],
    ) -> Result<Vec<Job>, Failure> {
        let mut jobs = Vec::new();
        for &workload in workloads {
            let places = match workload.cores {
                Cores::All => Places::all(allowed),
                Cores::Together => Places::together(allowed),
                Cores::Apart if args.all_cores => Places::all(allowed),
                Cores::Apart => Places::apart(allowed, args.server_core, args.generator_core)?,
            };
            let given = match workload.kind {
                Kind::Slices | Kind::Idle | Kind::Stall => args.conns.as_slice(),
                Kind::Paced(_) => &[],
            };
            let conns = if given.is_empty() {
                workload.tables(places.workers, args.quick)
            } else {
                given.to_vec()
            };
            jobs.extend(conns.into_iter().map(|conns| Job {
                workload,
                conns,
                places: places.clone(),
            }));
        }
        Ok(jobs)
    }

    /// Who runs where, in words.
    pub fn places_text(&self) -> String {
        self.places.text()
    }

    fn table(&self, manner: Manner, rounds: usize) -> Table<'_> {
        Table {
            workload: self.workload,
            conns: self.conns,
            size: self.workload.size.unwrap_or(manner.size),
            rounds,
            slice: manner.slice,
            places: &self.places,
            syscalls: manner.syscalls,
            profile: manner.profile,
        }
    }

    /// How long it takes, about.
    pub fn cost(&self, manner: Manner, lineup: &Lineup) -> Cost {
        let table = self.table(manner, 1);
        let servers = lineup.suited(self.workload, self.places.workers).len();
        match self.workload.kind {
            Kind::Slices => table.cost(servers),
            Kind::Idle => Cost {
                fixed: idle::length(self.conns) * (servers as u32 + 1),
                round: Duration::ZERO,
            },
            Kind::Stall => Cost {
                fixed: Duration::from_secs(1),
                round: stall::length(manner.slice) * (servers as u32 + 1),
            },
            Kind::Paced(_) => Cost {
                fixed: Duration::from_millis(500),
                round: paced::length(manner.slice) * (servers as u32 + 1),
            },
        }
    }

    /// Measures, adds what was found to `run`, and gives it as text. `stop` ends it early.
    pub fn run(
        &self,
        manner: Manner,
        rounds: usize,
        lineup: &Lineup,
        stop: &AtomicBool,
        run: &mut Run,
        progress: &mut Progress,
    ) -> Result<String, Failure> {
        let table = self.table(manner, rounds);
        let (workload, conns, places) = (self.workload, self.conns, &self.places);
        Ok(match workload.kind {
            Kind::Slices => {
                let (servers, profile, failed) = table.run(lineup, run.seed, stop, progress)?;
                let found = Measurement {
                    workload: workload.name.into(),
                    about: workload.about.into(),
                    conns,
                    size: table.size,
                    places: places.text(),
                    workers: places.workers,
                    rounds,
                    servers,
                    profile,
                    failed,
                };
                let text = table::text(&found);
                run.tables.push(found);
                text
            }
            Kind::Idle => {
                let found =
                    idle::run(workload, conns, manner.size, lineup, places, stop, progress)?;
                let text = idle::text(workload, conns, &found);
                run.idle.push(found);
                text
            }
            Kind::Stall => {
                let found = stall::run(&table, lineup, run.seed, stop, progress);
                let text = stall::text(&found);
                run.stalls.push(found);
                text
            }
            Kind::Paced(mix) => {
                let found = paced::run(&table, mix, lineup, run.seed, stop, progress);
                let text = paced::text(&found);
                run.paced.push(found);
                text
            }
        })
    }
}
