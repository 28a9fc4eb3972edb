//! One connection, from its first read to its close: the task of a server on gopark.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::drain::Connections;
use super::session::{Next, Session, compute};
use crate::sys::clock;
use gopark::net::TcpConn;

/// After the last answer, how long to go on reading, and how much. Closing a socket that holds
/// unread data resets the connection, and the reset can overtake the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// Read buffers up to this size live on the task's stack, in the page below the one that its
/// frames use anyway.
const ON_STACK: usize = 4096;

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Bytes of the read buffer.
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

/// Serves a connection to its end.
pub fn serve<S: Session>(
    conn: &TcpConn,
    session: S,
    manner: Manner,
    connections: &Connections,
) -> io::Result<()> {
    if manner.buffer <= ON_STACK {
        let mut buffer = [0; ON_STACK];
        serve_with(
            conn,
            session,
            &mut buffer[..manner.buffer],
            manner,
            connections,
        )
    } else {
        let mut buffer = vec![0; manner.buffer];
        serve_with(conn, session, &mut buffer, manner, connections)
    }
}

fn serve_with<S: Session>(
    conn: &TcpConn,
    mut session: S,
    buffer: &mut [u8],
    manner: Manner,
    connections: &Connections,
) -> io::Result<()> {
    let mut out = Vec::new();
    let mut limit = Limit::new(manner.patience);
    loop {
        limit.renew(conn, session.idle(), connections)?;
        let count = match conn.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                out.clear();
                session.late(&mut out);
                if out.is_empty() {
                    return Ok(());
                }
                conn.write(&out)?;
                return linger(conn, buffer);
            }
            Err(error) => return Err(error),
        };
        let cost = session.cost(&buffer[..count]);
        if !cost.is_zero() {
            if manner.offload {
                gopark::blocking(|| compute(cost));
            } else {
                compute(cost);
            }
        }
        out.clear();
        let (reply, next) = session.answer(&buffer[..count], &mut out);
        if !reply.is_empty() {
            conn.write(reply)?;
        }
        if next == Next::Close {
            return linger(conn, buffer);
        }
    }
}

/// Says that no more will be sent, and reads on for a moment.
fn linger(conn: &TcpConn, buffer: &mut [u8]) -> io::Result<()> {
    conn.close_write()?;
    conn.set_read_deadline(Some(Instant::now() + LINGER))?;
    let mut read = 0;
    while read < LINGER_BYTES {
        match conn.read(buffer)? {
            0 => break,
            count => read += count,
        }
    }
    Ok(())
}

/// The read deadline of a connection. It is moved once per second at most while requests come
/// and go, so that a busy connection pays for it with a look at the cheap clock.
struct Limit {
    patience: Patience,
    was_idle: Option<bool>,
    second: u64,
}

impl Limit {
    fn new(patience: Patience) -> Limit {
        Limit {
            patience,
            was_idle: None,
            second: 0,
        }
    }

    fn renew(&mut self, conn: &TcpConn, idle: bool, connections: &Connections) -> io::Result<()> {
        if let Some(time) = self.patience.read {
            return connections.wait_until(conn, Some(Instant::now() + time));
        }
        let patience = if idle {
            self.patience.idle
        } else {
            self.patience.request
        };
        // A request's time runs from its beginning, so only idleness is renewed.
        let second = if idle && patience.is_some() {
            clock::coarse_seconds()
        } else {
            self.second
        };
        if self.was_idle == Some(idle) && self.second == second {
            return Ok(());
        }
        (self.was_idle, self.second) = (Some(idle), second);
        connections.wait_until(conn, patience.map(|time| Instant::now() + time))
    }
}
