//! No switch happens while a task unwinds: blocking calls in `Drop` are refused, run in place, or
//! hold the thread.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use support::{BOUND, runtime, within};

/// Runs its closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Calls `in_drop` while a task unwinds, with a second task ready on the same worker, and shows that
/// the second one did not run in between and never saw a panicking thread.
fn no_switch_in(in_drop: impl Fn() + Send + Sync + 'static) {
    let in_drop = Arc::new(in_drop);
    within(BOUND, move || {
        let runtime = runtime(1);
        let turns = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, end) = (turns.clone(), stop.clone());
        runtime.run(move || {
            let other = gopark::spawn(move || {
                while !end.load(Relaxed) {
                    assert!(!std::thread::panicking(), "ran while its neighbour unwinds");
                    theirs.fetch_add(1, Relaxed);
                    gopark::yield_now();
                }
            });
            let seen = turns.clone();
            let unwinding = gopark::spawn(move || {
                let _guard = OnDrop(|| {
                    assert!(std::thread::panicking());
                    let before = seen.load(Relaxed);
                    in_drop();
                    assert_eq!(seen.load(Relaxed), before, "switched while unwinding");
                });
                gopark::yield_now();
                panic!("on purpose");
            });
            assert!(unwinding.join().is_err());
            stop.store(true, Relaxed);
            other.join().unwrap();
            assert!(turns.load(Relaxed) > 0);
        });
    });
}

#[test]
fn yield_returns_at_once() {
    no_switch_in(gopark::yield_now);
}

#[test]
fn sleep_holds_the_thread() {
    // Long enough for the other task, if it could run.
    no_switch_in(|| gopark::sleep(Duration::from_millis(2)));
}

#[test]
fn park_returns_at_once() {
    no_switch_in(gopark::park);
}

#[test]
fn join_is_refused() {
    no_switch_in(|| {
        // It has not ended: a join would have to wait.
        let outcome = gopark::spawn(|| gopark::sleep(Duration::from_millis(1))).join();
        assert!(outcome.is_err());
    });
}

#[test]
fn blocking_runs_in_place() {
    no_switch_in(|| {
        let here = std::thread::current().id();
        assert_eq!(gopark::blocking(|| std::thread::current().id()), here);
    });
}

#[test]
fn a_scope_runs_its_tasks_in_place() {
    no_switch_in(|| {
        let n = AtomicUsize::new(0);
        let joined = gopark::scope(|s| {
            drop(s.spawn(|| n.fetch_add(1, Relaxed)));
            s.spawn(|| n.fetch_add(1, Relaxed)).join().unwrap()
        });
        assert_eq!((n.into_inner(), joined), (2, 1));
    });
}

#[test]
fn io_returns_an_error() {
    use std::os::unix::net::UnixStream;
    no_switch_in(|| {
        let (a, _b) = UnixStream::pair().unwrap();
        let fd = netpoll::Fd::new(a.into(), netpoll::Kind::STREAM).unwrap();
        let refused = netpoll::Error::Refused(netpoll::Refusal::Unwinding);
        assert_eq!(fd.read(&mut [0; 8]), Err(refused));
    });
}

#[test]
fn a_first_read_that_need_not_wait_finds_what_is_there() {
    use netpoll::{Fd, Kind};
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    no_switch_in(move || {
        let refused = netpoll::Error::Refused(netpoll::Refusal::Unwinding);
        // After two in vain the next one would wait without a try, if it could.
        for found in [Err(refused), Err(refused), Ok(1)] {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (conn, _) = listener.accept().unwrap();
            if found.is_ok() {
                client.write_all(b"x").unwrap();
                conn.peek(&mut [0]).unwrap(); // it is there
            }
            conn.set_nonblocking(true).unwrap();
            let conn = Fd::accepted(conn.into(), Kind::TCP);
            assert_eq!(conn.read(&mut [0; 8]), found);
        }
    });
}

#[test]
fn run_does_not_return_before_its_closure_has() {
    // In the runtime of the task that unwinds, and in another one.
    for same in [true, false] {
        within(BOUND, move || {
            let runtime = Arc::new(runtime(1));
            let inner = if same {
                runtime.clone()
            } else {
                Arc::new(support::runtime(1))
            };
            runtime.run(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    let _guard = OnDrop(|| {
                        let mut borrowed = 0;
                        inner.run(|| borrowed = 1);
                        assert_eq!(borrowed, 1);
                    });
                    panic!("on purpose");
                }));
                assert!(outcome.is_err());
            });
        });
    }
}
