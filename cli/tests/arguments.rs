//! A wrong command line, or a command that cannot be carried out, is one line on standard error
//! and an exit code that is not zero: 2 for the former, 1 for the latter.

use std::net::TcpListener;
use std::process::{Command, Output};

fn gopark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gopark"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Asserts one line of error holding `words`, nothing on standard output, and the exit code.
fn fails(arguments: &[&str], code: i32, words: &str) {
    let output = gopark(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    assert!(
        error.starts_with("gopark: ") && error.contains(words),
        "{arguments:?}: {error}"
    );
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

#[test]
fn every_wrong_argument_is_told_in_one_line() {
    let cases: &[(&[&str], &str)] = &[
        (&["nonsense"], "unrecognized subcommand 'nonsense'"),
        (&["--nonsense"], "unexpected argument '--nonsense'"),
        (
            &["load"],
            "required arguments were not provided: --addr <ADDR>",
        ),
        (&["load", "--addr", "localhost"], "use host:port"),
        (&["load", "--addr", ":99999"], "use host:port"),
        (
            &["load", "--addr", ":1", "--conns", "0"],
            "must be at least 1",
        ),
        (&["load", "--addr", ":1", "--conns", "many"], "not a number"),
        (&["load", "--addr", ":1", "--conns", "10m"], "not a number"),
        (
            &["load", "--addr", ":1", "--size", "4q"],
            "unknown size unit 'q'",
        ),
        (
            &["load", "--addr", ":1", "--size", "1m", "--pipeline", "1000"],
            "at most 64m",
        ),
        (
            &["load", "--addr", ":1", "--time", "soon"],
            "unknown time unit 'soon'",
        ),
        (
            &["load", "--addr", ":1", "--time", "0s"],
            "between 1us and 24h",
        ),
        (
            &["load", "--addr", ":1", "--http", "--size", "5"],
            "cannot be used with",
        ),
        (
            &["load", "--addr", ":1", "--http", "--path", "no"],
            "a path starts with '/'",
        ),
        (
            &[
                "load",
                "--addr",
                ":1",
                "--pipeline",
                "4",
                "--requests-per-conn",
                "6",
            ],
            "multiple",
        ),
        (
            &["bench", "nonsense"],
            "invalid value 'nonsense' for '[WORKLOAD]...'; [possible values: echo,",
        ),
        (
            &["bench", "--servers", "nginx"],
            "[possible values: floor-again,",
        ),
        (
            &["bench", "--server-core", "1", "--generator-core", "1"],
            "different cores",
        ),
        (&["peer", "nonsense"], "invalid value 'nonsense'"),
        (&["bench", "--rounds", "0"], "invalid value '0'"),
        (&["bench", "--slice", "5"], "5 is not in 10..=60000"),
        (&["bench", "--time", "soon"], "invalid value 'soon'"),
        (
            &["bench", "--time", "1m", "--rounds", "3"],
            "cannot be used with",
        ),
        (&["bench", "--from", "x", "--quick"], "cannot be used with"),
        (&["serve", "fanout"], "fanout needs --upstream"),
        (&["peer", "tokio-mt", "fanout"], "fanout needs --upstream"),
        (
            &["serve", "discard", "--on-readable"],
            "--on-readable is for echo and http only",
        ),
    ];
    for (arguments, words) in cases {
        fails(arguments, 2, words);
    }
}

#[test]
fn a_refused_connection_is_told_in_one_line() {
    let addr = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let words = format!("cannot connect to {addr}: connection refused");
    fails(&["load", "--addr", &addr], 1, &words);
    fails(
        &["load", "--addr", &addr, "--threads", "4", "--json"],
        1,
        &words,
    );
}

#[test]
fn an_address_in_use_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for kind in ["raw-epoll", "tokio-mt", "tokio-ct", "threads"] {
        fails(&["peer", kind, "--addr", &addr], 1, "address in use");
    }
}

#[test]
fn too_many_connections_for_the_open_file_limit_are_told_in_one_line() {
    fails(
        &["load", "--addr", ":1", "--conns", "9,999,999"],
        1,
        "too many open files: 9,999,999",
    );
}

#[test]
fn a_run_that_cannot_be_read_is_told_in_one_line() {
    let missing = "/nonexistent/run.json";
    for option in ["--from", "--baseline"] {
        fails(&["bench", option, missing], 1, "cannot read /nonexistent");
    }
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    fails(
        &["bench", "--from", other],
        1,
        "is not a run of this version",
    );
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (arguments, words) in [
        (&["--help"][..], "Examples:"),
        (&["load", "--help"], "closed loop"),
        (&["bench", "--help"], "floor-again"),
        (&["peer", "--help"], "raw-epoll"),
        (&["--version"], "gopark 0."),
    ] {
        let output = gopark(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}
