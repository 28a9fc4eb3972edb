//! What most tests here need: pairs of descriptors, and threads known to be blocked.
#![allow(dead_code, reason = "each test binary uses a part")]

use netpoll::{Error, Fd, Kind, Mode, PollerHandle, park};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a machine that still works.
pub const BOUND: Duration = Duration::from_secs(30);

/// Both ends of a TCP connection over loopback.
pub fn tcp_pair() -> (Fd, Fd) {
    let (a, b) = std_tcp_pair();
    (
        Fd::new(a.into(), Kind::TCP).unwrap(),
        Fd::new(b.into(), Kind::TCP).unwrap(),
    )
}

/// The same as the standard library's.
pub fn std_tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (b, _) = listener.accept().unwrap();
    a.set_nodelay(true).unwrap();
    b.set_nodelay(true).unwrap();
    (a, b)
}

/// Both ends of a Unix stream.
pub fn unix_pair() -> (Fd, Fd) {
    let (a, b) = UnixStream::pair().unwrap();
    (
        Fd::new(a.into(), Kind::STREAM).unwrap(),
        Fd::new(b.into(), Kind::STREAM).unwrap(),
    )
}

/// Waits for a condition, and fails loudly if it never comes.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOUND, "never happened: {what}");
        std::thread::yield_now();
    }
}

/// The handle of the calling thread's own poller.
pub fn my_handle() -> PollerHandle {
    park::with_current(|p| p.poller().handle().clone())
}

/// A thread that runs `f`, and how to see that it sleeps in its poller.
pub struct Blocked<T> {
    thread: JoinHandle<T>,
    pub handle: PollerHandle,
}

/// Starts `f` on a thread of its own.
pub fn start<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Blocked<T> {
    let (tx, rx) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        tx.send(my_handle()).unwrap();
        f()
    });
    Blocked {
        thread,
        handle: rx.recv().unwrap(),
    }
}

impl<T> Blocked<T> {
    /// Waits until the thread sleeps.
    pub fn asleep(self) -> Self {
        until("the thread blocks", || {
            assert!(!self.thread.is_finished(), "it should have blocked");
            self.handle.is_sleeping()
        });
        self
    }

    /// Waits for its end, bounded.
    pub fn join(self) -> T {
        until("the thread ends", || self.thread.is_finished());
        self.thread.join().unwrap()
    }

    /// Has the poller go round once more: whatever is due there happens. It sleeps again after that.
    pub fn turn(self) -> Self {
        self.handle.wake();
        self.asleep()
    }

    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

/// The calling thread, as the kernel knows it.
pub fn this_thread() -> i32 {
    // SAFETY: no memory is passed.
    unsafe { libc::gettid() }
}

/// Whether a thread of this process sleeps in the kernel.
pub fn sleeps_in_kernel(thread: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
    // The state follows the name, which may hold anything but is in parentheses.
    stat.is_ok_and(|stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('S'))
    })
}

/// A moment from now.
pub fn after(d: Duration) -> Option<Instant> {
    Some(Instant::now() + d)
}

/// A moment that has passed.
pub fn past() -> Option<Instant> {
    Instant::now().checked_sub(Duration::from_millis(1))
}

/// Whether the kernel says at this moment that `fd` is ready for one of `events`.
pub fn is_ready(fd: &Fd, events: i16) -> bool {
    fd.with(|fd| {
        let mut poll = libc::pollfd {
            fd: fd.as_raw_fd(),
            events,
            revents: 0,
        };
        // SAFETY: one valid `pollfd`.
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
    })
    .unwrap()
}

/// Has `fd` registered with the calling thread's poller, by a read that ends at its deadline.
pub fn register(fd: &Fd) {
    let registered = || park::with_current(|p| p.poller().counters().registrations.load(SeqCst));
    let before = registered();
    // On a busy machine the deadline may be over before the read begins, which then does not wait.
    until("it is registered", || {
        fd.set_deadline(&[Mode::Read], after(Duration::from_millis(1)))
            .unwrap();
        assert_eq!(fd.read(&mut [0; 8]), Err(Error::Timeout));
        registered() > before
    });
    fd.set_deadline(&[Mode::Read], None).unwrap();
}

/// Writes until the buffers of the socket are full: the next write must wait.
pub fn fill(fd: &Fd) -> usize {
    let mut total = 0;
    loop {
        fd.set_deadline(&[Mode::Write], after(Duration::from_millis(100)))
            .unwrap();
        let written = match fd.write(&[7; 65536]) {
            Ok(()) => 65536,
            Err(partial) => {
                assert_eq!(partial.error, Error::Timeout);
                partial.written
            }
        };
        total += written;
        // On a busy machine the time may be over although there is room.
        if written == 0 && !is_ready(fd, libc::POLLOUT) {
            fd.set_deadline(&[Mode::Write], None).unwrap();
            return total;
        }
    }
}
