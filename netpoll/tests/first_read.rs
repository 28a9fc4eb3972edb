//! The first read of an accepted connection: where those before it have found nothing it waits without a
//! try, and whatever it finds or waits for, it finds.

mod support;

use netpoll::{Error, Fd, Kind, Mode, PollerHandle, Watched, Watcher, park};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use support::{BOUND, Blocked, after, fill, is_ready, start, until};

/// A client, and the connection that was accepted from it.
fn pair(listener: &TcpListener) -> (Fd, Fd) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (conn, _) = listener.accept().unwrap();
    conn.set_nonblocking(true).unwrap();
    let client = Fd::new(client.into(), Kind::TCP).unwrap();
    let conn = Fd::accepted(conn.into(), Kind::TCP);
    for end in [&client, &conn] {
        end.set_deadline(&[Mode::Read, Mode::Write], after(BOUND))
            .unwrap();
    }
    (client, conn)
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(SeqCst)
}

/// Reads as many bytes as that.
fn drain(client: &Fd, much: usize) {
    let mut left = much;
    while left > 0 {
        left -= client.read(&mut vec![0; 1 << 16]).unwrap();
    }
}

/// A thread that reads from each connection it gets once, and keeps it.
struct Server {
    thread: Blocked<Vec<Fd>>,
    conns: mpsc::Sender<Fd>,
    read: mpsc::Receiver<Result<usize, Error>>,
    listener: TcpListener,
}

/// How many reads have met EAGAIN, and how many were skipped.
fn tries(handle: &PollerHandle) -> (u64, u64) {
    let counters = handle.counters();
    (get(&counters.eagains), get(&counters.skipped_reads))
}

impl Server {
    fn new() -> Server {
        let (conns, from) = mpsc::channel::<Fd>();
        let (tell, read) = mpsc::channel();
        let thread = start(move || {
            let mut kept = Vec::new();
            for conn in from {
                tell.send(conn.read(&mut [0; 64])).unwrap();
                kept.push(conn);
            }
            kept
        });
        Server {
            thread,
            conns,
            read,
            listener: listener(),
        }
    }

    /// A connection whose request comes when the server waits for it.
    fn late(&self) {
        let (client, conn) = pair(&self.listener);
        self.conns.send(conn).unwrap();
        until("it waits", || self.thread.handle.is_sleeping());
        client.write(b"late").unwrap();
        assert_eq!(self.read.recv_timeout(BOUND), Ok(Ok(4)));
    }

    /// A connection that comes with its request, or with what `sends` does.
    fn prompt(&self, sends: impl FnOnce(&Fd, &Fd)) -> Result<usize, Error> {
        let (client, conn) = pair(&self.listener);
        sends(&client, &conn);
        until("it is there", || is_ready(&conn, libc::POLLIN));
        self.conns.send(conn).unwrap();
        self.read.recv_timeout(BOUND).unwrap()
    }

    fn tries(&self) -> (u64, u64) {
        tries(&self.thread.handle)
    }
}

#[test]
fn the_more_first_reads_are_in_vain_the_more_connections_wait_without_a_try() {
    let server = Server::new();
    // Tried: the 1st, the 2nd, the 4th, the 8th, the 16th, the 32nd, and then every 64th.
    let (mut vain, mut skipped) = (0, 0);
    for nth in 1..=200u64 {
        server.late();
        let tried = nth.is_power_of_two() && nth < 64 || nth % 64 == 0;
        (vain, skipped) = (vain + u64::from(tried), skipped + u64::from(!tried));
        assert_eq!(server.tries(), (vain, skipped), "connection {nth}");
    }
}

#[test]
fn a_first_read_that_finds_something_lets_the_next_ones_try() {
    let server = Server::new();
    (0..7).for_each(|_| server.late());
    assert_eq!(server.tries(), (3, 4));
    // The eighth is tried, and so is every one after it: all of them find something.
    let prompt = || server.prompt(|client, _| client.write(b"x").unwrap());
    (0..20).for_each(|_| assert_eq!(prompt(), Ok(1)));
    assert_eq!(server.tries(), (3, 4));
    // It begins anew.
    for tried in [1, 1, 0, 1, 0, 0, 0, 1] {
        let before = server.tries();
        server.late();
        let (vain, skipped) = server.tries();
        assert_eq!((vain - before.0, skipped - before.1), (tried, 1 - tried));
    }
}

#[test]
fn one_in_vain_among_first_reads_that_find_something_changes_nothing() {
    let server = Server::new();
    for round in 1..=20 {
        server.late();
        assert_eq!(
            server.prompt(|client, _| client.write(b"x").unwrap()),
            Ok(1)
        );
        assert_eq!(server.tries(), (round, 0));
    }
}

