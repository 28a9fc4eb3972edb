//! `gopark bench`: gopark beside other servers, measured so that the machine's moods cancel.
//!
//! | file | what it knows |
//! |---|---|
//! | `workload` | what the servers are loaded with |
//! | `contender`, `go` | which servers there are, and how to start one |
//! | `places` | which cores they get |
//! | `generator` | the load generator as a child process |
//! | `schedule`, `random` | what each slice is compared with, and the order of slices |
//! | `run` | one table of CPU per request |
//! | `idle`, `uneven` | the two measurements of another kind |
//! | `syscalls` | counting system calls with perf or strace |
//! | `stats`, `table` | medians, and the text |
//! | `results` | everything found, as it is written and read again |
//! | `html`, `plot`, `markdown`, `baseline` | reports of it |

pub mod baseline;
pub mod contender;
pub mod generator;
pub mod go;
pub mod html;
pub mod idle;
pub mod markdown;
pub mod places;
pub mod plot;
pub mod random;
pub mod results;
pub mod run;
pub mod schedule;
pub mod stats;
pub mod syscalls;
pub mod table;
pub mod uneven;
pub mod workload;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::load::progress::Progress;
use crate::output;
use crate::sys::{affinity, process, signals};

use contender::Lineup;
use places::Places;
use results::{Measurement, Run};
use run::Table;
use workload::{Kind, WORKLOADS, Workload};

/// Idle connections are counted once per server, not in rounds; about this long each.
const IDLE_LENGTH: Duration = Duration::from_secs(4);

/// Runs `gopark bench`.
pub fn command(args: BenchArgs) -> Result<(), Failure> {
    let before = args.baseline.as_deref().map(Run::load).transpose()?;
    let run = match &args.from {
        Some(path) => {
            let run = Run::load(path)?;
            output::print(&tables_text(&run))?;
            run
        }
        None => measure(&args)?,
    };
    if let Some(before) = &before {
        output::print(&baseline::text(before, &run))?;
    }
    if let Some(path) = &args.json {
        output::save_json(path, &run)?;
    }
    if let Some(path) = &args.html {
        save(path, &html::page(&run)?)?;
    }
    match &args.markdown {
        Some(path) => save(path, &markdown::text(&run)),
        None => Ok(()),
    }
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::io(format_args!("write {}", path.display()), &error))
}

fn tables_text(run: &Run) -> String {
    let mut text = String::new();
    run.tables.iter().for_each(|it| text += &table::text(it));
    let about = |name| workload::find(name).expect("the name of a workload");
    for found in &run.idle {
        let conns = found.first().map_or(0, |it| it.conns);
        text += &idle::text(about("idle"), conns, found);
    }
    for found in &run.uneven {
        text += &uneven::text(about("uneven"), found);
    }
    text
}

fn wanted(names: &[String]) -> Vec<&'static Workload> {
    let all = names.iter().any(|name| name == "all");
    let named = |workload: &&Workload| all || names.iter().any(|name| name == workload.name);
    WORKLOADS.iter().filter(named).collect()
}

/// One measurement to be made.
struct Job {
    workload: &'static Workload,
    conns: usize,
    places: Places,
}

