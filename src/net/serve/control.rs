//! Stopping a server and looking at it from outside.

use netpoll::{Error, Mode, Reason, Signal};
use parking_lot::Mutex;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    time::Instant,
};

/// What a server has done so far.
///
/// ```
/// use gopark::net::{serve, TcpConn, TcpListener};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let (closer, at) = (listener.clone(), listener.local_addr()?);
/// let client = TcpConn::connect(at)?;
/// let stats = serve(listener, move |_: &TcpConn| closer.close().unwrap())?;
/// assert_eq!((stats.accepted, stats.active, stats.left), (1, 0, 0));
/// # drop(client);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections taken to be served.
    pub accepted: u64,
    /// Of these, served at this moment.
    pub active: u64,
    /// Handlers that have ended, those that panicked included.
    pub finished: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Connections accepted only to be closed at once: no descriptors, or no task for the handler.
    pub refused: u64,
    /// Accepts that failed because of their connection alone.
    pub lost: u64,
    /// Accepts that failed because descriptors or memory had run out.
    pub exhausted: u64,
    /// Connections closed under their handlers at the end of the drain.
    pub cut: u64,
    /// Handlers that had not ended when [`Server::serve`](super::Server::serve) returned.
    pub left: u64,
}

/// The counts as they are kept.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub accepted: AtomicU64,
    pub finished: AtomicU64,
    pub panicked: AtomicU64,
    pub refused: AtomicU64,
    pub lost: AtomicU64,
    pub exhausted: AtomicU64,
    pub cut: AtomicU64,
    pub left: AtomicU64,
}

/// What the loop, the handlers and the handles share.
#[derive(Default)]
pub(super) struct Control {
    pub counts: Counts,
    stopping: AtomicBool,
    /// Closes the listener, once there is one.
    close: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
    /// Where the loop waits: for a place, for the end of a pause, for the last handler.
    gate: Signal,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("counts", &self.counts)
            .field("stopping", &self.stopping)
            .finish_non_exhaustive()
    }
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Control {
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// Says how to close the listener, and does it if the server was stopped before.
    pub(super) fn serves(&self, close: impl Fn() + Send + Sync + 'static) {
        *self.close.lock() = Some(Box::new(close));
        // Whoever stops sets the flag first and then looks for this.
        if self.is_stopping() {
            self.stop();
        }
    }

    /// Ends accepting. Any thread, any number of times.
    pub(super) fn stop(&self) {
        self.stopping.store(true, SeqCst);
        let close = self.close.lock().take();
        if let Some(close) = close {
            close();
        }
        self.gate.notify(Mode::Read);
    }

    /// Handlers at work. Ended ones are counted after they have let go of everything.
    pub(super) fn active(&self) -> u64 {
        // In this order, or a handler that ends in between would count as less than none.
        let finished = self.counts.finished.load(SeqCst);
        self.counts.accepted.load(SeqCst).saturating_sub(finished)
    }

    /// A handler has ended and its connection is gone.
    pub(super) fn finished(&self) {
        self.counts.finished.fetch_add(1, SeqCst);
        self.gate.notify(Mode::Read);
    }

    /// Makes sure that the caller can wait at all: a plain thread needs descriptors for that, which
    /// there may not be later.
    pub(super) fn ready_to_wait(&self) -> Result<(), Error> {
        match self.wait(Some(Instant::now()), || false) {
            Err(err) if err != Error::Timeout => Err(err),
            _ => Ok(()),
        }
    }

    /// Waits until `over` holds, which something that notifies has made true, or for `deadline`.
    ///
    /// # Errors
    /// [`Error::Timeout`] at the deadline; [`Error::Refused`] when the runtime ends.
    pub(super) fn wait(
        &self,
        deadline: Option<Instant>,
        over: impl Fn() -> bool,
    ) -> Result<(), Error> {
        self.gate.set_deadline(Mode::Read, deadline);
        loop {
            let prepared = self.gate.prepare(Mode::Read);
            if over() {
                return Ok(());
            }
            prepared?;
            match self.gate.wait(Mode::Read, Reason::Sync) {
                Ok(()) | Err(Error::Timeout) => {}
                Err(err) => return Err(err),
            }
        }
    }

    /// [`wait`](Control::wait) for anything that notifies.
    pub(super) fn pause(&self, until: Instant) {
        self.gate.set_deadline(Mode::Read, Some(until));
        if self.gate.prepare(Mode::Read).is_ok() && !self.is_stopping() {
            // The deadline, a notification or the runtime's end: the caller looks anyway.
            let _ = self.gate.wait(Mode::Read, Reason::Sync);
        }
    }

    pub(super) fn stats(&self) -> ServerStats {
        let counts = &self.counts;
        let read = |counter: &AtomicU64| counter.load(SeqCst);
        ServerStats {
            active: self.active(),
            accepted: read(&counts.accepted),
            finished: read(&counts.finished),
            panicked: read(&counts.panicked),
            refused: read(&counts.refused),
            lost: read(&counts.lost),
            exhausted: read(&counts.exhausted),
            cut: read(&counts.cut),
            left: read(&counts.left),
        }
    }
}

/// Stops a [`Server`](super::Server) and reads its counts, from any task or thread. Cheap to clone.
///
/// ```
/// use gopark::net::{Server, TcpConn, TcpListener};
/// let server = Server::new();
/// let handle = server.handle();
/// assert!(!handle.is_stopping());
/// let serving = std::thread::spawn(move || {
///     server.serve(TcpListener::bind("127.0.0.1:0")?, |_: &TcpConn| {})
/// });
/// handle.shutdown(); // from any task or thread
/// assert_eq!(serving.join().unwrap()?.accepted, handle.stats().accepted);
/// assert!(handle.is_stopping());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerHandle(pub(super) Arc<Control>);

impl ServerHandle {
    /// Begins the end: the listener is closed, and [`Server::serve`](super::Server::serve) returns
    /// when the handlers have ended or the bound of its drain has passed. Returns at once.
    ///
    /// Go: `http.Server.Shutdown`.
    pub fn shutdown(&self) {
        self.0.stop();
    }

    /// Has [`shutdown`](ServerHandle::shutdown) been called, or has the loop ended by itself? A
    /// handler that keeps connections open looks here between requests.
    pub fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }

    /// The counts at this moment.
    pub fn stats(&self) -> ServerStats {
        self.0.stats()
    }
}
