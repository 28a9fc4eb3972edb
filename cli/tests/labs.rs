//! The labs: what each prints is what is expected of it, and what Go printed doing the same.
//!
//! A change that is meant: run with `GOPARK_UPDATE=1`, and read the difference in `labs.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

fn gopark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gopark"))
        .args(arguments)
        .output()
        .unwrap()
}

/// A step, with names for ports.
#[derive(Debug)]
struct Step {
    lab: String,
    kind: String,
    text: String,
    /// What a recorded Go program would have printed; with a second form for the error of a dial
    /// that ran out of time, whose identity Go does not fix.
    recorded: [String; 2],
}

/// Every lab has run once, for all the tests.
fn steps() -> &'static [Step] {
    static STEPS: OnceLock<Vec<Step>> = OnceLock::new();
    STEPS.get_or_init(|| {
        let output = gopark(&["lab", "all", "--json"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && error.is_empty(), "{error}");
        let text = String::from_utf8(output.stdout).unwrap();
        let mut names = BTreeMap::new();
        let step = |line: &str| step(&serde_json::from_str(line).unwrap(), &mut names);
        text.lines().map(step).collect()
    })
}

fn step(value: &Value, names: &mut BTreeMap<String, String>) -> Step {
    let word = |name: &str| value[name].as_str().unwrap().to_owned();
    for (name, port) in value["ports"].as_object().into_iter().flatten() {
        names.insert(port.to_string(), name.clone());
    }
    let text = with_names(&word("text"), names);
    let error = &value["error"];
    let recorded = match error["text"].as_str() {
        None => [text.clone(), text.clone()],
        Some(error_text) => {
            let error_text = with_names(error_text, names);
            let before = text.strip_suffix(&error_text).unwrap();
            [describe(error), describe_dial(error)]
                .map(|rest| format!("{before}{error_text:?}{rest}"))
        }
    };
    Step {
        lab: word("lab"),
        kind: word("kind"),
        text,
        recorded,
    }
}

/// Writes names for the ports that have one.
fn with_names(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut parts = text.split(':');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (port, rest) = part.split_at(digits);
        let port = names.get(port).map_or(port, String::as_str);
        out.extend([":", port, rest]);
    }
    out
}

fn asked(value: &Value) -> String {
    value.as_bool().map_or("-".into(), |yes| yes.to_string())
}

fn list(value: &Value, between: &str) -> String {
    let words = value.as_array().unwrap().iter();
    let words: Vec<&str> = words.map(|word| word.as_str().unwrap()).collect();
    words.join(between)
}

fn describe(error: &Value) -> String {
    format!(
        " timeout={} temporary={} is=[{}] chain=[{}]",
        asked(&error["timeout"]),
        asked(&error["temporary"]),
        list(&error["is"], " "),
        list(&error["chain"], " > ")
    )
}

fn describe_dial(error: &Value) -> String {
    let either = ["os.ErrDeadlineExceeded", "context.DeadlineExceeded"];
    let one = either.contains(&list(&error["is"], " ").as_str());
    format!(
        " timeout={} temporary={} is-one-of[{}]={one}",
        asked(&error["timeout"]),
        asked(&error["temporary"]),
        either.join(" ")
    )
}

macro_rules! recorded {
    ($($lab:literal: $program:literal),* $(,)?) => {
        [$(($lab, include_str!(concat!("../../tests/golden/", $program, ".txt")))),*]
    };
}

