//! `gopark lab`: experiments with connections, live. What happens when nobody listens, when nobody
//! reads, when the peer goes away in each of the ways in which peers go away.
//!
//! Each lab runs on tasks and says what it does, step by step. The words in front of a result are
//! those of the Go program that was recorded doing the same, so that the two can be compared.

mod close;
mod deadline;
mod describe;
mod dial;
mod kernel;
mod leave;
mod options;
mod plain;
mod read;
mod report;
mod scene;
mod server;
mod share;
mod write;

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::args::LabArgs;
use crate::failure::Failure;
use crate::output;
use report::Report;

pub use write::server as doomed_server;

/// One experiment.
#[derive(Debug)]
pub struct Lab {
    /// What to call it by.
    pub name: &'static str,
    /// What it is about, in a line.
    pub about: &'static str,
    /// What to remember.
    pub lesson: [&'static str; 2],
    run: fn(&Report) -> io::Result<()>,
}

/// In the order in which one would read them.
static LABS: [&[Lab]; 9] = [
    &dial::LABS,
    &read::LABS,
    &write::LABS,
    &deadline::LABS,
    &close::LABS,
    &leave::LABS,
    &share::LABS,
    &options::LABS,
    &server::LABS,
];

/// No lab takes longer than this unless something is wrong.
const STUCK: Duration = Duration::from_secs(90);

/// Enough for tasks to be in each other's way on any machine, and few threads for many tasks.
const WORKERS: usize = 2;

fn all() -> impl Iterator<Item = &'static Lab> {
    LABS.into_iter().flatten()
}

/// Lists the labs, or runs one or all.
pub fn command(args: LabArgs) -> Result<(), Failure> {
    match args.name.as_deref() {
        None => list(args.json),
        Some("all") => all().try_for_each(|lab| run(lab, args.json)),
        Some(name) => match all().find(|lab| lab.name == name) {
            Some(lab) => run(lab, args.json),
            None => Err(Failure::usage(format!(
                "there is no lab '{name}' (`gopark lab` lists them)"
            ))),
        },
    }
}

fn list(json: bool) -> Result<(), Failure> {
    if json {
        let entry = |lab: &Lab| serde_json::json!({"lab": lab.name, "about": lab.about});
        let lines = all().map(|lab| entry(lab).to_string() + "\n");
        return output::print(&lines.collect::<String>());
    }
    let width = all().map(|lab| lab.name.len()).max().unwrap_or(0);
    let lines = all().map(|lab| format!("  {:width$}  {}\n", lab.name, lab.about));
    output::print(&format!(
        "{}\n`gopark lab NAME` runs one, `gopark lab all` all of them.\n",
        lines.collect::<String>()
    ))
}

/// Runs one lab on a runtime of its own, from a thread that can be given up.
fn run(lab: &'static Lab, json: bool) -> Result<(), Failure> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || {
        // Nobody hears it if the lab has been given up.
        let _ = done.send(perform(lab, json));
    });
    match result.recv_timeout(STUCK) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Failure::new(format!(
            "lab {}: stuck for {} s",
            lab.name,
            STUCK.as_secs()
        ))),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(Failure::new(format!("lab {}: it panicked", lab.name)))
        }
    }
}

fn perform(lab: &'static Lab, json: bool) -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::new(format!("lab {}: {error}", lab.name));
    let runtime = gopark::Runtime::builder().workers(WORKERS).build();
    let runtime = runtime.map_err(cannot)?;
    let report = Report::new(lab, json);
    runtime.run(|| (lab.run)(&report)).map_err(cannot)?;
    report.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labs_have_names_of_their_own_and_lines_that_fit_a_terminal() {
        let mut names: Vec<&str> = all().map(|lab| lab.name).collect();
        names.push("all");
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for lab in all() {
            assert!(lab.about.len() <= 70, "{}", lab.name);
            assert!(
                lab.lesson.iter().all(|line| line.len() <= 95),
                "{}",
                lab.name
            );
        }
    }
}
