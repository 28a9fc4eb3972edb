//! Time-outs of single operations, on top of deadlines.
//!
//! A deadline is a moment, and holds until it is set again. A time-out is a duration, and each
//! operation sets its direction's deadline to so much later when it starts. Of the two, the one that
//! was set last holds.

#![forbid(unsafe_code)]

use super::{Cause, Errno, fail};
use netpoll::{Error, Fd, Mode};
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// The time-outs of both directions in nanoseconds; 0 is none.
#[derive(Debug, Default)]
pub(super) struct Timeouts([AtomicU64; 2]);

impl Timeouts {
    /// Starts the time-out of one operation, if there is one.
    #[inline]
    pub fn start(&self, fd: &Fd, mode: Mode) {
        let nanos = self.0[mode as usize].load(Relaxed);
        if nanos != 0 {
            start(fd, mode, nanos);
        }
    }

    /// Sets a deadline, which ends the directions' time-outs.
    pub fn set_deadline(
        &self,
        fd: &Fd,
        modes: &[Mode],
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        for &mode in modes {
            self.0[mode as usize].store(0, Relaxed);
        }
        fd.set_deadline(modes, deadline)
    }

    /// Sets how long each operation of a direction may take; `None` is for ever.
    pub fn set(&self, fd: &Fd, mode: Mode, timeout: Option<Duration>) -> Result<(), Cause> {
        if timeout == Some(Duration::ZERO) {
            return Err(Cause::Errno(Errno::EINVAL));
        }
        // Whatever deadline there was came from the last operation, or is replaced.
        self.set_deadline(fd, &[mode], None).map_err(fail::cause)?;
        let nanos = timeout.map_or(0, |timeout| {
            u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)
        });
        self.0[mode as usize].store(nanos, Relaxed);
        Ok(())
    }

    /// How long each operation of a direction may take.
    pub fn get(&self, mode: Mode) -> Option<Duration> {
        match self.0[mode as usize].load(Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }
}

/// The methods for deadlines and time-outs of a connection whose field 0 points to its `fd`, a
/// `fail_here`, and in `$timeouts` to [`Timeouts`] or what wraps them.
macro_rules! deadline_methods {
    ($conn:ident, $net:literal, $go:literal, $timeouts:ident) => {
        impl $conn {
            /// Sets the moment after which reads and writes fail with `i/o timeout`; `None` is never.
            /// It reaches operations that already wait, and stays until it is set again, also when it
            /// has passed.
            ///
            /// # Errors
            #[doc = concat!("`set ", $net, " A: use of closed network connection`.")]
            ///
            #[doc = concat!("Go: `", $go, ".SetDeadline` (`net/net.go`).")]
            #[inline]
            pub fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
                self.deadlines(&[Mode::Read, Mode::Write], deadline)
            }

            #[doc = concat!("[`set_deadline`](", stringify!($conn), "::set_deadline) for reads alone.")]
            ///
            /// # Errors
            #[doc = concat!("Those of [`set_deadline`](", stringify!($conn), "::set_deadline).")]
            ///
            #[doc = concat!("Go: `", $go, ".SetReadDeadline` (`net/net.go`).")]
            #[inline]
            pub fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
                self.deadlines(&[Mode::Read], deadline)
            }

            #[doc = concat!("[`set_deadline`](", stringify!($conn), "::set_deadline) for writes alone.")]
            ///
            /// # Errors
            #[doc = concat!("Those of [`set_deadline`](", stringify!($conn), "::set_deadline).")]
            ///
            #[doc = concat!("Go: `", $go, ".SetWriteDeadline` (`net/net.go`).")]
            #[inline]
            pub fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
                self.deadlines(&[Mode::Write], deadline)
            }

            #[inline]
            fn deadlines(&self, modes: &[Mode], deadline: Option<Instant>) -> io::Result<()> {
                let inner = &*self.0;
                let done = inner.$timeouts.set_deadline(&inner.fd, modes, deadline);
                done.map_err(|err| inner.fail_here("set", fail::cause(err)))
            }

            /// Sets how long each read may take, as std does; `None` is for ever. Of this and
            #[doc = concat!("[`set_deadline`](", stringify!($conn), "::set_deadline), the one that was")]
            /// set last holds. A read that fails has the kind `TimedOut`, where std's has `WouldBlock`.
            ///
            /// # Errors
            /// `InvalidInput` for a time-out of zero, and those of
            #[doc = concat!("[`set_deadline`](", stringify!($conn), "::set_deadline).")]
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.set_timeout(Mode::Read, timeout)
            }

            /// Sets how long each write may take, as std does; `None` is for ever.
            ///
            /// # Errors
            /// As for reads.
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.set_timeout(Mode::Write, timeout)
            }

            fn set_timeout(&self, mode: Mode, timeout: Option<Duration>) -> io::Result<()> {
                let inner = &*self.0;
                let done = inner.$timeouts.set(&inner.fd, mode, timeout);
                done.map_err(|cause| inner.fail_here("set", cause))
            }

            /// How long each read may take.
            ///
            /// # Errors
            /// Never; the result is std's.
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                Ok(self.0.$timeouts.get(Mode::Read))
            }

            /// How long each write may take.
            ///
            /// # Errors
            /// Never; the result is std's.
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                Ok(self.0.$timeouts.get(Mode::Write))
            }
        }
    };
}

pub(super) use deadline_methods;

#[inline(never)]
fn start(fd: &Fd, mode: Mode, nanos: u64) {
    // A descriptor that is closed says so in the operation itself.
    let deadline = Instant::now().checked_add(Duration::from_nanos(nanos));
    let _ = fd.set_deadline(&[mode], deadline);
}
