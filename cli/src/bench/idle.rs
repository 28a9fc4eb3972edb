//! What a connection costs that has nothing to do: memory, one server after the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::contender::{Contender, FLOOR, FLOOR_AGAIN, Launch, Lineup};
use super::generator::{Remote, Task};
use super::places::Places;
use super::workload::Workload;
use crate::failure::Failure;
use crate::load::progress::Progress;
use crate::output;
use crate::sys::process::{self, Memory};
use crate::units::{bytes, connections};

/// One server's memory.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Idle {
    /// The server.
    pub name: String,
    /// When some connections had come and gone: what the server keeps in any case.
    pub empty: Memory,
    /// When all connections have been served and wait.
    pub full: Memory,
    /// Requests that failed; the figures are worthless if there are any.
    pub errors: u64,
    /// Connections.
    pub conns: usize,
    /// Why it could not be measured.
    pub failed: Option<String>,
}

impl Idle {
    /// Resident bytes that came with each connection.
    pub fn resident(&self) -> f64 {
        self.share(|memory| memory.resident)
    }

    /// Bytes of page tables that came with each connection.
    pub fn page_tables(&self) -> f64 {
        self.share(|memory| memory.page_tables)
    }

    fn share(&self, figure: fn(&Memory) -> u64) -> f64 {
        (figure(&self.full) as f64 - figure(&self.empty) as f64) / self.conns as f64
    }
}

/// Connections that come and go before anything is counted.
const WARM: usize = 100;

/// How long memory has to be the same before it counts.
const QUIET: Duration = Duration::from_millis(1_500);

/// How long one server takes, about.
pub fn length(conns: usize) -> Duration {
    QUIET + Duration::from_secs(1) + Duration::from_micros(100) * conns as u32
}

/// Measures all of them. `stop` ends it early.
pub fn run(
    workload: &Workload,
    conns: usize,
    size: usize,
    lineup: &Lineup,
    places: &Places,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> Result<Vec<Idle>, Failure> {
    let mut found = Vec::new();
    for contender in contenders(lineup, places, workload) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        progress.show(|| format!("idle, {}: {}", connections(conns), contender.name));
        let one = one(workload, conns, size, lineup, places, &contender);
        found.push(one.unwrap_or_else(|why| Idle {
            name: contender.name.into(),
            empty: Memory::default(),
            full: Memory::default(),
            errors: conns as u64,
            conns,
            failed: Some(why.to_string()),
        }));
    }
    Ok(found)
}

/// The floor and the others; the noise of memory is not worth a second floor.
fn contenders(lineup: &Lineup, places: &Places, workload: &Workload) -> Vec<Contender> {
    let mut all = lineup.suited(workload, places.workers);
    all.retain(|it| it.name != FLOOR_AGAIN.name);
    all.insert(0, FLOOR);
    all
}

fn one(
    workload: &Workload,
    conns: usize,
    size: usize,
    lineup: &Lineup,
    places: &Places,
    contender: &Contender,
) -> Result<Idle, Failure> {
    let server = lineup.start(contender, Launch::of(workload, size, places))?;
    let pid = server.process.pid();
    let gone = || Failure::new(format!("the server '{}' has gone away", contender.name));
    let open = |conns| {
        let task = Task {
            plan: workload.plan(server.addr, conns, size),
            server: pid,
            helper: None,
            threads: 1,
        };
        Remote::start(&task, &places.generator)
    };
    open(conns.min(WARM))?.once()?;
    let empty = settled(pid, QUIET / 3).ok_or_else(gone)?;
    let mut generator = open(conns)?;
    let served = generator.once()?;
    let full = settled(pid, QUIET).ok_or_else(gone)?;
    let missing = (conns as u64).saturating_sub(served.requests);
    Ok(Idle {
        name: contender.name.to_string(),
        empty,
        full,
        errors: served.errors.max(missing),
        conns,
        failed: None,
    })
}

/// The memory of a process, once it has been the same for a while: a runtime gives back bit by bit
/// what it no longer uses.
fn settled(pid: u32, quiet: Duration) -> Option<Memory> {
    let until = Instant::now() + Duration::from_secs(10);
    let (mut last, mut since) = (process::memory(pid)?, Instant::now());
    while since.elapsed() < quiet && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
        let now = process::memory(pid)?;
        if (now.resident, now.page_tables) != (last.resident, last.page_tables) {
            (last, since) = (now, Instant::now());
        }
    }
    Some(last)
}

/// The columns of the table.
pub const HEADS: [&str; 7] = [
    "server",
    "RSS/conn",
    "page tables/conn",
    "together",
    "RSS before",
    "RSS full",
    "against gopark",
];

/// The rows of the table, without the heads.
pub fn rows(found: &[Idle]) -> Vec<Vec<String>> {
    let sum = |it: &Idle| it.resident() + it.page_tables();
    let own = found
        .iter()
        .find(|it| it.name == "gopark" && it.errors == 0)
        .map(sum);
    let row = |it: &Idle| {
        let whole = |figure: f64| bytes(figure.max(0.0).round() as u64);
        let words = match own {
            _ if it.failed.is_some() => it.failed.clone().unwrap_or_default(),
            _ if it.errors > 0 => format!("{} errors: worthless", it.errors),
            Some(_) if it.name == "gopark" => "-".into(),
            // Where all connections together fit into pages that were there before.
            Some(own) if own < 1.0 || sum(it) < 1.0 => "too little to compare".into(),
            // Against itself in another way there is nothing to win.
            Some(own) if it.name.starts_with("gopark") => {
                format!("{:.2} of gopark's", sum(it) / own)
            }
            Some(own) if own > sum(it) * 1.01 => {
                format!("gopark LOSES: {:.2} times as much", own / sum(it))
            }
            Some(own) if own < sum(it) * 0.99 => {
                format!("gopark wins: {:.2} of it", own / sum(it))
            }
            Some(_) => "even".into(),
            None => "-".into(),
        };
        vec![
            it.name.clone(),
            whole(it.resident()),
            whole(it.page_tables()),
            whole(sum(it)),
            bytes(it.empty.resident),
            bytes(it.full.resident),
            words,
        ]
    };
    found.iter().map(row).collect()
}

/// The table as text.
pub fn text(workload: &Workload, conns: usize, found: &[Idle]) -> String {
    let title = format!("idle ({}), {}", workload.about, connections(conns));
    output::section(&title, &HEADS, rows(found), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_was_added_nothing_is_compared() {
        let added = |name: &str, resident| Idle {
            name: name.into(),
            empty: Memory::default(),
            full: Memory {
                resident,
                ..Memory::default()
            },
            errors: 0,
            conns: 1,
            failed: None,
        };
        let words = |own, theirs| {
            let rows = rows(&[added("gopark", own), added("threads", theirs)]);
            rows[1].last().cloned().unwrap()
        };
        assert_eq!(words(0, 0), "too little to compare");
        assert_eq!(words(0, 4096), "too little to compare");
        assert_eq!(words(4096, 0), "too little to compare");
        assert_eq!(words(4096, 8192), "gopark wins: 0.50 of it");
        assert_eq!(words(8192, 4096), "gopark LOSES: 2.00 times as much");
    }
}
