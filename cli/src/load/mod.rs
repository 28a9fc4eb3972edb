//! `gopark load`: a closed-loop load generator.
//!
//! It knows nothing of gopark's runtime: a hand-written epoll loop per thread, so that what it
//! measures is the server.
//!
//! | file | what it knows |
//! |---|---|
//! | `plan` | what to send, to whom |
//! | `dial` | starting connections |
//! | `conn` | one connection: write, read, what is still due |
//! | `paced` | the open loop: requests at their own pace |
//! | `reply` | are these bytes the answers? |
//! | `engine` | the loop over all connections of a thread |
//! | `tally` | counts, latencies, errors by kind |
//! | `live`, `progress` | what is shown meanwhile |
//! | `report` | the result |

pub mod conn;
pub mod dial;
pub mod engine;
pub mod live;
pub mod paced;
pub mod plan;
pub mod progress;
pub mod reply;
pub mod report;
pub mod tally;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::args::LoadArgs;
use crate::failure::{Failure, reason};
use crate::sys::{limits, signals};
use crate::units::{connections, grouped};

use engine::{Clocks, Engine, Stretch};
use live::Live;
use plan::{Plan, Protocol};
use progress::Progress;
use report::Report;

/// Descriptors that a process needs besides its connections.
const SPARE: u64 = 32;

/// Runs `gopark load`.
pub fn command(args: LoadArgs) -> Result<(), Failure> {
    let protocol = if args.http {
        Protocol::Http { path: args.path }
    } else {
        Protocol::Echo { size: args.size }
    };
    let plan = Plan {
        addr: args.addr,
        conns: args.conns,
        protocol,
        pipeline: args.pipeline,
        requests_per_conn: args.requests_per_conn,
        burst: false,
        stalls: None,
        timeout: args.timeout,
    };
    check(&plan)?;
    make_room(args.conns, args.threads)?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    signals::on_stop(move |_| flag.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::io("watch for signals", &error))?;

    let threads = args.threads.min(args.conns);
    let stretches = run(&plan, threads, args.time, &stop, args.quiet)
        .map_err(|error| cannot_connect(&plan, &error))?;
    Report::new(&plan, &stretches).print(args.json)
}

fn check(plan: &Plan) -> Result<(), Failure> {
    let bytes = plan.batch().len();
    if bytes > 64 << 20 {
        return Err(Failure::usage("size times pipeline may be at most 64m"));
    }
    match plan.requests_per_conn {
        Some(most) if most % plan.pipeline != 0 => Err(Failure::usage(
            "--requests-per-conn must be a multiple of --pipeline",
        )),
        _ => Ok(()),
    }
}

/// Raises the limit on open files, and says so if that is not enough.
pub fn make_room(conns: usize, others: usize) -> Result<(), Failure> {
    let limit = limits::raise_open_files()
        .map_err(|error| Failure::io("read the limit on open files", &error))?;
    let spare = SPARE + others as u64;
    if conns as u64 + spare <= limit {
        return Ok(());
    }
    let fewer = match limit.saturating_sub(spare) {
        0 => String::new(),
        most => format!("use --conns {most}, or "),
    };
    Err(Failure::new(format!(
        "too many open files: {} would take {} descriptors and the limit is {} \
         ({fewer}raise `ulimit -Hn`)",
        connections(conns),
        grouped(conns as u64 + spare),
        grouped(limit),
    )))
}

fn cannot_connect(plan: &Plan, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::TimedOut => "no answer in time".into(),
        _ => reason(error),
    };
    Failure::new(format!("cannot connect to {}: {why}", plan.addr))
}

/// Loads the server from a number of threads, showing progress from this one.
pub fn run(
    plan: &Plan,
    threads: usize,
    window: Duration,
    stop: &AtomicBool,
    quiet: bool,
) -> io::Result<Vec<Stretch>> {
    let live: Vec<Live> = (0..threads).map(|_| Live::default()).collect();
    let ready = std::sync::Barrier::new(threads);
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = live
            .iter()
            .enumerate()
            .map(|(index, live)| {
                let share = plan.share(index, threads);
                let (ready, failed) = (&ready, &failed);
                scope.spawn(move || {
                    let engine = Engine::open(&share, live, stop);
                    failed.fetch_or(engine.is_err(), Ordering::Relaxed);
                    // All threads measure the same time, and none of them after a failure.
                    ready.wait();
                    let mut engine = engine?;
                    if failed.load(Ordering::Relaxed) {
                        return Err(io::ErrorKind::Interrupted.into());
                    }
                    engine.run(Duration::ZERO, window, Clocks::default())
                })
            })
            .collect();
        let mut progress = Progress::new(window, quiet);
        let mut last = (std::time::Instant::now(), 0);
        while !workers.iter().all(|worker| worker.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            if last.0.elapsed() < Duration::from_millis(200) {
                continue;
            }
            let (conns, requests, errors) = Live::sum(&live);
            let rate = requests.saturating_sub(last.1) as f64 / last.0.elapsed().as_secs_f64();
            last = (std::time::Instant::now(), requests);
            progress.show(|| {
                let rate = grouped(rate as u64);
                let conns = connections(conns as usize);
                format!("{rate} requests/s, {conns}, {errors} errors")
            });
        }
        progress.finish();
        let mut results: Vec<io::Result<Stretch>> = Vec::new();
        for worker in workers {
            results.push(
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        // The thread that failed by itself knows the reason.
        results.sort_by_key(|result| match result {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => 0,
            _ => 1,
        });
        results.into_iter().collect()
    })
}

#[cfg(test)]
mod tests;
