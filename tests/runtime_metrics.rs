//! The counters: what they say, and that they return to zero.

mod support;

use gopark::{Reason, park, sleep, spawn};
use netpoll::{Fd, Kind};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use support::{BOUND, eventually, runtime, within};

#[test]
fn tasks_are_counted_by_why_they_are_parked_and_gone_when_they_end() {
    within(BOUND, || {
        let runtime = runtime(2);
        let handle = runtime.handle();
        let (a, b) = UnixStream::pair().unwrap();
        let fd = Fd::new(a.into(), Kind::STREAM).unwrap();
        let tasks = [
            handle.spawn(park),
            handle.spawn(move || {
                let _ = fd.read(&mut [0; 8]);
            }),
            handle.spawn(|| spawn(park).join().unwrap()),
            handle.spawn(|| gopark::blocking(park)),
        ];
        let parked = |reason| handle.metrics().total.parked_for(reason);
        eventually("all are parked", || {
            parked(Reason::Park) == 2
                && parked(Reason::Read) == 1
                && parked(Reason::Join) == 1
                && parked(Reason::Blocking) == 1
        });
        let metrics = runtime.metrics();
        assert_eq!((metrics.total.alive, metrics.stacks_live), (5, 5));
        assert_eq!(metrics.total.descriptors, 1);
        let sum: u64 = metrics.workers.iter().map(|w| w.alive).sum();
        assert_eq!(sum, 5);
        drop((runtime, b));
        // The blocking closure parks a thread, which nobody unparks: its task is given up.
        for task in tasks.into_iter().take(3) {
            task.join().unwrap();
        }
        let total = handle.metrics().total;
        assert_eq!((total.alive, total.parked_for(Reason::Blocking)), (1, 1));
        assert_eq!(handle.metrics().stacks_leaked, 1);
    });
}

#[test]
fn everything_is_back_at_zero_when_all_tasks_have_ended() {
    within(BOUND, || {
        let runtime = runtime(2);
        runtime.run(|| {
            let tasks: Vec<_> = (0..500)
                .map(|i| {
                    spawn(move || {
                        sleep(Duration::from_micros(i % 5 * 50)); // one of the waits that are counted
                        gopark::yield_now();
                        drop(spawn(move || assert!(i % 10 != 0, "every tenth")).join());
                    })
                })
                .collect();
            for task in tasks {
                task.join().unwrap();
            }
        });
        eventually("none is alive", || runtime.metrics().total.alive == 0);
        let metrics = runtime.metrics();
        let total = &metrics.total;
        assert_eq!(total.parked, [0; Reason::COUNT]);
        assert_eq!(
            (total.started, total.finished, total.panicked),
            (1001, 1001, 50)
        );
        assert_eq!((total.spawned, metrics.spawned_outside), (1000, 1));
        assert!(total.switches >= 1001 + total.parks + total.yields);
        eventually("all stacks are back", || runtime.metrics().stacks_live == 0);
    });
}
