//! A started task stays on its thread, and gives way only where it may.

use gopark::Runtime;
use gopark::net::{TcpConn, TcpListener};
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread::ThreadId;
use std::time::Duration;

thread_local! {
    static HERE: Cell<Option<ThreadId>> = const { Cell::new(None) };
}

/// The thread, asked of the standard library and of a thread-local of our own.
fn here() -> ThreadId {
    let id = std::thread::current().id();
    let noted = HERE.get().unwrap_or(id);
    HERE.set(Some(id));
    assert_eq!(noted, id, "a thread-local of another thread");
    id
}

#[test]
fn a_task_stays_on_its_thread_through_every_way_to_wait() -> io::Result<()> {
    let runtime = Runtime::builder().workers(4).build()?;
    runtime.run(|| {
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                gopark::spawn(|| -> io::Result<ThreadId> {
                    let home = here();
                    for _ in 0..20 {
                        gopark::yield_now();
                        assert_eq!(here(), home, "after a yield");
                        gopark::sleep(Duration::from_micros(50));
                        assert_eq!(here(), home, "after a sleep");
                        let worker = gopark::blocking(|| std::thread::current().id());
                        assert_ne!(worker, home, "blocking is elsewhere");
                        assert_eq!(here(), home, "after a blocking call");
                        let child = gopark::spawn(gopark::yield_now);
                        child.join().expect("it only yields");
                        assert_eq!(here(), home, "after a join");
                        let me = gopark::task::current();
                        let waker = gopark::spawn(move || me.unpark());
                        gopark::park();
                        assert_eq!(here(), home, "after a park");
                        waker.join().expect("it only wakes");
                    }
                    let listener = TcpListener::bind("127.0.0.1:0")?;
                    let addr = listener.local_addr()?;
                    let peer = gopark::spawn(move || TcpConn::connect(addr)?.write(b"x"));
                    let (conn, _) = listener.accept()?;
                    assert_eq!(here(), home, "after an accept");
                    assert_eq!(conn.read(&mut [0; 8])?, 1);
                    assert_eq!(here(), home, "after a read");
                    peer.join().expect("the peer does not panic")?;
                    Ok(home)
                })
            })
            .collect();
        let mut homes = Vec::new();
        for task in tasks {
            homes.push(task.join().expect("no assertion failed")?);
        }
        homes.dedup();
        assert!(homes.len() > 1, "all on one worker: nothing was shown");
        Ok(())
    })
}

/// Says on being dropped whether the other task has run meanwhile.
struct WaitsInDrop<'a>(&'a AtomicU64);

impl Drop for WaitsInDrop<'_> {
    fn drop(&mut self) {
        assert!(std::thread::panicking());
        let before = self.0.load(SeqCst);
        gopark::yield_now();
        gopark::sleep(Duration::from_millis(2)); // long enough for the other one, if it could
        gopark::park();
        gopark::blocking(|| ());
        assert!(gopark::spawn(|| ()).join().is_err(), "a join is refused");
        assert_eq!(self.0.load(SeqCst), before, "the task has given way");
    }
}

#[test]
fn a_panicking_task_does_not_give_way() -> io::Result<()> {
    let runtime = Runtime::builder().workers(1).build()?;
    runtime.run(|| {
        let turns = Arc::new(AtomicU64::new(0));
        let theirs = turns.clone();
        let other = gopark::spawn(move || {
            for _ in 0..1000 {
                assert!(!std::thread::panicking(), "ran while its neighbour unwinds");
                theirs.fetch_add(1, SeqCst);
                gopark::yield_now();
            }
        });
        gopark::yield_now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _waits = WaitsInDrop(&turns);
            panic!("on purpose");
        }));
        assert!(outcome.is_err());
        assert!(turns.load(SeqCst) > 0, "the other task has begun");
        other.join().expect("the neighbour saw no panic");
        assert_eq!(turns.load(SeqCst), 1000);
    });
    Ok(())
}
