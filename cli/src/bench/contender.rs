//! The servers in a comparison, and how each is started.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::workload::Service;
use crate::failure::Failure;
use crate::peer::announce;
use crate::sys::child::{self, Kept};

/// A server that can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// Its name on the command line and in the tables.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// The arguments that start it as an echo server, without its address.
    echo: &'static [&'static str],
    /// The arguments that start it as an HTTP server, without its address.
    http: &'static [&'static str],
}

/// What the others are measured against.
pub const FLOOR: Contender = Contender {
    name: "floor",
    about: "raw epoll loop written by hand, no runtime",
    echo: &["peer", "raw-epoll"],
    http: &["peer", "raw-epoll", "--http"],
};

/// Every server but the floor. A new one is a new row here.
pub const CONTENDERS: [Contender; 4] = [
    Contender {
        name: "floor-again",
        about: "the same loop in another process: its distance from 1.00 is the noise",
        ..FLOOR
    },
    Contender {
        name: "tokio-mt",
        about: "tokio, multi_thread, one worker",
        echo: &["peer", "tokio-mt"],
        http: &["peer", "tokio-mt", "--http"],
    },
    Contender {
        name: "tokio-ct",
        about: "tokio, current_thread",
        echo: &["peer", "tokio-ct"],
        http: &["peer", "tokio-ct", "--http"],
    },
    Contender {
        name: "threads",
        about: "a thread per connection, std::net",
        echo: &["peer", "threads"],
        http: &["peer", "threads", "--http"],
    },
];

/// The contenders of these names, always with `floor-again`; all of them if there are no names.
pub fn choose(names: &[String]) -> Vec<Contender> {
    let named = |contender: &Contender| names.iter().any(|name| name == contender.name);
    let all = names.is_empty();
    let chosen = CONTENDERS
        .iter()
        .filter(|it| all || it.name == "floor-again" || named(it));
    chosen.copied().collect()
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
    /// Starts the server on a free port, pinned to `core`, with read buffers of `buffer` bytes.
    pub fn start(&self, service: Service, core: usize, buffer: usize) -> Result<Running, Failure> {
        let cannot =
            |why: String| Failure::new(format!("cannot start the server '{}': {why}", self.name));
        let program = std::env::current_exe().map_err(|error| cannot(error.to_string()))?;
        let arguments = match service {
            Service::Echo => self.echo,
            Service::Http => self.http,
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .args(["--addr", "127.0.0.1:0", "--workers", "1"]);
        command.args(["--buffer", &buffer.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process =
            child::start(&mut command, Some(core)).map_err(|error| cannot(error.to_string()))?;
        let mut line = String::new();
        if let Some(out) = process.child.stdout.take() {
            // An error leaves the line empty, which is reported below.
            let _ = BufReader::new(out).read_line(&mut line);
        }
        match announce::parse(&line) {
            Some(addr) => Ok(Running {
                contender: *self,
                process,
                addr,
            }),
            None => Err(cannot("it did not say where it listens".into())),
        }
    }
}
