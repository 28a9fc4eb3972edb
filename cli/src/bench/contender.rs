//! The servers in a comparison, and how each is started.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::go::Go;
use super::paced::Mix;
use super::places::Places;
use super::workload::{Kind, Service, Workload};
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
    way: Way,
    /// It can use one thread only.
    single: bool,
}

/// How a server does it, where there is more than one way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// As everybody.
    Usual,
    /// It hands computing to threads for blocking work; of interest where there is computing.
    Offload,
    /// Four tasks receive from one socket.
    Four,
    /// Without the deadline that the others set before every read.
    NoDeadline,
    /// No task waits for data.
    OnReadable,
    /// It touches a page of its own for each connection.
    OwnPages,
    /// Nothing heavy is asked of it.
    LightAlone,
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
    Contender {
        name,
        about,
        program,
        way: Way::Usual,
        single: false,
    }
}

/// The same server in another way.
const fn variant(of: Contender, name: &'static str, about: &'static str, way: Way) -> Contender {
    Contender {
        name,
        about,
        way,
        ..of
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

const GO: Contender = contender("go", "Go, package net; HTTP parsed by hand", Program::GoNet);

/// Who takes part in a quick run, besides the floor, and their variants.
const QUICK: [Program; 4] = [
    Program::Gopark,
    Program::Peer("tokio-mt"),
    Program::GoNet,
    Program::GoHttp,
];

/// Every server but the floor.
pub const CONTENDERS: [Contender; 22] = [
    FLOOR_AGAIN,
    variant(
        FLOOR,
        "floor-pages",
        "the same loop, touching a page of its own for each connection, as every stack must",
        Way::OwnPages,
    ),
    variant(
        FLOOR,
        "floor-light",
        "the same loop, asked nothing heavy: what it would be if the heavy requests were not there",
        Way::LightAlone,
    ),
    GOPARK,
    variant(
        GOPARK,
        "gopark-blocking",
        "gopark, computing in gopark::blocking, workers first",
        Way::Offload,
    ),
    variant(
        GOPARK,
        "gopark-no-deadline",
        "gopark, no deadline before its reads",
        Way::NoDeadline,
    ),
    variant(
        GOPARK,
        "gopark-4",
        "gopark, four tasks on one socket",
        Way::Four,
    ),
    variant(
        GOPARK,
        "gopark-on-readable",
        "gopark, no task until there is data",
        Way::OnReadable,
    ),
    TOKIO_MT,
    variant(
        TOKIO_MT,
        "tokio-mt-blocking",
        "tokio, multi_thread, computing in spawn_blocking",
        Way::Offload,
    ),
    variant(
        TOKIO_MT,
        "tokio-mt-no-deadline",
        "tokio, multi_thread, no deadline before its reads",
        Way::NoDeadline,
    ),
    variant(
        TOKIO_MT,
        "tokio-mt-4",
        "tokio, multi_thread, four tasks on one socket",
        Way::Four,
    ),
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
    GO,
    variant(
        GO,
        "go-no-deadline",
        "Go, package net, no deadline before its reads",
        Way::NoDeadline,
    ),
    variant(
        GO,
        "go-4",
        "Go, package net, four goroutines on one socket",
        Way::Four,
    ),
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
    /// The server to ask, where there is asking.
    pub upstream: Option<SocketAddr>,
}

impl<'a> Launch<'a> {
    /// As a workload has it, with requests of `size` bytes where it leaves that open.
    pub fn of(workload: &Workload, size: usize, places: &'a Places) -> Launch<'a> {
        Launch {
            service: workload.service,
            cores: &places.servers,
            workers: places.workers,
            buffer: workload.buffer(size),
            deadline: workload.deadline,
            upstream: None,
        }
    }
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
    /// Whether this server has anything to show under that load.
    pub fn suits(&self, workload: &Workload, workers: usize) -> bool {
        let speaks = match self.program {
            Program::GoHttp => workload.service == Service::Http,
            // Without a lock that waits there is no sharing.
            Program::Extra("monoio" | "monoio-uring") => workload.service != Service::Shared,
            _ => true,
        };
        let shows = match self.way {
            Way::Usual => true,
            Way::Offload => workload.service == Service::Work,
            Way::Four => workload.service == Service::Udp,
            Way::NoDeadline => workload.deadline.is_some(),
            Way::OnReadable => {
                workload.kind == Kind::Idle || matches!(workload.name, "echo" | "http")
            }
            Way::OwnPages => matches!(workload.name, "echo" | "http"),
            Way::LightAlone => matches!(workload.kind, Kind::Paced(mix) if mix.heavy > 0),
        };
        speaks && shows && (!self.single || workers == 1)
    }

    /// What it is asked for of the connections of a paced workload.
    pub fn part_of(&self, mix: Mix) -> Mix {
        match self.way {
            Way::LightAlone => Mix { heavy: 0, ..mix },
            _ => mix,
        }
    }

    fn is_go(&self) -> bool {
        matches!(self.program, Program::GoNet | Program::GoHttp)
    }
}

/// The name of our server that works in the same way as `other`, if there is one.
pub fn counterpart_of(other: &str) -> Option<&'static str> {
    let other = CONTENDERS.iter().find(|it| it.name == other)?;
    let ours = |it: &&Contender| it.program == Program::Gopark && it.way == other.way;
    CONTENDERS.iter().find(ours).map(|it| it.name)
}

impl Lineup {
    /// The contenders of these names, always with `floor-again`; without names all of them, or
    /// those of a quick run. Each is tried once, so that one which cannot run here is known before
    /// the start.
    pub fn choose(names: &[String], quick: bool, workloads: &[&Workload]) -> Lineup {
        let asked = |it: &Contender| match names {
            [] => !quick || QUICK.contains(&it.program),
            names => names.iter().any(|name| name == it.name),
        };
        let wanted: Vec<(Contender, &Workload)> = CONTENDERS
            .into_iter()
            .filter(|it| it.name == FLOOR_AGAIN.name || asked(it))
            .filter_map(|it| {
                let shown = workloads.iter().find(|workload| it.suits(workload, 1))?;
                Some((it, *shown))
            })
            .collect();
        let mut lineup = Lineup {
            present: Vec::new(),
            absent: Vec::new(),
            go: wanted.iter().any(|(it, _)| it.is_go()).then(Go::build),
        };
        for (contender, workload) in wanted {
            let launch = Launch {
                service: workload.service,
                cores: &[],
                workers: 1,
                buffer: 4096,
                deadline: None,
                // Nobody is asked before there is a connection.
                upstream: Some(SocketAddr::from(([127, 0, 0, 1], 9))),
            };
            match lineup.try_start(&contender, launch) {
                Ok(_) => lineup.present.push(contender),
                Err(why) => lineup.absent.push((contender.name, why)),
            }
        }
        lineup
    }

    /// Those that have something to show under that load, besides the floor.
    pub fn suited(&self, workload: &Workload, workers: usize) -> Vec<Contender> {
        let suits = |it: &Contender| it.suits(workload, workers);
        self.present.iter().copied().filter(suits).collect()
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
            if let Some(deadline) = launch.deadline
                && contender.way != Way::NoDeadline
            {
                command.args(["--deadline", &format!("{}ms", deadline.as_millis())]);
            }
        }
        if launch.service == Service::Fanout
            && let Some(upstream) = launch.upstream
        {
            command.args(["--upstream", &upstream.to_string()]);
        }
        match contender.way {
            Way::Usual | Way::NoDeadline | Way::LightAlone => {}
            Way::Offload => _ = command.arg("--offload"),
            Way::Four => _ = command.args(["--tasks", "4"]),
            Way::OnReadable => _ = command.arg("--on-readable"),
            Way::OwnPages => _ = command.arg("--own-pages"),
        }
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_another_kind_has_a_counterpart_that_works_in_the_same_way() {
        for (other, ours) in [
            ("tokio-mt-4", Some("gopark-4")),
            ("go-4", Some("gopark-4")),
            ("tokio-mt-blocking", Some("gopark-blocking")),
            ("go-no-deadline", Some("gopark-no-deadline")),
            ("tokio-mt", Some("gopark")),
            ("monoio-uring", Some("gopark")),
            ("floor-pages", None),
            ("nobody", None),
        ] {
            assert_eq!(counterpart_of(other), ours, "{other}");
        }
    }
}
