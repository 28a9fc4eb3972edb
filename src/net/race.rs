//! Trying several addresses: one after the other, or two families at a time.
//!
//! ## The race ("happy eyeballs", RFC 6555)
//! The caller tries the primaries. A second racer waits, and tries the fallbacks when the primaries
//! have failed or have taken longer than the delay:
//!
//! | what happens first              | caller                              | second racer                   |
//! |---------------------------------|-------------------------------------|--------------------------------|
//! | a primary connects              | cancels the racer, returns it       | ends; closes what it has       |
//! | the primaries fail              | tells the racer, waits for it       | starts at once                 |
//! | the delay passes                |                                     | starts                         |
//! | a fallback connects             | is cancelled, returns the fallback  | cancels the primaries, ends    |
//! | both fail                       | returns the primaries' error        | ends                           |
//!
//! Each has a token of its own below the caller's. The caller waits for the second racer's end, which
//! is near once its token is cancelled: when a dial has returned nothing of it is left, and the
//! loser's connection is closed. The second racer is a task where the caller is one, and else a thread.

#![forbid(unsafe_code)]

use super::{Addr, CancelToken, Cause, Limits, Timeout};
use crate::{sched::worker, task};
use netpoll::{Mode, Reason, Signal};
use std::{
    io,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// No address gets less time than this, as long as there is so much.
const SANE_MINIMUM: Duration = Duration::from_secs(2);

/// How one address is tried, and how a failure is told.
pub(super) trait Single: Clone + Send + 'static {
    /// What comes of it.
    type Conn: Send + 'static;

    /// Tries one address.
    ///
    /// Go: `sysDialer.dialSingle`.
    fn single(&self, addr: &Addr, limits: &Limits) -> Result<Self::Conn, Cause>;

    /// The error of `addr`.
    fn fail(&self, addr: &Addr, cause: Cause) -> io::Error;

    /// The error of no address.
    fn missing(&self) -> io::Error;
}

/// Tries one address after the other, each with its share of the time, until one succeeds. If none
/// does, the first one's error is returned; if it is cancelled, the error names the next one.
///
/// Go: `sysDialer.dialSerial` (`net/dial.go`).
pub(super) fn serial<S: Single>(dial: &S, addrs: &[Addr], limits: &Limits) -> io::Result<S::Conn> {
    let mut first = None;
    for (i, addr) in addrs.iter().enumerate() {
        if limits.is_cancelled() {
            return Err(dial.fail(addr, Cause::Cancelled));
        }
        let left = addrs.len() - i;
        let share = match partial_deadline(Instant::now(), limits.deadline, left) {
            Ok(deadline) => Limits {
                deadline,
                token: limits.token.clone(),
            },
            Err(late) => {
                first.get_or_insert_with(|| dial.fail(addr, late.into()));
                break;
            }
        };
        match dial.single(addr, &share) {
            Ok(conn) => return Ok(conn),
            Err(cause) => first.get_or_insert_with(|| dial.fail(addr, cause)),
        };
    }
    Err(first.unwrap_or_else(|| dial.missing()))
}

/// Lets the primaries and, `delay` later or when those have failed, the fallbacks race.
///
/// Go: `sysDialer.dialParallel` (`net/dial.go`).
pub(super) fn parallel<S: Single>(
    dial: &S,
    primaries: &[Addr],
    fallbacks: &[Addr],
    delay: Duration,
    limits: &Limits,
) -> io::Result<S::Conn> {
    let one_by_one = || serial(dial, &[primaries, fallbacks].concat(), limits);
    if thread::panicking() {
        // Whoever unwinds cannot wait for a racer.
        return one_by_one();
    }
    let token = || CancelToken::below(limits.token.as_ref());
    let (ours, theirs) = (token(), CancelOnDrop(token()));
    let failed = Arc::new(Failed::default());
    let second = Second {
        dial: dial.clone(),
        fallbacks: fallbacks.to_vec(),
        // A delay beyond the end of time is no start before the primaries have failed.
        start: Instant::now().checked_add(delay),
        limits: limits.with_token(&theirs.0),
        primaries: ours.clone(),
        primaries_failed: failed.clone(),
    };
    let Ok(racer) = Racer::start(move || second.run()) else {
        return one_by_one();
    };
    match serial(dial, primaries, &limits.with_token(&ours)) {
        Ok(conn) => {
            theirs.0.cancel();
            drop(racer.join());
            Ok(conn)
        }
        Err(err) => {
            failed.set();
            racer.join().map_err(|_| err)
        }
    }
}

