//! Spawning and joining: results and panics arrive once, whoever looks first.

mod support;

use gopark::{JoinHandle, spawn, spawn_local, task};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use support::{BOUND, eventually, eventually_in_task, runtime, text, within};

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn the_result_of_a_task_is_what_its_closure_returns() {
    runtime(2).run(|| {
        let tasks: Vec<_> = (0..1000).map(|i| spawn(move || i)).collect();
        for (i, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.join().unwrap(), i);
        }
    });
}

#[test]
fn a_panic_is_the_result_and_the_worker_goes_on() {
    runtime(1).run(|| {
        let panic = spawn(|| panic!("with {}", "arguments")).join();
        assert_eq!(text(panic.unwrap_err()), "with arguments");
        let own = spawn(|| std::panic::panic_any(7_u8)).join();
        assert_eq!(*own.unwrap_err().downcast::<u8>().unwrap(), 7);
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
        assert!(!std::thread::panicking());
    });
}

#[test]
fn a_result_is_dropped_once_in_every_order_of_handle_and_task() {
    within(BOUND, || {
        let runtime = runtime(2);
        let drops = Arc::new(AtomicUsize::new(0));
        let mut expected = 0;
        let check = |expected| {
            eventually("the result is dropped", || drops.load(SeqCst) == expected);
        };
        let make = || {
            let counted = Counted(drops.clone());
            move || counted
        };
        for _ in 0..50 {
            // Dropped before, during and after the task, and joined, each from a thread...
            drop(runtime.handle().spawn(make()));
            let late = runtime.handle().spawn(make());
            let joined = runtime.handle().spawn(make());
            eventually("it ends", || late.is_finished());
            drop(late);
            drop(joined.join().unwrap());
            // ...and from tasks.
            let (early, ended, joined) = (make(), make(), make());
            runtime.run(move || {
                drop(spawn(early));
                let ended = spawn(ended);
                eventually_in_task("it ends", || ended.is_finished());
                drop(ended);
                drop(spawn(joined).join().unwrap());
            });
            expected += 6;
            check(expected);
        }
        drop(runtime);
        assert_eq!(drops.load(SeqCst), expected, "dropped again at the end");
    });
}

#[test]
fn a_handle_dropped_while_its_task_ends_elsewhere_frees_it_once() {
    within(BOUND, || {
        let (a, b) = (runtime(1), runtime(1));
        let there = b.handle();
        let drops = Arc::new(AtomicUsize::new(0));
        let counter = drops.clone();
        a.run(move || {
            for i in 0..20_000 {
                let counted = Counted(counter.clone());
                let task = there.spawn(move || counted);
                if i % 3 == 0 {
                    gopark::yield_now();
                }
                drop(task);
            }
        });
        drop(b);
        assert_eq!(drops.load(SeqCst), 20_000);
    });
}

#[test]
fn a_result_whose_drop_panics_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("from a drop");
        }
    }
    runtime(1).run(|| {
        drop(spawn(|| Bomb));
        gopark::yield_now();
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn closures_and_results_too_big_for_a_header_arrive_whole() {
    let big: [u64; 500] = std::array::from_fn(|i| i as u64);
    let back = runtime(1).run(move || spawn(move || big).join().unwrap());
    assert_eq!(back, big);
    // One of the two big, the other small.
    runtime(1).run(move || {
        assert_eq!(spawn(move || big[499]).join().unwrap(), 499);
        assert_eq!(spawn(|| [7_u8; 4000]).join().unwrap(), [7; 4000]);
    });
}

#[test]
fn over_aligned_closures_and_results_are_aligned() {
    #[derive(Clone, Copy)]
    #[repr(align(256))]
    struct Inline(u8);
    #[derive(Clone, Copy)]
    #[repr(align(2048))]
    struct Boxed(u8);
    fn aligned<T>(at: &T) -> bool {
        std::ptr::from_ref(at)
            .addr()
            .is_multiple_of(align_of::<T>())
    }
    runtime(1).run(|| {
        let (a, b) = (Inline(1), Boxed(2));
        let task = spawn(move || {
            let held = (a, b);
            assert!(aligned(&held.0) && aligned(&held.1));
            held
        });
        let (a, b) = task.join().unwrap();
        assert!(aligned(&a) && aligned(&b));
        assert_eq!((a.0, b.0), (1, 2));
    });
}

#[test]
fn a_local_task_stays_on_its_spawners_thread() {
    runtime(4).run(|| {
        let here = std::thread::current().id();
        let shared = std::rc::Rc::new(std::cell::Cell::new(0));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let shared = shared.clone();
                spawn_local(move || {
                    gopark::yield_now();
                    assert_eq!(std::thread::current().id(), here);
                    shared.set(shared.get() + 1);
                })
            })
            .collect();
        for task in tasks {
            task.join().unwrap();
        }
        assert_eq!(shared.get(), 200);
    });
}

