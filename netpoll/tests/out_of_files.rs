//! A process without descriptors to spare: waits get late or fail, nothing panics or hangs.
//!
//! Alone in its binary, because the limit is the process's.

mod support;

use netpoll::{Error, Mode};
use std::fs::File;
use std::time::{Duration, Instant};
use support::unix_pair;

#[test]
fn without_descriptors_a_first_wait_fails_and_short_deadlines_still_come() {
    let ready = unix_pair();
    let fresh = unix_pair();
    // This thread has its poller, but no timerfd yet.
    support::my_handle();
    let (tx, rx) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        gone.recv().unwrap();
        tx.send(fresh.0.read(&mut [0; 8])).unwrap();
        fresh
    });
    let hoard: Vec<File> = {
        let limit = libc::rlimit {
            rlim_cur: 64,
            rlim_max: 64,
        };
        // SAFETY: `limit` is read.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
        std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
    };
    go.send(()).unwrap();
    let err = rx.recv_timeout(support::BOUND).unwrap().unwrap_err();
    assert_eq!(err.errno(), Some(libc::EMFILE), "{err}");
    let deadline = Instant::now() + Duration::from_micros(300);
    ready.0.set_deadline(&[Mode::Read], Some(deadline)).unwrap();
    assert_eq!(ready.0.read(&mut [0; 8]), Err(Error::Timeout));
    assert!(Instant::now() >= deadline);
    drop(hoard);
    other.join().unwrap();
}
