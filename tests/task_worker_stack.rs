//! `task::on_worker_stack`: a call on the worker's stack, in which there is no task.

mod support;

use gopark::task::{self, on_worker_stack};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use support::{BOUND, runtime, within};

fn stack_here() -> usize {
    let here = 0u8;
    std::hint::black_box(std::ptr::from_ref(&here)).addr()
}

/// On one worker, so that everything shares its stack.
fn on_one_worker<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let builder = gopark::Runtime::builder().workers(1).spare_workers(0);
    builder.build().unwrap().run(f)
}

#[test]
fn it_runs_elsewhere_than_the_task_and_at_the_same_place_for_every_task() {
    let place = || {
        let mine = stack_here();
        let its = on_worker_stack(stack_here);
        (mine, its)
    };
    let places = on_one_worker(move || {
        let (one, two) = (gopark::spawn(place), gopark::spawn(place));
        [one.join().unwrap(), two.join().unwrap()]
    });
    let [(mine, its), (other, others)] = places;
    assert!(mine.abs_diff(its) > 16 << 10, "{mine:x} {its:x}");
    assert!(mine.abs_diff(other) > 16 << 10, "two tasks, two stacks");
    assert!(its.abs_diff(others) < 4 << 10, "{its:x} {others:x}");
}

#[test]
fn outside_of_a_task_it_is_a_call() {
    let (mine, its) = (stack_here(), on_worker_stack(stack_here));
    assert!(mine.abs_diff(its) < 64 << 10);
}

#[test]
fn a_panic_comes_out_of_it_and_the_task_goes_on_as_a_task() {
    let id = on_one_worker(|| {
        let panic = catch_unwind(|| on_worker_stack(|| panic!("from below")));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"from below"));
        // It can wait again, and others run meanwhile.
        let me = task::current();
        let id = me.id();
        let other = gopark::spawn(move || me.unpark());
        task::park();
        other.join().unwrap();
        id
    });
    assert!(id > 0);
}

#[test]
fn a_task_that_unwinds_may_call_it_in_a_drop() {
    struct Calls<'a>(&'a Cell<u32>);
    impl Drop for Calls<'_> {
        fn drop(&mut self) {
            self.0.set(on_worker_stack(|| self.0.get() + 1));
        }
    }
    let calls = on_one_worker(|| {
        let calls = Cell::new(0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _calls = Calls(&calls);
            panic!("unwinds through it");
        }));
        assert!(panic.is_err());
        calls.get()
    });
    assert_eq!(calls, 1);
}

gopark::task_local! {
    static MINE: Cell<u32> = Cell::new(0);
}

#[test]
fn there_is_no_task_in_it_and_the_same_one_again_after_it() {
    on_one_worker(|| {
        MINE.with(|mine| mine.set(7));
        let before = task::current().id();
        let (within, mine) = on_worker_stack(|| (task::current().id(), MINE.with(Cell::get)));
        assert_ne!(within, before);
        assert_eq!(mine, 0, "the thread's, not the task's");
        assert_eq!(task::current().id(), before);
        assert_eq!(MINE.with(Cell::get), 7);
        // In itself it is a call.
        assert_eq!(on_worker_stack(|| on_worker_stack(|| 3)), 3);
        assert_eq!(task::current().id(), before);
    });
}

#[test]
fn what_waits_in_it_holds_the_worker_and_nothing_runs_on_top_of_it() {
    let (ran_meanwhile, ran_after) = on_one_worker(|| {
        let ran = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let other = {
            let ran = ran.clone();
            gopark::spawn(move || ran.store(true, std::sync::atomic::Ordering::SeqCst))
        };
        let meanwhile = on_worker_stack(|| {
            gopark::yield_now();
            gopark::sleep(Duration::from_millis(5)); // a wait, which is what this is about
            ran.load(std::sync::atomic::Ordering::SeqCst)
        });
        other.join().unwrap();
        (meanwhile, ran.load(std::sync::atomic::Ordering::SeqCst))
    });
    assert!(!ran_meanwhile && ran_after);
}

#[test]
fn in_it_a_connection_is_read_as_by_a_thread() {
    let builder = gopark::Runtime::builder().workers(2);
    let read = builder.build().unwrap().run(|| {
        let listener = gopark::net::TcpListener::bind("127.0.0.1:0")?;
        let conn = gopark::net::TcpConn::connect(listener.local_addr()?)?;
        let (peer, _) = listener.accept()?;
        let sender = std::thread::spawn(move || peer.write(b"hello"));
        let mut buf = [0; 8];
        let n = on_worker_stack(|| conn.read(&mut buf))?;
        assert_eq!(sender.join().unwrap()?, 5);
        // And as by a task again, on whose worker the connection is registered then.
        let (peer, rest) = (
            conn.try_clone()?,
            gopark::spawn(move || conn.read(&mut [0; 8])),
        );
        peer.close_read()?;
        assert_eq!(rest.join().unwrap()?, 0);
        std::io::Result::Ok(n)
    });
    assert_eq!(read.unwrap(), 5);
}

#[test]
fn what_is_spawned_in_it_runs() {
    let sum: u32 = on_one_worker(|| {
        let tasks: Vec<_> = on_worker_stack(|| (0..10).map(|n| gopark::spawn(move || n)).collect());
        tasks.into_iter().map(|task| task.join().unwrap()).sum()
    });
    assert_eq!(sum, 45);
}

#[test]
fn whoever_joins_in_it_waits_as_a_thread_while_another_worker_runs_the_task() {
    within(BOUND, || {
        let sum = runtime(2).run(|| {
            on_worker_stack(|| {
                let joined: u32 = gopark::spawn(|| 1).join().unwrap();
                let scoped: u32 = gopark::scope(|s| {
                    s.spawn(|| ()); // not joined: the scope itself waits for it
                    s.spawn(|| 2).join().unwrap()
                });
                joined + scoped
            })
        });
        assert_eq!(sum, 3);
    });
}
