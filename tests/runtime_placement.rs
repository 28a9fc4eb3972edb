//! Where tasks start: spread over the workers, and never queued beside one that sleeps.

mod support;

use gopark::{Reason, park, spawn};
use support::{BOUND, eventually_in_task, runtime, within};

#[test]
fn parked_tasks_are_spread_over_the_workers() {
    for workers in [2, 4] {
        within(BOUND, move || {
            let runtime = runtime(workers);
            let handle = runtime.handle();
            runtime.run(move || {
                let tasks: Vec<_> = (0..1000).map(|_| spawn(park)).collect();
                eventually_in_task("all are parked", || {
                    handle.metrics().total.parked_for(Reason::Park) == 1000
                });
                let fair = 1000 / workers as u64;
                for worker in handle.metrics().workers {
                    let mine = worker.parked_for(Reason::Park);
                    let off = mine.abs_diff(fair);
                    assert!(
                        off <= fair / 4,
                        "{mine} of 1000 on one of {workers} workers"
                    );
                }
                for task in &tasks {
                    task.task().unpark();
                }
                for task in tasks {
                    task.join().unwrap();
                }
            });
        });
    }
}

#[test]
fn tasks_spawned_from_outside_are_spread_too() {
    within(BOUND, || {
        let runtime = runtime(4);
        let handle = runtime.handle();
        let tasks: Vec<_> = (0..1000).map(|_| handle.spawn(park)).collect();
        support::eventually("all are parked", || {
            handle.metrics().total.parked_for(Reason::Park) == 1000
        });
        for worker in handle.metrics().workers {
            let mine = worker.parked_for(Reason::Park);
            assert!(
                (188..=312).contains(&mine),
                "{mine} of 1000 on one of 4 workers"
            );
        }
        drop(runtime);
        for task in tasks {
            task.join().unwrap();
        }
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