#[test]
fn what_is_there_before_a_first_read_that_is_not_tried_is_found() {
    let reset = Error::Sys {
        call: "read",
        errno: libc::ECONNRESET,
    };
    type Sends = fn(&Fd, &Fd);
    let cases: [(Sends, Result<usize, Error>); 4] = [
        (|client, _| client.write(b"abc").unwrap(), Ok(3)),
        (|client, _| client.shutdown(Shutdown::Write).unwrap(), Ok(0)),
        (
            |client, _| {
                client.write(b"abcd").unwrap();
                client.close().unwrap();
            },
            Ok(4),
        ),
        (
            |client, conn| {
                // Closed with something unread, it resets.
                conn.write(b"x").unwrap();
                until("it is there", || is_ready(client, libc::POLLIN));
                client.close().unwrap();
            },
            Err(reset),
        ),
    ];
    for (sends, found) in cases {
        let server = Server::new();
        (0..8).for_each(|_| server.late());
        let (vain, skipped) = server.tries();
        assert_eq!(server.prompt(sends), found);
        assert_eq!(server.tries(), (vain, skipped + 1));
    }
}

#[test]
fn a_first_read_that_fails_leaves_the_next_one_to_the_kernel() {
    let listener = listener();
    teach(&listener);
    let (client, conn) = pair(&listener);
    conn.write(b"x").unwrap();
    until("it is there", || is_ready(&client, libc::POLLIN));
    client.close().unwrap(); // with something unread: a reset
    until("it is there", || is_ready(&conn, libc::POLLIN));
    let failed = conn.read(&mut [0; 8]).unwrap_err();
    assert_eq!(failed.errno(), Some(libc::ECONNRESET));
    // The event has come, and there will be no other.
    assert_eq!(conn.read(&mut [0; 8]), Ok(0));
    assert_eq!(conn.read(&mut [0; 8]), Ok(0));
}

#[test]
fn the_reads_after_a_first_one_are_like_any_other() {
    let listener = listener();
    let addr = listener.local_addr().unwrap();
    let clients = start(move || {
        for _ in 0..100 {
            let client = TcpStream::connect(addr).unwrap();
            let client = Fd::new(client.into(), Kind::TCP).unwrap();
            client.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
            for i in 0..3u64 {
                client.write(&i.to_le_bytes()).unwrap();
                assert_eq!(client.read(&mut [0; 64]), Ok(8));
            }
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.read(&mut [0; 64]), Ok(0));
        }
    });
    for _ in 0..100 {
        let (conn, _) = listener.accept().unwrap();
        conn.set_nonblocking(true).unwrap();
        let conn = Fd::accepted(conn.into(), Kind::TCP);
        conn.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
        let mut buf = [0; 64];
        while let n @ 1.. = conn.read(&mut buf).unwrap() {
            conn.write(&buf[..n]).unwrap();
        }
        assert_eq!(conn.read(&mut buf), Ok(0));
    }
    clients.join();
}

/// Has the calling thread's next connections wait without a try.
fn teach(listener: &TcpListener) {
    let handle = support::my_handle();
    for _ in 0..8 {
        let (_client, conn) = pair(listener);
        let before = tries(&handle);
        until("it waits", || {
            conn.set_deadline(&[Mode::Read], after(Duration::from_millis(1)))
                .unwrap();
            assert_eq!(conn.read(&mut [0; 8]), Err(Error::Timeout));
            tries(&handle) != before
        });
    }
}

#[test]
fn a_first_read_that_is_not_tried_keeps_its_deadline() {
    let listener = listener();
    teach(&listener);
    let (client, conn) = pair(&listener);
    let before = tries(&support::my_handle());
    until("it waits", || {
        conn.set_deadline(&[Mode::Read], after(Duration::from_millis(1)))
            .unwrap();
        assert_eq!(conn.read(&mut [0; 8]), Err(Error::Timeout));
        tries(&support::my_handle()) != before
    });
    conn.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
    client.write(b"x").unwrap();
    assert_eq!(conn.read(&mut [0; 8]), Ok(1));
}

#[test]
fn one_that_cannot_be_waited_for_is_tried_all_the_same() {
    teach(&listener());
    let path = std::env::temp_dir().join(format!("first-read-{}", std::process::id()));
    std::fs::write(&path, "hello").unwrap();
    let file = std::fs::File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let kind = Kind {
        socket: false,
        ..Kind::TCP
    };
    let skipped = || tries(&support::my_handle()).1;
    let before = skipped();
    let conn = Fd::accepted(file.try_clone().unwrap().into(), kind);
    assert_eq!(watched(&conn), Ok(Watched::Ready));
    let conn = Fd::accepted(file.into(), kind);
    assert_eq!(conn.read(&mut [0; 8]), Ok(5));
    assert_eq!(
        skipped(),
        before + 2,
        "epoll takes no files, and was asked first"
    );
}

