//! Which cores a thread may run on.

use std::io;

/// The cores this thread may use, lowest first.
pub fn allowed() -> io::Result<Vec<usize>> {
    // SAFETY: cpu_set_t is plain bits, for which all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a live cpu_set_t and the size passed is its own.
    let code = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    let cores = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: every index lies below CPU_SETSIZE, the number of bits in the set.
    Ok(cores
        .filter(|&core| unsafe { libc::CPU_ISSET(core, &set) })
        .collect())
}

/// Some cores, in the kernel's form.
#[derive(Clone, Copy)]
pub struct Set(libc::cpu_set_t);

impl Set {
    /// The set of these cores; `None` if there are none.
    pub fn of(cores: &[usize]) -> io::Result<Option<Set>> {
        if cores.iter().any(|&core| core >= libc::CPU_SETSIZE as usize) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: cpu_set_t is plain bits, for which all zeroes is the empty set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        for &core in cores {
            // SAFETY: `core` was checked to lie below the number of bits in the set.
            unsafe { libc::CPU_SET(core, &mut set) };
        }
        Ok((!cores.is_empty()).then_some(Set(set)))
    }

    /// Keeps the calling thread, and every thread and child it starts from now on, on these cores.
    ///
    /// Async-signal-safe: it is called between fork and exec.
    pub fn pin(&self) -> io::Result<()> {
        // SAFETY: `self.0` is a live cpu_set_t and the size passed is its own.
        let code = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &self.0) };
        if code == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_pinned_thread_is_allowed_on_that_core_only() {
        std::thread::spawn(|| {
            let core = super::allowed().unwrap()[0];
            super::Set::of(&[core]).unwrap().unwrap().pin().unwrap();
            assert_eq!(super::allowed().unwrap(), [core]);
            assert!(super::Set::of(&[usize::MAX]).is_err());
            assert!(super::Set::of(&[]).unwrap().is_none());
        })
        .join()
        .unwrap();
    }
}
