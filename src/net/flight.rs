//! Questions on their way: who asks for the same name shares the answer.
//!
//! A flight is one question. It owns what it needs, runs on a thread that nobody waits for, and puts
//! its answer where all that wait find it. Whoever comes while it is under way joins; whoever comes
//! after it asks anew. A caller that gives up leaves, and the question goes on; a next caller joins
//! it, so a name server that is silent costs one thread and not one for each try.
//!
//! | caller                                | where the question runs                                |
//! |---------------------------------------|--------------------------------------------------------|
//! | a task                                | the blocking pool of its runtime                       |
//! | a plain thread without limits         | right there                                            |
//! | a plain thread with limits            | a thread of its own                                    |
//! | a thread of a blocking pool           | as a plain thread, and shared with nobody              |
//!
//! A thread of the pool must not wait for a place in the pool, nor for one who does: the pool may
//! have no other.
//!
//! Go: `Resolver.lookupIPAddr` (`net/lookup.go`) and `internal/singleflight`.

#![forbid(unsafe_code)]

use super::{DnsError, IpVersion, Limits, ZonedIp};
use crate::sched::{blocking, worker};
use netpoll::{Mode, Reason, Signal};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

/// What comes of a question.
pub(super) type Answer = Result<Vec<ZonedIp>, DnsError>;
/// Who is asked.
pub(super) type Ask = Arc<dyn Fn(&str, IpVersion) -> Answer + Send + Sync>;
type Key = (String, IpVersion);

/// The questions of one resolver.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Key, Arc<Flight>>>);

#[derive(Debug, Default)]
struct Flight(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answer: Option<Answer>,
    waiters: Vec<Arc<Signal>>,
}

impl Flights {
    /// The answer to one question, within `limits`.
    ///
    /// # Errors
    /// The answer's, or that the caller gave up.
    pub fn answer(
        self: &Arc<Self>,
        ask: &Ask,
        name: &str,
        version: IpVersion,
        limits: &Limits,
    ) -> Answer {
        let key = (name.to_owned(), version);
        if blocking::runtime_of_this_thread().is_some() {
            let alone = Arc::new(Flights::default());
            return alone.share(ask, key, limits);
        }
        self.share(ask, key, limits)
    }

    fn share(self: &Arc<Self>, ask: &Ask, key: Key, limits: &Limits) -> Answer {
        let (flight, is_new) = {
            let mut flights = self.0.lock();
            match flights.get(&key) {
                Some(flight) => (flight.clone(), false),
                None => {
                    let flight = Arc::<Flight>::default();
                    flights.insert(key.clone(), flight.clone());
                    (flight, true)
                }
            }
        };
        if is_new {
            let (flights, flight) = (self.clone(), flight.clone());
            let (ask, key) = (ask.clone(), key.clone());
            start(limits, move || {
                let answer = catch_unwind(AssertUnwindSafe(|| ask(&key.0, key.1)))
                    .unwrap_or_else(|_| Err(DnsError::new("the look-up panicked", &*key.0)));
                // First out of the list, so that whoever comes now does not get an old answer.
                flights.0.lock().remove(&key);
                flight.land(answer);
            });
        }
        flight.wait(&key.0, limits)
    }
}

impl Flight {
    fn land(&self, answer: Answer) {
        let waiters = {
            let mut state = self.0.lock();
            state.answer = Some(answer);
            std::mem::take(&mut state.waiters)
        };
        for waiter in waiters {
            waiter.notify(Mode::Read);
        }
    }

    fn wait(&self, name: &str, limits: &Limits) -> Answer {
        let signal = {
            let mut state = self.0.lock();
            if let Some(answer) = &state.answer {
                return answer.clone();
            }
            let signal = Arc::new(Signal::new());
            state.waiters.push(signal.clone());
            signal
        };
        let landed = limits.wait(&signal, Reason::Blocking, || self.0.lock().answer.clone());
        landed.unwrap_or_else(|cause| {
            let mut state = self.0.lock();
            state.waiters.retain(|waiter| !Arc::ptr_eq(waiter, &signal));
            Err(DnsError::given_up(name, cause))
        })
    }
}

/// Runs `job` where nobody has to wait for it, or right here where the caller waits anyway. Also right
/// here if no thread can be had: better slow than not at all.
fn start(limits: &Limits, job: impl FnOnce() + Send + 'static) {
    let job: Box<dyn FnOnce() + Send> = Box::new(job);
    match worker::current() {
        Some(worker) if worker.running().is_some() => {
            if let Err(job) = worker.runtime.blocking.submit(job, &worker.runtime) {
                job();
            }
        }
        _ if limits.is_none() => job(),
        _ => {
            // The thread takes it out of here, so that it is still there when none starts.
            let job = Arc::new(Mutex::new(Some(job)));
            let theirs = job.clone();
            let started = thread::Builder::new()
                .name("gopark-lookup".into())
                .spawn(move || run(&theirs));
            if started.is_err() {
                run(&job);
            }
        }
    }
}

fn run(job: &Mutex<Option<Box<dyn FnOnce() + Send>>>) {
    let job = job.lock().take();
    if let Some(job) = job {
        job();
    }
}
