//! The switch, for x86-64 with the System V calling convention.
//!
//! What a side needs to go on lies on its own stack; its stack pointer is kept by the other side:
//!
//! ```text
//!   a suspended task                      a worker that has resumed one
//!   │ ...               │                 │ ...               │
//!   │ rbp               │                 │ rbx               │
//!   │ rbx               │                 │ where it goes on  │
//!   │ where it goes on  │ ◄─ Switch       │ rbp               │ ◄─ WayBack
//!   └───────────────────┘                 └───────────────────┘
//! ```
//!
//! All other registers are clobbered as far as the compiler knows, so it saves those that it uses. The
//! control words of the floating-point units (MXCSR and the x87's) are not switched: Rust lets no
//! program change them, and C code that does must put them back before its task waits.
//!
//! **Why not corosensei's.** A processor predicts where a `ret` goes by a small stack of its own, to
//! which each `call` adds and from which each `ret` takes, in whatever memory stacks are. corosensei
//! resumes with a `call` and suspends with the `ret` that belongs to it, and while a task stays in one
//! function that is perfect. But a task that was resumed *returns*, out of `park`, out of `read`, and
//! the processor holds the worker's address against its first `ret`, something older against the next,
//! and against the `ret` of the next switch the address of the last call. So a switch with frames
//! to return through costs one wrong guess more than there are frames, and each is dearer than the switch.
//!
//! Here both directions are a `jmp`, so a switch leaves that stack alone: a resumed task returns to
//! where the one before it came from. Tasks that wait in the same way, as those of a server do, return
//! through the same frames, and every guess is right; where their ways differ, those frames are
//! guessed wrong that differ. The run loop between them calls and returns in pairs. For this to hold
//! neither side may be a function that is called: both are inlined.
//!
//! **Unwinding** stops at the entry, whose ABI lets no panic out. **Backtraces** go on through the
//! frame of `first`, whose unwind table says how to find the worker's frame from the way back, to
//! which `rbp` points there. Read as a frame pointer it leads to the worker's, too.

use super::{Entry, StackRange};
use crate::stack::Slot;
use crate::task::header::Header;
use std::arch::{asm, naked_asm};
use std::cell::Cell;
use std::ptr::NonNull;

// The code below pushes and keeps words of 64 bits. (x32 takes the portable switch by its flag.)
const _: () = assert!(size_of::<usize>() == 8);

/// Where a suspended task goes on: its stack pointer.
pub(in crate::task) struct Switch(usize);

/// Where the worker goes on that has resumed the task: its stack pointer, while the task runs.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct WayBack(Cell<usize>);

impl Switch {
    /// A stack of `slot` below `base` that will run `entry(header)`.
    ///
    /// # Safety
    /// `header` lives in `slot` above `base`, the memory below `base` is unused, and both stay so
    /// until the switch has finished. `base` is aligned as a stack is.
    #[inline]
    pub(in crate::task) unsafe fn new(
        _slot: Slot,
        base: usize,
        header: NonNull<Header>,
        entry: Entry,
    ) -> Switch {
        let to_pop: [usize; 3] = [
            first as *const () as usize,
            header.as_ptr() as usize,
            entry as *const () as usize,
        ];
        let sp = base - size_of_val(&to_pop);
        // SAFETY: unused memory of the slot, by contract, and aligned for more than a word.
        unsafe { (sp as *mut [usize; 3]).write(to_pop) };
        Switch(sp)
    }

