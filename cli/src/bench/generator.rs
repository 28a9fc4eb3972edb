//! The load generator as a process of its own: `gopark bench-generator`.
//!
//! It reads orders from its standard input, one line of JSON each, and answers each with a line
//! on its standard output. The first order is a [`Task`]; it opens the connections, unless they
//! are to be paced. Each further one is an [`Order`]. The end of the input ends the process.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::evenness::poorest_tenth;
use super::paced::Mix;
use super::turns::{self, Reading, Turns};
use crate::failure::{Failure, reason};
use crate::load::engine::{Clocks, Engine, Stretch};
use crate::load::live::Live;
use crate::load::paced::{self, Class};
use crate::load::plan::Plan;
use crate::load::tally::{Percentiles, Tally};
use crate::sys::child::{self, Kept};
use crate::sys::clock::CpuClock;
use crate::sys::priority;

/// The first order: whom to load, and whose CPU time to read.
#[derive(Debug, Deserialize, Serialize)]
pub struct Task {
    /// The connections and what is said on them.
    pub plan: Plan,
    /// The server's process.
    pub server: u32,
    /// A process on the generator's side, whose time counts as the generator's.
    pub helper: Option<u32>,
    /// Threads that share the connections. None for paced load, whose connections come with
    /// each order.
    pub threads: usize,
}

/// Something to do.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Order {
    /// Load the server; the answer is a [`Measured`].
    Slice(Slice),
    /// One request on every connection; the answer is a [`Measured`].
    Once,
    /// Light and heavy connections, new ones; the answer is a [`Pair`].
    Paced {
        /// How many of both.
        mix: Mix,
        /// Draws their order, and their gaps.
        seed: u64,
        /// How long to measure.
        window: Duration,
    },
}

/// An order to load the server.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Slice {
    /// Load that is not measured, to bring both sides into their stride.
    pub lead: Duration,
    /// Load that is.
    pub window: Duration,
}

/// What load at its own pace came to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Pair {
    /// Latencies of the light requests.
    pub light: Percentiles,
    /// Of the heavy ones.
    pub heavy: Percentiles,
    /// How many there were of both.
    pub requests: u64,
    /// Errors of all kinds.
    pub errors: u64,
    /// How long the threads waited for a processor and ran.
    #[serde(default)]
    pub turns: Vec<Turns>,
}

/// The connections of paced load, and what they ask for.
fn classes(mix: Mix) -> [Class; 2] {
    let class = |conns, micros| Class {
        conns,
        request: crate::serve::session::Work::request(micros),
        period: Duration::from_millis(5),
    };
    [class(mix.light, 0), class(mix.heavy, 1_000)]
}

/// What a slice came to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    /// Answers within the window.
    pub requests: u64,
    /// Answers altogether, from the window's start until the last one under way had arrived.
    pub all_requests: u64,
    /// Length of the window.
    pub seconds: f64,
    /// CPU time of the server within the window, in seconds.
    pub server_cpu: f64,
    /// The generator's share of its core.
    pub utilisation: f64,
    /// Errors of all kinds.
    pub errors: u64,
    /// Latencies.
    pub latency_ns: Percentiles,
    /// What the tenth of the connections with the fewest answers got of an equal share.
    #[serde(default)]
    pub poorest_tenth: Option<f64>,
}

impl Measured {
    /// CPU time of the server for one request, in microseconds.
    pub fn cpu_per_request(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.server_cpu / self.requests as f64 * 1e6)
    }

    /// Requests per second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds.max(1e-9)
    }
}

/// An answer, or why there is none.
type Answer<T> = Result<T, String>;

/// Runs `gopark bench-generator`.
pub fn command() -> Result<(), Failure> {
    crate::load::make_room(0, 0)?;
    let mut orders = std::io::stdin().lock().lines();
    let task: Task = match orders.next() {
        Some(line) => parse(&line.map_err(|error| Failure::io("read orders", &error))?)?,
        None => return Ok(()),
    };
    if task.threads == 0 {
        priority::raise();
    }
    let clock = |pid: u32| {
        CpuClock::of(pid).map_err(|error| Failure::io("read another process's CPU clock", &error))
    };
    let clocks = Clocks {
        server: Some(clock(task.server)?),
        helper: task.helper.map(clock).transpose()?,
    };
    let (live, stop) = (Live::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let mut crew = Vec::new();
        for index in 0..task.threads {
            let share = task.plan.share(index, task.threads);
            let (live, stop) = (&live, &stop);
            let clocks = if index == 0 {
                clocks
            } else {
                Clocks::default()
            };
            let (order, orders) = mpsc::channel::<Order>();
            let (answers, answer) = mpsc::channel();
            scope.spawn(move || work(&share, clocks, live, stop, &orders, &answers));
            crew.push((order, answer));
        }
        let opened: Answer<Vec<Stretch>> = crew.iter().map(hear).collect();
        let failed = opened.is_err();
        say(opened.map(|_| ()))?;
        if failed {
            return Ok(());
        }
        for line in orders {
            let order: Order = parse(&line.map_err(|error| Failure::io("read orders", &error))?)?;
            if let Order::Paced { mix, seed, window } = order {
                say(run_paced(&task, mix, seed, window))?;
                continue;
            }
            for (orders, _) in &crew {
                // A thread that has gone has panicked, and the answer below says so.
                let _ = orders.send(order);
            }
            let stretches: Answer<Vec<Stretch>> = crew.iter().map(hear).collect();
            say(stretches.map(|stretches| measured(&stretches)))?;
        }
        Ok(())
    })
}

type Member = (mpsc::Sender<Order>, mpsc::Receiver<Answer<Stretch>>);

