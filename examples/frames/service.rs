//! The server: accepts, reads requests, has them done, answers; and stops gracefully.

#![allow(dead_code, reason = "the tests use more than the program")]
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gopark::net::{AcceptFailure, NetError, TcpConn, TcpListener, classify};

use super::answers::Answers;
use super::metrics::Metrics;
use super::protocol::{Command, Frame, FrameError, Id, LONGEST, read_frame};

/// The result of a request whose doing panicked.
pub const PANICKED: u8 = 0xff;

/// What a server does for its clients.
pub trait Service: Send + Sync {
    /// Does what a client submitted and returns the result byte, 0 if all is well. Several run at
    /// the same time, also for one client, unless [`Limits::in_flight`] is 1.
    fn submit(&self, id: Id, payload: &[u8]) -> u8;

    /// Hears how a connection ended.
    fn ended(&self, client: SocketAddr, end: &End) {
        let _ = (client, end);
    }
}

/// How much of everything a client may have.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest frame, in bytes.
    pub longest: usize,
    /// Requests of one connection that are not answered yet. With 1 they are done, and answered, in
    /// their order.
    pub in_flight: usize,
    /// How long a client may be silent between frames.
    pub idle: Duration,
    /// How long a frame may take to come, from its first byte.
    pub frame: Duration,
    /// How long a client may leave an answer unread.
    pub write: Duration,
    /// How long a stop waits for connections to end.
    pub drain: Duration,
    /// The kernel's buffer for answers; as it chooses if none is given.
    pub send_buffer: Option<usize>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            longest: LONGEST,
            in_flight: 64,
            idle: Duration::from_secs(60),
            frame: Duration::from_secs(5),
            write: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            send_buffer: None,
        }
    }
}

/// How a connection ended.
#[derive(Debug)]
pub enum End {
    /// The client closed it between frames.
    Normal,
    /// The server stops.
    Drained,
    /// No frame came for too long.
    Idle,
    /// A frame took too long to come.
    SlowFrame,
    /// The client did not read its answers.
    SlowReader(io::Error),
    /// The client sent what is no frame, or stopped inside one.
    Bad(FrameError),
    /// A request only a server may send.
    Unexpected(Command),
    /// Anything else.
    Failed(io::Error),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Normal => f.write_str("EOF"),
            End::Drained => f.write_str("the server stops"),
            End::Idle => f.write_str("idle for too long"),
            End::SlowFrame => f.write_str("a frame took too long"),
            End::SlowReader(err) => write!(f, "answers not read: {err}"),
            End::Bad(err) => err.fmt(f),
            End::Unexpected(command) => write!(f, "{command:?} is for servers to send"),
            End::Failed(err) => err.fmt(f),
        }
    }
}

/// The server.
#[derive(Debug)]
pub struct Server<S> {
    listener: TcpListener,
    limits: Limits,
    /// What it does for its clients.
    pub service: S,
    /// What it counts.
    pub metrics: Metrics,
    draining: AtomicBool,
    next: AtomicU64,
    open: Mutex<HashMap<u64, TcpConn>>,
}

