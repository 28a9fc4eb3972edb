//! Runs the body of a test in every way in which an execution can wait.
//!
//! A body uses [`scope`], [`Scope::spawn`] and [`sleep`] of this module and nothing of std's, so that it
//! can run on plain threads and in tasks.

#![allow(dead_code, reason = "no test uses all of it")]

#[path = "../golden/mod.rs"]
pub mod golden;
pub mod lines;
mod waiting;
mod watched;

use gopark::{
    Descriptor, Handle, Runtime,
    net::{TcpConn, TcpListener},
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};
use watched::watched;

/// How long something must stay blocked to count as blocked.
pub const TICK: Duration = Duration::from_millis(60);

/// Runs `body` on plain threads, and in tasks on one, two and four workers.
pub fn everywhere(body: impl Fn() + Send + Sync) {
    watched("on plain threads", &body);
    for workers in [1, 2, 4] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        let tasks = || {
            runtime.run(|| {
                assert!(in_task());
                body();
            });
        };
        watched(&format!("in tasks on {workers} workers"), tasks);
    }
}

/// Whether the caller is a task.
fn in_task() -> bool {
    Handle::current().is_some()
}

/// What runs at the same time and ends before the scope does.
#[derive(Debug)]
pub enum Scope<'scope, 'env> {
    Threads(&'scope thread::Scope<'scope, 'env>),
    Tasks(&'scope gopark::Scope<'scope, 'env>),
}

/// Runs `f`, and waits for everything it spawned.
pub fn scope<'env, R>(f: impl for<'a, 'scope> FnOnce(&'a Scope<'scope, 'env>) -> R) -> R {
    if in_task() {
        gopark::scope(|tasks| f(&Scope::Tasks(tasks)))
    } else {
        thread::scope(|threads| f(&Scope::Threads(threads)))
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Runs `f` at the same time.
    pub fn spawn<T: Send + 'scope>(&self, f: impl FnOnce() -> T + Send + 'scope) -> Job<'scope, T> {
        match self {
            Scope::Threads(threads) => Job::Thread(threads.spawn(f)),
            Scope::Tasks(tasks) => Job::Task(tasks.spawn(f)),
        }
    }
}

/// Something that runs, and its result.
#[derive(Debug)]
pub enum Job<'scope, T> {
    Thread(thread::ScopedJoinHandle<'scope, T>),
    Task(gopark::ScopedJoinHandle<'scope, T>),
}

impl<T> Job<'_, T> {
    /// Its result, once it has ended.
    pub fn wait(self) -> T {
        match self {
            Job::Thread(thread) => thread.join(),
            Job::Task(task) => task.join(),
        }
        .unwrap()
    }

    fn is_finished(&self) -> bool {
        match self {
            Job::Thread(thread) => thread.is_finished(),
            Job::Task(task) => task.is_finished(),
        }
    }

    /// Whether it stays blocked for a tick.
    pub fn is_pending(&self) -> bool {
        stays(|| !self.is_finished())
    }
}

/// Lets time pass; others run meanwhile. For tests of which a span of time is a part.
pub fn sleep(time: Duration) {
    if in_task() {
        gopark::sleep(time);
    } else {
        thread::sleep(time);
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_some(what, || condition().then_some(()));
}

/// Waits until `look` finds something.
#[track_caller]
pub fn until_some<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    let bound = Duration::from_secs(20);
    waiting::find(bound, sleep, look).unwrap_or_else(|| panic!("{what}: not within {bound:?}"))
}

/// Whether `condition` holds for a tick: for what can only be seen not to happen.
pub fn stays(mut condition: impl FnMut() -> bool) -> bool {
    waiting::find(TICK, sleep, || (!condition()).then_some(())).is_none()
}

