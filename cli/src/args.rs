//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::bench::contender::CONTENDERS;
use crate::bench::workload::WORKLOADS;
use crate::failure::Failure;
use crate::output;
use crate::units;

/// Blocking-looking sockets on green tasks: servers, load, and honest comparisons.
#[derive(Debug, Parser)]
#[command(
    name = "gopark",
    version,
    disable_help_subcommand = true,
    after_help = "\
Without a command: a demo of six seconds.

Examples:
  gopark serve echo                                     a server at 127.0.0.1:7000
  gopark load --addr :7000 --conns 50 --time 5s         load it
  gopark bench echo --conns 1,50                        compare with epoll, tokio and threads

`gopark COMMAND --help` explains each command."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load a server and measure it: requests per second, latency, errors
    Load(LoadArgs),
    /// Compare gopark with other servers, slice by slice on the same cores
    Bench(BenchArgs),
    /// Run a server on gopark: echo, HTTP, or one that only reads
    Serve(ServeArgs),
    /// Experiments with connections, live: what happens when the peer does not read, dies, or leaves
    Lab(LabArgs),
    /// The server that a lab kills
    #[command(hide = true, name = "lab-server")]
    LabServer,
    /// One half of the demo: a server and its clients in this process
    #[command(hide = true, name = "demo-half")]
    DemoHalf(DemoArgs),
    /// Run one of the servers that `bench` compares with
    #[command(hide = true)]
    Peer(PeerArgs),
    /// The load generator of `bench`, driven over its standard input
    #[command(hide = true, name = "bench-generator")]
    Generator,
}

/// `gopark serve`
#[derive(Debug, Args)]
#[command(after_help = "\
Each connection is one task that reads and writes as if it had a thread to itself.

Examples:
  gopark serve echo                                     on 127.0.0.1:7000; try nc 127.0.0.1 7000
  gopark serve http --addr :8080 --workers 2            try curl -i 127.0.0.1:8080/stats
  gopark serve discard --addr :9000

SIGINT (Ctrl-C) and SIGTERM stop accepting, let requests that are under way be answered, and end
with exit code 0; a second one ends at once with 128 plus its number.")]
pub struct ServeArgs {
    /// What to serve
    #[arg(value_enum)]
    pub service: ServiceKind,
    /// Where to listen, as host:port; a port alone means 127.0.0.1, port 0 picks a free one
    #[arg(long, short, value_name = "ADDR", default_value = "127.0.0.1:7000")]
    #[arg(value_parser = units::address)]
    pub addr: SocketAddr,
    /// Workers, each a thread with a poller of its own; one per core if not given. With one, and no spare
    /// ones, it is the thread that the process began with, and nobody watches for requests that hold it
    #[arg(long, short, value_name = "N", value_parser = units::count)]
    pub workers: Option<usize>,
    /// Spare workers, at most, started while computing holds the others; if not given, three for each
    /// worker or 30 if that is more, and none for a single one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1024))]
    pub spare_workers: Option<u16>,
    /// The most bytes one read takes; the worker lends a buffer of at most 16k
    #[arg(long, value_name = "SIZE", default_value = "4k", value_parser = units::size)]
    pub buffer: usize,
    /// A request must be complete this long after its first byte (http)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub request_timeout: Duration,
    /// A connection without a request is closed after this long (http)
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::duration)]
    pub idle_timeout: Duration,
    /// Set this deadline anew before every read (echo, discard, work)
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub deadline: Option<Duration>,
    /// Compute on a thread for blocking work instead of in place (work)
    #[arg(long)]
    pub offload: bool,
    /// Tasks that receive from the socket at once (udp)
    #[arg(long, value_name = "N", default_value = "1", value_parser = units::count)]
    pub tasks: usize,
    /// The echo server to ask (fanout)
    #[arg(long, value_name = "ADDR", value_parser = units::address)]
    pub upstream: Option<SocketAddr>,
    /// No task waits: one is started when there is something to read (echo, http)
    #[arg(long)]
    pub on_readable: bool,
    /// How long a stop waits for connections to end
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub drain: Duration,
}

/// What a server serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ServiceKind {
    /// Every byte back
    Echo,
    /// HTTP/1.1: /, /plaintext and /stats
    Http,
    /// Reads, and answers nothing
    Discard,
    /// Echo of 64-byte frames, each after computing for as many microseconds as its first four
    /// bytes say (lowest byte first)
    Work,
    /// Every datagram back
    Udp,
    /// Every byte back; 16 tasks read frames of 64 bytes from each connection, and write them
    Shared,
    /// Every byte back, after 100 requests to an echo server, all at once
    Fanout,
    /// Echo, beside four tasks on each worker that compute for 50 us, yield, and never end
    Crowd,
}