    /// Runs the task until it suspends (false) or has ended (true).
    ///
    /// # Safety
    /// It has not ended, and `back` is the way back of this task.
    #[inline(always)]
    pub(in crate::task) unsafe fn resume(&mut self, back: &WayBack) -> bool {
        // SAFETY: the task's stack was left by `suspend`, or laid out by `new` as if it had been, and
        // nobody has touched it since. Whichever of `suspend` and `first` comes back here finds our
        // stack pointer in `back`, and restores the two registers that cannot be declared clobbered;
        // all others are. Unwinding does not come here (see the module). The return address is not the
        // last of the block, so what looks for the unwind table of the instruction before it, or after,
        // finds that of this function.
        unsafe {
            asm!(
                "push rbx",
                "lea rax, [rip + 2f]",
                "push rax",
                "push rbp",
                "mov [rsi], rsp",
                "jmp [rdx]",
                "2:",
                "pop rbx",
                in("rsi") back.0.as_ptr(),
                inlateout("rdx") self.0 => self.0,
                lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
                clobber_abi("sysv64"),
            );
        }
        self.0 == 0
    }
}

impl WayBack {
    /// Goes back to the worker; returns when the worker resumes the task.
    ///
    /// # Safety
    /// Called on the stack of the task that this belongs to, not while it unwinds.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self) {
        // SAFETY: the task runs, so its worker waits in `resume`, and has put there what is popped
        // here. It comes back with our stack pointer in rdx. For the registers see `resume`.
        unsafe {
            asm!(
                "push rbp",
                "push rbx",
                "lea rax, [rip + 2f]",
                "push rax",
                "mov rdx, rsp",
                "mov rsp, [rsi]",
                "pop rbp",
                "pop rax",
                "jmp rax",
                "2:",
                "lea rsp, [rdx + 8]",
                "pop rbx",
                "pop rbp",
                in("rsi") self.0.as_ptr(),
                lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
                clobber_abi("sysv64"),
            );
        }
    }

    /// Calls `f` on the worker's stack, above what is in use there.
    ///
    /// # Safety
    /// Called on the stack of the task that this belongs to. `f` does not suspend the task.
    #[inline(always)]
    pub(crate) unsafe fn on_worker_stack<R>(&self, f: impl FnOnce() -> R) -> R {
        let base = self.0.get() & !(corosensei::stack::STACK_ALIGNMENT - 1);
        // The limit is only asked for by handlers of traps, which we do not have.
        corosensei::on_stack(StackRange::new(base, base), f)
    }
}

/// The first frame of a task: the "where it goes on" of a stack that [`Switch::new`] has laid out.
/// Nobody calls it.
// SAFETY: it ends by a jump, never by running on. `resume` jumps here, once, with the way back in rsi and
// the stack pointer that `Switch::new` has left in rdx; all that it pops is there. The entry keeps rbp.
#[unsafe(naked)]
unsafe extern "C" fn first() {
    naked_asm!(
        ".cfi_startproc",
        // The frame above is on another stack, perhaps at a lower address: debuggers believe that of
        // a signal's frame only.
        ".cfi_signal_frame",
        // A profiler's signal may come between any two instructions: each has its table. Still on
        // the worker's stack, as `resume` has left it:
        ".cfi_def_cfa rsp, 24",
        ".cfi_offset rbx, -8",
        ".cfi_offset rip, -16",
        ".cfi_offset rbp, -24",
        "mov rbp, rsi",
        // The worker's frame begins 24 bytes above its stack pointer, which is where rbp points:
        // DW_CFA_def_cfa_expression of 5 bytes: DW_OP_breg6 0, DW_OP_deref, DW_OP_plus_uconst 24.
        ".cfi_escape 0x0f, 5, 0x76, 0x00, 0x06, 0x23, 24",
        "lea rsp, [rdx + 8]",
        "pop rdi",
        "pop rax",
        // Paired with the `ret` of the entry. The stack is aligned: three words were on it.
        "call rax",
        // The end: as `suspend`, but there is nothing to come back to.
        "xor edx, edx",
        "mov rsp, [rbp]",
        ".cfi_def_cfa rsp, 24",
        "pop rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_restore rbp",
        "pop rax",
        ".cfi_def_cfa_offset 8",
        ".cfi_register rip, rax",
        "jmp rax",
        ".cfi_endproc",
    )
}
