//! The accept loop of `gopark serve`: it outlives running out of descriptors, and whoever it cannot
//! serve is told so by a close instead of being left in the queue.
//!
//! `gopark::net::Server` is the library's loop of this kind. Here a connection's task is started by
//! hand, because what is measured of these servers is to be the poller and nothing beside it.

use std::fs::File;
use std::io;
use std::time::Duration;

use crate::failure::reason;
use gopark::net::{AcceptFailure, TcpConn, TcpListener, classify};

/// Between two looks whether there are descriptors again.
const PAUSE: Duration = Duration::from_millis(10);

/// Clients refused at most before such a look.
const AT_ONCE: usize = 128;

/// Accepts until the listener is closed.
pub fn accept(listener: &TcpListener, start: impl Fn(TcpConn)) -> io::Result<()> {
    let mut reserve = Reserve::new();
    let mut failures = 0_usize;
    loop {
        let error = match listener.accept() {
            Ok((conn, _)) => {
                failures = 0;
                reserve.renew();
                start(conn);
                continue;
            }
            Err(error) => error,
        };
        match classify(&error) {
            AcceptFailure::Closed => return Ok(()),
            AcceptFailure::Connection => continue,
            AcceptFailure::Exhausted | AcceptFailure::Passing => {}
            _ => return Err(error),
        }
        match failures {
            0 => eprintln!("gopark: cannot accept for now: {}", reason(&error)),
            // The first time it may be over in a moment, and nobody need be refused.
            _ => reserve.refuse(listener),
        }
        failures += 1;
        gopark::sleep(PAUSE);
    }
}

/// A descriptor kept for nothing, whose number serves to accept a client and close it.
struct Reserve(Option<File>);

impl Reserve {
    fn new() -> Reserve {
        Reserve(File::open("/dev/null").ok())
    }

    /// Takes one back if it was lost meanwhile.
    fn renew(&mut self) {
        if self.0.is_none() {
            *self = Reserve::new();
        }
    }

    /// Refuses the clients in the queue.
    fn refuse(&mut self, listener: &TcpListener) {
        if self.0.take().is_some() {
            for _ in 0..AT_ONCE {
                // An error is met again by the accept that follows, which tells it.
                let Ok(Some((conn, _))) = listener.try_accept() else {
                    break;
                };
                drop(conn);
            }
        }
        self.renew();
    }
}
