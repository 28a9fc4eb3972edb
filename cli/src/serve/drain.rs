//! Stopping without cutting anybody off in the middle of a request.
//!
//! A stop sets the flag first and then gives every connection a short read deadline; a connection
//! that sets a deadline looks at the flag afterwards. So one of the two always comes last, and a
//! connection never waits longer than it should. One that finds itself in the middle of a request
//! when that deadline comes goes on as long as the request may take, and the drain.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gopark::net::TcpConn;

/// How long a connection may go on reading after a stop: enough for what is already on its way.
const LAST_READ: Duration = Duration::from_millis(100);

/// The live connections of a server.
#[derive(Debug, Default)]
pub struct Connections {
    stopping: AtomicBool,
    live: Mutex<Places>,
}

/// A place for each connection: a word, where a map would take several.
#[derive(Debug, Default)]
struct Places {
    taken: Vec<Option<TcpConn>>,
    free: Vec<usize>,
}

impl Connections {
    /// Notes a connection until [`Connections::leave`] is called with the number returned.
    pub fn enter(&self, conn: &TcpConn) -> usize {
        let mut places = self.lock();
        let number = places.free.pop().unwrap_or(places.taken.len());
        if number == places.taken.len() {
            places.taken.push(None);
        }
        places.taken[number] = Some(conn.clone());
        number
    }

    /// Forgets a connection.
    pub fn leave(&self, number: usize) {
        let mut places = self.lock();
        let conn = places.taken[number].take();
        places.free.push(number);
        drop(places);
        // The last of its kind, perhaps: closing is done without the lock.
        drop(conn);
    }

    /// The server is stopping: answer what has been asked, and ask for nothing more.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Sets the time until which `conn` may wait for data.
    pub fn wait_until(&self, conn: &TcpConn, deadline: Option<Instant>) -> io::Result<()> {
        conn.set_read_deadline(deadline)?;
        if self.stopping() {
            conn.set_read_deadline(Some(Instant::now() + LAST_READ))?;
        }
        Ok(())
    }

    /// Begins the stop. May be called from any thread.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let deadline = Some(Instant::now() + LAST_READ);
        for conn in self.lock().taken.iter().flatten() {
            // Only a connection that is already closed refuses, and that one needs no deadline.
            let _ = conn.set_read_deadline(deadline);
        }
    }

    /// Waits until the last connection has left, at most for `patience`. Gives how many are left.
    pub fn drain(&self, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        loop {
            let left = self.lock().live();
            if left == 0 || Instant::now() >= until {
                return left;
            }
            gopark::sleep(Duration::from_millis(5));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Places> {
        // The places are whole between any two of the calls above.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn live(&self) -> usize {
        self.taken.len() - self.free.len()
    }
}
