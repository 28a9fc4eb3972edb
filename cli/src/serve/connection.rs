//! One connection, from its first read to its close: the task of a server on gopark.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::drain::Connections;
use super::session::{Next, Session};
use crate::standin as gopark;
use crate::sys::clock;
use gopark::net::TcpConn;

/// After the last answer, how long to go on reading, and how much. Closing a socket that holds
/// unread data resets the connection, and the reset can overtake the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// How long a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a request to its last.
    pub request: Option<Duration>,
    /// Without a request.
    pub idle: Option<Duration>,
}

/// Serves a connection to its end.
pub fn serve<S: Session>(
    conn: &TcpConn,
    mut session: S,
    buffer: usize,
    patience: Patience,
    connections: &Connections,
) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    let mut out = Vec::new();
    let mut limit = Limit::new(patience);
    loop {
        limit.renew(conn, session.idle(), connections)?;
        let count = match conn.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                out.clear();
                session.late(&mut out);
                if out.is_empty() {
                    return Ok(());
                }
                conn.write(&out)?;
                return linger(conn, &mut buffer);
            }
            Err(error) => return Err(error),
        };
        out.clear();
        let (reply, next) = session.answer(&buffer[..count], &mut out);
        if !reply.is_empty() {
            conn.write(reply)?;
        }
        if next == Next::Close {
            return linger(conn, &mut buffer);
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
