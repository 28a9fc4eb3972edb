//! The connections being served, so that a shutdown can reach them.

use crate::net::Conn;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Instant};

#[derive(Debug)]
pub(super) struct Live<C: ?Sized>(Mutex<Table<C>>);

#[derive(Debug)]
struct Table<C: ?Sized> {
    next: u64,
    conns: HashMap<u64, Arc<C>>,
}

impl<C: Conn + ?Sized> Live<C> {
    pub(super) fn new() -> Live<C> {
        Live(Mutex::new(Table {
            next: 0,
            conns: HashMap::new(),
        }))
    }

    /// Notes a connection; the number is for [`Live::leave`].
    pub(super) fn enter(&self, conn: Arc<C>) -> u64 {
        let mut table = self.0.lock();
        let number = table.next;
        table.next += 1;
        table.conns.insert(number, conn);
        number
    }

    /// Forgets a connection.
    pub(super) fn leave(&self, number: u64) {
        let conn = self.0.lock().conns.remove(&number);
        drop(conn); // closes it, perhaps: not under the lock
    }

    /// Every connection that is served now.
    fn all(&self) -> Vec<Arc<C>> {
        self.0.lock().conns.values().cloned().collect()
    }

    /// Lets reads end at `deadline`.
    pub(super) fn set_read_deadline(&self, deadline: Instant) {
        for conn in self.all() {
            // One that its handler has closed meanwhile needs none.
            let _ = conn.set_read_deadline(Some(deadline));
        }
    }

    /// Closes every connection; returns how many were still open.
    pub(super) fn close(&self) -> u64 {
        let closed = self.all().into_iter().filter(|conn| conn.close().is_ok());
        closed.count() as u64
    }
}
