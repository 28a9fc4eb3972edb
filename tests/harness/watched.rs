//! A bound for what may get stuck.

use std::{
    io::{self, Write},
    process,
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long anything may take before it counts as stuck.
const STUCK: Duration = Duration::from_secs(100);

/// Runs `body`; ends the process if it gets stuck, since nothing else could say where.
pub fn watched(how: &str, body: impl FnOnce()) {
    let name = thread::current().name().unwrap_or_default().to_owned();
    let how = how.to_owned();
    let (done, watch) = mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if watch.recv_timeout(STUCK) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Not `eprintln`, which would be captured with the test's output and die with it.
            let _ = writeln!(io::stderr(), "{name} is stuck {how}");
            process::abort();
        }
    });
    body();
    drop(done);
    guard.join().unwrap();
}
