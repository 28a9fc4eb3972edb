//! Promises about accepting: what Go printed is what we print.

mod harness;

use gopark::net::{NetError, TcpConn};
use harness::{everywhere, lines::Lines, listener, scope};
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// Follows the Go program `accept_concurrent`, and Go's TestTCPConcurrentAccept.
#[test]
fn of_many_acceptors_each_connection_goes_to_one_and_close_releases_them_all() {
    everywhere(|| {
        let mut out = Lines::new();
        let listener = listener();
        let addr = listener.local_addr().unwrap();
        let seen = Mutex::new(HashMap::new());
        let (released, accepted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        scope(|s| {
            for _ in 0..8 {
                s.spawn(|| {
                    loop {
                        match listener.accept() {
                            Ok((conn, peer)) => {
                                *seen.lock().unwrap().entry(peer).or_insert(0) += 1;
                                accepted.fetch_add(1, SeqCst);
                                conn.close().unwrap();
                            }
                            Err(err) => {
                                assert!(err.is_closed(), "{err}");
                                released.fetch_add(1, SeqCst);
                                return;
                            }
                        }
                    }
                });
            }
            for _ in 0..200 {
                let conn = TcpConn::connect(addr).unwrap();
                assert_eq!(conn.read(&mut [0; 1]).unwrap(), 0);
                conn.close().unwrap();
            }
            listener.close().unwrap();
        });
        let seen = seen.lock().unwrap();
        out.print(format!(
            "accepted={} each once={} acceptors released={}",
            seen.len(),
            seen.values().all(|times| *times == 1),
            released.load(SeqCst)
        ));
        out.compare("accept_concurrent");
    });
}
