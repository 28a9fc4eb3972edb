//! Task-locals: one value for each task, dropped with it.

mod support;

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use support::{BOUND, runtime, within};

gopark::task_local! {
    static NUMBER: Cell<u32> = Cell::new(1);
    static WORDS: RefCell<Vec<String>> = RefCell::new(vec![format!("made by {}", NUMBER.with(Cell::get))]);
}

#[test]
fn each_task_and_each_thread_has_its_own() {
    NUMBER.with(|n| n.set(5));
    runtime(1).run(|| {
        let tasks: Vec<_> = (10..20)
            .map(|i| {
                gopark::spawn(move || {
                    assert_eq!(NUMBER.with(Cell::get), 1);
                    NUMBER.with(|n| n.set(i));
                    gopark::yield_now();
                    NUMBER.with(Cell::get) == i
                })
            })
            .collect();
        for task in tasks {
            assert!(task.join().unwrap());
        }
    });
    assert_eq!(NUMBER.with(Cell::get), 5);
}

#[test]
fn one_may_be_made_from_another_and_used_across_a_wait() {
    runtime(1).run(|| {
        WORDS.with(|words| {
            assert_eq!(words.borrow()[0], "made by 1");
            gopark::yield_now();
            words.borrow_mut().push("more".to_owned());
        });
        assert_eq!(WORDS.with(|words| words.borrow().len()), 2);
    });
}

static DROPS: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        gopark::yield_now(); // a drop may wait
        DROPS.fetch_add(1, SeqCst);
    }
}

gopark::task_local! {
    static COUNTED: Counted = Counted;
    static BOMB: Bomb = Bomb;
    static PHOENIX: Phoenix = Phoenix;
}

#[test]
fn they_are_dropped_before_a_joiner_hears_of_the_end() {
    runtime(2).run(|| {
        for n in 1..=20 {
            gopark::spawn(|| COUNTED.with(|_| ())).join().unwrap();
            assert_eq!(DROPS.load(SeqCst), n);
        }
    });
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("from the drop of a task-local");
    }
}

#[test]
fn a_drop_that_panics_harms_nobody() {
    runtime(1).run(|| {
        assert_eq!(gopark::spawn(|| BOMB.with(|_| 3)).join().unwrap(), 3);
    });
}

struct Phoenix;

impl Drop for Phoenix {
    fn drop(&mut self) {
        PHOENIX.with(|_| ());
    }
}

#[test]
fn a_drop_that_makes_itself_anew_does_not_go_on_for_ever() {
    within(BOUND, || {
        runtime(1).run(|| gopark::spawn(|| PHOENIX.with(|_| ())).join().unwrap());
    });
}

#[test]
fn one_blocking_closure_does_not_see_the_values_of_another() {
    runtime(1).run(|| {
        for _ in 0..5 {
            let before = gopark::blocking(|| NUMBER.with(|n| n.replace(9)));
            assert_eq!(before, 1);
        }
    });
}
