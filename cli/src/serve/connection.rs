//! One connection, from its first read to its close: the task of a server on gopark.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::drain::Connections;
use super::scratch::Scratch;
use super::session::{Next, Session, compute};
use crate::sys::clock;
use gopark::net::TcpConn;

/// After the last answer, how long to go on reading, and how much. Closing a socket that holds
/// unread data resets the connection, and the reset can overtake the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The most bytes that one read takes.
    pub buffer: usize,
    /// Computing is handed to a thread for blocking work.
    pub offload: bool,
    /// How long a connection may take.
    pub patience: Patience,
}

/// How long a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a request to its last.
    pub request: Option<Duration>,
    /// Without a request.
    pub idle: Option<Duration>,
    /// For any one read, whatever it belongs to, in place of the other two.
    pub read: Option<Duration>,
}

/// Serves a connection to its end. What happens seldom is in functions of its own: what this one has on
/// its stack is cold memory for each of a thousand connections.
pub fn serve<S: Session>(
    conn: TcpConn,
    mut session: S,
    manner: &Manner,
    connections: &Connections,
) -> io::Result<()> {
    let mut limit = Limit::new(&manner.patience);
    loop {
        limit.renew(&conn, session.idle(), connections)?;
        // A connection that waits holds no buffer; the worker lends one while there is data.
        let input = match conn.read_lease_of(manner.buffer) {
            Ok(input) if input.is_empty() => return Ok(()),
            Ok(input) => input,
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                if limit.goes_on(&conn, connections)? {
                    continue;
                }
                return late(&conn, &mut session);
            }
            Err(error) => return Err(error),
        };
        take_time(&mut session, &input, manner);
        let next = if S::GOES_DEEP {
            let mut out = Scratch::take();
            let answer = gopark::task::on_worker_stack(|| session.answer(&input, &mut out));
            reply(&conn, answer)?
        } else {
            reply(&conn, session.answer(&input, &mut Vec::new()))?
        };
        if next == Next::Close {
            return linger(&conn);
        }
    }
}

/// Computes for as long as the answer to `input` costs.
#[inline(always)]
pub fn take_time<S: Session>(session: &mut S, input: &[u8], manner: &Manner) {
    let cost = session.cost(input);
    if cost.is_zero() {
        return;
    }
    if manner.offload {
        gopark::blocking(|| compute(cost));
    } else {
        compute(cost);
    }
}

#[inline(always)]
pub fn reply(conn: &TcpConn, (bytes, next): (&[u8], Next)) -> io::Result<Next> {
    if !bytes.is_empty() {
        conn.write(bytes)?;
    }
    Ok(next)
}

/// The end of a connection that has waited too long for a request, or for the rest of one.
#[cold]
#[inline(never)]
pub fn late<S: Session>(conn: &TcpConn, session: &mut S) -> io::Result<()> {
    let mut out = Vec::new();
    session.late(&mut out);
    if out.is_empty() {
        return Ok(());
    }
    conn.write(&out)?;
    linger(conn)
}

/// Says that no more will be sent, and reads on for a moment.
#[inline(never)]
pub fn linger(conn: &TcpConn) -> io::Result<()> {
    conn.close_write()?;
    conn.set_read_deadline(Some(Instant::now() + LINGER))?;
    let mut read = 0;
    while read < LINGER_BYTES {
        let rest = conn.read_lease()?;
        if rest.is_empty() {
            break;
        }
        read += rest.len();
    }
    Ok(())
}

/// The read deadline of a connection. Unless each read has its own, it is moved once per second at most
/// while requests come and go, so that a busy connection pays for it with a look at the cheap clock.
pub struct Limit<'a> {
    patience: &'a Patience,
    renewed: Renewed,
    was_idle: Option<bool>,
    /// When it was renewed last, by a clock that may wrap around; or, with each read, how often.
    second: u32,
    /// When the time of the request that is under way is over.
    request: Option<Instant>,
}

/// When the deadline of a connection that is as idle as before, or as busy, moves on.
#[derive(Clone, Copy)]
enum Renewed {
    /// It does not, if there is one.
    Never,
    /// While idle, with the clock: a request's time runs from its beginning.
    EachSecond,
    /// With each read.
    EachRead,
}

impl Limit<'_> {
    /// A limit that has not begun.
    pub fn new(patience: &Patience) -> Limit<'_> {
        let renewed = match patience {
            Patience { read: Some(_), .. } => Renewed::EachRead,
            Patience { idle: Some(_), .. } => Renewed::EachSecond,
            _ => Renewed::Never,
        };
        Limit {
            patience,
            renewed,
            was_idle: None,
            second: 0,
            request: None,
        }
    }

    /// Before each wait for data; `idle` says whether it is one for a request.
    #[inline]
    pub fn renew(
        &mut self,
        conn: &TcpConn,
        idle: bool,
        connections: &Connections,
    ) -> io::Result<()> {
        let second = match self.renewed {
            Renewed::EachSecond if idle => clock::coarse_seconds() as u32,
            Renewed::EachSecond | Renewed::Never => self.second,
            Renewed::EachRead => self.second.wrapping_add(1),
        };
        if self.was_idle == Some(idle) && self.second == second {
            return Ok(());
        }
        (self.was_idle, self.second) = (Some(idle), second);
        self.renew_in_full(conn, idle, connections)
    }

    #[inline(never)]
    fn renew_in_full(
        &mut self,
        conn: &TcpConn,
        idle: bool,
        connections: &Connections,
    ) -> io::Result<()> {
        let patience = match self.patience {
            Patience {
                read: Some(time), ..
            } => Some(*time),
            patience if idle => patience.idle,
            patience => patience.request,
        };
        let deadline = patience.map(|time| Instant::now() + time);
        self.request = deadline.filter(|_| !idle && self.patience.read.is_none());
        connections.wait_until(conn, deadline)
    }

    /// After a read that timed out: whether it did so only because the server is stopping, and a
    /// request is under way that has time left. Then the connection has that time again.
    pub fn goes_on(&self, conn: &TcpConn, connections: &Connections) -> io::Result<bool> {
        let left = self.request.filter(|until| Instant::now() < *until);
        if left.is_none() || !connections.stopping() {
            return Ok(false);
        }
        conn.set_read_deadline(left)?;
        Ok(true)
    }
}
