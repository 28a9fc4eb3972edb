//! A backtrace taken in a task goes on through the switch to the worker that runs it.

use std::backtrace::Backtrace;

/// The names of the frames, innermost first.
#[inline(never)]
fn frames() -> String {
    Backtrace::force_capture().to_string()
}

/// The caller's frame comes first, then the worker's loop, then how its thread began.
fn assert_goes_on_to_the_worker(trace: &str, caller: &str) {
    let mut rest = trace;
    for name in [caller, "gopark::sched::worker::Worker", "std::sys"] {
        let Some(at) = rest.find(name) else {
            panic!("no {name} where it should be in\n{trace}");
        };
        rest = &rest[at + name.len()..];
    }
}

#[inline(never)]
fn in_the_first_turn() -> String {
    frames()
}

#[inline(never)]
fn after_a_switch() -> String {
    gopark::yield_now();
    frames()
}

/// Below many frames, switched away from at every depth on the way down.
#[inline(never)]
fn from_the_depth_of(depth: u32) -> String {
    gopark::yield_now();
    match depth {
        0 => frames(),
        _ => std::hint::black_box(from_the_depth_of(depth - 1)),
    }
}

#[inline(never)]
fn in_the_depth() -> String {
    from_the_depth_of(50)
}

#[inline(never)]
fn on_the_other_stack() -> String {
    gopark::task::on_worker_stack(frames)
}

#[test]
fn a_backtrace_of_a_task_goes_on_to_its_worker() {
    let run = |f: fn() -> String| gopark::run(move || gopark::spawn(f).join().unwrap());
    assert_goes_on_to_the_worker(&run(in_the_first_turn), "in_the_first_turn");
    assert_goes_on_to_the_worker(&run(after_a_switch), "after_a_switch");
    let deep = run(in_the_depth);
    assert_goes_on_to_the_worker(&deep, "in_the_depth");
    assert_eq!(deep.matches("from_the_depth_of").count(), 51, "{deep}");
}

#[test]
fn so_does_one_of_a_call_on_the_workers_stack() {
    let trace = gopark::run(|| gopark::spawn(on_the_other_stack).join().unwrap());
    assert_goes_on_to_the_worker(&trace, "on_the_other_stack");
}
