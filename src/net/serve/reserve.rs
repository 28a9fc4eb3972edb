//! The descriptor kept back so that a client can be refused when none is left.
//!
//! Without descriptors the kernel accepts nobody, and whoever is in the queue hangs. So one is kept
//! open for nothing. When they run out it is given up for a moment: the client is accepted with its
//! number and closed, which the client sees.

use super::{AcceptFailure, Acceptor, classify, control::count};
use crate::net::Conn;
use std::{fs::File, sync::atomic::AtomicU64};

/// The most clients refused before the loop looks again whether there are descriptors.
const AT_ONCE: u64 = 128;

#[derive(Debug)]
pub(super) struct Reserve(Option<File>);

impl Reserve {
    pub(super) fn new() -> Reserve {
        Reserve(open())
    }

    /// Takes one back if it was lost meanwhile.
    pub(super) fn renew(&mut self) {
        if self.0.is_none() {
            self.0 = open();
        }
    }

    /// Refuses the clients in the queue, and counts each before it can see that.
    pub(super) fn refuse(&mut self, listener: &impl Acceptor, refused: &AtomicU64) {
        if self.0.take().is_none() {
            return;
        }
        let mut places = AT_ONCE;
        while places > 0 {
            match listener.try_accept_conn() {
                Ok(Some(conn)) => {
                    count(refused);
                    let _ = conn.close();
                    places -= 1;
                }
                Err(err) if classify(&err) == AcceptFailure::Connection => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.renew();
    }
}

fn open() -> Option<File> {
    File::open("/dev/null").ok()
}
