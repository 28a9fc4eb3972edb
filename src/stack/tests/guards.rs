//! Both kinds of guard fault, on every slot, and do so after the memory went back.

use super::super::{Arena, GuardMethod, Pool};
use super::{assert_killed_by, fill, in_child, slots_of, touch};

/// Whether a system call may write to the address: EFAULT says that it faults, without a signal.
fn writable(addr: usize) -> bool {
    let mut pipe = [0; 2];
    // SAFETY: the array has room for two numbers; the descriptors are closed below.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    // SAFETY: a one-byte string is written to a pipe; the kernel checks the address it reads into,
    // which is in a slot that the test holds.
    let got = unsafe {
        assert_eq!(libc::write(pipe[1], b"x".as_ptr().cast(), 1), 1);
        let got = libc::read(pipe[0], std::ptr::with_exposed_provenance_mut(addr), 1);
        libc::close(pipe[0]);
        libc::close(pipe[1]);
        got
    };
    got == 1
}

#[test]
fn every_slot_has_a_guard_of_either_kind_and_keeps_it_when_memory_goes_back() {
    for method in [GuardMethod::Auto, GuardMethod::Mprotect] {
        let arena = Arena::with_guards(slots_of(64), method);
        let mut pool = Pool::new(&arena);
        let slots: Vec<_> = (0..100).map(|_| pool.get(&arena).unwrap()).collect();
        for _ in 0..2 {
            for slot in &slots {
                assert!(
                    !writable(slot.guard().start) && !writable(slot.lo() - 1),
                    "{method:?}"
                );
                assert!(writable(slot.lo()) && writable(slot.hi() - 1), "{method:?}");
            }
            for slot in &slots {
                fill(slot);
                // SAFETY: nothing runs on it.
                unsafe { pool.put(&arena, *slot) };
            }
            while pool.trim(&arena) {}
            assert_eq!(
                slots.iter().filter(|_| pool.get(&arena).is_ok()).count(),
                100
            );
        }
        pool.drain(&arena);
    }
}

#[test]
fn a_guard_of_either_kind_kills_with_sigsegv_when_nobody_handles_it() {
    const TEST: &str =
        "stack::tests::guards::a_guard_of_either_kind_kills_with_sigsegv_when_nobody_handles_it";
    for method in [GuardMethod::Auto, GuardMethod::Mprotect] {
        let output = in_child(TEST, &format!("{method:?}"), || {
            let arena = Arena::with_guards(slots_of(64), method);
            let slot = arena.alloc().unwrap();
            touch(slot.lo());
            touch(slot.lo() - 1);
        });
        if let Some(output) = output {
            assert_killed_by(&output, libc::SIGSEGV);
        }
    }
}

#[test]
fn a_wide_guard_is_wide() {
    let config = super::StackConfig {
        slot_size: 64 << 10,
        guard_size: 16 << 10,
    };
    let arena = Arena::new(config);
    let slot = arena.alloc().unwrap();
    assert_eq!(slot.guard().len(), 16 << 10);
    for addr in slot.guard().step_by(4096) {
        assert!(!writable(addr));
    }
    assert!(writable(slot.lo()));
}
