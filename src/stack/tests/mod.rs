//! What the stack arena promises.

mod arena;
mod guards;
mod limits;
mod overflow;
mod pool;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use super::{Slot, StackConfig};

/// Names the case that a child process is to run.
const CASE: &str = "GOPARK_STACK_TEST_CASE";
/// How a child says that its body ran to the end. Not 0, which is also what the test program says
/// when it finds no test of the given name.
const RAN: i32 = 87;

/// Runs `body` in a process of its own, because it kills that process or spoils its limits. `test`
/// is the full name of the calling test, which is what the child runs again.
fn in_child(test: &str, case: &str, body: impl FnOnce()) -> Option<Output> {
    if let Ok(wanted) = std::env::var(CASE) {
        if wanted == case {
            body();
            std::process::exit(RAN);
        }
        return None;
    }
    let program = std::env::current_exe().expect("the test program has a path");
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .output()
        .expect("the test program runs again");
    Some(output)
}

#[track_caller]
fn assert_succeeded(output: &Output) {
    assert_eq!(
        output.status.code(),
        Some(RAN),
        "{}\n{}",
        output.status,
        stderr(output)
    );
}

#[track_caller]
fn assert_killed_by(output: &Output, signal: i32) {
    assert_eq!(
        output.status.signal(),
        Some(signal),
        "{}\n{}",
        output.status,
        stderr(output)
    );
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn slots_of(kib: usize) -> StackConfig {
    StackConfig {
        slot_size: kib << 10,
        guard_size: 4 << 10,
    }
}

/// Writes one byte, as a task's frame would.
fn touch(addr: usize) {
    // SAFETY: tests pass addresses in slots they hold, or in a guard, where the fault is the point.
    unsafe { std::ptr::with_exposed_provenance_mut::<u8>(addr).write_volatile(0x5a) };
}

fn read(addr: usize) -> u8 {
    // SAFETY: as for `touch`.
    unsafe { std::ptr::with_exposed_provenance::<u8>(addr).read_volatile() }
}

/// Touches every page of a slot.
fn fill(slot: &Slot) {
    (slot.lo()..slot.hi()).step_by(4096).for_each(touch);
}

/// Pages of `lo..hi` that have memory.
fn resident(lo: usize, hi: usize) -> io::Result<usize> {
    let mut pages = vec![0u8; (hi - lo) / super::mapping::page_size()];
    let start = std::ptr::with_exposed_provenance_mut(lo);
    // SAFETY: the vector has a byte for each page of the range.
    if unsafe { libc::mincore(start, hi - lo, pages.as_mut_ptr().cast()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pages.iter().filter(|&&page| page & 1 != 0).count())
}

/// Lines of `/proc/self/maps` that overlap the range.
fn mappings_in(lo: usize, hi: usize) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    let hex = |text: &str| usize::from_str_radix(text, 16).expect("a range of hex numbers");
    maps.lines()
        .filter_map(|line| line.split_whitespace().next()?.split_once('-'))
        .filter(|(start, end)| hex(start) < hi && hex(end) > lo)
        .count()
}

#[test]
fn the_arena_is_shared_and_a_pool_can_move_to_its_worker() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<super::Arena>();
    sent::<super::Pool>();
}
