//! A runtime on the calling thread: nothing runs elsewhere, nothing is left behind, and the thread goes on
//! as before.

mod support;

use gopark::net::{NetError, TcpConn, TcpListener};
use gopark::{Builder, Handle};
use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use support::{BOUND, eventually, threads_named, within};

fn here() -> thread::ThreadId {
    thread::current().id()
}

/// A connected pair.
fn pair() -> (TcpConn, TcpConn) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpConn::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

#[test]
fn all_tasks_run_on_the_calling_thread_and_the_first_may_borrow_what_is_not_send() {
    within(BOUND, || {
        let mine = here();
        let (order, result) = (RefCell::new(Vec::new()), Rc::new(7));
        let kept = Builder::new()
            .run_here(|| {
                order.borrow_mut().push("main");
                let tasks: Vec<_> = (0..100).map(|_| gopark::spawn(here)).collect();
                assert!(tasks.into_iter().all(|task| task.join().unwrap() == mine));
                gopark::scope(|s| drop(s.spawn(|| assert_eq!(here(), mine))));
                order.borrow_mut().push("end");
                Rc::clone(&result)
            })
            .unwrap();
        assert_eq!((*kept, Rc::strong_count(&result)), (7, 2));
        assert_eq!(*order.borrow(), ["main", "end"]);
    });
}

#[test]
fn no_thread_is_started_for_it() {
    within(BOUND, || {
        let threads = || threads_named("lonely");
        let alone = || Builder::new().name("lonely");
        let connections = || {
            let (one, other) = pair();
            let echo = gopark::spawn(move || other.write(&other.read_lease().unwrap()).unwrap());
            one.write(b"x").unwrap();
            assert_eq!(*one.read_lease().unwrap(), *b"x");
            echo.join().unwrap();
            threads()
        };
        assert_eq!(alone().run_here(connections).unwrap(), 0);
        // It would have been seen.
        let pooled = alone().run_here(|| gopark::blocking(threads)).unwrap();
        assert_eq!(pooled, 1);
    });
}

#[test]
fn what_waits_when_main_returns_is_ended_before_the_call_returns() {
    within(BOUND, || {
        let ends: Arc<Mutex<Vec<&str>>> = Arc::default();
        let note = |ends: &Arc<Mutex<Vec<&'static str>>>, what| ends.lock().unwrap().push(what);
        let theirs = ends.clone();
        Builder::new()
            .run_here(move || {
                let (one, other) = pair();
                let (a, b) = (theirs.clone(), theirs.clone());
                drop(gopark::spawn(move || {
                    let _open = one;
                    let err = other.read(&mut [0; 1]).unwrap_err();
                    assert!(err.is_shutdown(), "{err}");
                    note(&a, "read");
                }));
                drop(gopark::spawn(move || {
                    gopark::sleep(Duration::from_secs(3600));
                    note(&b, "sleep");
                }));
                // Both wait.
                eventually("both wait", || {
                    gopark::yield_now();
                    let total = Handle::current().unwrap().metrics().total;
                    total.parked.iter().sum::<u64>() == 2
                });
                // And one that has not begun.
                drop(gopark::spawn(move || note(&theirs, "late")));
            })
            .unwrap();
        let mut ends = ends.lock().unwrap().clone();
        ends.sort_unstable();
        assert_eq!(ends, ["late", "read", "sleep"]);
    });
}

#[test]
fn a_panic_of_main_comes_out_after_the_tasks_have_ended_and_the_thread_can_do_it_again() {
    within(BOUND, || {
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let ended = ended.clone();
            let run = || {
                Builder::new().run_here(|| {
                    drop(gopark::spawn(move || {
                        gopark::sleep(Duration::from_secs(3600));
                        ended.fetch_add(1, SeqCst);
                    }));
                    gopark::yield_now();
                    panic!("as a test");
                })
            };
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            let panic: Result<std::io::Result<()>, _> = panic;
            assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"as a test"));
        }
        assert_eq!(ended.load(SeqCst), 3);
        // A plain thread again, which waits as one.
        assert!(Handle::current().is_none());
        let (one, other) = pair();
        let writer = thread::spawn(move || one.write(b"plain").unwrap());
        assert_eq!(*other.read_lease().unwrap(), *b"plain");
        writer.join().unwrap();
    });
}

