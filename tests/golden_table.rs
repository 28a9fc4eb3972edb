//! Every recording has its test, and the table of intended differences is true and is written down.
//!
//! After a change of `tests/golden/differences.rs`: run with `GOPARK_UPDATE=1`, and read what became of
//! `docs/differences.md`.

#[allow(dead_code, reason = "nothing is described here")]
mod golden;

use golden::differences::{CHANGED, GENERAL, LINES, PARTS};
use golden::{is_intended, part_of, recording};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of the recorded programs.
fn programs() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("tests/golden")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let recordings = paths.filter(|path| path.extension().is_some_and(|ext| ext == "txt"));
    recordings
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// What the tests compare with: programs and parts, each with the files of the tests.
fn compared() -> BTreeMap<(String, Option<String>), Vec<String>> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".rs") || name == "golden_table.rs" {
            continue;
        }
        let code = fs::read_to_string(&path).unwrap();
        for (call, has_part) in [("compare(", false), ("compare_part(", true)] {
            for after in code.split(call).skip(1) {
                let mut arguments = after.trim_start().split('"');
                if arguments.next() != Some("") {
                    continue;
                }
                let program = arguments.next().unwrap().to_owned();
                let part = has_part.then(|| arguments.nth(1).unwrap().to_owned());
                found.entry((program, part)).or_default().push(name.clone());
            }
        }
    }
    found
}

#[test]
fn every_recording_is_compared_with_whole_and_by_one_test() {
    let mut wanted: BTreeSet<(String, Option<String>)> = BTreeSet::new();
    for program in programs() {
        // A part may be all that is left of a program.
        for line in recording(&program).lines() {
            if !is_intended(&program, line) {
                let part = part_of(&program, line).map(str::to_owned);
                wanted.insert((program.clone(), part));
            }
        }
    }
    assert!(wanted.len() >= 44, "{} recordings and parts", wanted.len());
    let compared = compared();
    for (what, files) in &compared {
        assert!(wanted.contains(what), "{files:?} compare with {what:?}");
        assert_eq!(files.len(), 1, "{what:?} is compared with in {files:?}");
    }
    for what in &wanted {
        assert!(
            compared.contains_key(what),
            "nothing compares with {what:?}"
        );
    }
}

#[test]
fn every_entry_of_the_table_is_about_a_line_that_go_printed() {
    for (program, start, why) in LINES {
        let recorded = recording(program);
        let met = recorded.lines().any(|line| line.starts_with(start));
        assert!(met && !why.is_empty(), "{program}: {start}");
    }
    for (program, part, start) in PARTS {
        let recorded = recording(program);
        let met = recorded.lines().any(|line| line.starts_with(start));
        assert!(met && !part.is_empty(), "{program}: {start}");
    }
    for change in CHANGED {
        let recorded = recording(change.program);
        let mut before = "";
        let met = recorded.lines().any(|line| {
            let met = before == change.after && line == change.go;
            before = line;
            met
        });
        assert!(met && change.go != change.gopark, "{change:?}");
    }
}

#[test]
fn every_general_difference_is_held_by_a_test_that_exists() {
    for difference in GENERAL {
        let (file, test) = difference.held_by;
        let code = fs::read_to_string(root().join(file)).unwrap();
        assert!(
            code.contains(&format!("fn {test}()")),
            "no {test} in {file}"
        );
    }
}

/// Text as a cell of a table has it: whole lines of Go's in backticks.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn document() -> String {
    let mut out = String::from(
        "# Where gopark differs from Go, on purpose\n\n\
         Everything else that the recorded Go programs in `tests/golden` printed, gopark prints, to the letter.\n\
         The table is `tests/golden/differences.rs`; the tests that compare with the recordings compare through it, so that\n\
         a difference that does not stand here fails. This page is written from it by `tests/golden_table.rs`.\n\n\
         ## Everywhere\n\n\
         | Go | gopark | why | held by |\n|---|---|---|---|\n",
    );
    for d in GENERAL {
        let (file, test) = d.held_by;
        let (go, gopark, why) = (cell(d.go), cell(d.gopark), cell(d.why));
        writeln!(out, "| {go} | {gopark} | {why} | `{file}`: `{test}` |").unwrap();
    }
    out += "\n## Lines of recorded programs that stand here otherwise\n\n\
            | program | Go | gopark | why |\n|---|---|---|---|\n";
    for c in CHANGED {
        let (go, gopark, why) = (cell(c.go), cell(c.gopark), cell(c.why));
        writeln!(out, "| {} | `{go}` | `{gopark}` | {why} |", c.program).unwrap();
    }
    out += "\n## Lines of recorded programs that have no counterpart\n\n\
            | program | its lines that begin with | why |\n|---|---|---|\n";
    for (program, start, why) in LINES {
        let (start, why) = (cell(start.trim_start()), cell(why));
        writeln!(out, "| {program} | `{start}` | {why} |").unwrap();
    }
    out
}

#[test]
fn the_document_of_the_differences_is_the_table() {
    let file = root().join("docs/differences.md");
    let text = document();
    if std::env::var_os("GOPARK_UPDATE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap();
    for (written, text) in written.lines().zip(text.lines()) {
        assert_eq!(written, text);
    }
    assert_eq!(written, text);
}
