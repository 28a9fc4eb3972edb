//! At a limit of the system there is an error that names the limit, and the process lives on.

use std::io;

use super::super::{Arena, GuardMethod};
use super::{assert_succeeded, in_child, slots_of, touch};

fn address_space_in_use() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc is mounted");
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    pages * super::super::mapping::page_size() as u64
}

#[test]
fn under_ulimit_v_the_arena_uses_what_there_is_and_then_names_the_limit() {
    const TEST: &str = "stack::tests::limits::\
                        under_ulimit_v_the_arena_uses_what_there_is_and_then_names_the_limit";
    let output = in_child(TEST, "limit", || {
        let bytes = address_space_in_use() + (160 << 20);
        let limit = libc::rlimit {
            rlim_cur: bytes,
            rlim_max: bytes,
        };
        // SAFETY: it reads the struct, and changes this child process only.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);

        let arena = Arena::new(slots_of(64));
        let mut slots = Vec::new();
        let error = loop {
            match arena.alloc() {
                Ok(slot) => {
                    touch(slot.hi() - 1);
                    slots.push(slot);
                }
                Err(error) => break error,
            }
        };
        // 2560 slots would be all of it. The first chunk has 1024, twice that does not fit: halves
        // must come close.
        assert!(slots.len() > 2300, "{} slots", slots.len());
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        let text = error.to_string();
        assert!(
            text.contains("stacks of 64 KiB") && text.contains("ulimit -v"),
            "{text}"
        );

        // A batch gets what is left, and only then fails.
        let mut batch = Vec::new();
        // SAFETY: nothing runs on it.
        unsafe { arena.free(slots.pop().unwrap()) };
        assert_eq!(arena.alloc_batch(32, &mut batch).unwrap(), 1);
        assert!(arena.alloc_batch(32, &mut batch).is_err());
    });
    if let Some(output) = output {
        assert_succeeded(&output);
    }
}

#[test]
fn guards_that_split_mappings_stop_before_the_process_is_out_of_mappings() {
    const TEST: &str = "stack::tests::limits::\
                        guards_that_split_mappings_stop_before_the_process_is_out_of_mappings";
    let max = super::super::error::vm_setting("max_map_count").expect("/proc is mounted");
    if max > 200_000 {
        return; // The limit is too far away to run into within a test.
    }
    let output = in_child(TEST, "limit", || {
        let arena = Arena::with_guards(slots_of(16), GuardMethod::Mprotect);
        let mut slots = Vec::new();
        let error = loop {
            match arena.alloc() {
                Ok(slot) => slots.push(slot),
                Err(error) => break error,
            }
        };
        assert!(slots.len() > max / 3, "{} slots", slots.len());
        let text = error.to_string();
        assert!(text.contains("vm.max_map_count"), "{text}");
        let heap = vec![1u8; 64 << 20];
        std::thread::spawn(move || drop(heap)).join().unwrap();

        // Other arenas of the process share the limit, and get it back.
        let other = Arena::with_guards(slots_of(16), GuardMethod::Mprotect);
        assert!(other.alloc().is_err());
        // SAFETY: nothing runs on them.
        unsafe { arena.free_batch(slots) };
        drop(arena);
        other.alloc().unwrap();
    });
    if let Some(output) = output {
        assert_succeeded(&output);
    }
}