#[test]
fn other_threads_spawn_into_it_and_wake_it() {
    within(BOUND, || {
        let mine = here();
        let sum = Builder::new()
            .run_here(|| {
                let handle = Handle::current().unwrap();
                let (tell, told) = mpsc::channel();
                let outside = thread::spawn(move || {
                    for i in 0..1000 {
                        let tell = tell.clone();
                        let task = handle.spawn(move || tell.send((i, here())).unwrap());
                        task.join().unwrap();
                    }
                });
                gopark::blocking(|| outside.join().unwrap());
                told.try_iter().fold(0, |sum, (i, at)| {
                    assert_eq!(at, mine);
                    sum + i
                })
            })
            .unwrap();
        assert_eq!(sum, 499_500);
    });
}

#[test]
fn a_hog_is_reported_to_who_asked_for_it_and_the_report_is_over_when_the_call_returns() {
    within(BOUND, || {
        let [begun, over, reported] = std::array::from_fn(|_| Arc::new(AtomicBool::new(false)));
        let theirs = [&begun, &over, &reported].map(Arc::clone);
        Builder::new()
            .name("watched")
            .on_hog(move |_| {
                let [begun, over, reported] = &theirs;
                begun.store(true, SeqCst);
                eventually("main is over", || over.load(SeqCst));
                reported.store(true, SeqCst);
            })
            .run_here(|| {
                eventually("it is reported", || begun.load(SeqCst));
                over.store(true, SeqCst);
            })
            .unwrap();
        assert!(reported.load(SeqCst));
        eventually("the watchdog has gone", || threads_named("watched") == 0);
    });
}

#[test]
fn a_task_that_goes_on_after_main_is_waited_for() {
    within(BOUND, || {
        let steps = Arc::new(AtomicUsize::new(0));
        let theirs = steps.clone();
        Builder::new()
            .run_here(|| {
                drop(gopark::spawn(move || {
                    for _ in 0..1000 {
                        gopark::yield_now();
                        theirs.fetch_add(1, SeqCst);
                    }
                    gopark::blocking(|| theirs.fetch_add(1, SeqCst));
                }));
            })
            .unwrap();
        assert_eq!(steps.load(SeqCst), 1001);
    });
}

#[test]
fn what_comes_out_of_it_is_good_after_its_end() {
    within(BOUND, || {
        let (task, handle, (one, other), lease) = Builder::new()
            .run_here(|| {
                let (one, other) = pair();
                one.write(b"lent").unwrap();
                let lease = other.read_lease().unwrap();
                // It has waited there, so it is registered there.
                other
                    .set_read_timeout(Some(Duration::from_millis(1)))
                    .unwrap();
                assert!(other.read(&mut [0; 1]).unwrap_err().is_timeout());
                other.set_read_timeout(None).unwrap();
                let task = gopark::spawn(|| "left behind");
                (task, Handle::current().unwrap(), (one, other), lease)
            })
            .unwrap();
        assert_eq!(task.join().unwrap(), "left behind");
        assert_eq!(*lease, *b"lent");
        let spawn = std::panic::AssertUnwindSafe(|| drop(handle.spawn(|| ())));
        assert!(
            std::panic::catch_unwind(spawn).is_err(),
            "its runtime has ended"
        );
        // On this thread, and in another runtime.
        let writer = thread::spawn(move || one.write(b"xy").map(|_| one).unwrap());
        assert_eq!(other.read(&mut [0; 1]).unwrap(), 1);
        let _open = writer.join().unwrap();
        let read = || gopark::blocking(|| Builder::new().run_here(|| other.read(&mut [0; 1])));
        assert_eq!(gopark::run(read).unwrap().unwrap(), 1);
    });
}

#[test]
fn where_it_cannot_run_it_says_so_and_main_has_not_run() {
    within(BOUND, || {
        let ran = Cell::new(false);
        let refused = |builder: Builder| {
            let err = builder.run_here(|| ran.set(true)).unwrap_err();
            (err.kind(), err.to_string())
        };
        for builder in [Builder::new().workers(2), Builder::new().spare_workers(1)] {
            let (kind, text) = refused(builder);
            assert_eq!(kind, ErrorKind::InvalidInput);
            assert!(text.contains("one worker"), "{text}");
        }
        assert!(!ran.get());
        gopark::run(|| {
            let err = Builder::new().run_here(|| ()).unwrap_err();
            assert!(err.to_string().contains("on a worker"), "{err}");
        });
        // From a drop while a panic unwinds, where nothing may wait.
        struct InDrop<'a>(&'a Cell<Option<ErrorKind>>);
        impl Drop for InDrop<'_> {
            fn drop(&mut self) {
                self.0
                    .set(Builder::new().run_here(|| ()).err().map(|err| err.kind()));
            }
        }
        let said = Cell::new(None);
        let unwind = || {
            let _in_drop = InDrop(&said);
            panic!("as a test");
        };
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(unwind));
        assert!(unwound.is_err());
        assert_eq!(said.get(), Some(ErrorKind::Other));
    });
}