/// The racer that tries the fallbacks.
struct Second<S> {
    dial: S,
    fallbacks: Vec<Addr>,
    start: Option<Instant>,
    limits: Limits,
    primaries: CancelToken,
    primaries_failed: Arc<Failed>,
}

impl<S: Single> Second<S> {
    fn run(self) -> io::Result<S::Conn> {
        match self.primaries_failed.wait(&self.limits, self.start) {
            Ok(()) | Err(Cause::Timeout(_)) => {}
            Err(cause) => return Err(self.dial.fail(&self.fallbacks[0], cause)),
        }
        // A panic ends the race: the caller learns of it when it has ended, too.
        let ended = CancelOnDrop(self.primaries);
        let result = serial(&self.dial, &self.fallbacks, &self.limits);
        if result.is_err() {
            ended.forget();
        }
        result
    }
}

/// The word that the primaries have failed.
#[derive(Debug, Default)]
struct Failed {
    flag: AtomicBool,
    signal: Arc<Signal>,
}

impl Failed {
    fn set(&self) {
        self.flag.store(true, Ordering::Release);
        self.signal.notify(Mode::Read);
    }

    /// Waits for it until `start`.
    fn wait(&self, limits: &Limits, start: Option<Instant>) -> Result<(), Cause> {
        let until = Limits {
            deadline: [start, limits.deadline].into_iter().flatten().min(),
            token: limits.token.clone(),
        };
        until.wait(&self.signal, Reason::Sleep, || {
            self.flag.load(Ordering::Acquire).then_some(())
        })
    }
}

/// Ends the other racer, also when this one unwinds.
struct CancelOnDrop(CancelToken);

impl CancelOnDrop {
    /// Lets the other go on.
    fn forget(mut self) {
        self.0 = CancelToken::new();
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A task, or a thread where there are none.
enum Racer<T> {
    Task(task::JoinHandle<T>),
    Thread(thread::JoinHandle<T>),
}

impl<T: Send + 'static> Racer<T> {
    fn start(body: impl FnOnce() -> T + Send + 'static) -> io::Result<Racer<T>> {
        const NAME: &str = "gopark-fallback";
        if worker::current().is_some_and(|worker| worker.running().is_some()) {
            let task = task::Builder::new().name(NAME).spawn(body)?;
            Ok(Racer::Task(task))
        } else {
            let thread = thread::Builder::new().name(NAME.into()).spawn(body)?;
            Ok(Racer::Thread(thread))
        }
    }

    /// Waits for its end; its panic, a control hook's, goes on here.
    fn join(self) -> T {
        match self {
            Racer::Task(task) => task.join(),
            Racer::Thread(thread) => thread.join(),
        }
        .unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// The moment until which the next of `left` addresses may be tried: an equal share of what is left,
/// but not too little to be of use.
///
/// Go: `partialDeadline` (`net/dial.go`).
fn partial_deadline(
    now: Instant,
    deadline: Option<Instant>,
    left: usize,
) -> Result<Option<Instant>, Timeout> {
    let Some(deadline) = deadline else {
        return Ok(None);
    };
    let remaining = deadline.saturating_duration_since(now);
    if remaining.is_zero() {
        return Err(Timeout::Context);
    }
    let share = remaining / u32::try_from(left).unwrap_or(u32::MAX).max(1);
    Ok(Some(now + share.max(SANE_MINIMUM.min(remaining))))
}

#[cfg(test)]
mod tests;
