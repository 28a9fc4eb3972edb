//! Scopes: what tasks borrow outlives them, and no panic is lost.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{BOUND, eventually_in_task, runtime, text, within};

#[test]
fn tasks_borrow_from_outside_the_scope_and_all_end_before_it_does() {
    let sum = runtime(2).run(|| {
        let words: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let total = AtomicUsize::new(0);
        gopark::scope(|s| {
            for word in &words {
                let total = &total;
                drop(s.spawn(move || {
                    gopark::yield_now();
                    total.fetch_add(word.parse().unwrap(), Ordering::Relaxed);
                }));
            }
        });
        total.into_inner()
    });
    assert_eq!(sum, 4950);
}

#[test]
fn a_task_of_a_scope_may_spawn_more_into_it() {
    let n = runtime(2).run(|| {
        let n = AtomicUsize::new(0);
        gopark::scope(|s| {
            drop(s.spawn(|| {
                for _ in 0..10 {
                    drop(s.spawn(|| {
                        gopark::yield_now();
                        n.fetch_add(1, Ordering::Relaxed);
                    }));
                }
            }));
        });
        n.into_inner()
    });
    assert_eq!(n, 10);
}

#[test]
fn scopes_nest() {
    let n = runtime(2).run(|| {
        let n = AtomicUsize::new(0);
        gopark::scope(|outer| {
            for _ in 0..4 {
                drop(outer.spawn(|| {
                    let mine = AtomicUsize::new(0);
                    gopark::scope(|inner| {
                        for _ in 0..4 {
                            drop(inner.spawn(|| mine.fetch_add(1, Ordering::Relaxed)));
                        }
                    });
                    n.fetch_add(mine.into_inner(), Ordering::Relaxed);
                }));
            }
        });
        n.into_inner()
    });
    assert_eq!(n, 16);
}

#[test]
fn a_panic_of_the_closure_waits_for_the_tasks_and_goes_on() {
    runtime(1).run(|| {
        let ended = AtomicUsize::new(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            gopark::scope(|s| {
                for _ in 0..3 {
                    drop(s.spawn(|| {
                        gopark::yield_now();
                        ended.fetch_add(1, Ordering::Relaxed);
                    }));
                }
                if ended.load(Ordering::Relaxed) < 9 {
                    panic!("the closure's own");
                }
            })
        }));
        assert_eq!(text(outcome.unwrap_err()), "the closure's own");
        assert_eq!(
            ended.load(Ordering::Relaxed),
            3,
            "unwound before the tasks had ended"
        );
    });
}

#[test]
fn a_panic_of_a_joined_task_belongs_to_whoever_joins() {
    runtime(1).run(|| {
        let n = gopark::scope(|s| {
            let bad = s.spawn(|| -> u32 { panic!("joined") });
            text(bad.join().unwrap_err())
        });
        assert_eq!(n, "joined");
    });
}

#[test]
fn a_panic_nobody_joins_is_the_scopes() {
    // Dropped before the task runs, and dropped after it has ended: the same to the caller.
    for wait in [false, true] {
        runtime(1).run(move || {
            let outcome = catch_unwind(|| {
                gopark::scope(|s| {
                    let bad = s.spawn(|| panic!("unseen"));
                    if wait {
                        eventually_in_task("the task ends", || bad.is_finished());
                    }
                    drop(bad);
                })
            });
            let text = text(outcome.expect_err("the scope swallowed a panic"));
            assert_eq!(
                text, "a scoped task panicked",
                "handle dropped late: {wait}"
            );
        });
    }
}

/// Writes into what it borrows when it is dropped.
struct Note<'a>(&'a Mutex<Vec<&'static str>>, &'static str);

impl Drop for Note<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1);
    }
}

#[test]
fn a_result_that_borrows_is_dropped_inside_the_scope() {
    runtime(2).run(|| {
        let notes = Mutex::new(Vec::new());
        gopark::scope(|s| {
            drop(s.spawn(|| Note(&notes, "dropped early")));
            let late = s.spawn(|| Note(&notes, "dropped late"));
            eventually_in_task("the task ends", || late.is_finished());
            drop(late);
            drop(s.spawn(|| Note(&notes, "joined")).join().unwrap());
        });
        let mut notes = notes.into_inner().unwrap();
        notes.sort_unstable();
        assert_eq!(notes, ["dropped early", "dropped late", "joined"]);
    });
}

#[test]
fn a_forgotten_handle_neither_hangs_the_scope_nor_drops_its_result_later() {
    runtime(1).run(|| {
        let notes = Mutex::new(Vec::new());
        gopark::scope(|s| {
            std::mem::forget(s.spawn(|| Note(&notes, "forgotten")));
        });
        assert!(notes.into_inner().unwrap().is_empty());
    });
}

#[test]
fn spawning_without_a_runtime_panics_instead_of_hanging() {
    let outcome = within(BOUND, || {
        catch_unwind(|| gopark::scope(|s| drop(s.spawn(|| 1))))
    });
    assert!(text(outcome.unwrap_err()).contains("no runtime"));
}

#[test]
fn a_blocking_closure_can_open_a_scope_of_its_own() {
    let n = runtime(1).run(|| {
        let numbers = [1, 2, 3];
        gopark::blocking(|| {
            gopark::scope(|s| {
                let tasks = numbers.each_ref().map(|n| s.spawn(move || n * 2));
                tasks.into_iter().map(|t| t.join().unwrap()).sum::<i32>()
            })
        })
    });
    assert_eq!(n, 12);
}
