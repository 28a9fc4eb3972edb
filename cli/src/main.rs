//! The `gopark` command: real servers on gopark, a load generator, and a fair comparison with
//! other ways of writing the same server.
//!
//! Everything unsafe lives in [`sys`]; the rest of the program is safe code.

#![deny(unsafe_code)]

mod args;
mod bench;
mod demo;
mod failure;
mod lab;
mod load;
mod output;
mod peer;
mod serve;
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
        None => demo::command(),
        Some(Command::Serve(args)) => serve::command(args),
        Some(Command::Lab(args)) => lab::command(args),
        Some(Command::LabServer) => lab::doomed_server(),
        Some(Command::DemoHalf(args)) => demo::half::command(args),
        Some(Command::Load(args)) => load::command(args),
        Some(Command::Peer(args)) => peer::command(args),
        Some(Command::Bench(args)) => bench::command(args),
        Some(Command::Generator) => bench::generator::command(),
    }
}
