//! The driver of `ci/instructions`, which counts what each hot path costs.
//!
//! `instructions PATH N` does one thing N times and ends. Counted at two Ns, what comes before and
//! after is the same, so the difference is the cost of the operations alone. For the counts to be the
//! same in every run there is one worker, no watchdog, and a clock that only moves when it is read.
//!
//! With no path each runs a few times, uncounted, to see that it works.

mod clock;
mod conns;
mod tasks;

use gopark::Runtime;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// What it is called, what it does so many times, and the two Ns.
struct Path {
    name: &'static str,
    run: fn(u64) -> io::Result<()>,
    few: u64,
    many: u64,
}

const fn path(name: &'static str, run: fn(u64) -> io::Result<()>) -> Path {
    // A worker polls every 1024 switches: the difference holds a whole number of those.
    let (few, many) = (512, 512 + 8192);
    Path {
        name,
        run,
        few,
        many,
    }
}

const fn slow(name: &'static str, run: fn(u64) -> io::Result<()>) -> Path {
    Path {
        few: 64,
        many: 64 + 256,
        ..path(name, run)
    }
}

const PATHS: &[Path] = &[
    path("yield", tasks::yields),
    path("hand-off", tasks::hand_off),
    path("pipe", tasks::pipe),
    path("spawn-join", tasks::spawn_join),
    slow("spawn-join-50", tasks::spawn_join_batch),
    path("scope", tasks::scope),
    path("fd-lock", conns::fd_lock),
    path("read-ready", conns::read_ready),
    path("read-parks", conns::read_parks),
    path("read-lease-parks", conns::read_lease_parks),
    path("read-deadline-parks", conns::read_deadline_parks),
    path("write", conns::write),
    path("deadline-forward", conns::deadline_forward),
    path("deadline-back", conns::deadline_back),
    path("idle-wake", conns::idle_wake),
    path("each-wake", conns::each_wake),
    path("udp-ready", conns::udp_ready),
    slow("dial-accept", conns::dial_accept),
];

/// Does `f` so many times. A worker treats its odd turns and its even ones differently, and with which
/// it begins is chance; the yield half-way has every path use both alike.
#[inline(always)]
fn times(n: u64, mut f: impl FnMut(u64) -> io::Result<()>) -> io::Result<()> {
    for i in 0..n {
        if i == n / 2 {
            gopark::yield_now();
        }
        f(i)?;
    }
    Ok(())
}

fn measure(path: &Path, n: u64) -> io::Result<()> {
    let runtime = Runtime::builder()
        .workers(1)
        .hog_threshold(Duration::ZERO)
        .build()?;
    let run = path.run;
    let done = runtime.run(move || run(n));
    // How a runtime ends is not what is counted.
    std::mem::forget(runtime);
    done
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["--list"] => {
            for path in PATHS {
                println!("{} {} {}", path.name, path.few, path.many);
            }
            Ok(())
        }
        [name, n] if !name.starts_with('-') => {
            let path = PATHS.iter().find(|path| path.name == name);
            match (path, n.parse()) {
                (Some(path), Ok(n)) => {
                    let done = measure(path, n);
                    println!("clock {}", clock::reads());
                    done
                }
                _ => Err(io::Error::other(format!(
                    "no path {name}, or no number {n}"
                ))),
            }
        }
        _ => PATHS.iter().try_for_each(|path| {
            println!("{}: runs; ci/instructions counts", path.name);
            measure(path, 8)
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("instructions: {err}");
            ExitCode::FAILURE
        }
    }
}
