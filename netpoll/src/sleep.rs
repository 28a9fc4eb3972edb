//! Sleeping until a moment, as the task or thread that calls.

use crate::clock;
use crate::park::{Park, Reason, Refusal};
use crate::poller::Poller;
use crate::timers::Sleep;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Parks the caller until `when`, a word of [`clock`].
///
/// ```
/// use netpoll::{clock, park, sleep::sleep_until};
/// let when = clock::now() + 300_000; // 300 microseconds
/// let slept = park::with_current(|p| sleep_until(when, p, p.poller()));
/// assert_eq!(slept, Ok(()));
/// assert!(clock::now() >= when);
/// ```
///
/// # Errors
/// When the caller must not park (any more); some of the time has then not passed.
///
/// Go: `time.Sleep`.
pub fn sleep_until(when: u64, park: &dyn Park, poller: &Poller) -> Result<(), Refusal> {
    if clock::now() >= when {
        return Ok(());
    }
    park.may_park()?;
    let sleep = Arc::new(Sleep::default());
    poller.add_sleep(when, sleep.clone());
    while !sleep.slot.wait(park, Reason::Sleep) {
        if let Err(refusal) = park.may_park() {
            sleep.done.store(true, Ordering::Relaxed);
            poller.handle().disarmed();
            return Err(refusal);
        }
    }
    Ok(())
}
