//! A serving loop that survives: what a server's accept loop must do besides accepting.
//!
//! | file          | what it is                                                             |
//! |---------------|------------------------------------------------------------------------|
//! | `mod.rs`      | `Server`, its settings, and `serve`                                    |
//! | `acceptor.rs` | what can be served                                                     |
//! | `classify.rs` | what each error of an accept means for the loop                        |
//! | `pause.rs`    | how long the loop waits after an error                                 |
//! | `reserve.rs`  | the descriptor kept back so that clients can be refused                |
//! | `control.rs`  | stopping and looking from outside; the counts                          |
//! | `live.rs`     | the connections being served                                           |
//! | `run.rs`      | the loop itself, and draining                                          |
//!
//! Go: the loop of `net/http.Server.Serve`, which has the pauses; `Shutdown`, which drains. The rest
//! Go leaves to the program.

#![forbid(unsafe_code)]

mod acceptor;
mod classify;
mod control;
mod live;
mod pause;
mod reserve;
mod run;

pub use acceptor::Acceptor;
pub use classify::{AcceptFailure, classify};
pub use control::{ServerHandle, ServerStats};

use crate::Handle;
use control::Control;
use std::{fmt, io, sync::Arc, time::Duration};

/// What is told of errors: the error, and what the loop makes of it.
type OnError = Box<dyn Fn(&io::Error, AcceptFailure) + Send + Sync>;

/// Serves every connection of `listener` with `handler`, each in a task of its own, until the
/// listener is closed; [`Server`] has settings.
///
/// # Errors
/// Those of [`Server::serve`].
///
/// ```
/// use gopark::net::{TcpConn, TcpListener, serve};
/// gopark::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let at = listener.local_addr()?;
///     let closer = listener.clone();
///     let server = gopark::spawn(move || {
///         serve(listener, |conn: &TcpConn| {
///             let mut buf = [0; 1024];
///             while let Ok(n @ 1..) = conn.read(&mut buf) {
///                 if conn.write(&buf[..n]).is_err() {
///                     break;
///                 }
///             }
///         })
///     });
///     let client = TcpConn::connect(at)?;
///     client.write(b"hello")?;
///     assert_eq!(client.read(&mut [0; 16])?, 5);
///     client.close()?;
///     closer.close()?;
///     let stats = server.join().unwrap()?;
///     assert_eq!((stats.accepted, stats.finished), (1, 1));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn serve<A, H>(listener: A, handler: H) -> io::Result<ServerStats>
where
    A: Acceptor,
    H: Fn(&A::Conn) + Send + Sync + 'static,
{
    Server::new().serve(listener, handler)
}

/// A serving loop, and its settings.
///
/// * An accept that fails because of its connection is passed over. One that fails because
///   descriptors or memory have run out is tried again, after 5 ms at first and up to 1 s, or as
///   soon as a connection ends; meanwhile clients are refused (accepted with a descriptor kept back
///   for that, and closed), so that none is left hanging.
/// * With [`max_connections`](Server::max_connections), further clients wait in the listener's queue.
/// * A handler that panics ends its own connection and nothing else.
/// * [`ServerHandle::shutdown`] stops accepting, lets handlers finish within a bound, then closes
///   their connections.
///
/// ```
/// use gopark::net::{Server, TcpConn, TcpListener};
/// use std::time::Duration;
/// gopark::run(|| {
///     let server = Server::new().max_connections(100).drain(Duration::from_secs(2));
///     let handle = server.handle();
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let task = gopark::spawn(move || server.serve(listener, |_: &TcpConn| {}));
///     handle.shutdown();
///     assert_eq!(task.join().unwrap()?.left, 0);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[must_use = "a server does nothing until `serve`"]
pub struct Server {
    max_connections: usize,
    drain: Duration,
    last_read: Option<Duration>,
    on_error: Option<OnError>,
    runtime: Option<Handle>,
    control: Arc<Control>,
}

impl Server {
    /// No limit of connections, ten seconds to drain.
    pub fn new() -> Server {
        Server {
            max_connections: usize::MAX,
            drain: Duration::from_secs(10),
            last_read: None,
            on_error: None,
            runtime: None,
            control: Arc::default(),
        }
    }

    /// How many connections are served at once; further clients wait in the listener's queue.
    ///
    /// # Panics
    /// If it is 0.
    ///
    /// Go: `netutil.LimitListener`.
    pub fn max_connections(mut self, most: usize) -> Server {
        assert!(most > 0, "a server that may serve nobody");
        self.max_connections = most;
        self
    }

    /// How long handlers may go on after a shutdown began, before their connections are closed. A
    /// handler that does not end then within another second is left behind, and counted.
    pub fn drain(mut self, bound: Duration) -> Server {
        self.drain = bound;
        self
    }

    /// When a shutdown begins, sets the read deadline of every connection to so much later: handlers
    /// that wait for a next request then end with a time-out instead of using up the whole drain.
    ///
    /// A handler that keeps its connection open between requests, and how it ends:
    ///
    /// ```
    /// use gopark::net::{Server, TcpConn, TcpListener};
    /// use std::time::Duration;
    /// let runtime = gopark::Runtime::new()?;
    /// let server = Server::new()
    ///     .last_read(Duration::ZERO)
    ///     .on_error(|err, meaning| eprintln!("{err}: {meaning:?}"))
    ///     .runtime(runtime.handle());
    /// let (handle, listener) = (server.handle(), TcpListener::bind("127.0.0.1:0")?);
    /// let client = TcpConn::connect(listener.local_addr()?)?;
    /// let answers = |conn: &TcpConn| while let Ok(1..) = conn.read(&mut [0; 64]) {
    ///     conn.write(b"pong").unwrap();
    /// };
    /// let serving = std::thread::spawn(move || server.serve(listener, answers));
    /// client.write(b"ping")?;
    /// assert_eq!(client.read(&mut [0; 8])?, 4);
    /// handle.shutdown(); // the handler's next read times out
    /// assert_eq!(serving.join().unwrap()?.cut, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn last_read(mut self, after: Duration) -> Server {
        self.last_read = Some(after);
        self
    }

    /// Is told of every error of an accept, with what the loop makes of it. Runs in the loop.
    pub fn on_error(
        mut self,
        f: impl Fn(&io::Error, AcceptFailure) + Send + Sync + 'static,
    ) -> Server {
        self.on_error = Some(Box::new(f));
        self
    }

    /// The runtime whose tasks serve the connections. By default it is that of the caller of
    /// [`serve`](Server::serve), and where that is a plain thread, every connection has a thread.
    pub fn runtime(mut self, runtime: Handle) -> Server {
        self.runtime = Some(runtime);
        self
    }

    /// Stops the server and reads its counts, from any task or thread.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(self.control.clone())
    }

    /// Serves until the listener is closed, [`ServerHandle::shutdown`] is called, or the runtime
    /// ends; then drains, and returns the counts. `handler` gets each connection by reference: when
    /// it returns, the connection is closed (unless it has kept a clone).
    ///
    /// # Errors
    /// An error of the listener that no waiting cures, after draining; what keeps the calling plain
    /// thread from having a poller.
    pub fn serve<A, H>(self, listener: A, handler: H) -> io::Result<ServerStats>
    where
        A: Acceptor,
        H: Fn(&A::Conn) + Send + Sync + 'static,
    {
        run::run(self, listener, handler)
    }
}

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("max_connections", &self.max_connections)
            .field("drain", &self.drain)
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}
