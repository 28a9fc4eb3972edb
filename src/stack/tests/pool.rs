//! The pool is last in, first out, shares what is too much, and gives memory back when told to.

use super::super::{Arena, Pool};
use super::{fill, read, resident, slots_of};

#[test]
fn the_slot_given_back_last_is_handed_out_first() {
    let arena = Arena::new(slots_of(64));
    let mut pool = Pool::new(&arena);
    let slots: Vec<_> = (0..10).map(|_| pool.get(&arena).unwrap()).collect();
    for slot in &slots {
        // SAFETY: nothing runs on it.
        unsafe { pool.put(&arena, *slot) };
    }
    for slot in slots.iter().rev() {
        assert_eq!(pool.get(&arena).unwrap(), *slot);
    }
    pool.drain(&arena);
}

#[test]
fn a_pool_in_balance_never_asks_the_arena() {
    let arena = Arena::new(slots_of(64));
    let mut pool = Pool::new(&arena);
    let mut held: Vec<_> = (0..100).map(|_| pool.get(&arena).unwrap()).collect();
    let before = arena.counts();
    for _ in 0..50 {
        for slot in held.drain(..) {
            // SAFETY: nothing runs on it.
            unsafe { pool.put(&arena, slot) };
        }
        held.extend((0..100).map(|_| pool.get(&arena).unwrap()));
    }
    assert_eq!(arena.counts(), before);
    pool.drain(&arena);
}

#[test]
fn what_one_worker_has_too_much_another_one_gets() {
    let arena = Arena::new(slots_of(16));
    let (mut busy, mut other) = (Pool::new(&arena), Pool::new(&arena));
    let slots: Vec<_> = (0..2000).map(|_| busy.get(&arena).unwrap()).collect();
    let cut = arena.counts().slots_cut;
    for slot in slots {
        // SAFETY: nothing runs on it.
        unsafe { busy.put(&arena, slot) };
    }
    assert!(busy.len() <= 600, "{} slots kept by one worker", busy.len());
    let _held: Vec<_> = (0..1000).map(|_| other.get(&arena).unwrap()).collect();
    assert_eq!(arena.counts().slots_cut, cut);
    busy.drain(&arena);
    other.drain(&arena);
}

#[test]
fn slots_of_other_sizes_pass_through_to_the_arena() {
    let arena = Arena::new(slots_of(64));
    let mut pool = Pool::new(&arena);
    let big = arena.alloc_in(arena.class(1 << 20).unwrap()).unwrap();
    // SAFETY: nothing runs on it.
    unsafe { pool.put(&arena, big) };
    assert_eq!((pool.len(), arena.counts().slots_free), (0, 1));
    assert_eq!(pool.get(&arena).unwrap().usable(), 64 << 10);
    pool.drain(&arena);
}

#[test]
fn trim_gives_back_all_but_the_top_page_and_spares_the_warmest() {
    let arena = Arena::new(slots_of(64));
    let mut pool = Pool::new(&arena);
    let slots: Vec<_> = (0..100).map(|_| pool.get(&arena).unwrap()).collect();
    slots.iter().for_each(fill);
    for slot in &slots {
        // SAFETY: nothing runs on it.
        unsafe { pool.put(&arena, *slot) };
    }
    while pool.trim(&arena) {}
    for (nth, slot) in slots.iter().enumerate() {
        let pages = resident(slot.lo(), slot.hi()).unwrap();
        assert_eq!(pages, if nth < 84 { 1 } else { 16 }, "slot {nth}");
        assert_eq!(
            read(slot.hi() - 4096),
            0x5a,
            "the top page of slot {nth} was lost"
        );
    }
    assert_eq!(
        pool.get(&arena).unwrap(),
        slots[99],
        "still last in, first out"
    );
    fill(&slots[0]);
    pool.drain(&arena);
}

#[test]
fn trim_also_reaches_the_slots_that_went_back_to_the_arena() {
    let arena = Arena::new(slots_of(64));
    let mut pool = Pool::new(&arena);
    let slots: Vec<_> = (0..1500).map(|_| pool.get(&arena).unwrap()).collect();
    slots.iter().for_each(fill);
    for slot in &slots {
        // SAFETY: nothing runs on it.
        unsafe { pool.put(&arena, *slot) };
    }
    let mut calls = 1;
    while pool.trim(&arena) {
        calls += 1;
    }
    assert!(calls > 1500 / 64, "one call did too much at once");
    let kept = |slot: &&super::Slot| resident(slot.lo(), slot.hi()).unwrap() > 1;
    assert_eq!(slots.iter().filter(kept).count(), 16);
    assert_eq!(
        pool.len() + arena.counts().slots_free,
        arena.counts().slots_cut
    );
    pool.drain(&arena);
}

#[test]
fn a_drained_pool_lets_the_arena_release_everything() {
    let arena = Arena::new(slots_of(64));
    let mut pool = Pool::new(&arena);
    let slot = pool.get(&arena).unwrap();
    // SAFETY: nothing runs on it.
    unsafe { pool.put(&arena, slot) };
    pool.drain(&arena);
    let counts = arena.counts();
    assert_eq!((pool.len(), counts.slots_free), (0, counts.slots_cut));
}
