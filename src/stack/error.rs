//! Why there is no stack, and which limit to raise.

use std::fmt;
use std::fs;
use std::io;

/// Why a stack could not be had. Inside an `io::Error` of kind `OutOfMemory` or `InvalidInput`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum StackError {
    /// A task or a runtime asked for more than a slot can be.
    TooLarge {
        /// Bytes asked for.
        asked: usize,
        /// Bytes that would have been granted.
        largest: usize,
    },
    /// The kernel reserves no more address space.
    Reserve {
        /// Bytes of the last, smallest attempt.
        bytes: usize,
        /// Bytes of one slot.
        slot_size: usize,
        /// What the kernel said.
        errno: i32,
        /// The limits that are set here, in words.
        limits: String,
    },
    /// A guard could not be set, so the slot was not handed out.
    Guard {
        /// What the kernel said, or would have said with the next guards.
        errno: i32,
        /// Guards of this process that split a mapping in two.
        split: usize,
        /// `vm.max_map_count`, where it can be read.
        max_map_count: Option<usize>,
    },
}

impl StackError {
    pub(super) fn reserve(bytes: usize, slot_size: usize, error: &io::Error) -> StackError {
        let errno = error.raw_os_error().unwrap_or(0);
        StackError::Reserve {
            bytes,
            slot_size,
            errno,
            limits: limits(),
        }
    }
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StackError::TooLarge { asked, largest } => {
                write!(f, "stack: {asked} bytes asked for, the most is {largest}")
            }
            StackError::Reserve {
                bytes,
                slot_size,
                errno,
                limits,
            } => write!(
                f,
                "stack: cannot reserve {} KiB for stacks of {} KiB: {}; {limits}",
                bytes >> 10,
                slot_size >> 10,
                io::Error::from_raw_os_error(*errno),
            ),
            StackError::Guard {
                errno,
                split,
                max_map_count,
            } => {
                let error = io::Error::from_raw_os_error(*errno);
                write!(f, "stack: cannot set a guard: {error}")?;
                if *split > 0 && *errno == libc::ENOMEM {
                    let limit = max_map_count.map_or("?".to_owned(), |max| max.to_string());
                    write!(
                        f,
                        "; {split} guards take two mappings each and vm.max_map_count is {limit}: \
                         raise it, or use Linux 6.13, where guards take none"
                    )?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for StackError {}

impl From<StackError> for io::Error {
    fn from(error: StackError) -> io::Error {
        let kind = match &error {
            StackError::TooLarge { .. } => io::ErrorKind::InvalidInput,
            StackError::Reserve { errno, .. } | StackError::Guard { errno, .. } => {
                io::Error::from_raw_os_error(*errno).kind()
            }
        };
        io::Error::new(kind, error)
    }
}

/// A number the kernel publishes under `/proc/sys/vm`.
pub(super) fn vm_setting(name: &str) -> Option<usize> {
    fs::read_to_string(format!("/proc/sys/vm/{name}"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// The limits on address space that are set for this process, in words.
fn limits() -> String {
    let mut found = Vec::new();
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: getrlimit fills the struct it is given. If it failed, the value above would stay.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) };
    if limit.rlim_cur != libc::RLIM_INFINITY {
        let kib = limit.rlim_cur >> 10;
        found.push(format!("ulimit -v (RLIMIT_AS) is {kib} KiB"));
    }
    if vm_setting("overcommit_memory") == Some(2) {
        found.push("vm.overcommit_memory is 2, which charges stacks in full".to_owned());
    }
    if let (Some(max), Ok(maps)) = (vm_setting("max_map_count"), fs::read("/proc/self/maps")) {
        let used = maps.iter().filter(|&&byte| byte == b'\n').count();
        if used + 16 >= max {
            found.push(format!(
                "{used} mappings in use and vm.max_map_count is {max}"
            ));
        }
    }
    if found.is_empty() {
        "no limit on address space is set for this process".to_owned()
    } else {
        found.join("; ")
    }
}