fn hear((_, answers): &Member) -> Answer<Stretch> {
    let gone = |_| Err("a thread has gone away".to_string());
    answers.recv().unwrap_or_else(gone)
}

/// One thread with its share of the connections: answers when they are open, then each order.
fn work(
    plan: &Plan,
    clocks: Clocks,
    live: &Live,
    stop: &AtomicBool,
    orders: &mpsc::Receiver<Order>,
    answers: &mpsc::Sender<Answer<Stretch>>,
) {
    let say =
        |answer: std::io::Result<Stretch>| answers.send(answer.map_err(|it| why(&it))).is_ok();
    let mut engine = match Engine::open(plan, live, stop) {
        Ok(engine) => engine,
        // Who asked is told, or has gone away; either way there is nothing left to do.
        Err(error) => {
            say(Err(error));
            return;
        }
    };
    if !say(Ok(Stretch::empty(Tally::new()))) {
        return;
    }
    for order in orders {
        let stretch = match order {
            Order::Slice(slice) => engine.run(slice.lead, slice.window, clocks),
            Order::Once | Order::Paced { .. } => engine.once().map(Stretch::empty),
        };
        if !say(stretch) {
            return;
        }
    }
}

fn measured(stretches: &[Stretch]) -> Measured {
    let mut sum = Tally::new();
    stretches.iter().for_each(|stretch| sum.add(&stretch.tally));
    let most = |figure: &dyn Fn(&Stretch) -> f64| stretches.iter().map(figure).fold(0.0, f64::max);
    let server = |stretch: &Stretch| stretch.server_cpu.unwrap_or_default().as_secs_f64();
    Measured {
        requests: stretches.iter().map(|stretch| stretch.answered).sum(),
        all_requests: sum.requests,
        seconds: most(&|stretch| stretch.elapsed.as_secs_f64()),
        server_cpu: most(&server),
        utilisation: most(&|stretch| {
            stretch.own_cpu.as_secs_f64() / stretch.elapsed.as_secs_f64().max(1e-9)
        }),
        errors: sum.errors(),
        latency_ns: sum.percentiles(),
        poorest_tenth: poorest_tenth(stretches.iter().flat_map(|it| it.at_each.iter().copied())),
    }
}

fn run_paced(task: &Task, mix: Mix, seed: u64, window: Duration) -> Answer<Pair> {
    let mut readings = Vec::new();
    let read = || readings.push(Reading::of(task.server));
    let tallies = paced::run(task.plan.addr, &classes(mix), seed, window, read)
        .map_err(|error| why(&error))?;
    Ok(Pair {
        light: tallies[0].percentiles(),
        heavy: tallies[1].percentiles(),
        requests: tallies.iter().map(|tally| tally.requests).sum(),
        errors: tallies.iter().map(Tally::errors).sum(),
        turns: match &readings[..] {
            [before, after] => turns::between(before, after),
            _ => Vec::new(),
        },
    })
}

fn why(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::TimedOut => "no answer within five seconds".into(),
        _ => reason(error),
    }
}

fn parse<T: DeserializeOwned>(line: &str) -> Result<T, Failure> {
    serde_json::from_str(line)
        .map_err(|error| Failure::new(format!("bench-generator is driven by bench: {error}")))
}

fn say<T: Serialize>(answer: Answer<T>) -> Result<(), Failure> {
    let line = serde_json::to_string(&answer)
        .map_err(|error| Failure::new(format!("cannot write an answer: {error}")))?;
    crate::output::print(&(line + "\n"))
}

/// A generator process, seen from the process that gives the orders.
#[derive(Debug)]
pub struct Remote {
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Keeps the process; it is ended when this value goes.
    _process: Kept,
}

impl Remote {
    /// Starts a generator on `cores`, and has it open its connections.
    pub fn start(task: &Task, cores: &[usize]) -> Result<Remote, Failure> {
        let start = |error| Failure::io("start the load generator", &error);
        let mut command = Command::new(std::env::current_exe().map_err(start)?);
        command
            .arg("bench-generator")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = child::start(&mut command, cores).map_err(start)?;
        let (Some(orders), Some(answers)) =
            (process.child.stdin.take(), process.child.stdout.take())
        else {
            return Err(Failure::new("cannot talk to the load generator"));
        };
        let answers = BufReader::new(answers);
        let mut remote = Remote {
            orders,
            answers,
            _process: process,
        };
        remote.order::<()>(task)?;
        Ok(remote)
    }

    /// Has it load its server.
    pub fn run(&mut self, slice: Slice) -> Result<Measured, Failure> {
        self.order(&Order::Slice(slice))
    }

    /// Has it send one request on every connection.
    pub fn once(&mut self) -> Result<Measured, Failure> {
        self.order(&Order::Once)
    }

    /// Has it load its server at its own pace.
    pub fn paced(&mut self, mix: Mix, seed: u64, window: Duration) -> Result<Pair, Failure> {
        self.order(&Order::Paced { mix, seed, window })
    }

    fn order<T: DeserializeOwned>(&mut self, order: &impl Serialize) -> Result<T, Failure> {
        let lost = |_| Failure::new("the load generator has gone away");
        let line = serde_json::to_string(order)
            .map_err(|error| Failure::new(format!("cannot write an order: {error}")))?;
        self.orders
            .write_all((line + "\n").as_bytes())
            .map_err(lost)?;
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(lost)?;
        let answer: Answer<T> = serde_json::from_str(&line)
            .map_err(|_| Failure::new("the load generator has gone away"))?;
        answer.map_err(Failure::new)
    }
}
