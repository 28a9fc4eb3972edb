//! What the overflow report says about the task: found in the signal handler, without a lock or an
//! allocation.

use super::worker;
use crate::stack::overflow::{self, OverflowInfo};
use std::cell::UnsafeCell;
use std::fmt::{self, Write};

/// Room for the description of a task that has no name. The process is about to end: one is enough.
struct Text(UnsafeCell<[u8; 256]>);

// SAFETY: written in the signal handler of the first thread whose stack overflows, which ends the
// process. A second thread that overflows at the same moment could garble the text, no more: bytes
// have no invalid values, and the report writes them out as they are.
unsafe impl Sync for Text {}

static TEXT: Text = Text(UnsafeCell::new([0; 256]));

/// Says once for the process how to find the running task.
pub(crate) fn install() {
    overflow::set_lookup(lookup);
}

fn lookup(addr: usize) -> Option<OverflowInfo> {
    let task = worker::current()?.running()?;
    if !task.slot.guard().contains(&addr) {
        return None;
    }
    let stack_size = task.slot.class().slot_size();
    let info = |name: &[u8]| OverflowInfo {
        stack_size,
        name_ptr: name.as_ptr(),
        name_len: name.len(),
    };
    if let Some(name) = &task.attributes.name {
        return Some(info(name.as_bytes()));
    }
    // SAFETY: see `Text`.
    let buf = unsafe { &mut *TEXT.0.get() };
    let mut writer = Cut { buf, len: 0 };
    // A description that does not fit is cut.
    let _ = write!(writer, "{}", task.attributes);
    let len = writer.len;
    Some(info(&writer.buf[..len]))
}

/// Writes as much as there is room for.
struct Cut<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl Write for Cut<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = &mut self.buf[self.len..];
        let n = s.len().min(room.len());
        room[..n].copy_from_slice(&s.as_bytes()[..n]);
        self.len += n;
        if n < s.len() { Err(fmt::Error) } else { Ok(()) }
    }
}
