//! The closed loop: one thread, one epoll instance, all of its share of the connections.
//!
//! The engine registers each socket once, edge-triggered for both directions, and remembers what
//! the last event allowed; so it makes the same system calls as the servers it measures, and can
//! load any of them from one core.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::conn::{Conn, Step};
use super::dial::{Dialer, Transport};
use super::live::Live;
use super::plan::{Plan, Protocol};
use super::tally::{Tally, Trouble};
use crate::bench::random::Random;
use crate::sys::clock::CpuClock;
use crate::sys::epoll::{self, Epoll, Event, Events};

/// Connections being opened at once: less than any listener's queue.
const OPENING: usize = 100;

/// How long a connection that failed waits before it is replaced.
const PAUSE: Duration = Duration::from_millis(20);

/// How often the clock is compared with timeouts, and the stop flag looked at.
const TICK: Duration = Duration::from_millis(50);

/// A generator with its connections.
#[derive(Debug)]
pub struct Engine<'a> {
    plan: Plan,
    batch: Vec<u8>,
    /// The same, for requests that stall the server.
    stalling_batch: Vec<u8>,
    random: Random,
    epoll: Epoll,
    dialer: Dialer,
    /// Each place has a number of uses, so that an event for a connection that was closed in the
    /// same batch of events is not taken for one of its replacement.
    places: Vec<(u32, Option<Conn>)>,
    /// Places to be filled, and when.
    empty: VecDeque<(Instant, usize)>,
    buffer: Vec<u8>,
    /// Answers at each place since the window began.
    answers: Vec<u32>,
    /// Connections being opened at once, at most.
    at_once: usize,
    tally: Tally,
    sending: bool,
    opening: usize,
    due: usize,
    live: &'a Live,
    stop: &'a AtomicBool,
}

/// What a measured stretch came to.
#[derive(Debug)]
pub struct Stretch {
    /// The counts. Latencies include the answers that were under way when it ended.
    pub tally: Tally,
    /// Answers that arrived within `elapsed`.
    pub answered: u64,
    /// The same, at each place for a connection.
    pub at_each: Vec<u32>,
    /// How long it took.
    pub elapsed: Duration,
    /// CPU time of the generator's thread, and of what helps it.
    pub own_cpu: Duration,
    /// CPU time of the server, if its clock was given.
    pub server_cpu: Option<Duration>,
}

/// Whose CPU time is read, besides that of the generator's thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clocks {
    /// The server's.
    pub server: Option<CpuClock>,
    /// A process on the generator's side, whose time counts as the generator's.
    pub helper: Option<CpuClock>,
}

impl Clocks {
    fn own(self) -> io::Result<Duration> {
        Ok(CpuClock::THREAD.read()? + read(self.helper)?.unwrap_or_default())
    }
}

impl Stretch {
    /// Counts without a length.
    pub fn empty(tally: Tally) -> Stretch {
        Stretch {
            answered: tally.requests,
            tally,
            at_each: Vec::new(),
            elapsed: Duration::ZERO,
            own_cpu: Duration::ZERO,
            server_cpu: None,
        }
    }
}

