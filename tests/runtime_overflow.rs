//! Stack overflow in a child process: the report names the task, and the process aborts.

mod support;

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

const CHILD: &str = "GOPARK_TEST_CHILD";

/// Runs `body` in a process of its own, this test again; returns its output to the parent.
fn in_child(test: &str, env: &[(&str, &str)], body: impl FnOnce()) -> Option<Output> {
    if std::env::var_os(CHILD).is_some() {
        body();
        return None;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .envs(env.iter().copied());
    Some(child.output().unwrap())
}

fn assert_aborts_with(output: Option<Output>, words: &[&str]) {
    let Some(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    if depth == u64::MAX {
        0
    } else {
        recurse(depth + 1) + frame[(depth % 32) as usize]
    }
}

#[test]
fn an_overflow_names_the_task_its_stack_and_what_to_change() {
    let output = in_child(
        "an_overflow_names_the_task_its_stack_and_what_to_change",
        &[],
        || {
            gopark::run(|| {
                let task = gopark::task::Builder::new()
                    .name("deep one")
                    .stack_size(128 << 10);
                let _ = task.spawn(|| recurse(0)).unwrap().join();
            });
        },
    );
    let remedy = "task::Builder::stack_size";
    assert_aborts_with(
        output,
        &["'deep one'", "128 KiB", remedy, "GOPARK_STACK_SIZE"],
    );
}

#[test]
fn an_overflow_of_a_task_without_a_name_says_where_it_was_spawned() {
    let me = "an_overflow_of_a_task_without_a_name_says_where_it_was_spawned";
    let output = in_child(me, &[], || {
        gopark::run(|| drop(gopark::spawn(|| recurse(0)).join()));
    });
    assert_aborts_with(
        output,
        &[
            "spawned at tests/runtime_overflow.rs:",
            "overflowed its stack",
        ],
    );
}

#[test]
fn an_overflow_below_a_recursion_with_backtraces_on_is_reported_too() {
    let me = "an_overflow_below_a_recursion_with_backtraces_on_is_reported_too";
    let output = in_child(me, &[("RUST_BACKTRACE", "1")], || {
        gopark::run(|| {
            let bad = gopark::spawn(|| {
                let _ = std::panic::catch_unwind(|| panic!("first a panic"));
                recurse(0)
            });
            drop(bad.join());
        });
    });
    assert_aborts_with(output, &["first a panic", "overflowed its stack"]);
}

#[test]
fn a_panic_with_a_backtrace_fits_into_an_ordinary_stack() {
    #[inline(never)]
    fn deep(n: u32) -> u32 {
        assert!(black_box(n) != 0, "at the bottom");
        deep(n - 1) + black_box(1)
    }
    for level in ["1", "full"] {
        let me = "a_panic_with_a_backtrace_fits_into_an_ordinary_stack";
        let output = in_child(me, &[("RUST_BACKTRACE", level)], || {
            gopark::run(|| assert!(gopark::spawn(|| deep(20)).join().is_err()));
        });
        if let Some(output) = output {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{text}");
            assert!(text.contains("stack backtrace"), "{text}");
        }
    }
}

#[test]
fn an_overflow_on_the_calling_thread_names_the_task_too() {
    let output = in_child(
        "an_overflow_on_the_calling_thread_names_the_task_too",
        &[],
        || {
            let main = || {
                let task = gopark::task::Builder::new().name("deep here");
                let _ = task.spawn(|| recurse(0)).unwrap().join();
            };
            gopark::Builder::new().run_here(main).unwrap();
        },
    );
    assert_aborts_with(output, &["deep here"]);
}