/// Which lab follows which recorded Go program. The others have none.
const RECORDED: [(&str, &str); 21] = recorded! {
    "dial-refused": "dial_refused",
    "dial-timeout": "dial_timeout",
    "dial-backlog": "dial_backlog_blocks",
    "dial-unreachable": "dial_unreachable",
    "dial-no-address": "dial_local_addr",
    "listen-in-use": "listen_in_use",
    "read-partial": "read_partial",
    "read-end": "read_eof",
    "net-server-client": "echo_net_server_client",
    "write-blocks": "write_blocks_and_resumes",
    "write-after-close": "write_after_peer_close",
    "write-peer-dies": "write_partial_peer_killed",
    "read-deadline": "deadline_read",
    "deadline-moved": "deadline_pending",
    "write-deadline": "deadline_write",
    "use-after-close": "local_closed_ops",
    "two-closers": "close_unblocks",
    "linger-zero": "linger_zero",
    "close-unread": "read_reset",
    "writers": "concurrent_writers",
    "options": "sockopt_defaults",
};
/// The same, of which only the end can be said in both languages.
const RECORDED_END: [(&str, &str); 1] = recorded! { "task-per-conn": "goroutine_per_conn" };
const NOT_RECORDED: [&str; 4] = ["forgot-close", "half-close", "readers", "classify"];

#[test]
fn every_result_of_a_lab_is_one_that_go_had_and_in_its_order() {
    for (lab, recorded) in RECORDED.into_iter().chain(RECORDED_END) {
        let mut lines = recorded.lines();
        let results = steps()
            .iter()
            .filter(|step| step.lab == lab && step.kind == "result");
        let mut count = 0;
        for step in results {
            count += 1;
            assert!(
                lines.any(|line| step.recorded.iter().any(|ours| ours == line)),
                "{lab}: Go has not printed, or not in this place: {}",
                step.recorded[0]
            );
        }
        assert!(count >= 2, "{lab}: {count} results");
    }
}

#[test]
fn every_lab_prints_what_is_expected_of_it() {
    let mut text = String::new();
    let mut lab = "";
    for step in steps() {
        if step.lab != lab {
            lab = &step.lab;
            text += &format!("== {lab}\n");
        }
        match step.kind.as_str() {
            "note" => text += &format!("- {}\n", step.text),
            "result" => text += &format!("  {}\n", step.text),
            "lesson" => text += &format!("=> {}\n", step.text.replace('\n', "\n   ")),
            "ports" | "measure" => {}
            other => panic!("a step of kind {other}"),
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/labs.txt");
    if std::env::var_os("GOPARK_UPDATE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    for (ours, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(ours, expected);
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}

#[test]
fn the_list_has_every_lab_and_each_ends_with_two_lines_to_remember() {
    let output = gopark(&["lab", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let listed: BTreeSet<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|value| value["lab"].as_str().unwrap().to_owned())
        .collect();
    let known = RECORDED.iter().chain(&RECORDED_END).map(|(lab, _)| *lab);
    let known: BTreeSet<String> = known.chain(NOT_RECORDED).map(str::to_owned).collect();
    assert_eq!(listed, known);
    for lab in &listed {
        let last = steps().iter().rfind(|step| step.lab == *lab).unwrap();
        assert_eq!(last.kind, "lesson", "{lab}");
        assert_eq!(last.text.lines().count(), 2, "{lab}");
    }
    let people = gopark(&["lab"]);
    let text = String::from_utf8(people.stdout).unwrap();
    assert!(listed.iter().all(|lab| text.contains(lab.as_str())));
}

#[test]
fn one_lab_for_people_has_its_title_its_steps_and_what_to_remember() {
    let output = gopark(&["lab", "read-partial"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("read-partial: "));
    assert!(text.contains("2 bytes sent, buf 10: hi: n=2 err=nil"));
    assert!(text.contains("\n  => "), "{text}");
}

/// Conditions are for the comparison with Go's lines; people read sentences.
#[test]
fn no_lab_shows_people_a_bare_condition() {
    let output = gopark(&["lab", "all"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for condition in ["=true", "=false", "pending=", "on-time", "0<n"] {
        let bare = text.lines().find(|line| line.contains(condition));
        assert_eq!(bare, None, "{condition}");
    }
}

#[test]
fn a_lab_that_does_not_exist_is_told_in_one_line() {
    let output = gopark(&["lab", "nonsense"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(error.lines().count(), 1);
    assert!(error.contains("there is no lab 'nonsense'"), "{error}");
}