/// What `attempt` gives, once it gives something: it is tried with `time`, with twice as much, and so
/// on. For what must happen within a time, but may be kept from it by a busy machine.
#[track_caller]
pub fn in_some_time<T>(mut time: Duration, mut attempt: impl FnMut(Duration) -> Option<T>) -> T {
    loop {
        if let Some(done) = attempt(time) {
            return done;
        }
        time *= 2;
        assert!(time < Duration::from_secs(60), "never in time");
    }
}

/// The deadline `millis` from now.
pub fn after(millis: u64) -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(millis))
}

/// A deadline for what is not expected to need it.
pub fn soon() -> Option<Instant> {
    after(50_000)
}

/// Every network of connections, and where to listen on it.
pub const EVERY_STREAM: [(&str, &str); 5] = [
    ("tcp", "127.0.0.1:0"),
    ("tcp4", "127.0.0.1:0"),
    ("tcp6", "[::1]:0"),
    ("unix", ""),
    ("unixpacket", ""),
];

/// Both ends of a terminal: the program's that shows it, and the one that is read and written there.
pub fn terminal() -> [Descriptor; 2] {
    let (mut main, mut term) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: two places for numbers, and nothing else asked for or given.
    let done = unsafe { libc::openpty(&mut main, &mut term, null, null.cast(), null.cast()) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    // SAFETY: both numbers are new and ours.
    let ends = unsafe { [OwnedFd::from_raw_fd(main), OwnedFd::from_raw_fd(term)] };
    ends.map(|end| Descriptor::new(end).unwrap())
}

/// A listener on the loopback address.
pub fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Both ends of a connection: the dialer's and the accepted one.
pub fn pair() -> (TcpConn, TcpConn) {
    pair_on(&listener())
}

pub fn pair_on(listener: &TcpListener) -> (TcpConn, TcpConn) {
    let client = TcpConn::connect(listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

/// A number among the options of a socket.
pub fn option(fd: impl AsFd, level: i32, name: i32) -> i32 {
    let mut value = 0i32;
    let mut len = size_of::<i32>() as libc::socklen_t;
    let at = (&raw mut value).cast();
    // SAFETY: `at` and `len` describe one `i32`.
    let done = unsafe { libc::getsockopt(fd.as_fd().as_raw_fd(), level, name, at, &mut len) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    value
}

/// Sets a number among the options of a socket.
pub fn set_option(fd: impl AsFd, level: i32, name: i32, value: i32) {
    let at = (&raw const value).cast();
    let len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: `at` and `len` describe one `i32`.
    let done = unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, name, at, len) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

/// The state of a connection in the kernel.
pub fn tcp_state(conn: &TcpConn) -> &'static str {
    const STATES: [&str; 12] = [
        "?",
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT1",
        "FIN_WAIT2",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
    ];
    // The state is the first byte of the structure.
    let info = conn
        .with_fd(|fd| option(fd, libc::IPPROTO_TCP, libc::TCP_INFO))
        .unwrap();
    STATES[info.to_ne_bytes()[0] as usize]
}

/// Waits until the kernel has brought a connection into `state`.
pub fn until_state(conn: &TcpConn, state: &str) {
    until(state, || tcp_state(conn) == state);
}

/// Waits until `bytes` can be read.
pub fn until_readable(conn: &TcpConn, bytes: usize) {
    until("data", || conn.with_fd(|fd| unread(fd)).unwrap() >= bytes);
}

/// How many bytes can be read from a descriptor.
pub fn unread(fd: impl AsFd) -> usize {
    let mut waiting = 0i32;
    // SAFETY: FIONREAD writes one `i32`.
    let done = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut waiting) };
    assert_eq!(done, 0);
    waiting as usize
}

/// A loopback listener whose accept queue is full, so that whoever dials waits.
pub fn full_backlog() -> (std::net::TcpListener, TcpConn) {
    let config = gopark::net::ListenConfig::new().backlog(0);
    let listener = config.bind("127.0.0.1:0").unwrap();
    // Linux lets one more in than it is asked to.
    let fill = TcpConn::connect(listener.local_addr().unwrap()).unwrap();
    (listener.into_std().unwrap(), fill)
}
