//! Requests at their own pace: each connection asks when its time has come, however long the
//! last answer took.
//!
//! A request whose time comes while the last answer is still due is sent when that has arrived,
//! and its latency runs from the time at which it should have been sent. So a server that stalls
//! does not get away with the requests it kept from being sent. A request that leaves late
//! because this program woke late is timed from when it left.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::dial::{Dialer, Transport};
use super::tally::{Tally, Trouble};
use crate::bench::random::Random;
use crate::sys::epoll::{self, Epoll, Events};

/// One kind of connection.
#[derive(Clone, Debug)]
pub struct Class {
    /// How many there are.
    pub conns: usize,
    /// What they send, and receive back.
    pub request: Vec<u8>,
    /// Between two requests; the real gaps vary by a fifth to both sides.
    pub period: Duration,
}

struct Lane {
    stream: Socket,
    class: usize,
    /// When the next request should be sent.
    next: Instant,
    /// When the one under way was, or should have been.
    since: Option<Instant>,
    got: usize,
    broken: bool,
}

/// Opens the connections in an order drawn from `seed`, loads the server for `window`, and closes
/// them. Gives the counts of each class. A fourth of the window passes first, uncounted. `at_edge` is
/// called twice: where counting begins, and where it ends.
pub fn run(
    server: std::net::SocketAddr,
    classes: &[Class],
    seed: u64,
    window: Duration,
    mut at_edge: impl FnMut(),
) -> io::Result<Vec<Tally>> {
    let mut random = Random::new(seed);
    let epoll = Epoll::new()?;
    let mut lanes = open(server, classes, &mut random, &epoll)?;
    let begun = Instant::now();
    let start = begun + window / 4;
    let end = start + window;
    let mut counting = false;
    let mut tallies: Vec<Tally> = classes.iter().map(|_| Tally::new()).collect();
    let mut due = BinaryHeap::new();
    for (index, lane) in lanes.iter_mut().enumerate() {
        lane.next = begun + classes[lane.class].period.mul_f64(random.share());
        due.push(Reverse((lane.next, index)));
    }
    let mut events = Events::with_capacity(256);
    let mut buffer = [0; 4096];
    loop {
        let now = Instant::now();
        if !counting && now >= start {
            counting = true;
            at_edge();
            // That took time.
            continue;
        }
        if now >= end {
            at_edge();
            break;
        }
        while let Some(&Reverse((when, index))) = due.peek()
            && when <= now
        {
            due.pop();
            let lane = &mut lanes[index];
            let class = &classes[lane.class];
            lane.next = when + class.period.mul_f64(0.8 + 0.4 * random.share());
            match lane.since {
                // The answer to the last one brings this one along.
                Some(_) => lane.next = when,
                None => {
                    lane.send(&class.request, now, &mut tallies);
                    due.push(Reverse((lane.next, index)));
                }
            }
        }
        let until = due
            .peek()
            .map_or(end, |Reverse((when, _))| (*when).min(end));
        epoll.wait(
            &mut events,
            Some(until.saturating_duration_since(Instant::now())),
        )?;
        for event in events.iter() {
            let index = event.token as usize;
            let Some(lane) = lanes.get_mut(index) else {
                continue;
            };
            let class = &classes[lane.class];
            let Some(since) = lane.take(class, &mut buffer, &mut tallies) else {
                continue;
            };
            let now = Instant::now();
            if counting {
                tallies[lane.class].answered(now - since);
            }
            if lane.next <= now {
                let should = lane.next;
                lane.send(&class.request, should, &mut tallies);
                lane.next = should + class.period.mul_f64(0.8 + 0.4 * random.share());
                due.push(Reverse((lane.next, index)));
            }
        }
    }
    // Those that are still due took at least this long.
    for lane in &lanes {
        if let Some(since) = lane.since.filter(|_| !lane.broken) {
            tallies[lane.class].answered(end.saturating_duration_since(since));
        }
    }
    Ok(tallies)
}