#[test]
fn a_connection_that_is_read_first_brings_no_event_before_its_request() {
    let listener = listener();
    let (client, conn) = pair(&listener);
    let reader = start(move || (conn.read(&mut [0; 8]), conn)).asleep();
    let events = || get(&reader.handle.counters().events);
    // One turn more, in which an event that says that there is room would have come.
    let turns = get(&reader.handle.counters().sleeps);
    reader.handle.wake();
    until("it sleeps again", || {
        get(&reader.handle.counters().sleeps) > turns && reader.handle.is_sleeping()
    });
    assert_eq!(events(), 0);
    client.write(b"x").unwrap();
    assert_eq!(reader.join().0, Ok(1));
}

#[test]
fn whoever_waits_to_write_after_a_first_read_is_heard() {
    for reads_meanwhile in [false, true] {
        let listener = listener();
        let (client, conn) = pair(&listener);
        let conn = Arc::new(conn);
        let shared = conn.clone();
        let writer = start(move || {
            assert_eq!(shared.read(&mut [0; 8]), Ok(1));
            shared.write(&vec![7; 1 << 24]).map_err(|p| p.error)
        });
        let writer = writer.asleep();
        client.write(b"x").unwrap();
        until("the buffers are full", || !is_ready(&conn, libc::POLLOUT));
        let writer = writer.asleep();
        let registered = get(&writer.handle.counters().registrations);
        assert_eq!(registered, 1, "the second direction joins the first");
        let reader = reads_meanwhile.then(|| {
            let conn = conn.clone();
            start(move || conn.read(&mut [0; 8])).asleep()
        });
        let drainer = start(move || {
            drain(&client, 1 << 24);
            client.write(b"y").unwrap();
            client
        });
        assert_eq!(writer.join(), Ok(()));
        if let Some(reader) = reader {
            assert_eq!(reader.join(), Ok(1));
        }
        drainer.join();
    }
}

#[test]
fn a_connection_that_is_full_when_it_is_read_first_and_written_on_another_thread_is_heard() {
    let listener = listener();
    let (client, conn) = pair(&listener);
    let conn = Arc::new(conn);
    let shared = conn.clone();
    let reader = start(move || shared.read(&mut [0; 8])).asleep();
    let full = fill(&conn);
    conn.set_deadline(&[Mode::Write], after(BOUND)).unwrap();
    let writer = start(move || conn.write(&vec![1; 1 << 22]).map_err(|p| p.error)).asleep();
    let drainer = start(move || {
        drain(&client, full + (1 << 22));
        client.write(b"y").unwrap();
        client
    });
    assert_eq!(writer.join(), Ok(()));
    assert_eq!(reader.join(), Ok(1));
    drainer.join();
}

#[test]
fn the_home_of_a_writer_does_not_outlive_its_registration() {
    let listener = listener();
    let (client, conn) = pair(&listener);
    let conn = Arc::new(conn);
    let much = 1 << 24;
    let (again, when) = mpsc::channel();
    let shared = conn.clone();
    let writer = start(move || {
        shared.write(&vec![0; much]).unwrap();
        when.recv().unwrap();
        shared.write(&vec![0; much]).unwrap();
    })
    .asleep();
    drain(&client, much);
    until("nobody waits to write", || !writer.handle.is_sleeping());
    // It takes the writer's registration away, since nobody waits there.
    let shared = conn.clone();
    let reader = start(move || shared.read(&mut [0; 8])).asleep();
    again.send(()).unwrap();
    let writer = writer.asleep();
    drain(&client, much);
    writer.join();
    client.write(b"x").unwrap();
    assert_eq!(reader.join(), Ok(1));
}

#[test]
fn after_a_first_look_or_wait_a_read_tries() {
    type Look = fn(&Fd) -> Result<(), Error>;
    let looks: [Look; 2] = [|conn| conn.peek(&mut [0; 2]).map(drop), Fd::wait_readable];
    for look in looks {
        let listener = listener();
        let (client, conn) = pair(&listener);
        let (tell, learned) = mpsc::channel();
        let server = start(move || {
            teach(&listener);
            tell.send(()).unwrap();
            look(&conn)?;
            conn.read(&mut [0; 8]) // the event has come already
        });
        learned.recv_timeout(BOUND).unwrap();
        let server = server.asleep();
        client.write(b"abc").unwrap();
        assert_eq!(server.join(), Ok(3));
    }
}

