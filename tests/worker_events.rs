//! What a worker does with the events of one poll: it hands them out one by one, between turns.

mod support;

use gopark::{spawn, yield_now};
use netpoll::{Error, Fd, Kind, Mode};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{BOUND, Yielders, runtime, within};

fn pair() -> (Arc<Fd>, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    (Arc::new(Fd::new(a.into(), Kind::STREAM).unwrap()), b)
}

/// The counters of the caller's runtime.
fn counters() -> gopark::WorkerMetrics {
    let runtime = gopark::Handle::current().expect("in a task");
    runtime.metrics().total
}

/// Waits until the kernel has told of so many new registrations: each can be written to.
fn told_of(registered: usize, before: u64) {
    while counters().events < before + registered as u64 {
        yield_now();
    }
}

/// One that the caller's worker has registered, and for which nobody waits.
fn registered_pair() -> (Arc<Fd>, UnixStream) {
    let (a, b) = pair();
    let before = counters().registrations;
    // On a busy machine the deadline may be over before the read begins, which then does not wait.
    while counters().registrations == before {
        let soon = Instant::now() + Duration::from_millis(1);
        a.set_deadline(&[Mode::Read], Some(soon)).unwrap();
        assert_eq!(a.read(&mut [0]), Err(Error::Timeout));
    }
    (a, b)
}

/// A task that reads one byte, parked.
fn reader(fd: &Arc<Fd>) -> gopark::JoinHandle<Result<usize, Error>> {
    let fd = fd.clone();
    let begun = Arc::new(AtomicBool::new(false));
    let begins = begun.clone();
    let task = spawn(move || {
        begins.store(true, SeqCst);
        fd.read(&mut [0; 8])
    });
    // On the only worker there is nothing between the store and the park.
    while !begun.load(SeqCst) {
        yield_now();
    }
    task
}

#[test]
fn a_worker_does_not_sleep_on_an_event_behind_one_that_concerned_nobody() {
    within(BOUND, || {
        runtime(1).run(|| {
            let before = counters().events;
            let (idle, to_idle) = registered_pair();
            let (read, to_read) = pair();
            let task = reader(&read);
            told_of(2, before);
            // The worker is held meanwhile, so the two come in one batch, in this order.
            (&to_idle).write_all(b"x").unwrap();
            (&to_read).write_all(b"x").unwrap();
            assert_eq!(task.join().unwrap(), Ok(1));
            drop(idle);
        });
    });
}

/// `n` tasks, each of which reads a byte that has come, in the order of their readiness; and what each
/// of them does then.
fn batch(n: usize, then: impl Fn(usize) + Send + Sync + 'static) -> Vec<gopark::JoinHandle<()>> {
    let (then, begun) = (Arc::new(then), Arc::new(AtomicUsize::new(0)));
    let all: Vec<_> = (0..n).map(|_| pair()).collect();
    let before = counters().events;
    let tasks: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(i, (fd, _))| {
            let (fd, then, begun) = (fd.clone(), then.clone(), begun.clone());
            spawn(move || {
                begun.fetch_add(1, SeqCst);
                assert_eq!(fd.read(&mut [0; 8]), Ok(1));
                then(i);
            })
        })
        .collect();
    while begun.load(SeqCst) < n {
        yield_now();
    }
    // They are parked.
    told_of(n, before);
    for (_, peer) in &all {
        (&*peer).write_all(b"x").unwrap();
    }
    tasks
}

#[test]
fn a_task_that_is_woken_while_events_wait_for_their_delivery_does_not_wait_for_all_of_them() {
    const EVENTS: usize = 64;
    within(BOUND, || {
        runtime(1).run(|| {
            let order = Arc::new(Mutex::new(Vec::new()));
            let mine = order.clone();
            let woken = spawn(move || {
                gopark::park();
                mine.lock().unwrap().push("woken");
            });
            let (them, to_wake) = (order.clone(), woken.task());
            let readers = batch(EVENTS, move |i| {
                them.lock().unwrap().push("event");
                if i == 0 {
                    to_wake.unpark();
                }
            });
            woken.join().unwrap();
            readers.into_iter().for_each(|task| task.join().unwrap());
            let order = order.lock().unwrap();
            let place = order.iter().position(|who| *who == "woken").unwrap();
            assert!(place <= 4, "after {place} of {EVENTS} events");
        });
    });
}

#[test]
fn events_that_wait_for_their_delivery_are_not_held_up_by_tasks_that_wake_each_other() {
    const EVENTS: usize = 64;
    within(BOUND, || {
        runtime(1).run(|| {
            let turns = Arc::new(AtomicUsize::new(0));
            let stop = Arc::new(AtomicBool::new(false));
            let ring: Arc<Mutex<Vec<gopark::task::Task>>> = Arc::default();
            let chain: Vec<_> = (0..2)
                .map(|i| {
                    let (ring, stop, turns) = (ring.clone(), stop.clone(), turns.clone());
                    spawn(move || {
                        gopark::park();
                        let next = ring.lock().unwrap()[1 - i].clone();
                        while !stop.load(SeqCst) {
                            turns.fetch_add(1, SeqCst);
                            next.unpark();
                            gopark::park();
                        }
                        next.unpark();
                    })
                })
                .collect();
            *ring.lock().unwrap() = chain.iter().map(|t| t.task()).collect();
            let moments = Arc::new(Mutex::new(Vec::new()));
            let (them, now) = (moments.clone(), turns.clone());
            let readers = batch(EVENTS, move |_| {
                them.lock().unwrap().push(now.load(SeqCst));
            });
            ring.lock().unwrap()[0].unpark();
            readers.into_iter().for_each(|task| task.join().unwrap());
            stop.store(true, SeqCst);
            ring.lock().unwrap()[0].unpark();
            chain.into_iter().for_each(|task| task.join().unwrap());
            // One event for each turn of the ring; some leeway for whatever else has a turn.
            let moments = moments.lock().unwrap();
            let passed = moments[EVENTS - 1] - moments[0];
            assert!(passed <= 3 * EVENTS, "{passed} turns for {EVENTS} events");
        });
    });
}

#[test]
fn a_worker_whose_turns_are_long_now_and_then_asks_the_kernel_as_if_they_all_were() {
    const ROUNDS: u64 = 200;
    let polls = within(BOUND, || {
        runtime(1).run(|| {
            let quick = Yielders::start(63);
            let before = counters().polls;
            for _ in 0..ROUNDS {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_micros(200) {
                    std::hint::spin_loop();
                }
                yield_now();
            }
            let polls = counters().polls - before;
            quick.end();
            polls
        })
    });
    // Each round is as long as two of the slices after which it asks at the latest. Judging by the last
    // few turns alone, most of which are quick, it would let many rounds pass.
    assert!(polls > 4 * ROUNDS, "{polls} polls in {ROUNDS} rounds");
}
