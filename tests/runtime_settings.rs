//! What a runtime is built with, and what it refuses. The environment is set in child processes.

mod support;

use gopark::Runtime;
use std::io::ErrorKind;
use std::process::Command;
use support::{eventually, threads_named};

/// Runs one test of this file in a process of its own with a variable set.
fn in_child(test: &str, variable: &str, value: &str) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]);
    let output = child
        .env(variable, value)
        .env("GOPARK_TEST_CHILD", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("1 passed") || !output.status.success(),
        "{test} was not run: {text}"
    );
    output.status.success()
}

fn is_child() -> bool {
    std::env::var_os("GOPARK_TEST_CHILD").is_some()
}

#[test]
fn gopark_workers_says_how_many_workers_there_are() {
    if is_child() {
        assert_eq!(Runtime::new().unwrap().metrics().workers.len(), 3);
    } else {
        let me = "gopark_workers_says_how_many_workers_there_are";
        assert!(in_child(me, "GOPARK_WORKERS", "3"));
    }
}

#[test]
fn a_variable_that_is_no_positive_number_is_an_error_that_names_it() {
    if is_child() {
        for name in ["GOPARK_WORKERS", "GOPARK_STACK_SIZE"] {
            if let Some(value) = std::env::var_os(name) {
                let err = Runtime::new().unwrap_err();
                assert_eq!(err.kind(), ErrorKind::InvalidInput);
                let value = value.into_string().unwrap();
                let text = err.to_string();
                assert!(text.contains(name) && text.contains(&value), "{text}");
            }
        }
    } else {
        let me = "a_variable_that_is_no_positive_number_is_an_error_that_names_it";
        for value in ["0", "-1", "two", "1.5", "", "99999999999999999999"] {
            assert!(in_child(me, "GOPARK_WORKERS", value), "{value:?}");
            assert!(in_child(me, "GOPARK_STACK_SIZE", value), "{value:?}");
        }
    }
}

#[test]
fn gopark_stack_size_is_used_and_settings_beat_it() {
    if is_child() {
        let reserved = |runtime: Runtime| {
            runtime.run(|| gopark::spawn(|| ()).join().unwrap());
            runtime.metrics().stack_bytes_reserved / runtime.metrics().stacks_max.max(1)
        };
        let of_env = reserved(Runtime::builder().workers(1).build().unwrap());
        let of_setting = Runtime::builder().workers(1).stack_size(16 << 10).build();
        assert!(of_env > reserved(of_setting.unwrap()), "{of_env}");
        // The number of workers is not read where it is given.
        assert_eq!(
            Runtime::builder()
                .workers(2)
                .build()
                .unwrap()
                .metrics()
                .workers
                .len(),
            2
        );
    } else {
        let me = "gopark_stack_size_is_used_and_settings_beat_it";
        assert!(in_child(me, "GOPARK_STACK_SIZE", "4194304"));
    }
}

#[test]
fn settings_out_of_range_are_refused_with_the_reason() {
    let refused = |builder: gopark::Builder, word: &str| {
        let err = builder.build().unwrap_err();
        assert_eq!(err.kind(), ErrorKind::InvalidInput);
        assert!(err.to_string().contains(word), "{err}");
    };
    refused(Runtime::builder().workers(0), "0 workers");
    refused(Runtime::builder().workers(1025), "1025 workers");
    refused(Runtime::builder().blocking_threads(0), "blocking");
    refused(Runtime::builder().stack_size(1 << 30), "");
    refused(Runtime::builder().name("a\0b"), "name");
}

#[test]
fn threads_are_named_after_their_runtime() {
    let runtime = Runtime::builder()
        .name("nametest")
        .workers(2)
        .build()
        .unwrap();
    eventually("two workers and the watchdog", || {
        threads_named("nametest") == 3
    });
    drop(runtime);
    eventually("they end", || threads_named("nametest") == 0);
}
