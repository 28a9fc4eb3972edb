//! A stand-in for the parts of the `gopark` library that the servers use, on plain threads.
//!
//! It has the library's names and meanings, so that `serve` and the demo can be written and
//! tested before the library is there. It goes when the library comes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Runs `main`.
#[derive(Debug)]
pub struct Runtime;

/// Settings of a runtime.
#[derive(Debug)]
pub struct Builder;

/// Counters.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Metrics {
    pub tasks_alive: u64,
    pub switches: u64,
    pub parks: u64,
    pub skipped_reads: u64,
    pub polls: u64,
    pub events: u64,
    pub registrations: u64,
}

impl Runtime {
    pub fn builder() -> Builder {
        Builder
    }

    pub fn run<T: Send>(&self, main: impl FnOnce() -> T + Send) -> T {
        main()
    }

    pub fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

impl Builder {
    pub fn workers(self, _workers: usize) -> Builder {
        self
    }

    pub fn build(self) -> io::Result<Runtime> {
        Ok(Runtime)
    }
}

/// Starts a task.
pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(f)
}

/// Waits.
pub fn sleep(time: Duration) {
    thread::sleep(time);
}

pub mod net {
    use super::*;

    #[derive(Debug)]
    struct Closed;

    impl std::fmt::Display for Closed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("use of closed network connection")
        }
    }

    impl std::error::Error for Closed {}

    pub fn is_closed(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Closed>())
    }

    #[derive(Clone, Debug)]
    pub struct TcpListener(Arc<(std::net::TcpListener, AtomicBool)>);

    impl TcpListener {
        pub fn bind(addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
            let listener = std::net::TcpListener::bind(addr)?;
            listener.set_nonblocking(true)?;
            Ok(TcpListener(Arc::new((listener, AtomicBool::new(false)))))
        }

        pub fn accept(&self) -> io::Result<(TcpConn, SocketAddr)> {
            loop {
                if self.0.1.load(Ordering::SeqCst) {
                    return Err(io::Error::other(Closed));
                }
                match self.0.0.accept() {
                    Ok((stream, addr)) => {
                        stream.set_nonblocking(false)?;
                        stream.set_nodelay(true)?;
                        return Ok((TcpConn(Arc::new(stream)), addr));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        thread::sleep(Duration::from_millis(1));
                    }
                    Err(error) => return Err(error),
                }
            }
        }

        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            self.0.0.local_addr()
        }

        pub fn close(&self) -> io::Result<()> {
            self.0.1.store(true, Ordering::SeqCst);
            Ok(())
        }
    }

    #[derive(Clone, Debug)]
    pub struct TcpConn(Arc<std::net::TcpStream>);

    impl TcpConn {
        pub fn connect(addr: impl ToSocketAddrs) -> io::Result<TcpConn> {
            let stream = std::net::TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            Ok(TcpConn(Arc::new(stream)))
        }

        pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
            match (&*self.0).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Err(io::ErrorKind::TimedOut.into())
                }
                done => done,
            }
        }

        pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
            (&*self.0).write_all(bytes).map(|()| bytes.len())
        }

        pub fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
            let left = deadline.map(|when| {
                when.saturating_duration_since(Instant::now())
                    .max(Duration::from_micros(1))
            });
            self.0.set_read_timeout(left)
        }

        pub fn close_write(&self) -> io::Result<()> {
            self.0.shutdown(Shutdown::Write)
        }
    }
}