#[test]
fn a_started_task_never_changes_threads() {
    runtime(4).run(|| {
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                spawn(|| {
                    let here = std::thread::current().id();
                    for _ in 0..20 {
                        gopark::yield_now();
                        assert_eq!(std::thread::current().id(), here);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.join().unwrap();
        }
    });
}

#[test]
fn spawning_where_there_is_no_runtime_says_what_to_do() {
    let panic = within(BOUND, || std::panic::catch_unwind(|| drop(spawn(|| 1))));
    assert!(text(panic.unwrap_err()).contains("spawn from a task"));
    let panic = within(BOUND, || {
        std::panic::catch_unwind(|| drop(spawn_local(|| 1)))
    });
    assert!(text(panic.unwrap_err()).contains("outside a task"));
}

#[test]
fn a_task_knows_its_name_and_number() {
    runtime(1).run(|| {
        assert_eq!(task::current().name(), Some("main"));
        let named = task::Builder::new().name("reader").spawn(|| {
            let me = task::current();
            (me.name().map(str::to_owned), me.id())
        });
        let named = named.unwrap();
        let id = named.id();
        assert_eq!(named.join().unwrap(), (Some("reader".to_owned()), id));
        assert!(spawn(|| task::current().name().is_none()).join().unwrap());
        assert_ne!(task::current().id(), id);
    });
}

#[test]
fn a_task_can_have_a_larger_stack_or_be_refused_one() {
    #[inline(never)]
    fn deep(n: usize) -> usize {
        let frame = std::hint::black_box([n; 512]);
        if n == 0 {
            0
        } else {
            deep(n - 1) + frame[0] / n
        }
    }
    runtime(1).run(|| {
        // 4 KiB a frame: far more than the ordinary stack.
        let big = task::Builder::new()
            .stack_size(8 << 20)
            .spawn(|| deep(1000));
        assert_eq!(big.unwrap().join().unwrap(), 1000);
        let refused = task::Builder::new().stack_size(1 << 30).spawn(|| ());
        assert_eq!(
            refused.unwrap_err().kind(),
            std::io::ErrorKind::InvalidInput
        );
    });
}

#[test]
fn the_common_queue_is_not_starved_by_tasks_that_only_yield() {
    within(BOUND, || {
        runtime(1).run(|| {
            let stop = Arc::new(AtomicUsize::new(0));
            let yielders: Vec<_> = (0..3)
                .map(|_| {
                    let stop = stop.clone();
                    spawn(move || {
                        while stop.load(SeqCst) == 0 {
                            gopark::yield_now();
                        }
                    })
                })
                .collect();
            gopark::yield_now();
            // More than a worker's own queue holds.
            let tasks: Vec<_> = (0..1000).map(|i| spawn(move || i)).collect();
            let sum: u32 = tasks.into_iter().map(|t| t.join().unwrap()).sum();
            assert_eq!(sum, 499_500);
            stop.store(1, SeqCst);
            for task in yielders {
                task.join().unwrap();
            }
        });
    });
}

#[test]
fn handles_are_as_free_as_their_results() {
    fn sends<T: Send + Sync>() {}
    sends::<JoinHandle<u8>>();
    sends::<task::Task>();
    sends::<gopark::Handle>();
    sends::<gopark::Runtime>();
    sends::<gopark::Metrics>();
    sends::<gopark::ShutdownReport>();
    // The negative promises are compile_fail examples of `JoinHandle` and `Scope`.
}
