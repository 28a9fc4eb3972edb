//! Serving without waiting: a task lives from the moment there is something to read until that has been
//! answered. So an idle connection has no stack, and each answer one that is warm.

use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::connection::{self, Limit, Manner, linger, reply, take_time};
use super::drain::Connections;
use super::scratch::Scratch;
use super::session::{Next, Session};
use gopark::net::TcpConn;

/// Calls `wait`, which begins to wait for a new connection. To `spread` them it gets a task of its own for
/// that, or all would be at home on the worker that accepts.
pub fn begin(spread: bool, wait: impl FnOnce() + Send + 'static) {
    if spread {
        drop(gopark::spawn(wait));
    } else {
        wait();
    }
}

/// Sends back whatever comes, until the end. Nothing is kept of a connection but its socket.
pub fn echo(conn: TcpConn, buffer: u32) -> io::Result<()> {
    conn.on_each_readable(move |conn, readable| {
        let sent = readable.and_then(|()| {
            let input = conn.read_lease_of(buffer as usize)?;
            conn.write(&input).map(|_| !input.is_empty())
        });
        match sent {
            Ok(true) => ControlFlow::Continue(()),
            // The connection's end, in whatever way, is its last task's end.
            _ => ControlFlow::Break(()),
        }
    })
}

/// Serves a connection to its end, as [`connection::serve`] does.
pub fn serve<S: Session>(
    conn: TcpConn,
    session: S,
    manner: &'static Manner,
    connections: Arc<Connections>,
) -> io::Result<()> {
    let number = connections.enter(&conn);
    let mut serving = Serving {
        session,
        limit: Limit::new(&manner.patience),
        manner,
        entered: Entered {
            connections,
            number,
        },
    };
    serving.wait_for_more(&conn)?;
    conn.on_each_readable(move |conn, readable| match serving.turn(conn, readable) {
        Ok(Next::Read) => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    })
}

/// What is kept of a connection while it waits.
struct Serving<S> {
    session: S,
    limit: Limit<'static>,
    manner: &'static Manner,
    entered: Entered,
}

/// A place among the connections, left when dropped.
struct Entered {
    connections: Arc<Connections>,
    number: usize,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.connections.leave(self.number);
    }
}

impl<S: Session> Serving<S> {
    fn wait_for_more(&mut self, conn: &TcpConn) -> io::Result<()> {
        let idle = self.session.idle();
        self.limit.renew(conn, idle, &self.entered.connections)
    }

    /// From the end of a wait to the beginning of the next.
    fn turn(&mut self, conn: &TcpConn, readable: io::Result<()>) -> io::Result<Next> {
        let read = readable.and_then(|()| conn.read_lease_of(self.manner.buffer));
        let input = match read {
            Ok(input) if input.is_empty() => return Ok(Next::Close),
            Ok(input) => input,
            Err(error) if error.kind() == ErrorKind::TimedOut => return self.late(conn),
            Err(error) => return Err(error),
        };
        take_time(&mut self.session, &input, self.manner);
        let mut out = Scratch::take();
        let next = reply(conn, self.session.answer(&input, &mut out))?;
        drop((out, input));
        match next {
            Next::Read => self.wait_for_more(conn)?,
            Next::Close => linger(conn)?,
        }
        Ok(next)
    }

    #[cold]
    fn late(&mut self, conn: &TcpConn) -> io::Result<Next> {
        if self.limit.goes_on(conn, &self.entered.connections)? {
            self.wait_for_more(conn)?;
            return Ok(Next::Read);
        }
        connection::late(conn, &mut self.session)?;
        Ok(Next::Close)
    }
}
