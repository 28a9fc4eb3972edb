//! Signals without `SA_RESTART`: every system call may end early, and nobody above notices.

mod support;

use netpoll::{Fd, Mode};
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{BOUND, after, tcp_pair};

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    SIGNALS.fetch_add(1, SeqCst);
}

#[test]
fn a_storm_of_signals_interrupts_no_read_no_write_and_no_deadline() {
    // SAFETY: the handler only adds to an atomic, which a handler may do.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = count as extern "C" fn(i32) as usize;
        assert_eq!(
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
            0
        );
    }
    let (a, b) = tcp_pair();
    for fd in [&a, &b] {
        fd.set_deadline(&[Mode::Read, Mode::Write], after(BOUND))
            .unwrap();
    }
    let storm = Arc::new(Mutex::new(()));
    let rages = storm.lock().unwrap();
    const TOTAL: usize = 20 << 20;
    let s = storm.clone();
    let stay = move || {
        // Alive until the storm is over: a signal to a thread that has ended is undefined. A poisoned
        // lock is as good: then this test has failed.
        drop(s.lock());
    };
    let done = Arc::new(AtomicUsize::new(0));
    let (d, leave) = (done.clone(), stay.clone());
    let writer = std::thread::spawn(move || {
        let result = b.write(&vec![3; TOTAL]);
        let begin = Instant::now();
        let deadline = begin + Duration::from_millis(30);
        b.set_deadline(&[Mode::Read], Some(deadline)).unwrap();
        let read = b.read(&mut [0; 8]);
        let late = Instant::now() >= deadline;
        d.fetch_add(1, SeqCst);
        leave();
        (result, read, late, b)
    });
    let d = done.clone();
    let reader = std::thread::spawn(move || {
        let mut left = TOTAL;
        let mut buf = vec![0; 1 << 16];
        let result = loop {
            match Fd::read(&a, &mut buf) {
                Ok(0) => break Err("ended early".to_owned()),
                Ok(n) => left -= n,
                Err(err) => break Err(err.to_string()),
            }
            if left == 0 {
                break Ok(());
            }
        };
        d.fetch_add(1, SeqCst);
        stay();
        (result, a)
    });
    while done.load(SeqCst) < 2 && !writer.is_finished() && !reader.is_finished() {
        for thread in [writer.as_pthread_t(), reader.as_pthread_t()] {
            // SAFETY: both threads stay until `rages` is dropped.
            unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
        }
        std::thread::yield_now();
    }
    drop(rages);
    let (write, read, not_early, _b) = writer.join().unwrap();
    assert_eq!(write, Ok(()));
    assert_eq!(read, Err(netpoll::Error::Timeout));
    assert!(not_early);
    assert_eq!(reader.join().unwrap().0, Ok(()));
    assert!(SIGNALS.load(SeqCst) > 10, "no storm");
}