fn open(
    server: std::net::SocketAddr,
    classes: &[Class],
    random: &mut Random,
    epoll: &Epoll,
) -> io::Result<Vec<Lane>> {
    let all: Vec<usize> = classes
        .iter()
        .enumerate()
        .flat_map(|(index, class)| std::iter::repeat_n(index, class.conns))
        .collect();
    let mut dialer = Dialer::new(server, Transport::Tcp, all.len(), false);
    let mut lanes = Vec::with_capacity(all.len());
    for place in random.order(all.len()) {
        let stream = dialer.start()?;
        epoll.add(&stream, epoll::STREAM, lanes.len() as u64)?;
        lanes.push(Lane {
            stream,
            class: all[place],
            next: Instant::now(),
            since: None,
            got: 0,
            broken: false,
        });
    }
    // A first exchange on each: it opens the connection, and shows that the server has taken it.
    let until = Instant::now() + Duration::from_secs(5);
    for lane in &mut lanes {
        lane.exchange(until)?;
    }
    Ok(lanes)
}

impl Lane {
    /// Sends 64 bytes that ask for nothing, and waits for them.
    fn exchange(&mut self, until: Instant) -> io::Result<()> {
        let request = crate::serve::session::Work::request(0);
        let (mut sent, mut got) = (0, 0);
        let mut buffer = [0; 64];
        while got < request.len() {
            let step = if sent < request.len() {
                self.stream
                    .write(&request[sent..])
                    .map(|count| sent += count)
            } else {
                match self.stream.read(&mut buffer) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(count) => {
                        got += count;
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            };
            match step {
                Ok(()) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::NotConnected
                    ) =>
                {
                    if Instant::now() >= until {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn send(&mut self, request: &[u8], since: Instant, tallies: &mut [Tally]) {
        if self.broken {
            return;
        }
        match self.stream.write(request) {
            Ok(count) if count == request.len() => self.since = Some(since),
            // One request at a time always has room in the socket.
            Ok(_) => self.fail(Trouble::Short, tallies),
            Err(error) => self.fail(Trouble::from(&error), tallies),
        }
    }

    /// Reads. Gives the time that the answer took to come is counted from, if it is complete.
    fn take(&mut self, class: &Class, buffer: &mut [u8], tallies: &mut [Tally]) -> Option<Instant> {
        let since = self.since?;
        while self.got < class.request.len() {
            match self.stream.read(buffer) {
                Ok(0) => {
                    self.fail(Trouble::Eof, tallies);
                    return None;
                }
                Ok(count) if buffer[..count] != class.request[self.got..][..count] => {
                    self.fail(Trouble::Wrong, tallies);
                    return None;
                }
                Ok(count) => self.got += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => {
                    self.fail(Trouble::from(&error), tallies);
                    return None;
                }
            }
        }
        self.got = 0;
        self.since = None;
        Some(since)
    }

    fn fail(&mut self, trouble: Trouble, tallies: &mut [Tally]) {
        self.broken = true;
        self.since = None;
        tallies[self.class].trouble(trouble);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_server_that_stalls_does_not_hide_the_requests_it_kept_from_being_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 64];
            let mut stalls = true;
            let begun = Instant::now();
            while stream.read_exact(&mut buffer).is_ok() {
                if begun.elapsed() > Duration::from_millis(250) && std::mem::take(&mut stalls) {
                    // The stall that must be seen.
                    std::thread::sleep(Duration::from_millis(100));
                }
                if stream.write_all(&buffer).is_err() {
                    return;
                }
            }
        });
        let class = Class {
            conns: 1,
            request: crate::serve::session::Work::request(0),
            period: Duration::from_millis(5),
        };
        let mut edges = 0;
        let tallies = run(addr, &[class], 1, Duration::from_millis(500), || edges += 1).unwrap();
        let slow = tallies[0].latency.count_between(20_000_000, u64::MAX);
        // About 20 were due in the 100 ms, and all but the last few waited more than 20 ms.
        assert!(slow >= 8, "{slow} of {}", tallies[0].requests);
        assert_eq!(tallies[0].errors(), 0);
        assert_eq!(edges, 2);
    }
}
