//! An overflow is reported with the task's name; faults that are not ours stay what they were.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult};

use super::super::overflow::{OverflowInfo, ensure_altstack, install, set_lookup, watch};
use super::super::{Arena, GuardMethod, Slot};
use super::{assert_killed_by, assert_succeeded, in_child, slots_of, stderr, touch};

const REMEDY: &str = "Give it more with task::Builder::stack_size or Builder::stack_size (or \
                      GOPARK_STACK_SIZE), or move large values to the heap.";

/// A slot as the switch sees it.
struct SlotStack(Slot);

// SAFETY: the slot is whole pages, writable from lo to hi, and has a guard below lo. The arenas of
// these tests outlive it.
unsafe impl Stack for SlotStack {
    fn base(&self) -> StackPointer {
        StackPointer::new(self.0.hi() - self.0.colour()).unwrap()
    }
    fn limit(&self) -> StackPointer {
        StackPointer::new(self.0.guard().start).unwrap()
    }
}

/// What runs, as the lookup of these tests finds it. They run in processes of their own.
struct Running {
    guard: Range<usize>,
    info: OverflowInfo,
}

static RUNNING: AtomicPtr<Running> = AtomicPtr::new(ptr::null_mut());

/// Says that a task of that name runs on the slot from now on.
fn runs_on(slot: &Slot, name: &'static str) {
    let running = Running {
        guard: slot.guard(),
        info: OverflowInfo {
            stack_size: slot.class().slot_size(),
            name_ptr: name.as_ptr(),
            name_len: name.len(),
        },
    };
    // Leaked, so that the handler may read it whenever it comes.
    RUNNING.store(Box::leak(Box::new(running)), Ordering::SeqCst);
    set_lookup(|addr| {
        // SAFETY: null or leaked above.
        let running = unsafe { RUNNING.load(Ordering::SeqCst).as_ref() }?;
        running.guard.contains(&addr).then_some(running.info)
    });
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    if depth == u64::MAX {
        0
    } else {
        recurse(depth + 1) + frame[(depth % 32) as usize]
    }
}

/// Runs `body` on a slot of 64 KiB, as the scheduler would run a task of that name.
fn run_task(arena: &Arc<Arena>, name: &'static str, body: fn()) {
    let _watch = watch(arena.clone()).unwrap();
    let slot = arena.alloc().unwrap();
    runs_on(&slot, name);
    let mut task = Coroutine::<(), (), (), _>::with_stack(SlotStack(slot), move |_, ()| body());
    assert!(matches!(task.resume(()), CoroutineResult::Return(())));
    RUNNING.store(ptr::null_mut(), Ordering::SeqCst);
}

#[test]
fn endless_recursion_on_a_task_is_reported_with_its_name_and_aborts() {
    const TEST: &str = "stack::tests::overflow::\
                        endless_recursion_on_a_task_is_reported_with_its_name_and_aborts";
    for method in [GuardMethod::Auto, GuardMethod::Mprotect] {
        let output = in_child(TEST, &format!("{method:?}"), || {
            let arena = Arc::new(Arena::with_guards(slots_of(64), method));
            let recurse_for_ever = || {
                black_box(recurse(0));
            };
            let worker = std::thread::spawn(move || run_task(&arena, "reader", recurse_for_ever));
            worker.join().unwrap();
        });
        if let Some(output) = output {
            assert_killed_by(&output, libc::SIGABRT);
            let line = format!("gopark: task 'reader' overflowed its stack of 64 KiB. {REMEDY}\n");
            assert!(stderr(&output).contains(&line), "{}", stderr(&output));
        }
    }
}

