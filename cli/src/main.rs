//! The `gopark` command: real servers on gopark, a load generator, and a fair comparison with
//! other ways of writing the same server.
//!
//! Everything unsafe lives in [`sys`]; the rest of the program is safe code.

#![deny(unsafe_code)]

mod args;
mod bench;
#[cfg(feature = "standin")]
mod demo;
mod failure;
mod load;
mod output;
mod peer;
mod serve;
#[cfg(feature = "standin")]
mod standin;
mod sys;
mod units;

use std::process::ExitCode;

use args::Command;
use failure::Failure;

fn main() -> ExitCode {
    match args::parse().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("gopark: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn run(command: Option<Command>) -> Result<(), Failure> {
    match command {
        #[cfg(feature = "standin")]
        None => demo::command(),
        #[cfg(not(feature = "standin"))]
        None => Err(Failure::usage("a command is missing (try 'gopark --help')")),
        #[cfg(feature = "standin")]
        Some(Command::Serve(args)) => serve::command(args),
        #[cfg(feature = "standin")]
        Some(Command::DemoHalf(args)) => demo::half::command(args),
        Some(Command::Load(args)) => load::command(args),
        Some(Command::Peer(args)) => peer::command(args),
        Some(Command::Bench(args)) => bench::command(args),
        Some(Command::Generator) => bench::generator::command(),
    }
}
