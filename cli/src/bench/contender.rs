//! The servers in a comparison, and how each is started.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::go::Go;
use super::workload::Service;
use crate::failure::Failure;
use crate::peer::announce;
use crate::sys::child::{self, Kept};

/// A server that can be compared. A new one is a new row in [`CONTENDERS`].
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// Its name on the command line and in the tables.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    program: Program,
    /// It hands computing to threads for blocking work; of interest where there is computing.
    offload: bool,
    /// It can use one thread only.
    single: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Program {
    /// `gopark serve`
    Gopark,
    /// `gopark peer KIND`
    Peer(&'static str),
    /// The same, if it was compiled in.
    Extra(&'static str),
    /// Our server on Go's `net`.
    GoNet,
    /// Our server on Go's `net/http`.
    GoHttp,
}

const fn contender(name: &'static str, about: &'static str, program: Program) -> Contender {
    let (offload, single) = (false, false);
    Contender {
        name,
        about,
        program,
        offload,
        single,
    }
}

/// What the others are measured against.
pub const FLOOR: Contender = contender(
    "floor",
    "raw epoll loop written by hand, no runtime",
    Program::Peer("raw-epoll"),
);

/// The second run of the floor.
pub const FLOOR_AGAIN: Contender = Contender {
    name: "floor-again",
    about: "the same loop in another process: its distance from 1.00 is the noise",
    ..FLOOR
};

const GOPARK: Contender = contender("gopark", "gopark: a task per connection", Program::Gopark);

const TOKIO_MT: Contender = contender("tokio-mt", "tokio, multi_thread", Program::Peer("tokio-mt"));

/// Every server but the floor.
pub const CONTENDERS: [Contender; 13] = [
    FLOOR_AGAIN,
    GOPARK,
    Contender {
        name: "gopark-blocking",
        about: "gopark, computing in gopark::blocking",
        offload: true,
        ..GOPARK
    },
    TOKIO_MT,
    Contender {
        name: "tokio-mt-blocking",
        about: "tokio, multi_thread, computing in spawn_blocking",
        offload: true,
        ..TOKIO_MT
    },
    Contender {
        single: true,
        ..contender(
            "tokio-ct",
            "tokio, current_thread",
            Program::Peer("tokio-ct"),
        )
    },
    contender(
        "may",
        "may: stackful coroutines that migrate",
        Program::Extra("may"),
    ),
    contender("monoio", "monoio on epoll", Program::Extra("monoio")),
    contender(
        "monoio-uring",
        "monoio on io_uring",
        Program::Extra("monoio-uring"),
    ),
    contender(
        "smol",
        "smol: async-io and async-executor",
        Program::Extra("smol"),
    ),
    contender(
        "threads",
        "a thread per connection, std::net",
        Program::Peer("threads"),
    ),
    contender("go", "Go, package net; HTTP parsed by hand", Program::GoNet),
    contender("go-http", "Go, package net/http", Program::GoHttp),
];

/// How a server is to run.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// What it serves.
    pub service: Service,
    /// The cores it may use; any if empty.
    pub cores: &'a [usize],
    /// Threads that serve.
    pub workers: usize,
    /// Bytes of its read buffers.
    pub buffer: usize,
    /// Set anew before every read.
    pub deadline: Option<Duration>,
}

/// The servers of a run, and those that are not there, with the reason.
#[derive(Debug)]
pub struct Lineup {
    /// To be measured, besides the floor.
    pub present: Vec<Contender>,
    /// Wanted and missing.
    pub absent: Vec<(&'static str, String)>,
    go: Option<Result<Go, String>>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// Who it is.
    pub contender: Contender,
    /// Its process.
    pub process: Kept,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Contender {
    /// Whether this server has anything to show in a comparison of that kind.
    pub fn suits(&self, service: Service, workers: usize) -> bool {
        let speaks = self.program != Program::GoHttp || service == Service::Http;
        speaks && (!self.offload || service == Service::Work) && (!self.single || workers == 1)
    }

    fn is_go(&self) -> bool {
        matches!(self.program, Program::GoNet | Program::GoHttp)
    }
}

impl Lineup {
    /// The contenders of these names, always with `floor-again`; all of them if there are no
    /// names. Each is tried once, so that one which cannot run here is known before the start.
    pub fn choose(names: &[String], services: &[Service]) -> Lineup {
        let wanted: Vec<Contender> = CONTENDERS
            .into_iter()
            .filter(|it| {
                it.name == FLOOR_AGAIN.name
                    || names.is_empty()
                    || names.iter().any(|name| name == it.name)
            })
            .filter(|it| services.iter().any(|&service| it.suits(service, 1)))
            .collect();
        let mut lineup = Lineup {
            present: Vec::new(),
            absent: Vec::new(),
            go: wanted.iter().any(Contender::is_go).then(Go::build),
        };
        for contender in wanted {
            let service = services.iter().find(|&&it| contender.suits(it, 1));
            let launch = Launch {
                service: service.copied().unwrap_or(Service::Echo),
                cores: &[],
                workers: 1,
                buffer: 4096,
                deadline: None,
            };
            match lineup.try_start(&contender, launch) {
                Ok(_) => lineup.present.push(contender),
                Err(why) => lineup.absent.push((contender.name, why)),
            }
        }
        lineup
    }

    /// The Go that built the Go servers, in its own words.
    pub fn go_version(&self) -> Option<&str> {
        let go = self.go.as_ref()?.as_ref().ok()?;
        Some(&go.version)
    }

    /// Starts a server on a free port.
    pub fn start(&self, contender: &Contender, launch: Launch<'_>) -> Result<Running, Failure> {
        self.try_start(contender, launch).map_err(|why| {
            let name = contender.name;
            Failure::new(format!("cannot start the server '{name}': {why}"))
        })
    }

    fn try_start(&self, contender: &Contender, launch: Launch<'_>) -> Result<Running, String> {
        let mut command = self.command(contender, launch)?;
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process =
            child::start(&mut command, launch.cores).map_err(|error| error.to_string())?;
        let mut line = String::new();
        if let Some(out) = process.child.stdout.take() {
            // An error leaves the line empty, which is reported below.
            let _ = BufReader::new(out).read_line(&mut line);
        }
        let mut errors = process.child.stderr.take();
        if let Some(addr) = announce::parse(&line) {
            // What it says later matters only to somebody who watches.
            if let Some(mut errors) = errors {
                std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::stderr()));
            }
            return Ok(Running {
                contender: *contender,
                process,
                addr,
            });
        }
        drop(process);
        let mut said = String::new();
        if let Some(errors) = &mut errors {
            // Half a reason is better than none.
            let _ = errors.read_to_string(&mut said);
        }
        let last = said
            .lines()
            .last()
            .unwrap_or("it did not say where it listens");
        Err(last.trim_start_matches("gopark: ").to_string())
    }

    fn command(&self, contender: &Contender, launch: Launch<'_>) -> Result<Command, String> {
        let own = || std::env::current_exe().map_err(|error| error.to_string());
        let service = launch.service.name();
        let mut command = match contender.program {
            Program::Gopark => {
                let mut command = Command::new(own()?);
                command.args(["serve", service]);
                command
            }
            Program::Extra(kind) if cfg!(not(feature = "peers")) => {
                return Err(format!(
                    "{kind} is not compiled in (cargo build --release --features peers)"
                ));
            }
            Program::Peer(kind) | Program::Extra(kind) => {
                let mut command = Command::new(own()?);
                command.args(["peer", kind, service]);
                command
            }
            Program::GoNet | Program::GoHttp => {
                let go = match &self.go {
                    Some(Ok(go)) => go,
                    Some(Err(why)) => return Err(why.clone()),
                    None => return Err("Go was not asked for".into()),
                };
                let net = contender.program == Program::GoNet;
                let mut command = Command::new(go.program(if net { "net" } else { "nethttp" }));
                if net {
                    command.args(["--service", service]);
                }
                command
            }
        };
        command.args(["--addr", "127.0.0.1:0"]);
        command.args(["--workers", &launch.workers.to_string()]);
        if contender.program != Program::GoHttp {
            command.args(["--buffer", &launch.buffer.to_string()]);
            if let Some(deadline) = launch.deadline {
                command.args(["--deadline", &format!("{}ms", deadline.as_millis())]);
            }
        }
        if contender.offload {
            command.arg("--offload");
        }
        Ok(command)
    }
}
