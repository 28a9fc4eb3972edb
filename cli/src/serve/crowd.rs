//! Tasks that compute and yield and never end: what the others of their worker have to live with.

use std::sync::Arc;

use super::drain::Connections;
use super::rules::{CROWD, CROWD_WORK};
use super::session::compute;

/// Starts them; they end when the server stops.
pub fn start(workers: usize, connections: &Arc<Connections>) {
    for _ in 0..CROWD * workers {
        let connections = Arc::clone(connections);
        drop(gopark::spawn(move || {
            while !connections.stopping() {
                compute(CROWD_WORK);
                gopark::yield_now();
            }
        }));
    }
}