#[test]
fn one_frame_larger_than_the_whole_stack_is_reported_too() {
    const TEST: &str =
        "stack::tests::overflow::one_frame_larger_than_the_whole_stack_is_reported_too";
    #[inline(never)]
    fn huge_frame() {
        let mut frame = MaybeUninit::<[u8; 200 << 10]>::uninit();
        black_box(frame.as_mut_ptr());
    }
    let output = in_child(TEST, "frame", || {
        let arena = Arc::new(Arena::new(slots_of(64)));
        let _neighbours: Vec<_> = (0..8).map(|_| arena.alloc().unwrap()).collect();
        run_task(&arena, "big", huge_frame);
    });
    if let Some(output) = output {
        assert_killed_by(&output, libc::SIGABRT);
        assert!(
            stderr(&output).contains("task 'big' overflowed"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn a_task_without_a_name_is_reported_and_sigabrt_cannot_be_caught() {
    const TEST: &str = "stack::tests::overflow::\
                        a_task_without_a_name_is_reported_and_sigabrt_cannot_be_caught";
    let output = in_child(TEST, "unnamed", || {
        extern "C" fn survive(_: libc::c_int) {
            // SAFETY: _exit may be called in a signal handler.
            unsafe { libc::_exit(0) }
        }
        // SAFETY: the handler has the signature of one without SA_SIGINFO.
        unsafe { libc::signal(libc::SIGABRT, survive as *const () as usize) };
        let arena = Arc::new(Arena::new(slots_of(64)));
        run_task(&arena, "", || {
            black_box(recurse(0));
        });
    });
    if let Some(output) = output {
        assert_killed_by(&output, libc::SIGABRT);
        assert!(stderr(&output).contains("gopark: a task without a name overflowed its stack"));
    }
}

#[test]
fn the_first_registered_lookup_stays() {
    const TEST: &str = "stack::tests::overflow::the_first_registered_lookup_stays";
    let output = in_child(TEST, "lookup", || {
        fn answer(_: usize) -> Option<OverflowInfo> {
            let name = "looked up";
            Some(OverflowInfo {
                stack_size: 7 << 10,
                name_ptr: name.as_ptr(),
                name_len: name.len(),
            })
        }
        assert!(set_lookup(answer));
        assert!(!set_lookup(answer), "the first one wins");
        let arena = Arc::new(Arena::new(slots_of(64)));
        run_task(&arena, "not this", || {
            black_box(recurse(0));
        });
    });
    if let Some(output) = output {
        assert_killed_by(&output, libc::SIGABRT);
        assert!(stderr(&output).contains("'looked up' overflowed its stack of 7 KiB."));
    }
}

#[test]
fn the_guard_of_another_slot_is_reported_without_a_name() {
    const TEST: &str =
        "stack::tests::overflow::the_guard_of_another_slot_is_reported_without_a_name";
    let output = in_child(TEST, "stray", || {
        let arena = Arc::new(Arena::new(slots_of(64)));
        let other = arena.alloc().unwrap();
        let _watch = watch(arena.clone()).unwrap();
        runs_on(&arena.alloc().unwrap(), "innocent");
        touch(other.guard().start);
    });
    if let Some(output) = output {
        assert_killed_by(&output, libc::SIGABRT);
        let text = stderr(&output);
        let line = "in the stack guard of slot 0, which is not the running task's";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("innocent"), "{text}");
    }
}

#[test]
fn a_fault_elsewhere_goes_to_the_handler_that_was_there_before() {
    const TEST: &str =
        "stack::tests::overflow::a_fault_elsewhere_goes_to_the_handler_that_was_there_before";
    extern "C" fn plain(_: libc::c_int) {
        // SAFETY: _exit may be called in a signal handler.
        unsafe { libc::_exit(41) }
    }
    extern "C" fn with_info(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel passes a valid siginfo, and _exit may be called here.
        unsafe { libc::_exit((*info).si_addr().addr() as i32) }
    }
    let cases = [
        ("plain", plain as *const () as usize, 0, 41),
        (
            "with-info",
            with_info as *const () as usize,
            libc::SA_SIGINFO,
            42,
        ),
    ];
    for (case, handler, sa_flags, code) in cases {
        let output = in_child(TEST, case, || {
            // SAFETY: the handlers have the signatures that their flags say.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handler;
                action.sa_flags = sa_flags;
                assert_eq!(libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut()), 0);
            }
            install().unwrap();
            install().unwrap();
            let _watch = watch(Arc::new(Arena::new(slots_of(64)))).unwrap();
            touch(42);
        });
        if let Some(output) = output {
            assert_eq!(
                output.status.code(),
                Some(code),
                "{case}: {}",
                output.status
            );
        }
    }
}

#[test]
fn without_an_earlier_handler_a_fault_or_a_sent_signal_still_kills() {
    const TEST: &str =
        "stack::tests::overflow::without_an_earlier_handler_a_fault_or_a_sent_signal_still_kills";
    for (case, signal) in [("fault", 0), ("sent", libc::SIGSEGV), ("bus", libc::SIGBUS)] {
        let output = in_child(TEST, case, || {
            for signal in [libc::SIGSEGV, libc::SIGBUS] {
                // SAFETY: the default action has no precondition.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
            install().unwrap();
            match signal {
                0 => touch(42),
                // SAFETY: a signal is sent to this child process.
                signal => assert_eq!(unsafe { libc::raise(signal) }, 0),
            }
        });
        if let Some(output) = output {
            assert_killed_by(&output, if signal == 0 { libc::SIGSEGV } else { signal });
            assert!(!stderr(&output).contains("gopark:"));
        }
    }
}

#[test]
fn an_ordinary_thread_overflow_is_still_reported_by_std() {
    const TEST: &str = "stack::tests::overflow::\
                        an_ordinary_thread_overflow_is_still_reported_by_std";
    let output = in_child(TEST, "thread", || {
        let _watch = watch(Arc::new(Arena::new(slots_of(64)))).unwrap();
        black_box(recurse(0));
    });
    if let Some(output) = output {
        assert_killed_by(&output, libc::SIGABRT);
        let text = stderr(&output);
        assert!(
            text.contains("has overflowed its stack") && !text.contains("gopark:"),
            "{text}"
        );
    }
}

fn altstack() -> libc::stack_t {
    // SAFETY: all-zero is a valid stack_t, and the call only fills it in.
    unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        assert_eq!(libc::sigaltstack(ptr::null(), &mut stack), 0);
        stack
    }
}

#[test]
fn a_thread_without_a_signal_stack_gets_one_and_loses_it_again() {
    std::thread::spawn(|| {
        let stds = altstack();
        let disabled = libc::stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        // SAFETY: this thread handles no signal until the stack is set again below.
        assert_eq!(unsafe { libc::sigaltstack(&disabled, ptr::null_mut()) }, 0);

        let ours = ensure_altstack().unwrap();
        let present = altstack();
        assert_eq!(present.ss_flags & libc::SS_DISABLE, 0);
        assert!(present.ss_size >= 32 << 10);
        let nested = ensure_altstack().unwrap();
        assert_eq!(altstack().ss_sp, present.ss_sp, "a good one was replaced");
        drop(nested);
        assert_eq!(altstack().ss_sp, present.ss_sp);
        drop(ours);
        assert_ne!(altstack().ss_flags & libc::SS_DISABLE, 0);

        // SAFETY: it is the one std gave this thread.
        assert_eq!(unsafe { libc::sigaltstack(&stds, ptr::null_mut()) }, 0);
    })
    .join()
    .unwrap();
}

#[test]
fn an_overflow_is_reported_on_a_thread_that_had_no_signal_stack() {
    const TEST: &str = "stack::tests::overflow::\
                        an_overflow_is_reported_on_a_thread_that_had_no_signal_stack";
    let output = in_child(TEST, "bare", || {
        let disabled = libc::stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        // SAFETY: this thread handles no signal until `watch` has set another one.
        assert_eq!(unsafe { libc::sigaltstack(&disabled, ptr::null_mut()) }, 0);
        let arena = Arc::new(Arena::new(slots_of(64)));
        run_task(&arena, "bare", || {
            black_box(recurse(0));
        });
    });
    if let Some(output) = output {
        assert_killed_by(&output, libc::SIGABRT);
        assert!(stderr(&output).contains("task 'bare' overflowed"));
    }
}

#[test]
fn a_task_that_fits_finishes_and_its_slot_serves_the_next_one() {
    const TEST: &str =
        "stack::tests::overflow::a_task_that_fits_finishes_and_its_slot_serves_the_next_one";
    let output = in_child(TEST, "fits", || {
        let arena = Arc::new(Arena::new(slots_of(64)));
        for _ in 0..3 {
            run_task(&arena, "small", || {
                black_box(format!("{:?}", [1, 2, 3]));
            });
        }
    });
    if let Some(output) = output {
        assert_succeeded(&output);
    }
}