/// `gopark lab`
#[derive(Debug, Args)]
#[command(after_help = "\
Each lab says what it does, step by step as it happens, and what to remember at the end. The errors
are gopark's, which are Go's to the letter.

Examples:
  gopark lab                                            the list
  gopark lab read-deadline                              one of them
  gopark lab all --json                                 all of them, an object per step")]
pub struct LabArgs {
    /// Which lab, or 'all'; without one they are listed
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print an object per step, one per line
    #[arg(long)]
    pub json: bool,
}

/// `gopark demo-half`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// On what
    #[arg(value_enum)]
    pub side: Side,
    /// Connections
    #[arg(long, value_parser = units::count)]
    pub conns: usize,
    /// Length
    #[arg(long, value_parser = units::duration)]
    pub time: Duration,
}

/// The two halves of the demo.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Side {
    /// gopark
    Gopark,
    /// tokio
    Tokio,
}

/// `gopark load`
#[derive(Debug, Args)]
#[command(after_help = "\
This is a closed loop: each connection sends its next request when the answer to the last one
has arrived. A server that stalls therefore receives fewer requests, and the latencies of those
that were never sent are missing (coordinated omission). Read the percentiles as 'how long an
answer took', not as 'how long a user waits at a fixed arrival rate'.

Examples:
  gopark load --addr :7000                              50 connections, 64 bytes, 3 seconds
  gopark load --addr :7000 --conns 1000 --size 4k --time 10s
  gopark load --addr :8080 --http --pipeline 16         HTTP GET /plaintext, 16 at a time
  gopark load --addr :7000 --json > result.json

Ctrl-C ends the run early and still prints what was measured. A utilisation near 100 % means
that the generator, not the server, was the limit: add --threads, or use the figures as a lower
bound.")]
pub struct LoadArgs {
    /// The server, as host:port; a port alone means 127.0.0.1
    #[arg(long, short, value_name = "ADDR", value_parser = units::address)]
    pub addr: SocketAddr,
    /// Connections, open for the whole run
    #[arg(long, short, value_name = "N", default_value = "50", value_parser = units::count)]
    pub conns: usize,
    /// Bytes in a request (64, 4k, 1m); the server sends them back
    #[arg(long, short, value_name = "SIZE", default_value = "64", value_parser = units::size)]
    #[arg(conflicts_with = "http")]
    pub size: usize,
    /// How long to measure (500ms, 3s, 1m)
    #[arg(long, short, value_name = "TIME", default_value = "3s", value_parser = units::duration)]
    pub time: Duration,
    /// Speak HTTP/1.1 instead of echo
    #[arg(long)]
    pub http: bool,
    /// What to GET
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/plaintext",
        requires = "http"
    )]
    #[arg(value_parser = http_path)]
    pub path: String,
    /// Requests sent at once on each connection
    #[arg(long, value_name = "N", default_value = "1", value_parser = units::count)]
    pub pipeline: usize,
    /// Close each connection after this many requests and open a new one
    #[arg(long, value_name = "N", value_parser = units::count)]
    pub requests_per_conn: Option<usize>,
    /// Threads of the generator, each with its share of the connections
    #[arg(long, value_name = "N", default_value = "1", value_parser = units::count)]
    pub threads: usize,
    /// A request without an answer for this long is an error
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub timeout: Duration,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error
    #[arg(long, short)]
    pub quiet: bool,
}

fn http_path(text: &str) -> Result<String, String> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.starts_with('/') && printable && text.len() <= 1024 {
        Ok(text.to_string())
    } else {
        Err("a path starts with '/' and has no spaces".into())
    }
}

/// `gopark peer`
#[derive(Debug, Args)]
#[command(after_help = "\
The servers that `gopark bench` compares with, to be run and loaded by hand. All set TCP_NODELAY,
read into a buffer of --buffer bytes, and answer the same bytes; they differ in who waits.

Examples:
  gopark peer raw-epoll --addr :7000
  gopark peer tokio-mt http --addr :8080 --workers 2")]
