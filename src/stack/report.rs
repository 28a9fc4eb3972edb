//! Text written from a signal handler: no allocation, no lock, no formatting machinery.

use std::slice;

use super::overflow::OverflowInfo;

/// More of a name is cut off.
const LONGEST_NAME: usize = 128;

/// A line under construction, of bounded length. What does not fit is left out.
struct Line {
    bytes: [u8; 512],
    len: usize,
}

impl Line {
    fn new() -> Line {
        Line {
            bytes: [0; 512],
            len: 0,
        }
    }

    fn push(&mut self, text: &[u8]) {
        for &byte in text {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
    }

    fn number(&mut self, mut value: usize, base: usize) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b"0123456789abcdef"[value % base];
            value /= base;
            if value == 0 {
                break;
            }
        }
        self.push(&digits[at..]);
    }

    fn write_to_stderr(&self) {
        let mut rest = &self.bytes[..self.len];
        while !rest.is_empty() {
            // SAFETY: the pointer and the length are those of a slice.
            let n = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
            match usize::try_from(n) {
                // Nobody is left to tell that stderr is closed: the process is about to abort.
                Err(_) | Ok(0) => return,
                Ok(n) => rest = &rest[n..],
            }
        }
    }
}

/// Says that the running task overflowed its stack.
///
/// # Safety
///
/// The name in `info` is readable.
pub(super) unsafe fn overflow(info: &OverflowInfo) {
    let mut line = Line::new();
    if info.name_ptr.is_null() || info.name_len == 0 {
        line.push(b"gopark: a task without a name");
    } else {
        // SAFETY: by the contract above.
        let name = unsafe { slice::from_raw_parts(info.name_ptr, info.name_len) };
        line.push(b"gopark: task '");
        line.push(&name[..name.len().min(LONGEST_NAME)]);
        line.push(b"'");
    }
    line.push(b" overflowed its stack of ");
    line.number(info.stack_size >> 10, 10);
    line.push(
        b" KiB. Give it more with task::Builder::stack_size or Builder::stack_size \
          (or GOPARK_STACK_SIZE), or move large values to the heap.\n",
    );
    line.write_to_stderr();
}

/// Says that a guard was hit, but not that of the running task.
pub(super) fn stray(addr: usize, slot: u32) {
    let mut line = Line::new();
    line.push(b"gopark: access to 0x");
    line.number(addr, 16);
    line.push(b", in the stack guard of slot ");
    line.number(slot as usize, 10);
    line.push(
        b", which is not the running task's: a task overflowed its stack without touching its \
          own guard, or a pointer is wild.\n",
    );
    line.write_to_stderr();
}