#[test]
fn only_tcp_connections_wait_without_a_try() {
    let listener = listener();
    teach(&listener);
    let (_a, b) = UnixStream::pair().unwrap();
    b.set_nonblocking(true).unwrap();
    let conn = Fd::accepted(b.into(), Kind::STREAM);
    let (vain, skipped) = tries(&support::my_handle());
    until("it waits", || {
        conn.set_deadline(&[Mode::Read], after(Duration::from_millis(1)))
            .unwrap();
        assert_eq!(conn.read(&mut [0; 8]), Err(Error::Timeout));
        tries(&support::my_handle()) != (vain, skipped)
    });
    assert_eq!(tries(&support::my_handle()), (vain + 1, skipped));
}

/// Whether `conn` has something to read, by a watch; ends the watch if not.
fn watched(conn: &Fd) -> Result<Watched, Error> {
    let watcher = Watcher::new(|_| ());
    let at = NonNull::from(&watcher);
    // SAFETY: `watcher` lives until it was made ready.
    let watched = unsafe { conn.watch_readable(at, false) };
    if watched == Ok(Watched::Parked) {
        conn.set_deadline(&[Mode::Read], Some(Instant::now()))
            .unwrap(); // makes it ready
        // SAFETY: it was parked, and has been made ready since.
        unsafe { conn.leave_watch() };
        conn.set_deadline(&[Mode::Read], None).unwrap();
    }
    watched
}

#[test]
fn a_first_watch_goes_by_the_guess_and_adds_to_it() {
    let listener = listener();
    let skipped = || tries(&support::my_handle()).1;
    let mut skips = Vec::new();
    for _ in 0..8 {
        let (_client, conn) = pair(&listener);
        let before = skipped();
        assert_eq!(watched(&conn), Ok(Watched::Parked));
        skips.push(skipped() - before);
    }
    assert_eq!(skips, [0, 0, 1, 0, 1, 1, 1, 0]);
    // What has come already is reported by the registration.
    let (client, conn) = pair(&listener);
    client.write(b"x").unwrap();
    until("it is there", || is_ready(&conn, libc::POLLIN));
    let before = skipped();
    let watcher = Watcher::new(|_| ());
    let at = NonNull::from(&watcher);
    // SAFETY: `watcher` lives until it was made ready.
    let watched = unsafe { conn.watch_readable(at, false) };
    assert_eq!((watched, skipped() - before), (Ok(Watched::Parked), 1));
    park::with_current(|p| p.poller().poll(Some(BOUND))).unwrap();
    // SAFETY: it was parked, and has been made ready since.
    let watched = unsafe { conn.watch_readable(at, true) };
    assert_eq!((watched, skipped() - before), (Ok(Watched::Ready), 1));
    assert_eq!(conn.read(&mut [0; 8]), Ok(1));
}

/// Watches, lets an event come, and has the deadline pass before anybody looks.
fn watched_too_late(conn: &Fd, client: &Fd) {
    let watcher = Watcher::new(|_| ());
    let at = NonNull::from(&watcher);
    // SAFETY: `watcher` lives until it was made ready.
    let watched = unsafe { conn.watch_readable(at, false) };
    assert_eq!(watched, Ok(Watched::Parked));
    client.write(b"abc").unwrap();
    until("it is there", || is_ready(conn, libc::POLLIN));
    until("it is told", || {
        park::with_current(|p| p.poller().poll(Some(Duration::ZERO))).unwrap() > 0
    });
    conn.set_deadline(&[Mode::Read], support::past()).unwrap();
    // SAFETY: it was parked, and has been made ready since.
    let watched = unsafe { conn.watch_readable(at, true) };
    assert_eq!(watched, Err(Error::Timeout));
    conn.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
}

#[test]
fn what_a_watch_was_told_of_and_did_not_look_at_is_left_to_the_next_read() {
    let listener = listener();
    teach(&listener);
    // One that has not been read from, and one whose last read was short.
    for read_before in [false, true] {
        let (client, conn) = pair(&listener);
        if read_before {
            client.write(b"x").unwrap();
            assert_eq!(conn.read(&mut [0; 8]), Ok(1));
        }
        watched_too_late(&conn, &client);
        assert_eq!(conn.read(&mut [0; 8]), Ok(3), "read before: {read_before}");
    }
}

#[test]
fn one_connection_that_sends_nothing_teaches_once() {
    let listener = listener();
    let tried = || tries(&support::my_handle());
    let (_client, conn) = pair(&listener);
    for _ in 0..20 {
        let before = tried();
        until("it waits", || {
            conn.set_deadline(&[Mode::Read], after(Duration::from_millis(1)))
                .unwrap();
            assert_eq!(conn.read(&mut [0; 8]), Err(Error::Timeout));
            tried() != before
        });
    }
    let (_client, conn) = pair(&listener);
    let skipped = tried().1;
    conn.set_deadline(&[Mode::Read], after(Duration::from_secs(1)))
        .unwrap();
    assert_eq!(conn.read(&mut [0; 8]), Err(Error::Timeout));
    assert_eq!(tried().1, skipped, "only one connection has been in vain");
}
