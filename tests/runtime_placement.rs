//! Where tasks start: spread over the workers, and never queued beside one that sleeps.

mod support;

use gopark::{Handle, JoinHandle, Reason, park, spawn};
use support::{BOUND, eventually_in_task, runtime, within};

/// The worker furthest from its fair part, in per cent of that.
fn imbalance(handle: &Handle) -> u64 {
    let workers = handle.metrics().workers;
    let mine = || workers.iter().map(|w| w.parked_for(Reason::Park));
    let fair = mine().sum::<u64>() / workers.len() as u64;
    mine().map(|n| n.abs_diff(fair) * 100 / fair).max().unwrap()
}

/// A worker that gets no processor for milliseconds looks held and is given nothing new, rightly. So
/// where the machine is busy with other things, one fair attempt in several must do.
#[track_caller]
fn some_attempt_is_fair(attempt: impl Fn() -> u64) {
    let seen: Vec<_> = (0..20).map(|_| attempt()).collect();
    assert!(
        seen.iter().any(|off| *off <= 25),
        "always off by more: {seen:?} %"
    );
}

fn release(tasks: Vec<JoinHandle<()>>) {
    for task in &tasks {
        task.task().unpark();
    }
    for task in tasks {
        task.join().unwrap();
    }
}

#[test]
fn parked_tasks_are_spread_over_the_workers_within_a_quarter() {
    for workers in [2, 4] {
        within(BOUND, move || {
            some_attempt_is_fair(|| {
                let runtime = runtime(workers);
                let handle = runtime.handle();
                runtime.run(move || {
                    let tasks: Vec<_> = (0..1000).map(|_| spawn(park)).collect();
                    eventually_in_task("all are parked", || {
                        handle.metrics().total.parked_for(Reason::Park) == 1000
                    });
                    let off = imbalance(&handle);
                    release(tasks);
                    off
                })
            });
        });
    }
}

#[test]
fn tasks_spawned_from_outside_are_spread_too() {
    within(BOUND, || {
        some_attempt_is_fair(|| {
            let runtime = runtime(4);
            let handle = runtime.handle();
            let tasks: Vec<_> = (0..1000).map(|_| handle.spawn(park)).collect();
            support::eventually("all are parked", || {
                handle.metrics().total.parked_for(Reason::Park) == 1000
            });
            let off = imbalance(&handle);
            release(tasks);
            off
        });
    });
}

#[test]
fn one_task_and_its_child_share_a_worker() {
    within(BOUND, || {
        let runtime = runtime(4);
        runtime.run(|| {
            let here = std::thread::current().id();
            let mut same = 0;
            for _ in 0..1000 {
                same += usize::from(spawn(|| std::thread::current().id()).join().unwrap() == here);
            }
            assert!(
                same > 500,
                "only {same} of 1000 children started beside their parent"
            );
        });
    });
}