impl<S: Service> Server<S> {
    /// A server that takes its clients from `listener`.
    pub fn new(listener: TcpListener, limits: Limits, service: S) -> Server<S> {
        Server {
            listener,
            limits,
            service,
            metrics: Metrics::default(),
            draining: AtomicBool::new(false),
            next: AtomicU64::new(0),
            open: Mutex::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, TcpConn>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves until [`drain`](Server::drain), and then until every connection has ended, or has been
    /// cut because it took too long.
    ///
    /// # Errors
    /// If the listener fails for good.
    pub fn run(&self) -> io::Result<()> {
        gopark::scope(|s| {
            let end = loop {
                let (conn, client) = match self.listener.accept() {
                    Ok(accepted) => accepted,
                    Err(err) => match classify(&err) {
                        AcceptFailure::Closed => break Ok(()),
                        // One client is lost, and the next may be fine.
                        AcceptFailure::Connection => continue,
                        AcceptFailure::Exhausted | AcceptFailure::Passing => {
                            // No descriptors, for instance: some come back when a client leaves.
                            gopark::sleep(Duration::from_millis(20));
                            continue;
                        }
                        _ => break Err(err),
                    },
                };
                self.metrics.accepted.add(1);
                if let Some(number) = self.enter(&conn) {
                    s.spawn(move || self.session(number, &conn, client));
                }
            };
            self.drain();
            let until = Instant::now() + self.limits.drain;
            while !self.open().is_empty() && Instant::now() < until {
                gopark::sleep(Duration::from_millis(2));
            }
            let left: Vec<TcpConn> = self.open().values().cloned().collect();
            for conn in left {
                // It may have been closed meanwhile, and that is what we want.
                let _ = conn.close();
            }
            end
        })
    }

    /// Stops: no new connections, no new requests; those under way are answered. Any task and any
    /// thread may call it.
    pub fn drain(&self) {
        let open: Vec<TcpConn> = {
            let open = self.open();
            // With the lock: whoever enters either is in the list or sees this.
            self.draining.store(true, Ordering::SeqCst);
            open.values().cloned().collect()
        };
        // Without the lock: closing waits until no accept is under way, and who waits for a lock of
        // std's meanwhile holds up its whole worker. Closed already when drained twice.
        let _ = self.listener.close();
        for conn in open {
            // Ends its waiting for the next request, and nothing else.
            let _ = conn.set_read_deadline(Some(Instant::now()));
        }
    }

    /// Whether it stops, or has stopped.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// The connection's number; none if the server stops.
    fn enter(&self, conn: &TcpConn) -> Option<u64> {
        let mut open = self.open();
        if self.is_draining() {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        open.insert(number, conn.clone());
        self.metrics.open.add(1);
        Some(number)
    }

    fn session(&self, number: u64, conn: &TcpConn, client: SocketAddr) {
        if let Some(bytes) = self.limits.send_buffer {
            // A connection that is gone already says so when it is read.
            let _ = conn.set_write_buffer(bytes);
        }
        let limits = &self.limits;
        let answers = Answers::new(conn, &self.metrics, limits.in_flight, limits.write);
        let end = self.converse(conn, &answers);
        // The scope in `converse` has ended: everything under way is answered.
        let end = match answers.take_failure() {
            Some(err) if err.is_timeout() => End::SlowReader(err),
            Some(err) if !err.is_closed() => End::Failed(err),
            _ => end,
        };
        match &end {
            End::Normal | End::Drained => {}
            End::Idle | End::SlowFrame | End::SlowReader(_) => self.metrics.slow.add(1),
            End::Bad(_) | End::Unexpected(_) => self.metrics.bad.add(1),
            End::Failed(_) => self.metrics.failed.add(1),
        }
        if matches!(end, End::Drained | End::Bad(_) | End::Unexpected(_)) {
            self.say_goodbye(conn);
        }
        // Closed already when it was cut.
        let _ = conn.close();
        self.open().remove(&number);
        self.metrics.open.less();
        self.service.ended(client, &end);
    }

    /// Reads requests and has them done until one of the sides has had enough.
    fn converse(&self, conn: &TcpConn, answers: &Answers<'_>) -> End {
        // It holds a buffer only while there is something in it.
        let mut stream = conn.leased();
        gopark::scope(|s| {
            loop {
                let frame = match self.next_frame(conn, &mut stream) {
                    Ok(frame) => frame,
                    Err(end) => return end,
                };
                self.metrics.frames.add(1);
                self.metrics.bytes.add(frame.body.len());
                if !matches!(frame.command, Command::Connect | Command::Submit) {
                    return End::Unexpected(frame.command);
                }
                if !answers.window.try_take() {
                    // Nothing more is read until an answer is out. The client notices.
                    answers.window.take();
                }
                self.metrics.in_flight.add(1);
                match frame.command {
                    Command::Submit if self.limits.in_flight > 1 => {
                        s.spawn(move || self.serve(&frame, answers));
                    }
                    _ => self.serve(&frame, answers),
                }
            }
        })
    }

    fn next_frame(&self, conn: &TcpConn, stream: &mut impl BufRead) -> Result<Frame, End> {
        let ended = |err: io::Error, slow: End| match err {
            _ if self.is_draining() => End::Drained,
            err if err.is_timeout() => slow,
            err => End::Failed(err),
        };
        self.read_within(conn, self.limits.idle);
        match stream.fill_buf() {
            Ok([]) => return Err(End::Normal),
            Ok(_) => {}
            Err(err) => return Err(ended(err, End::Idle)),
        }
        self.read_within(conn, self.limits.frame);
        match read_frame(stream, self.limits.longest) {
            // It may have come with the deadline that `drain` set.
            Ok(Some(_)) if self.is_draining() => Err(End::Drained),
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(End::Normal),
            Err(FrameError::Io(err)) => Err(ended(err, End::SlowFrame)),
            Err(err) => Err(End::Bad(err)),
        }
    }

    /// Gives the client so much time, unless the server stops.
    fn read_within(&self, conn: &TcpConn, time: Duration) {
        // Both fail only on a closed connection, and so does the read that follows.
        let _ = conn.set_read_deadline(Instant::now().checked_add(time));
        // Looked at after, and set by `drain` before it sets the deadlines: one of us is last.
        if self.is_draining() {
            let _ = conn.set_read_deadline(Some(Instant::now()));
        }
    }

    fn serve(&self, frame: &Frame, answers: &Answers<'_>) {
        let (command, result) = match frame.command {
            Command::Connect => (Command::ConnectAck, 0),
            _ => {
                let submit = AssertUnwindSafe(|| self.service.submit(frame.id, &frame.body));
                let result = catch_unwind(submit).unwrap_or(PANICKED);
                (Command::SubmitAck, result)
            }
        };
        self.metrics.in_flight.less();
        answers.send(&Frame::ack(command, frame.id, result));
    }

    /// Ends our half and lets the client read what we wrote: closing while it still sends would be
    /// a reset, which can overtake the answers.
    fn say_goodbye(&self, conn: &TcpConn) {
        let time = self.limits.drain.min(Duration::from_secs(1));
        let deadline = Instant::now().checked_add(time);
        let ready = conn
            .close_write()
            .and_then(|()| conn.set_read_deadline(deadline));
        if ready.is_ok() {
            // However it ends, the connection is closed next.
            let _ = io::copy(&mut &*conn, &mut io::sink());
        }
    }
}
