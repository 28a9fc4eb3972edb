//! Finding out that a silent peer is gone.

use crate::net::{Cause, socket::named, sys};
use std::{os::fd::BorrowedFd, time::Duration};

/// What a connection does while nothing comes: after `idle` it asks the peer for a sign of life,
/// again each `interval`, and after `count` questions without an answer it fails with `connection
/// timed out`.
///
/// The default is what every connection has: enabled, 15 s, 15 s, 9.
///
/// ```
/// use gopark::net::KeepAliveConfig;
/// use std::time::Duration;
/// let config = KeepAliveConfig { idle: Some(Duration::from_secs(60)), ..KeepAliveConfig::default() };
/// assert!(config.enable && config.count == Some(9));
/// assert!(!KeepAliveConfig::OFF.enable);
/// ```
///
/// Go: `net.KeepAliveConfig` (`net/tcpsock.go`), where zero stands for the default and a negative
/// value for the system's; here `None` is the system's, and a zero in `Some` the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAliveConfig {
    /// Whether to ask at all. If not, a dialer or a listener leaves the other options alone.
    pub enable: bool,
    /// How long nothing must have come before the first question. Rounded up to whole seconds;
    /// `None` leaves the system's value.
    pub idle: Option<Duration>,
    /// The time between questions. Rounded up to whole seconds; `None` leaves the system's value.
    pub interval: Option<Duration>,
    /// How many questions remain unanswered before the connection fails; `None` leaves the system's
    /// value.
    pub count: Option<u32>,
}

impl KeepAliveConfig {
    /// No questions, and nothing set.
    pub const OFF: KeepAliveConfig = KeepAliveConfig {
        enable: false,
        idle: None,
        interval: None,
        count: None,
    };
    pub(super) const IDLE: Duration = Duration::from_secs(15);
    const INTERVAL: Duration = Duration::from_secs(15);
    const COUNT: u32 = 9;

    /// Sets all of it.
    pub(super) fn apply(&self, fd: BorrowedFd<'_>) -> Result<(), Cause> {
        set_enabled(fd, self.enable)?;
        if let Some(idle) = self.idle {
            set_idle(fd, idle)?;
        }
        if let Some(interval) = self.interval {
            set_tcp(
                fd,
                libc::TCP_KEEPINTVL,
                seconds(or_default(interval, Self::INTERVAL)),
            )?;
        }
        if let Some(count) = self.count {
            let count = if count == 0 { Self::COUNT } else { count };
            set_tcp(
                fd,
                libc::TCP_KEEPCNT,
                i32::try_from(count).unwrap_or(i32::MAX),
            )?;
        }
        Ok(())
    }

    /// What a new connection, or a listener for its connections, gets of it.
    pub(super) fn apply_to_new(&self, fd: BorrowedFd<'_>) -> Result<(), Cause> {
        if self.enable { self.apply(fd) } else { Ok(()) }
    }
}

impl Default for KeepAliveConfig {
    fn default() -> KeepAliveConfig {
        KeepAliveConfig {
            enable: true,
            idle: Some(Self::IDLE),
            interval: Some(Self::INTERVAL),
            count: Some(Self::COUNT),
        }
    }
}

pub(super) fn set_enabled(fd: BorrowedFd<'_>, on: bool) -> Result<(), Cause> {
    let done = sys::set_option(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, on.into());
    named("setsockopt", done)
}

pub(super) fn set_idle(fd: BorrowedFd<'_>, idle: Duration) -> Result<(), Cause> {
    let idle = or_default(idle, KeepAliveConfig::IDLE);
    set_tcp(fd, libc::TCP_KEEPIDLE, seconds(idle))
}

pub(super) fn set_nodelay(fd: BorrowedFd<'_>, on: bool) -> Result<(), Cause> {
    set_tcp(fd, libc::TCP_NODELAY, on.into())
}

fn set_tcp(fd: BorrowedFd<'_>, name: i32, value: i32) -> Result<(), Cause> {
    named(
        "setsockopt",
        sys::set_option(fd, libc::IPPROTO_TCP, name, value),
    )
}

fn or_default(value: Duration, default: Duration) -> Duration {
    if value.is_zero() { default } else { value }
}

/// Whole seconds, rounded up: the kernel takes 0 for an error or, as a linger time, for a reset.
pub(super) fn seconds(value: Duration) -> i32 {
    let up = u64::from(value.subsec_nanos() > 0);
    i32::try_from(value.as_secs().saturating_add(up)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_up_to_whole_seconds_and_saturate() {
        for (value, whole) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(3500), 4),
            (Duration::from_secs(7), 7),
            (Duration::MAX, i32::MAX),
        ] {
            assert_eq!(seconds(value), whole, "{value:?}");
        }
    }
}
