//! `gopark bench`: gopark beside other servers, measured so that the machine's moods cancel.
//!
//! | file | what it knows |
//! |---|---|
//! | `workload` | what the servers are loaded with |
//! | `contender`, `go` | which servers there are, and how to start one |
//! | `places` | which cores they get |
//! | `generator` | the load generator as a child process |
//! | `schedule`, `random` | what each slice is compared with, and the order of slices |
//! | `job`, `budget` | the measurements of a run, and how many rounds there is time for |
//! | `run` | one table of CPU per request |
//! | `idle`, `stall`, `paced` | the measurements of another kind |
//! | `turns` | how long threads wait for a processor in `paced`, and run |
//! | `rounds` | those in which servers are compared round by round |
//! | `syscalls` | counting system calls with perf or strace |
//! | `profile`, `samples` | where the time of a request goes, by what perf has recorded |
//! | `perf`, `tool` | what these look with |
//! | `evenness` | whether a server answers all its connections alike |
//! | `stats`, `failed`, `table` | medians, who has none, and the text |
//! | `results` | everything found, as it is written and read again |
//! | `goals`, `losses` | what is wanted of gopark, and where it is behind |
//! | `html`, `plot`, `markdown`, `baseline` | reports of it |

pub mod baseline;
pub mod budget;
pub mod contender;
pub mod evenness;
pub mod failed;
pub mod generator;
pub mod go;
pub mod goals;
pub mod html;
pub mod idle;
pub mod job;
pub mod losses;
pub mod markdown;
pub mod paced;
pub mod perf;
pub mod places;
pub mod plot;
pub mod profile;
pub mod random;
pub mod results;
pub mod rounds;
pub mod run;
pub mod samples;
pub mod schedule;
pub mod stall;
pub mod stats;
pub mod syscalls;
pub mod table;
pub mod tool;
pub mod turns;
pub mod workload;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::load::progress::Progress;
use crate::output;
use crate::sys::{affinity, process, signals};

use budget::{Cost, Rounds};
use contender::Lineup;
use job::{Job, Manner};
use results::Run;
use workload::{WORKLOADS, Workload};

/// How long all workloads take together.
const WHOLE: Duration = Duration::from_secs(25 * 60);

/// How long a quick run takes.
const QUICK: Duration = Duration::from_secs(3 * 60);

/// Rounds of a run that has no time to keep to.
const ROUNDS: usize = 12;

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
        output::save(path, &html::page(&run)?)?;
    }
    match &args.markdown {
        Some(path) => output::save(path, &markdown::text(&run)),
        None => Ok(()),
    }
}

fn tables_text(run: &Run) -> String {
    let mut text = String::new();
    run.tables.iter().for_each(|it| text += &table::text(it));
    for found in &run.idle {
        let conns = found.first().map_or(0, |it| it.conns);
        let about = workload::find("idle").expect("the name of a workload");
        text += &idle::text(about, conns, found);
    }
    run.stalls.iter().for_each(|it| text += &stall::text(it));
    run.paced.iter().for_each(|it| text += &paced::text(it));
    text + &goals::text(run) + &losses::text(run)
}

fn wanted(names: &[String]) -> Vec<&'static Workload> {
    let named = |workload: &&Workload| all(names) || names.iter().any(|it| it == workload.name);
    WORKLOADS.iter().filter(named).collect()
}

fn all(names: &[String]) -> bool {
    names.iter().any(|name| name == "all")
}

fn rounds(args: &BenchArgs) -> Rounds {
    match (args.rounds, args.time) {
        (Some(rounds), _) => Rounds::Fixed(rounds),
        (None, Some(time)) => Rounds::Within(time),
        (None, None) if args.quick => Rounds::Within(QUICK),
        (None, None) if all(&args.workloads) => Rounds::Within(WHOLE),
        (None, None) => Rounds::Fixed(ROUNDS),
    }
}

fn manner(args: &BenchArgs) -> Manner {
    let slice = args.slice.unwrap_or(match rounds(args) {
        _ if args.quick => 60,
        Rounds::Within(_) => 150,
        Rounds::Fixed(_) => 300,
    });
    Manner {
        size: args.size,
        slice: Duration::from_millis(slice),
        syscalls: !args.no_syscalls,
        profile: args.profile,
    }
}

fn measure(args: &BenchArgs) -> Result<Run, Failure> {
    let begun = Instant::now();
    let allowed =
        affinity::allowed().map_err(|error| Failure::io("read the allowed cores", &error))?;
    let workloads = wanted(&args.workloads);
    let jobs = Job::all(args, &workloads, &allowed)?;
    for job in &jobs {
        crate::load::make_room(job.conns, 0)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    signals::on_stop(move |_| flag.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::io("watch for signals", &error))?;

    if args.profile {
        profile::check(&workloads, &args.servers)?;
    }
    let (rounds, manner) = (rounds(args), manner(args));
    let lineup = Lineup::choose(&args.servers, args.quick, &workloads);
    let costs: Vec<Cost> = jobs.iter().map(|job| job.cost(manner, &lineup)).collect();
    let mut run = empty_run(args, manner, &lineup, &jobs);
    let whole = |spent: Duration, costs: &[Cost]| {
        let rounds = rounds.each(spent, costs);
        costs.iter().map(|it| it.with(rounds)).sum::<Duration>()
    };
    let length = whole(begun.elapsed(), &costs);
    output::print(&introduction(&run, &lineup, length))?;
    let mut progress = Progress::new(length, args.quiet);
    for (index, job) in jobs.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (spent, left) = (begun.elapsed(), &costs[index..]);
        progress.expect(whole(spent, left));
        let rounds = rounds.each(spent, left);
        let text = job.run(manner, rounds, &lineup, &stop, &mut run, &mut progress)?;
        progress.suspend(|| output::print(&text))?;
    }
    progress.finish();
    run.seconds = begun.elapsed().as_secs();
    output::print(&(goals::text(&run) + &losses::text(&run)))?;
    Ok(run)
}

fn empty_run(args: &BenchArgs, manner: Manner, lineup: &Lineup, jobs: &[Job]) -> Run {
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
        places: jobs.first().map_or_else(String::new, Job::places_text),
        size: args.size,
        seconds: 0,
        begun,
        seed: begun,
        slice_ms: manner.slice.as_millis() as u64,
        tolerance: schedule::TOLERANCE,
        absent: lineup
            .absent
            .iter()
            .map(|(name, why)| (name.to_string(), why.clone()))
            .collect(),
        tables: Vec::new(),
        idle: Vec::new(),
        stalls: Vec::new(),
        paced: Vec::new(),
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
         by more than {:.0} % are dropped.\n\
         poorest is what the tenth of the connections with the fewest answers got of an equal share.\nAbout {:.0} s of measuring.\n",
        run.machine,
        run.versions.join(", "),
        run.places,
        schedule::TOLERANCE * 100.0,
        length.as_secs_f64(),
    )
}