pub struct PeerArgs {
    /// Which server
    #[arg(value_enum)]
    pub kind: PeerKind,
    /// What to serve
    #[arg(value_enum, default_value = "echo")]
    pub service: ServiceKind,
    /// Where to listen, as host:port; port 0 picks a free one
    #[arg(long, short, value_name = "ADDR", default_value = "127.0.0.1:7000")]
    #[arg(value_parser = units::address)]
    pub addr: SocketAddr,
    /// Threads that serve, where the server lets one choose
    #[arg(long, value_name = "N", default_value = "1", value_parser = units::count)]
    pub workers: usize,
    /// Read buffer
    #[arg(long, value_name = "SIZE", default_value = "4k", value_parser = units::size)]
    pub buffer: usize,
    /// Set this deadline anew before every read
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub deadline: Option<Duration>,
    /// Compute on a thread for blocking work instead of in place (work)
    #[arg(long)]
    pub offload: bool,
    /// Tasks that receive from the socket at once (udp)
    #[arg(long, value_name = "N", default_value = "1", value_parser = units::count)]
    pub tasks: usize,
    /// The echo server to ask (fanout)
    #[arg(long, value_name = "ADDR", value_parser = units::address)]
    pub upstream: Option<SocketAddr>,
    /// Touch a page of memory of its own for each connection (raw-epoll)
    #[arg(long)]
    pub own_pages: bool,
}

/// The servers that gopark is compared with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum PeerKind {
    /// A hand-written epoll loop per core, without a runtime: the floor
    RawEpoll,
    /// tokio, multi_thread
    TokioMt,
    /// tokio, current_thread
    TokioCt,
    /// A thread per connection, blocking std::net
    Threads,
    /// may: stackful coroutines that may move between threads
    #[cfg(feature = "peers")]
    May,
    /// monoio on epoll, a runtime per thread
    #[cfg(feature = "peers")]
    Monoio,
    /// monoio on io_uring, a runtime per thread
    #[cfg(feature = "peers")]
    MonoioUring,
    /// smol: async-io and async-executor
    #[cfg(feature = "peers")]
    Smol,
}

/// `gopark bench`
#[derive(Debug, Args)]
#[command(after_help = "\
The method. Every server runs as a process of its own, pinned to one core, all of them at once
and each with its connections already open; the generator is another process, pinned to another
core. They are loaded one at a time in short slices, in an order drawn anew each round, and every
measured slice lies between two slices of the floor, a hand-written epoll loop. A server's CPU per
request is divided by the mean of its two neighbours, so that slow changes of the machine cancel.
The floor runs a second time under the name 'floor-again': how far that row is from 1.00 is the
noise of the run. A slice whose neighbours differ by more than 15 % is dropped and counted. 'LOSES'
and 'wins' stand where a median differs from 1.00 by more than that noise and by more than its own
uncertainty (1.58 x IQR / sqrt of the slices); else the row says 'even', and with fewer than five
slices kept nothing. A server that goes about it in another way (four tasks on one socket, no deadline)
is compared with gopark in that way.

The load is a closed loop (see `gopark load --help`), except in 'uneven' and 'fairness': there each
connection sends at its own pace, and a request that has to wait for the last answer is timed from
when it should have been sent. These two, 'idle' and the stalls have tables of their own. Some
workloads use all cores, whatever the command line says; each table says who ran where. At the end
stand the project's goals with the figures of the run, and a list of everything in which another
server is ahead.

A server that cannot run here is left out, and the report says why: may, monoio and smol have to
be compiled in (cargo build --release --features peers), the Go servers are built when `go` is on
PATH or GOPARK_GO names one.

Examples:
  gopark bench echo                                     64 bytes at 1, 50, 1,000 and 10,000 connections
  gopark bench echo --conns 50 --rounds 40 --json run.json
  gopark bench http idle --servers gopark,tokio-mt,go
  gopark bench all --json run.json --html report.html --markdown benchmarks.md
  gopark bench all --quick                              a first look, in about three minutes
  gopark bench echo --conns 50 --baseline run.json      what has changed since
  gopark bench churn --servers gopark --profile         where the time goes that the floor saves

