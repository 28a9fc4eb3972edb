//! Asking the processor for memory that will be needed soon.
//!
//! With a thousand connections each one's memory is cold when its turn comes. The order of turns is
//! known in advance, so the next one's memory can be on its way while the current one is served.

#[cfg(not(loom))]
use crate::sync::{AtomicU32, Ordering::Relaxed};

/// What the processor fetches at once, in bytes.
#[cfg(not(loom))]
const LINE: usize = 64;

/// Asks for the line at `at`. A hint: it reads nothing and cannot fault, whatever the address.
#[inline(always)]
pub fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect a program could observe, for any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// How many lines of a stack a task touches on its way from its wait up to the user's function.
#[cfg(not(loom))]
const STACK: usize = 9;

/// Where the memory of who waits for a descriptor is. A waiter notes it for when its turn comes:
///
/// | bits     | distance                                                   | unit     |
/// |----------|------------------------------------------------------------|----------|
/// | 16 to 31 | from the end of the waiter's stack up to the waiter         | 16 bytes |
/// | 0 to 15  | from the descriptor to the owner of the reference, signed   | a line   |
///
/// Half a word each, because the descriptor's first line is full. What does not fit is a hint that is
/// wrong, no more.
#[cfg(not(loom))]
#[derive(Debug, Default)]
pub(crate) struct Whereabouts(AtomicU32);

#[cfg(not(loom))]
impl Whereabouts {
    #[inline(always)]
    pub(crate) fn note(&self, waiter: usize, stack: usize, desc: usize, owner: usize) {
        let below = (waiter.wrapping_sub(stack) / 16) as u16;
        let aside = (owner / LINE).wrapping_sub(desc / LINE) as u16;
        let both = u32::from(below) << 16 | u32::from(aside);
        self.0.store(both, Relaxed);
    }

    /// The end of the stack of `waiter`, and the line of the owner of `desc`.
    #[inline(always)]
    fn told<W, D>(&self, waiter: *const W, desc: *const D) -> (*const W, *const D) {
        let both = self.0.load(Relaxed);
        let (below, aside) = ((both >> 16) as usize, isize::from(both as i16));
        (
            waiter.wrapping_byte_sub(16 * below),
            desc.wrapping_byte_offset(LINE as isize * aside),
        )
    }

    /// Asks for all that a waiter touches when it is woken.
    #[inline(always)]
    pub(crate) fn prefetch<W, D>(&self, waiter: *const W, desc: *const D) {
        let (stack, owner) = self.told(waiter, desc);
        // A task's waiter is the beginning of what a switch to it touches, a line.
        prefetch(waiter);
        prefetch(owner);
        for line in 0..STACK {
            prefetch(stack.wrapping_byte_add(LINE * line));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::ptr::without_provenance;

    #[test]
    fn what_a_waiter_notes_is_told_again_to_the_line() {
        let (desc, waiter) = (0x7000_0000_0010, 0x7f00_0000_ff40);
        for (stack, owner) in [
            (waiter - 0x370, desc + 0x90),
            (waiter - 0xf_fff0, desc - 0x1f_ff00),
            (waiter, desc),
        ] {
            let whereabouts = Whereabouts::default();
            whereabouts.note(waiter, stack, desc, owner);
            let told =
                whereabouts.told::<u8, u8>(without_provenance(waiter), without_provenance(desc));
            assert_eq!(told.0.addr(), stack);
            assert_eq!(told.1.addr() / LINE, owner / LINE);
        }
    }
}
