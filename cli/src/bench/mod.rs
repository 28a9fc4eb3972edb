//! `gopark bench`: gopark beside other servers, measured so that the machine's moods cancel.
//!
//! | file | what it knows |
//! |---|---|
//! | `workload` | what the servers are loaded with |
//! | `contender` | which servers there are, and how to start one |
//! | `generator` | the load generator as a child process |
//! | `schedule` | the order of slices, and what each is compared with |
//! | `run` | one table |
//! | `syscalls` | counting system calls with perf or strace |
//! | `stats`, `table` | medians, and the text |

pub mod contender;
pub mod generator;
pub mod run;
pub mod schedule;
pub mod stats;
pub mod syscalls;
pub mod table;
pub mod workload;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::load::progress::Progress;
use crate::output;
use crate::sys::{affinity, process, signals};

use run::{Outcome, Table};

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct Run {
    machine: String,
    command: Vec<String>,
    /// Seconds since 1970.
    begun: u64,
    seed: u64,
    slice_ms: u64,
    tolerance: f64,
    tables: Vec<Measurement>,
}

#[derive(Debug, Serialize)]
struct Measurement {
    workload: &'static str,
    conns: usize,
    size: usize,
    rounds: usize,
    servers: Vec<Outcome>,
}

/// Runs `gopark bench`.
pub fn command(args: BenchArgs) -> Result<(), Failure> {
    let workload = workload::find(&args.workload)
        .ok_or_else(|| Failure::usage(format!("unknown workload '{}'", args.workload)))?;
    let contenders = contender::choose(&args.servers);
    let (server_core, generator_core) = cores(&args)?;
    for &conns in &args.conns {
        crate::load::make_room(conns, 0)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    signals::on_stop(move |_| flag.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::io("watch for signals", &error))?;

    let tables: Vec<Table> = args
        .conns
        .iter()
        .map(|&conns| Table {
            workload,
            conns,
            size: args.size,
            rounds: args.rounds,
            slice: Duration::from_millis(args.slice),
            server_core,
            generator_core,
            syscalls: !args.no_syscalls,
        })
        .collect();
    let begun = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let mut run = Run {
        machine: process::machine(),
        command: std::env::args().collect(),
        begun,
        seed: begun,
        slice_ms: args.slice,
        tolerance: schedule::TOLERANCE,
        tables: Vec::new(),
    };
    let length = tables
        .iter()
        .map(|table| table.length(contenders.len()))
        .sum();
    output::print(&introduction(&run, &contenders, length))?;
    let mut progress = Progress::new(length, args.quiet);
    for table in &tables {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let servers = table.run(&contenders, run.seed, &stop, &mut progress)?;
        progress.suspend(|| output::print(&table::text(table, &servers)))?;
        let (conns, size, rounds) = (table.conns, table.size, table.rounds);
        run.tables.push(Measurement {
            workload: workload.name,
            conns,
            size,
            rounds,
            servers,
        });
    }
    progress.finish();
    match &args.json {
        Some(path) => output::save_json(path, &run),
        None => Ok(()),
    }
}

/// The core of the servers and that of the generator.
fn cores(args: &BenchArgs) -> Result<(usize, usize), Failure> {
    let allowed =
        affinity::allowed().map_err(|error| Failure::io("read the allowed cores", &error))?;
    choose_cores(&allowed, args.server_core, args.generator_core)
}

fn choose_cores(
    allowed: &[usize],
    server: Option<usize>,
    generator: Option<usize>,
) -> Result<(usize, usize), Failure> {
    let free = |taken: Option<usize>| {
        let found = allowed.iter().copied().find(|core| Some(*core) != taken);
        found.ok_or_else(|| Failure::new("a comparison needs two cores, and there is only one"))
    };
    let server = server.map_or_else(|| free(generator), Ok)?;
    let generator = generator.map_or_else(|| free(Some(server)), Ok)?;
    if server == generator {
        return Err(Failure::usage(
            "the servers and the generator need different cores",
        ));
    }
    match [server, generator]
        .iter()
        .find(|core| !allowed.contains(core))
    {
        Some(core) => Err(Failure::new(format!(
            "core {core} is not available here: choose from {allowed:?} with --server-core and \
             --generator-core"
        ))),
        None => Ok((server, generator)),
    }
}

fn introduction(run: &Run, contenders: &[contender::Contender], length: Duration) -> String {
    let mut rows = vec![vec![
        contender::FLOOR.name.into(),
        contender::FLOOR.about.into(),
    ]];
    rows.extend(
        contenders
            .iter()
            .map(|c| vec![c.name.to_string(), c.about.to_string()]),
    );
    let width = rows.iter().map(|row| row[0].len()).max().unwrap_or(0);
    let servers: String = rows
        .iter()
        .map(|row| format!("  {:<width$}   {}\n", row[0], row[1]))
        .collect();
    format!(
        "{}\n{servers}\
         CPU us is the server's CPU time per request; ratio is that against its neighbouring \
         slices of the floor,\nbelow 1 is better. Closed loop. Slices between floors that differ \
         by more than {:.0} % are dropped.\nAbout {:.0} s of measuring.\n",
        run.machine,
        schedule::TOLERANCE * 100.0,
        length.as_secs_f64(),
    )
}

#[cfg(test)]
mod tests {
    use super::choose_cores;

    #[test]
    fn servers_and_generator_get_two_cores_that_exist() {
        let chosen = |server, generator| choose_cores(&[2, 3], server, generator).ok();
        assert_eq!(chosen(None, None), Some((2, 3)));
        assert_eq!(chosen(Some(3), None), Some((3, 2)));
        assert_eq!(chosen(None, Some(2)), Some((3, 2)));
        assert_eq!(chosen(Some(3), Some(3)), None);
        assert_eq!(chosen(Some(0), None), None);
        assert!(choose_cores(&[0], None, None).is_err());
    }
}