The servers can be run by hand: see `gopark peer --help` and `gopark serve --help`.")]
pub struct BenchArgs {
    /// What to measure: one or more of these, or 'all'
    #[arg(value_name = "WORKLOAD", default_value = "echo", value_parser = workloads())]
    pub workloads: Vec<String>,
    /// Connections, each number one table; every workload has its own idea of that
    #[arg(long, short, value_name = "N,...")]
    #[arg(value_delimiter = ',', value_parser = units::count)]
    pub conns: Vec<usize>,
    /// Bytes in an echo request
    #[arg(long, short, value_name = "SIZE", default_value = "64", value_parser = units::size)]
    pub size: usize,
    /// Rounds: slices per server; 12, or as many as fit into the time if there is one
    #[arg(long, short, value_name = "N", value_parser = units::count)]
    pub rounds: Option<usize>,
    /// Fit everything into about this time; 25m for 'all', 3m with --quick
    #[arg(long, short, value_name = "TIME", value_parser = units::duration)]
    #[arg(conflicts_with = "rounds")]
    pub time: Option<Duration>,
    /// One table for each workload, few servers, short slices
    #[arg(long)]
    pub quick: bool,
    /// Length of a measured slice; 300, or 150 where there is a time to keep to, or 60 if quick
    #[arg(long, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub slice: Option<u64>,
    /// Which servers, besides the floor
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = servers())]
    pub servers: Vec<String>,
    /// Core of the servers; the first one this process may use if not given
    #[arg(long, value_name = "N", conflicts_with = "all_cores")]
    pub server_core: Option<usize>,
    /// Core of the generator; the next one if not given
    #[arg(long, value_name = "N", conflicts_with = "all_cores")]
    pub generator_core: Option<usize>,
    /// As many workers as cores: half of them for the servers and half for the generator, or all
    /// for both where there are fewer than four
    #[arg(long)]
    pub all_cores: bool,
    /// Do not count system calls
    #[arg(long)]
    pub no_syscalls: bool,
    /// Also show where the time of a request goes, in gopark and in the floor, for workloads with a table
    /// of CPU per request (needs perf)
    #[arg(long)]
    pub profile: bool,
    /// Write everything measured to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a report with plots, as one HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write a report in Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Compare with an earlier run, written with --json
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Measure nothing; make the reports from a run written with --json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "servers", "conns", "quick", "time", "profile"])]
    pub from: Option<PathBuf>,
    /// No progress on standard error
    #[arg(long, short)]
    pub quiet: bool,
}

fn workloads() -> PossibleValuesParser {
    let all = PossibleValue::new("all").help("every one of them");
    let each = WORKLOADS.map(|workload| PossibleValue::new(workload.name).help(workload.about));
    each.into_iter().chain([all]).collect::<Vec<_>>().into()
}

fn servers() -> PossibleValuesParser {
    CONTENDERS
        .map(|server| PossibleValue::new(server.name).help(server.about))
        .into()
}

/// Reads the command line. Help and version are printed here, and end the process.
pub fn parse() -> Result<Option<Command>, Failure> {
    match Cli::try_parse() {
        Ok(cli) => Ok(cli.command),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                output::print(&error.to_string())?;
                std::process::exit(0)
            }
            _ => {
                let first = std::env::args().nth(1).unwrap_or_default();
                Err(Failure::usage(usage_line(&error.to_string(), &first)))
            }
        },
    }
}

/// clap explains a mistake over several lines and paragraphs; scripts and logs want one. With the help to
/// read, which is that of the subcommand if `first` names one.
fn usage_line(text: &str, first: &str) -> String {
    let told = text.split("\nUsage:").next().unwrap_or(text);
    let told = told.split("\nFor more information").next().unwrap_or(told);
    let told = told.trim().trim_start_matches("error: ");
    let lines: Vec<&str> = told
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let told = lines.join("; ").replace(":; ", ": ");
    let help = match Cli::command().find_subcommand(first) {
        Some(command) => format!("gopark {} --help", command.get_name()),
        None => "gopark --help".into(),
    };
    format!("{told} (try '{help}')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_usage_error_is_folded_into_one_line() {
        let error = Cli::try_parse_from(["gopark", "load"]).unwrap_err();
        let line = usage_line(&error.to_string(), "load");
        assert!(!line.contains('\n'));
        assert!(line.ends_with("(try 'gopark load --help')"), "{line}");
        assert!(
            line.contains("required arguments were not provided: --addr <ADDR>"),
            "{line}"
        );
        let error = Cli::try_parse_from(["gopark", "load", "--adr", "1"]).unwrap_err();
        let line = usage_line(&error.to_string(), "load");
        assert!(
            line.contains("--adr") && line.contains("'--addr'"),
            "{line}"
        );
        let error = Cli::try_parse_from(["gopark", "laod"]).unwrap_err();
        let line = usage_line(&error.to_string(), "laod");
        assert!(line.ends_with("(try 'gopark --help')"), "{line}");
    }
}