impl<'a> Engine<'a> {
    /// Opens all connections. Fails when the first of them cannot be opened, or none in time; a
    /// server that takes some of them only is an error to be counted, not the end.
    pub fn open(plan: &Plan, live: &'a Live, stop: &'a AtomicBool) -> io::Result<Engine<'a>> {
        let batch = plan.batch();
        let now = Instant::now();
        let transport = match plan.protocol {
            Protocol::Datagram { .. } => Transport::Udp,
            Protocol::Echo { .. } | Protocol::Http { .. } => Transport::Tcp,
        };
        let churn = plan.requests_per_conn.is_some();
        let mut engine = Engine {
            epoll: Epoll::new()?,
            stalling_batch: plan.stalling_batch(),
            // The same times for every server.
            random: Random::new(1),
            dialer: Dialer::new(plan.addr, transport, plan.conns, churn),
            places: (0..plan.conns).map(|_| (0, None)).collect(),
            empty: (0..plan.conns).map(|place| (now, place)).collect(),
            buffer: vec![0; 64 * 1024],
            answers: vec![0; plan.conns],
            at_once: if plan.burst { plan.conns } else { OPENING },
            tally: Tally::new(),
            sending: false,
            opening: 0,
            due: 0,
            plan: plan.clone(),
            batch,
            live,
            stop,
        };
        engine.open_all(now + plan.timeout)?;
        Ok(engine)
    }

    fn open_all(&mut self, until: Instant) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut tried = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            while self.opening < self.at_once && tried < self.plan.conns {
                let Some((_, place)) = self.empty.pop_front() else {
                    break;
                };
                tried += 1;
                self.dial(place, now)?;
            }
            if (tried == self.plan.conns && self.opening == 0) || now >= until {
                break;
            }
            self.epoll.wait(&mut events, Some(TICK))?;
            for event in events.iter() {
                if let Err(error) = self.on_open(event, now)
                    && self.tally.opened == 0
                {
                    return Err(error);
                }
            }
        }
        if self.tally.opened == 0 && !self.stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// An event while the connections are being opened. Gives back why one could not be.
    fn on_open(&mut self, event: Event, now: Instant) -> io::Result<()> {
        let Some(place) = self.place(event) else {
            return Ok(());
        };
        let Some(conn) = &mut self.places[place].1 else {
            return Ok(());
        };
        let before = conn.open;
        match conn.notice(event) {
            Ok(()) if !before && conn.open => {
                self.opening -= 1;
                self.tally.opened += 1;
                self.live.opened();
                Ok(())
            }
            Ok(()) => Ok(()),
            Err(error) => {
                self.fail(place, Trouble::from(&error), now);
                Err(error)
            }
        }
    }

    /// Loads the server for `window`, after `lead` of the same load that is not counted. Ends with
    /// every answer received or given up, so that the server is left in peace.
    pub fn run(&mut self, lead: Duration, window: Duration, clocks: Clocks) -> io::Result<Stretch> {
        self.sending = true;
        let begun = Instant::now();
        for place in 0..self.places.len() {
            if let Some(conn) = &mut self.places[place].1 {
                // What came due while nothing was sent does not count.
                conn.stalls_at = None;
            }
            self.go_on(place, begun);
        }
        self.turn_until(begun + lead)?;
        if !lead.is_zero() {
            self.tally = Tally::new();
        }
        self.answers.fill(0);
        let (start, own, theirs) = (Instant::now(), clocks.own()?, read(clocks.server)?);
        self.turn_until(start + window)?;
        let elapsed = start.elapsed();
        let own_cpu = clocks.own()?.saturating_sub(own);
        let server_cpu = match (read(clocks.server)?, theirs) {
            (Some(after), Some(before)) => Some(after.saturating_sub(before)),
            _ => None,
        };
        let (answered, at_each) = (self.tally.requests, self.answers.clone());
        self.drain()?;
        let tally = std::mem::replace(&mut self.tally, Tally::new());
        Ok(Stretch {
            tally,
            answered,
            at_each,
            elapsed,
            own_cpu,
            server_cpu,
        })
    }

    /// Sends one batch on every connection, a hundred connections at a time, and waits for the
    /// answers. The first errors end it.
    pub fn once(&mut self) -> io::Result<Tally> {
        let places: Vec<usize> = (0..self.places.len()).collect();
        for some in places.chunks(100) {
            for &place in some {
                let Some(conn) = self.places[place].1.as_mut().filter(|it| it.is_idle()) else {
                    continue;
                };
                conn.since = Instant::now();
                conn.begin(&self.plan, &self.batch);
                self.due += conn.due;
                self.go_on(place, Instant::now());
            }
            self.drain()?;
            if self.tally.errors() > 0 {
                break;
            }
        }
        Ok(std::mem::replace(&mut self.tally, Tally::new()))
    }

    /// Waits for the answers that are under way. The timeouts of the plan bound it.
    fn drain(&mut self) -> io::Result<()> {
        self.sending = false;
        let until = Instant::now() + self.plan.timeout + TICK * 2;
        let mut events = Events::with_capacity(1024);
        let mut swept = Instant::now();
        while self.due > 0 && Instant::now() < until && !self.stop.load(Ordering::Relaxed) {
            self.turn(&mut events, TICK, &mut swept)?;
        }
        Ok(())
    }

    fn turn_until(&mut self, until: Instant) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut swept = Instant::now();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.turn(&mut events, left.min(TICK), &mut swept)?;
            self.live.progress(&self.tally);
        }
    }

    /// One wait, its events, and now and then what has become late.
    fn turn(&mut self, events: &mut Events, wait: Duration, swept: &mut Instant) -> io::Result<()> {
        let wait = if self.empty.is_empty() {
            wait
        } else {
            wait.min(PAUSE)
        };
        self.epoll.wait(events, Some(wait))?;
        let now = Instant::now();
        for event in events.iter() {
            let Some(place) = self.place(event) else {
                continue;
            };
            let Some(conn) = &mut self.places[place].1 else {
                continue;
            };
            let before = conn.open;
            match conn.notice(event) {
                Ok(()) => {
                    if !before && conn.open {
                        self.opening -= 1;
                        self.tally.opened += 1;
                        self.live.opened();
                    }
                    self.go_on(place, now);
                }
                Err(error) => self.fail(place, Trouble::from(&error), now),
            }
        }
        if now.duration_since(*swept) >= TICK {
            *swept = now;
            self.give_up(now);
        }
        if self.empty.is_empty() {
            Ok(())
        } else {
            self.refill(Instant::now())
        }
    }

    /// Works on one connection until it has to wait.
    fn go_on(&mut self, place: usize, mut now: Instant) {
        loop {
            let Some(conn) = &mut self.places[place].1 else {
                return;
            };
            if !conn.open {
                return;
            }
            if conn.is_idle() {
                let last = self
                    .plan
                    .requests_per_conn
                    .is_some_and(|most| conn.served >= most);
                if last || conn.closing() {
                    return self.replace(place, now);
                }
                if self.sending {
                    // The first answer on a short connection pays for the connection, too.
                    if conn.served > 0 || self.plan.requests_per_conn.is_none() {
                        conn.since = now;
                    }
                    if let Some(stalls) = self.plan.stalls {
                        conn.stalling = conn.stalls_at.is_some_and(|at| at <= now);
                        if conn.stalling || conn.stalls_at.is_none() {
                            conn.stalls_at = Some(now + stalls.gap(self.random.share()));
                        }
                    }
                    let batch = batch(conn, &self.batch, &self.stalling_batch);
                    conn.begin(&self.plan, batch);
                    self.due += conn.due;
                }
            }
            let due = conn.due;
            let batch = batch(conn, &self.batch, &self.stalling_batch);
            match conn.step(batch, &mut self.buffer) {
                Ok(Step::Waits) => return,
                Ok(Step::Took(found, bytes)) => {
                    self.due -= due - conn.due;
                    self.tally.received += bytes as u64;
                    if found.answers > 0 {
                        now = Instant::now();
                        conn.served += found.answers;
                        self.answers[place] += found.answers as u32;
                        let after = now.duration_since(conn.since);
                        (0..found.answers).for_each(|_| self.tally.answered(after));
                        (0..found.bad_status).for_each(|_| self.tally.trouble(Trouble::Status));
                    }
                }
                Ok(Step::Closed) => return self.replace(place, now),
                Err(trouble) => return self.fail(place, trouble, now),
            }
        }
    }

    /// The connection of an event, unless it has been replaced since.
    fn place(&self, event: Event) -> Option<usize> {
        let (place, uses) = (event.token as u32 as usize, (event.token >> 32) as u32);
        (self.places.get(place)?.0 == uses).then_some(place)
    }

    fn dial(&mut self, place: usize, now: Instant) -> io::Result<()> {
        let stream = match self.dialer.start() {
            Ok(stream) => stream,
            Err(error) if self.tally.opened == 0 => return Err(error),
            Err(error) => {
                self.tally.trouble(Trouble::from(&error));
                self.empty.push_back((now + PAUSE, place));
                return Ok(());
            }
        };
        let (uses, slot) = &mut self.places[place];
        *uses = uses.wrapping_add(1);
        let conn = slot.insert(Conn::new(stream, &self.plan, now));
        let token = place as u64 | u64::from(*uses) << 32;
        self.epoll.add(conn.stream(), epoll::STREAM, token)?;
        self.opening += 1;
        Ok(())
    }

    /// Closes a connection that has done its work, and opens the next one at once.
    fn replace(&mut self, place: usize, now: Instant) {
        self.close(place);
        self.empty.push_front((now, place));
    }

    /// Closes a connection that has failed, and opens the next one after a pause.
    fn fail(&mut self, place: usize, trouble: Trouble, now: Instant) {
        self.tally.trouble(trouble);
        self.close(place);
        self.empty.push_back((now + PAUSE, place));
    }

    fn close(&mut self, place: usize) {
        let (uses, slot) = &mut self.places[place];
        *uses = uses.wrapping_add(1);
        if let Some(conn) = slot.take() {
            self.due -= conn.due;
            if conn.open {
                self.live.closed();
            } else {
                self.opening -= 1;
            }
        }
    }

    /// Fills the places whose pause is over.
    fn refill(&mut self, now: Instant) -> io::Result<()> {
        if self.plan.burst && self.empty.len() < self.places.len() {
            return Ok(());
        }
        while self.opening < self.at_once
            && self.empty.front().is_some_and(|&(when, _)| when <= now)
        {
            let Some((_, place)) = self.empty.pop_front() else {
                break;
            };
            self.dial(place, now)?;
        }
        Ok(())
    }

    /// Closes the connections whose answer, or whose opening, has taken too long.
    fn give_up(&mut self, now: Instant) {
        for place in 0..self.places.len() {
            let Some(conn) = &self.places[place].1 else {
                continue;
            };
            let waits = !conn.open || conn.due > 0;
            if waits && now.duration_since(conn.since) > self.plan.timeout {
                self.fail(place, Trouble::Timeout, now);
            }
        }
    }
}

/// What is under way on a connection.
fn batch<'a>(conn: &Conn, usual: &'a [u8], stalling: &'a [u8]) -> &'a [u8] {
    if conn.stalling { stalling } else { usual }
}

fn read(clock: Option<CpuClock>) -> io::Result<Option<Duration>> {
    clock.map(CpuClock::read).transpose()
}
