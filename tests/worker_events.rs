//! What a worker does with the events of one poll: it hands them out one by one, between turns.

mod support;

use gopark::{spawn, yield_now};
use netpoll::{Error, Fd, Kind, Mode};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};
use support::{BOUND, runtime, within};

fn pair() -> (Arc<Fd>, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    (Arc::new(Fd::new(a.into(), Kind::STREAM).unwrap()), b)
}

/// One that the caller's worker has registered, and for which nobody waits.
fn registered_pair() -> (Arc<Fd>, UnixStream) {
    let (a, b) = pair();
    let soon = Instant::now() + Duration::from_millis(1);
    a.set_deadline(&[Mode::Read], Some(soon)).unwrap();
    assert_eq!(a.read(&mut [0]), Err(Error::Timeout));
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
            let (idle, to_idle) = registered_pair();
            let (read, to_read) = pair();
            let task = reader(&read);
            // What the kernel had to tell of a new registration has been told.
            gopark::sleep(Duration::from_millis(1));
            // The worker is held meanwhile, so the two come in one batch, in this order.
            (&to_idle).write_all(b"x").unwrap();
            (&to_read).write_all(b"x").unwrap();
            assert_eq!(task.join().unwrap(), Ok(1));
            drop(idle);
        });
    });
}
