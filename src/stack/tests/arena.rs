//! Slots are disjoint and found again; free ones come first, leaked ones never.

use std::collections::HashSet;

use super::super::{Arena, StackConfig};
use super::{assert_succeeded, fill, in_child, mappings_in, read, resident, slots_of, touch};

#[test]
fn slots_are_disjoint_and_writable_from_end_to_end() {
    let arena = Arena::new(slots_of(64));
    let slots: Vec<_> = (0..200).map(|_| arena.alloc().unwrap()).collect();
    let mut ranges: Vec<_> = slots
        .iter()
        .map(|slot| (slot.guard().start, slot.hi()))
        .collect();
    ranges.sort_unstable();
    assert!(
        ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "two slots overlap"
    );
    for slot in &slots {
        assert_eq!((slot.hi() % 4096, slot.usable()), (0, 64 << 10));
        assert_eq!(slot.guard(), slot.lo() - 4096..slot.lo());
        touch(slot.lo());
        touch(slot.hi() - 1);
        assert_eq!((read(slot.lo()), read(slot.hi() - 1)), (0x5a, 0x5a));
    }
}

#[test]
fn freed_slots_are_reused_before_new_ones_are_cut() {
    let arena = Arena::new(slots_of(64));
    let slots: Vec<_> = (0..40).map(|_| arena.alloc().unwrap()).collect();
    // SAFETY: nothing runs on them.
    unsafe { arena.free_batch(slots[..20].iter().copied()) };
    assert_eq!(arena.counts().slots_free, 20);

    let mut again = vec![arena.alloc().unwrap()];
    assert_eq!(arena.alloc_batch(19, &mut again).unwrap(), 19);
    assert_eq!(
        arena.counts().slots_cut,
        40,
        "a new slot was cut while there were free ones"
    );
    let freed: HashSet<_> = slots[..20].iter().map(|slot| slot.lo()).collect();
    assert_eq!(
        again.iter().map(|slot| slot.lo()).collect::<HashSet<_>>(),
        freed
    );

    arena.alloc().unwrap();
    assert_eq!(arena.counts().slots_cut, 41);
}

#[test]
fn a_batch_takes_free_slots_first_and_cuts_the_rest() {
    let arena = Arena::new(slots_of(64));
    let one = arena.alloc().unwrap();
    // SAFETY: nothing runs on it.
    unsafe { arena.free(one) };
    let mut batch = Vec::new();
    assert_eq!(arena.alloc_batch(8, &mut batch).unwrap(), 8);
    assert_eq!(arena.counts().slots_cut, 8);
    assert_eq!(
        batch.last(),
        Some(&one),
        "the warm slot is the one to be popped first"
    );
}

#[test]
fn a_leaked_slot_is_never_handed_out_again() {
    let arena = Arena::new(slots_of(64));
    let leaked = arena.alloc().unwrap();
    arena.leak(leaked);
    let others: Vec<_> = (0..2000).map(|_| arena.alloc().unwrap()).collect();
    assert!(others.iter().all(|slot| slot.lo() != leaked.lo()));
    assert_eq!(arena.counts().leaked, 1);
}

#[test]
fn dropping_the_arena_releases_every_mapping() {
    const TEST: &str = "stack::tests::arena::dropping_the_arena_releases_every_mapping";
    // In a process of its own, where no other test maps the same range at once.
    let output = in_child(TEST, "drop", || {
        let arena = Arena::new(slots_of(64));
        let big = arena.class(1 << 20).unwrap();
        let slots = [arena.alloc().unwrap(), arena.alloc_in(big).unwrap()];
        assert!(
            slots
                .iter()
                .all(|slot| mappings_in(slot.lo(), slot.hi()) > 0)
        );
        // SAFETY: nothing runs on them.
        unsafe { arena.free_batch(slots) };
        drop(arena);
        assert!(
            slots
                .iter()
                .all(|slot| mappings_in(slot.lo(), slot.hi()) == 0)
        );
    });
    if let Some(output) = output {
        assert_succeeded(&output);
    }
}

#[test]
fn dropping_the_arena_keeps_a_leaked_or_live_stack_and_frees_its_neighbours_memory() {
    for give_up in [true, false] {
        let arena = Arena::new(slots_of(64));
        let slots: Vec<_> = (0..10).map(|_| arena.alloc().unwrap()).collect();
        slots.iter().for_each(fill);
        // SAFETY: nothing runs on them.
        unsafe { arena.free_batch(slots.iter().copied().filter(|slot| *slot != slots[4])) };
        if give_up {
            arena.leak(slots[4]);
        }
        drop(arena);
        for slot in &slots {
            let pages = resident(slot.lo(), slot.hi()).unwrap();
            assert_eq!(pages, if *slot == slots[4] { 16 } else { 0 });
        }
        assert_eq!(read(slots[4].lo()), 0x5a);
    }
}