fn measure(args: &BenchArgs) -> Result<Run, Failure> {
    let allowed =
        affinity::allowed().map_err(|error| Failure::io("read the allowed cores", &error))?;
    let workloads = wanted(&args.workloads);
    let places = if args.all_cores {
        Places::all(&allowed)
    } else {
        Places::apart(&allowed, args.server_core, args.generator_core)?
    };
    let jobs = jobs(args, &workloads, &places, &allowed);
    for job in &jobs {
        crate::load::make_room(job.conns, 0)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    signals::on_stop(move |_| flag.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::io("watch for signals", &error))?;

    let services: Vec<_> = workloads.iter().map(|workload| workload.service).collect();
    let lineup = Lineup::choose(&args.servers, &services);
    let mut run = empty_run(args, &lineup, &places);
    let length = jobs.iter().map(|job| job.length(args, &lineup)).sum();
    output::print(&introduction(&run, &lineup, length))?;
    let mut progress = Progress::new(length, args.quiet);
    for job in &jobs {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let text = job.run(args, &lineup, &stop, &mut run, &mut progress)?;
        progress.suspend(|| output::print(&text))?;
    }
    progress.finish();
    Ok(run)
}

fn jobs(
    args: &BenchArgs,
    workloads: &[&'static Workload],
    places: &Places,
    allowed: &[usize],
) -> Vec<Job> {
    let mut jobs = Vec::new();
    for &workload in workloads {
        let uneven = workload.kind == Kind::Uneven;
        let conns = match args.conns.as_slice() {
            given @ [_, ..] if !uneven => given,
            _ => workload.conns,
        };
        jobs.extend(conns.iter().map(|&conns| Job {
            workload,
            conns,
            places: if uneven {
                Places::together(allowed)
            } else {
                places.clone()
            },
        }));
    }
    jobs
}

fn empty_run(args: &BenchArgs, lineup: &Lineup, places: &Places) -> Run {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let begun = since.unwrap_or_default().as_secs();
    let mut versions = vec![format!("gopark {}", env!("CARGO_PKG_VERSION"))];
    versions.extend(lineup.go_version().map(String::from));
    if cfg!(debug_assertions) {
        versions.push("DEBUG BUILD: the figures mean nothing".into());
    }
    Run {
        machine: process::machine(),
        versions,
        command: std::env::args().collect(),
        places: places.text(),
        begun,
        seed: begun,
        slice_ms: args.slice,
        tolerance: schedule::TOLERANCE,
        absent: lineup
            .absent
            .iter()
            .map(|(name, why)| (name.to_string(), why.clone()))
            .collect(),
        tables: Vec::new(),
        idle: Vec::new(),
        uneven: Vec::new(),
    }
}

impl Job {
    fn table<'a>(&'a self, args: &BenchArgs) -> Table<'a> {
        Table {
            workload: self.workload,
            conns: self.conns,
            size: self.workload.size.unwrap_or(args.size),
            rounds: args.rounds,
            slice: Duration::from_millis(args.slice),
            places: &self.places,
            syscalls: !args.no_syscalls,
        }
    }

    fn length(&self, args: &BenchArgs, lineup: &Lineup) -> Duration {
        let table = self.table(args);
        let servers = table.contenders(lineup).len();
        match self.workload.kind {
            Kind::Slices => table.length(servers),
            Kind::Idle => IDLE_LENGTH * (servers as u32 + 1),
            Kind::Uneven => {
                let each = uneven::window(table.slice).mul_f64(1.25);
                each * ((servers as u32 + 1) * args.rounds as u32)
            }
        }
    }

    /// Measures, adds what was found to `run`, and gives it as text.
    fn run(
        &self,
        args: &BenchArgs,
        lineup: &Lineup,
        stop: &AtomicBool,
        run: &mut Run,
        progress: &mut Progress,
    ) -> Result<String, Failure> {
        let table = self.table(args);
        let (workload, conns, places) = (self.workload, self.conns, &self.places);
        Ok(match workload.kind {
            Kind::Slices => {
                let found = Measurement {
                    workload: workload.name.into(),
                    about: workload.about.into(),
                    conns,
                    size: table.size,
                    rounds: args.rounds,
                    servers: table.run(lineup, run.seed, stop, progress)?,
                };
                let text = table::text(&found);
                run.tables.push(found);
                text
            }
            Kind::Idle => {
                let found = idle::run(workload, conns, args.size, lineup, places, stop, progress)?;
                let text = idle::text(workload, conns, &found);
                run.idle.push(found);
                text
            }
            Kind::Uneven => {
                let window = uneven::window(table.slice);
                let (rounds, seed) = (args.rounds, run.seed);
                let found = uneven::run(
                    workload, rounds, window, lineup, places, seed, stop, progress,
                )?;
                let text = uneven::text(workload, &found);
                run.uneven.push(found);
                text
            }
        })
    }
}

fn introduction(run: &Run, lineup: &Lineup, length: Duration) -> String {
    let mut rows = vec![(contender::FLOOR.name, contender::FLOOR.about)];
    rows.extend(lineup.present.iter().map(|it| (it.name, it.about)));
    let width = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let mut servers: String = rows
        .iter()
        .map(|(name, about)| format!("  {name:<width$}   {about}\n"))
        .collect();
    for (name, why) in &run.absent {
        servers += &format!("  {name:<width$}   not here: {why}\n");
    }
    format!(
        "{}\n{}; {}\n{servers}\
         CPU us is the server's CPU time per request; ratio is that against its neighbouring \
         slices of the floor,\nbelow 1 is better. Closed loop. Slices between floors that differ \
         by more than {:.0} % are dropped.\nAbout {:.0} s of measuring.\n",
        run.machine,
        run.versions.join(", "),
        run.places,
        schedule::TOLERANCE * 100.0,
        length.as_secs_f64(),
    )
}
