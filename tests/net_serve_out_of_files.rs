//! A server that runs out of descriptors goes on, refuses whom it cannot serve, and recovers.
//!
//! The limit belongs to a whole process, so each test runs its body in a child: this very program,
//! told by an environment variable.

#[path = "harness/ways.rs"]
mod ways;

use gopark::net::{NetError, Server, ServerStats, TcpConn, TcpListener};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    env,
    fs::File,
    io::Read,
    net::{SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};
use ways::{go, until, watched};

const CHILD: &str = "GOPARK_TEST_OUT_OF_FILES";

/// Runs the test called `name` again in a child whose `CHILD` is set.
fn in_a_child(name: &str) {
    let child = Command::new(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr),
    );
    assert!(child.status.success(), "{}\n{out}\n{err}", child.status);
    assert!(out.contains("1 passed"), "{out}");
}

/// Lowers the limit of descriptors to a little more than are open, and opens what is left.
fn use_up_descriptors() -> Vec<File> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
    // SAFETY: `limit` is a place for one `rlimit`.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    assert_eq!(asked, 0);
    // Enough for five clients and the threads that serve them, once it is free again.
    limit.rlim_cur = open as u64 + 64;
    // SAFETY: `limit` is one valid `rlimit`, which the call only reads.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    let mut files = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(err) => {
                assert_eq!(err.raw_os_error(), Some(libc::EMFILE));
                return files;
            }
        }
    }
}

/// A client's socket, made while there are descriptors.
fn socket() -> Socket {
    Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()
}

/// A client that waits for the server, connected with a socket made before.
fn connect(socket: Socket, at: SocketAddr) -> TcpStream {
    socket.connect(&SockAddr::from(at)).unwrap();
    TcpStream::from(socket)
}

/// Whether the server answers, rather than closing the connection.
fn is_served(stream: &mut TcpStream) -> bool {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut word = [0; 2];
    match stream.read(&mut word) {
        Ok(n) => n == 2,
        Err(err) => {
            // Refused is closed or reset, never left without an answer.
            assert_eq!(err.kind(), std::io::ErrorKind::ConnectionReset, "{err}");
            false
        }
    }
}

/// Waits for what does not come. A plain thread needs descriptors for its first wait, which it could
/// not have later.
fn wait_once(conn: &TcpConn) {
    conn.set_read_deadline(Some(Instant::now() + Duration::from_millis(1)))
        .unwrap();
    assert!(conn.read(&mut [0; 1]).unwrap_err().is_timeout());
    conn.set_read_deadline(None).unwrap();
}

fn body() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let server = Server::new();
    let handle = server.handle();
    let served = go(move || {
        server.serve(listener, |conn: &TcpConn| {
            let mut buf = [0; 16];
            wait_once(conn);
            let _ = conn.write(b"hi");
            while let Ok(n @ 1..) = conn.read(&mut buf) {
                let _ = conn.write(&buf[..n]);
            }
        })
    });
    let old = TcpConn::connect(at).unwrap();
    let mut buf = [0; 16];
    assert_eq!(old.read(&mut buf).unwrap(), 2);
    wait_once(&old);
    let clients: Vec<_> = (0..10).map(|_| socket()).collect();

    let files = use_up_descriptors();
    // Every one of them is answered, and those there already do not notice. Their sockets stay
    // open, or they would be the descriptors that are missing.
    let mut refused: Vec<_> = clients.into_iter().map(|c| connect(c, at)).collect();
    for client in &mut refused {
        assert!(!gopark::blocking(|| is_served(client)));
        assert_eq!(old.write(b"ping").unwrap(), 4);
        assert_eq!(old.read(&mut buf).unwrap(), 4);
    }
    let stats = handle.stats();
    assert_eq!((stats.accepted, stats.refused), (1, 10), "{stats:?}");
    assert!(stats.exhausted >= 2, "{stats:?}");
    drop((files, refused));
    // At most one pause later there are places again.
    until("recovery", || {
        gopark::blocking(|| is_served(&mut connect(socket(), at)))
    });
    let after: Vec<_> = (0..5)
        .map(|_| go(move || gopark::blocking(|| is_served(&mut connect(socket(), at)))))
        .collect();
    assert!(after.into_iter().all(ways::Going::join));
    drop(old);
    handle.shutdown();
    let stats: ServerStats = served.join().unwrap();
    assert_eq!((stats.left, stats.panicked), (0, 0));
}

/// Follows the Go program `accept_emfile`, with a loop in place of the one accept.
#[test]
fn in_tasks_a_server_without_descriptors_refuses_and_recovers() {
    if env::var_os(CHILD).is_none() {
        return in_a_child("in_tasks_a_server_without_descriptors_refuses_and_recovers");
    }
    watched("in tasks", || {
        let runtime = gopark::Runtime::builder().workers(2).build().unwrap();
        runtime.run(body);
    });
}

#[test]
fn on_plain_threads_a_server_without_descriptors_refuses_and_recovers() {
    if env::var_os(CHILD).is_none() {
        return in_a_child("on_plain_threads_a_server_without_descriptors_refuses_and_recovers");
    }
    watched("on plain threads", body);
}