#[test]
fn a_task_can_ask_for_another_size_up_to_64_mib() {
    let arena = Arena::new(slots_of(64));
    for (asked, given) in [(1, 16 << 10), (65 << 10, 128 << 10), (64 << 20, 64 << 20)] {
        let class = arena.class(asked).unwrap();
        let slot = arena.alloc_in(class).unwrap();
        // The guard is in what a task asks for, and a page is added to that.
        assert_eq!((class.slot_size(), slot.usable()), (given, given));
        touch(slot.lo());
        touch(slot.hi() - 1);
        // SAFETY: nothing runs on it.
        unsafe { arena.free(slot) };
        assert_eq!(arena.alloc_in(class).unwrap(), slot);
    }
    let error = arena.class((64 << 20) + 1).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "stack: 67108865 bytes asked for, the most is 67108864"
    );
}

#[test]
fn sizes_are_rounded_to_pages_and_powers_of_two() {
    let rounded = |slot_size, guard_size| StackConfig::new(slot_size, guard_size).unwrap();
    assert_eq!(
        rounded(0, 0),
        StackConfig {
            slot_size: 16 << 10,
            guard_size: 4 << 10
        }
    );
    assert_eq!(
        rounded(100_000, 5000),
        StackConfig {
            slot_size: 128 << 10,
            guard_size: 8 << 10
        }
    );
    assert_eq!(
        rounded(16 << 10, 64 << 10).slot_size,
        128 << 10,
        "half of it is left to use"
    );
    assert!(StackConfig::new(usize::MAX, 4096).is_err());
    assert!(StackConfig::new(64 << 10, usize::MAX).is_err());
    let huge = StackConfig {
        slot_size: usize::MAX,
        guard_size: usize::MAX,
    };
    assert_eq!(
        huge.rounded(),
        StackConfig {
            slot_size: 64 << 20,
            guard_size: 32 << 20
        }
    );
}

#[test]
fn an_address_is_found_in_its_slot_and_nowhere_else() {
    let arena = Arena::new(slots_of(64));
    let slots: Vec<_> = (0..3).map(|_| arena.alloc().unwrap()).collect();
    let big = arena.alloc_in(arena.class(1 << 20).unwrap()).unwrap();
    for slot in slots.iter().chain([&big]) {
        for (addr, in_guard) in [
            (slot.guard().start, true),
            (slot.lo() - 1, true),
            (slot.lo(), false),
            (slot.hi() - 1, false),
        ] {
            let info = arena.slot_of(addr).unwrap();
            assert_eq!((info.slot, info.in_guard), (*slot, in_guard));
        }
    }
    let past = slots.iter().map(|slot| slot.hi()).max().unwrap();
    assert_eq!(arena.slot_of(past), None, "an uncut slot was found");
    assert_eq!(arena.slot_of(0), None);
    assert_eq!(arena.slot_of(&raw const arena as usize), None);
}

#[test]
fn neighbours_have_different_colours_within_the_first_kibibyte() {
    let arena = Arena::new(slots_of(64));
    let colours: HashSet<_> = (0..16).map(|_| arena.alloc().unwrap().colour()).collect();
    assert_eq!(colours.len(), 16);
    assert!(
        colours
            .iter()
            .all(|colour| colour % 64 == 0 && *colour < 1024)
    );
}

#[test]
fn the_tops_of_a_hundred_stacks_use_every_entry_of_a_table_of_pages_alike() {
    for kib in [16, 64, 256] {
        let arena = Arena::new(slots_of(kib));
        let tops = (0..128).map(|_| arena.alloc().unwrap().hi() / 4096 % 128);
        assert_eq!(tops.collect::<HashSet<_>>().len(), 128, "{kib} KiB");
    }
}

#[test]
fn a_hundred_thousand_slots_need_a_handful_of_mappings() {
    let arena = Arena::new(slots_of(64));
    let mut slots = Vec::new();
    while slots.len() < 100_000 {
        arena
            .alloc_batch(100_000 - slots.len(), &mut slots)
            .unwrap();
    }
    let counts = arena.counts();
    assert_eq!(counts.slots_cut, 100_000);
    // 64 MiB doubled up to 4 GiB is 8 GiB less 64 MiB in 7 chunks, about 122,000 slots.
    assert!(counts.mappings <= 8, "{counts:?}");
    assert_eq!(
        slots
            .iter()
            .map(|slot| slot.lo())
            .collect::<HashSet<_>>()
            .len(),
        100_000
    );
    let lowest = slots.iter().map(|slot| slot.guard().start).min().unwrap();
    let highest = slots.iter().map(|slot| slot.hi()).max().unwrap();
    // Other tests run beside this one and map things between our chunks.
    let seen = mappings_in(lowest, highest);
    assert!(seen < 1000, "{seen} mappings for 100,000 slots");
    // SAFETY: nothing runs on them.
    unsafe { arena.free_batch(slots) };
}

#[test]
fn workers_never_get_the_same_slot() {
    let arena = Arena::new(slots_of(16));
    let mut all: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut held = Vec::new();
                    for round in 0..200 {
                        arena.alloc_batch(7, &mut held).unwrap();
                        let slot = held.swap_remove(round % held.len());
                        // SAFETY: nothing runs on it.
                        unsafe { arena.free(slot) };
                    }
                    held.into_iter().map(|slot| slot.lo()).collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let held = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), held, "two workers hold one slot");
}
