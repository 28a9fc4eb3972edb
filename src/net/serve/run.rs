//! The loop itself, and draining.

use super::{
    AcceptFailure, Acceptor, Server, ServerStats, classify,
    classify::lacks_descriptor,
    control::{Control, count},
    live::Live,
    pause::Pause,
    reserve::Reserve,
};
use crate::{Handle, net::fail, task};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long handlers get to end after their connections were closed.
const AFTER_CUT: Duration = Duration::from_secs(1);

/// What the loop and the handlers share.
struct Serving<A: Acceptor, H> {
    control: Arc<Control>,
    handler: H,
    live: Live<A::Conn>,
}

/// One connection and its handler, from the accept until everything of it is gone. Dropping it, run
/// or not, is the end.
struct Job<A: Acceptor, H> {
    serving: Arc<Serving<A, H>>,
    conn: Option<Arc<A::Conn>>,
    number: u64,
    /// The handler has been called.
    handled: bool,
}

impl<A: Acceptor, H> Drop for Job<A, H> {
    fn drop(&mut self) {
        // Counted before its client can see it.
        if !self.handled {
            count(&self.serving.control.counts.refused);
        }
        // The descriptor first: who waits for a handler to end may need it.
        self.conn = None;
        self.serving.live.leave(self.number);
        self.serving.control.finished();
    }
}

impl<A: Acceptor, H: Fn(&A::Conn)> Job<A, H> {
    fn run(mut self) {
        self.handled = true;
        let Some(conn) = &self.conn else { return };
        let handler = AssertUnwindSafe(|| (self.serving.handler)(conn));
        if let Err(panic) = catch_unwind(handler) {
            count(&self.serving.control.counts.panicked);
            // What was thrown may panic in its own drop.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
        }
    }
}

pub(super) fn run<A, H>(server: Server, listener: A, handler: H) -> io::Result<ServerStats>
where
    A: Acceptor,
    H: Fn(&A::Conn) + Send + Sync + 'static,
{
    let control = server.control.clone();
    control
        .ready_to_wait()
        .map_err(|err| io::Error::from(fail::cause(err)))?;
    let listener = Arc::new(listener);
    let serving = Arc::new(Serving {
        control: control.clone(),
        handler,
        live: Live::new(),
    });
    let closer = listener.clone();
    control.serves(move || {
        // Closed by somebody else is closed, too.
        let _ = closer.close_listener();
    });
    let result = accept_loop(&server, &*listener, &serving);
    control.stop();
    drain(&server, &serving);
    result.map(|()| control.stats())
}

fn accept_loop<A, H>(server: &Server, listener: &A, serving: &Arc<Serving<A, H>>) -> io::Result<()>
where
    A: Acceptor,
    H: Fn(&A::Conn) + Send + Sync + 'static,
{
    let control = &*serving.control;
    let runtime = server.runtime.clone().or_else(Handle::current);
    let most = server.max_connections as u64;
    let (mut pause, mut reserve) = (Pause::default(), Reserve::new());
    loop {
        let place = || control.active() < most || control.is_stopping();
        if !place() && control.wait(None, place).is_err() {
            return Ok(()); // the runtime ends
        }
        let accepted = listener.accept_conn();
        if control.is_stopping() {
            return Ok(());
        }
        let err = match accepted {
            Ok(conn) => match start(serving, runtime.as_ref(), conn) {
                Ok(()) => {
                    pause.reset();
                    reserve.renew();
                    continue;
                }
                // No stack or no thread: that connection was refused, and the rest may wait.
                Err(err) => {
                    tell(server, &err, AcceptFailure::Exhausted);
                    count(&control.counts.exhausted);
                    control.pause(Instant::now() + pause.next());
                    continue;
                }
            },
            Err(err) => err,
        };
        let failure = classify(&err);
        tell(server, &err, failure);
        match failure {
            AcceptFailure::Closed => return Ok(()),
            AcceptFailure::Fatal => return Err(err),
            AcceptFailure::Connection => {
                count(&control.counts.lost);
                if let Some(wait) = pause.connection_lost() {
                    control.pause(Instant::now() + wait);
                }
            }
            AcceptFailure::Passing => control.pause(Instant::now() + pause.next()),
            AcceptFailure::Exhausted => {
                count(&control.counts.exhausted);
                // The first time it may be over in a moment, and nobody need be refused.
                if pause.failures() > 0 && lacks_descriptor(&err) {
                    reserve.refuse(listener, &control.counts.refused);
                }
                control.pause(Instant::now() + pause.next());
            }
        }
    }
}

fn tell(server: &Server, err: &io::Error, failure: AcceptFailure) {
    if let Some(on_error) = &server.on_error {
        on_error(err, failure);
    }
}

/// Starts the handler of a new connection: in a task, or without a runtime on a thread.
fn start<A, H>(
    serving: &Arc<Serving<A, H>>,
    runtime: Option<&Handle>,
    conn: Arc<A::Conn>,
) -> io::Result<()>
where
    A: Acceptor,
    H: Fn(&A::Conn) + Send + Sync + 'static,
{
    let counts = &serving.control.counts;
    let accepted = &counts.accepted;
    accepted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let job = Job {
        number: serving.live.enter(conn.clone()),
        serving: serving.clone(),
        conn: Some(conn),
        handled: false,
    };
    match runtime {
        // A handle that is dropped lets its task go on by itself.
        Some(runtime) => task::Builder::new()
            .spawn_in(runtime, move || job.run())
            .map(drop),
        None => thread::Builder::new().spawn(move || job.run()).map(drop),
    }
}

/// Waits for the handlers to end, and then sees to it that they do.
fn drain<A: Acceptor, H>(server: &Server, serving: &Serving<A, H>) {
    let control = &*serving.control;
    let idle = || control.active() == 0;
    if let Some(after) = server.last_read {
        serving.live.set_read_deadline(Instant::now() + after);
    }
    let bound = Instant::now().checked_add(server.drain);
    if control.wait(bound, idle).is_ok() {
        return;
    }
    let cut = serving.live.close();
    let counts = &control.counts;
    let order = std::sync::atomic::Ordering::SeqCst;
    counts.cut.fetch_add(cut, order);
    if control
        .wait(Some(Instant::now() + AFTER_CUT), idle)
        .is_err()
    {
        counts.left.store(control.active(), order);
    }
}
