//! Promises about the serving loop: it goes on whatever a connection does, and ends when it is told.

#[path = "harness/ways.rs"]
mod ways;

use gopark::net::{
    AcceptFailure, Acceptor, Addr, Conn, Listener, NetError, Server, ServerHandle, TcpConn,
    TcpListener, UnixConn, UnixListener, listen, serve,
};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use ways::{go, in_every_way, until};

fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

fn echo(conn: &TcpConn) {
    let mut buf = [0; 256];
    while let Ok(n @ 1..) = conn.read(&mut buf) {
        if conn.write(&buf[..n]).is_err() {
            return;
        }
    }
}

/// One word there and back.
fn answers(conn: &TcpConn) -> bool {
    conn.set_deadline(Some(Instant::now() + Duration::from_secs(20)))
        .unwrap();
    let mut buf = [0; 4];
    conn.write(b"ping").is_ok() && conn.read(&mut buf).is_ok_and(|n| n == 4)
}

#[test]
fn every_client_is_served_until_the_listener_is_closed() {
    in_every_way(|| {
        let (listener, at) = bind();
        let closer = listener.clone();
        let server = go(move || serve(listener, echo));
        let clients: Vec<_> = (0..20)
            .map(|_| go(move || answers(&TcpConn::connect(at).unwrap())))
            .collect();
        assert!(clients.into_iter().all(ways::Going::join));
        closer.close().unwrap();
        let stats = server.join().unwrap();
        assert_eq!((stats.accepted, stats.finished), (20, 20));
        assert_eq!((stats.active, stats.left, stats.cut), (0, 0, 0));
    });
}

#[test]
fn a_boxed_listener_of_any_network_is_served_too() {
    in_every_way(|| {
        let listener = listen("tcp", "127.0.0.1:0").unwrap();
        let at = listener.addr().to_string();
        let server = Server::new();
        let handle = server.handle();
        let served = go(move || {
            server.serve(listener, |conn: &dyn Conn| {
                let mut buf = [0; 4];
                while let Ok(n @ 1..) = conn.read(&mut buf) {
                    let _ = conn.write(&buf[..n]);
                }
            })
        });
        let client = TcpConn::connect(at.parse::<SocketAddr>().unwrap()).unwrap();
        assert!(answers(&client));
        drop(client);
        handle.shutdown();
        assert_eq!(served.join().unwrap().finished, 1);
    });
}

#[test]
fn no_more_handlers_run_at_once_than_the_limit_and_everybody_has_a_turn() {
    in_every_way(|| {
        let (listener, at) = bind();
        let now = Arc::new(AtomicU64::new(0));
        let most = Arc::new(AtomicU64::new(0));
        let server = Server::new().max_connections(3);
        let handle = server.handle();
        let (running, high) = (now.clone(), most.clone());
        let served = go(move || {
            server.serve(listener, move |conn: &TcpConn| {
                high.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                echo(conn);
                running.fetch_sub(1, SeqCst);
            })
        });
        let holders: Vec<_> = (0..3).map(|_| TcpConn::connect(at).unwrap()).collect();
        assert!(holders.iter().all(answers));
        // The fourth gets into the queue, but to no handler until one of the others goes.
        let fourth = TcpConn::connect(at).unwrap();
        fourth.write(b"ping").unwrap();
        fourth
            .set_read_deadline(Some(Instant::now() + Duration::from_millis(50)))
            .unwrap();
        assert!(fourth.read(&mut [0; 4]).unwrap_err().is_timeout());
        drop(holders);
        fourth.set_read_deadline(None).unwrap();
        assert_eq!(fourth.read(&mut [0; 4]).unwrap(), 4);
        let rest: Vec<_> = (0..12)
            .map(|_| go(move || answers(&TcpConn::connect(at).unwrap())))
            .collect();
        assert!(rest.into_iter().all(ways::Going::join));
        drop(fourth);
        handle.shutdown();
        served.join().unwrap();
        assert_eq!(most.load(SeqCst), 3);
    });
}

#[test]
fn a_handler_that_panics_ends_its_own_connection_and_nothing_else() {
    in_every_way(|| {
        let (listener, at) = bind();
        let server = Server::new();
        let handle = server.handle();
        let served = go(move || {
            server.serve(listener, |conn: &TcpConn| {
                let mut buf = [0; 4];
                let n = conn.read(&mut buf).unwrap_or(0);
                if &buf[..n] == b"oops" {
                    // Without the hook's text in the output of the test.
                    std::panic::resume_unwind(Box::new("on purpose"));
                }
                let _ = conn.write(&buf[..n]);
                echo(conn);
            })
        });
        let before = TcpConn::connect(at).unwrap();
        assert!(answers(&before));
        for _ in 0..5 {
            let bad = TcpConn::connect(at).unwrap();
            bad.write(b"oops").unwrap();
            assert_eq!(bad.read(&mut [0; 4]).unwrap(), 0, "it is closed");
        }
        assert!(answers(&before));
        assert!(answers(&TcpConn::connect(at).unwrap()));
        drop(before);
        handle.shutdown();
        let stats = served.join().unwrap();
        assert_eq!((stats.panicked, stats.accepted, stats.finished), (5, 7, 7));
    });
}

#[test]
fn a_shutdown_lets_handlers_finish_and_takes_nobody_new() {
    in_every_way(|| {
        let (listener, at) = bind();
        let server = Server::new();
        let handle = server.handle();
        let served = go(move || server.serve(listener, echo));
        let client = TcpConn::connect(at).unwrap();
        assert!(answers(&client));
        handle.shutdown();
        assert!(handle.is_stopping());
        let refused = TcpConn::connect(at).and_then(|conn| conn.read(&mut [0; 1]));
        assert!(refused.is_err(), "nobody listens any more");
        assert!(answers(&client), "who was there is still served");
        assert!(!served.is_finished());
        drop(client);
        let stats = served.join().unwrap();
        assert_eq!((stats.finished, stats.cut, stats.left), (1, 0, 0));
    });
}

#[test]
fn handlers_that_outlast_the_drain_lose_their_connections() {
    in_every_way(|| {
        let (listener, at) = bind();
        let server = Server::new().drain(Duration::from_millis(50));
        let handle = server.handle();
        let served = go(move || server.serve(listener, echo));
        let client = TcpConn::connect(at).unwrap();
        assert!(answers(&client));
        handle.shutdown();
        let stats = served.join().unwrap();
        assert_eq!((stats.cut, stats.finished, stats.left), (1, 1, 0));
        assert_eq!(client.read(&mut [0; 4]).unwrap(), 0);
    });
}

#[test]
fn handlers_that_wait_for_a_next_request_end_soon_after_a_shutdown_if_asked() {
    in_every_way(|| {
        let (listener, at) = bind();
        let server = Server::new()
            .drain(Duration::from_secs(3600))
            .last_read(Duration::from_millis(20));
        let handle = server.handle();
        let served = go(move || server.serve(listener, echo));
        let client = TcpConn::connect(at).unwrap();
        assert!(answers(&client));
        handle.shutdown();
        let stats = served.join().unwrap();
        assert_eq!((stats.cut, stats.finished), (0, 1));
    });
}

#[test]
fn a_handler_that_will_not_end_is_left_behind_and_counted() {
    let (listener, at) = bind();
    let server = Server::new().drain(Duration::from_millis(1));
    let handle = server.handle();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let served = go(move || {
        server.serve(listener, move |conn: &TcpConn| {
            let _ = conn.write(b"x");
            let _ = held.lock().unwrap().recv();
        })
    });
    let client = TcpConn::connect(at).unwrap();
    assert_eq!(client.read(&mut [0; 4]).unwrap(), 1);
    handle.shutdown();
    let stats = served.join().unwrap();
    assert_eq!((stats.left, stats.active, stats.cut), (1, 1, 1));
    drop(release);
    until("the handler", || handle.stats().active == 0);
}

#[test]
fn stopping_before_serving_is_serving_nobody() {
    let (listener, at) = bind();
    let server = Server::new();
    server.handle().shutdown();
    assert_eq!(server.serve(listener, echo).unwrap().accepted, 0);
    assert!(TcpConn::connect(at).is_err());
}

#[test]
fn the_end_of_the_runtime_ends_a_server() {
    let (listener, at) = bind();
    let runtime = gopark::Runtime::builder().workers(2).build().unwrap();
    let served = runtime.handle().spawn(move || serve(listener, echo));
    let client = TcpConn::connect(at).unwrap();
    assert!(answers(&client));
    let report = runtime.shutdown_timeout(Duration::from_secs(20));
    assert!(report.is_clean(), "{report}");
    served.join().unwrap().unwrap();
}

/// A listener whose accepts fail as they are told, and then wait for a real connection.
#[derive(Debug)]
struct Failing {
    errnos: Mutex<Vec<i32>>,
    inner: TcpListener,
}

impl Listener for Failing {
    fn accept(&self) -> io::Result<Box<dyn Conn>> {
        if let Some(errno) = self.errnos.lock().unwrap().pop() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        Listener::accept(&self.inner)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn addr(&self) -> Addr {
        self.inner.addr()
    }
}

#[test]
fn errors_of_one_connection_are_passed_over_and_a_passing_lack_is_waited_out() {
    in_every_way(|| {
        let (inner, at) = bind();
        let failing = Failing {
            errnos: Mutex::new(vec![
                libc::ENOMEM,
                libc::EPROTO,
                libc::ENOBUFS,
                libc::ECONNABORTED,
                libc::ECONNABORTED,
            ]),
            inner,
        };
        let told = Arc::new(Mutex::new(Vec::new()));
        let note = told.clone();
        let server = Server::new().on_error(move |_, failure| note.lock().unwrap().push(failure));
        let handle = server.handle();
        let listener: Box<dyn Listener> = Box::new(failing);
        let served = go(move || server.serve(listener, |conn: &dyn Conn| drop(conn.write(b"x"))));
        let client = TcpConn::connect(at).unwrap();
        assert_eq!(client.read(&mut [0; 4]).unwrap(), 1);
        handle.shutdown();
        let stats = served.join().unwrap();
        assert_eq!((stats.lost, stats.exhausted, stats.accepted), (3, 2, 1));
        use AcceptFailure::{Connection, Exhausted};
        let told = told.lock().unwrap();
        assert_eq!(
            told[..5],
            [Connection, Connection, Exhausted, Connection, Exhausted]
        );
    });
}

/// Lacks a descriptor twice, and asks at each further try for a client how many have been refused.
struct Lacking {
    lacks: AtomicU64,
    inner: TcpListener,
    server: ServerHandle,
    refused_before_try: Arc<Mutex<Vec<u64>>>,
}

impl Acceptor for Lacking {
    type Conn = TcpConn;

    fn accept_conn(&self) -> io::Result<Arc<TcpConn>> {
        if self.lacks.fetch_add(1, SeqCst) < 2 {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.inner.accept_conn()
    }

    fn try_accept_conn(&self) -> io::Result<Option<Arc<TcpConn>>> {
        let refused = self.server.stats().refused;
        self.refused_before_try.lock().unwrap().push(refused);
        self.inner.try_accept_conn()
    }

    fn close_listener(&self) -> io::Result<()> {
        self.inner.close_listener()
    }

    fn listens_on(&self) -> Addr {
        self.inner.listens_on()
    }
}

#[test]
fn a_refusal_is_counted_before_its_client_sees_it() {
    in_every_way(|| {
        let (inner, at) = bind();
        let clients: Vec<_> = (0..3).map(|_| TcpConn::connect(at).unwrap()).collect();
        let (server, tries) = (Server::new(), Arc::new(Mutex::new(Vec::new())));
        let handle = server.handle();
        let listener = Lacking {
            lacks: AtomicU64::new(0),
            inner,
            server: server.handle(),
            refused_before_try: tries.clone(),
        };
        let served = go(move || server.serve(listener, echo));
        for client in &clients {
            assert_eq!(client.read(&mut [0; 4]).unwrap(), 0);
        }
        assert_eq!(handle.stats().refused, 3);
        handle.shutdown();
        served.join().unwrap();
        assert_eq!(*tries.lock().unwrap(), [0, 1, 2, 3]);
    });
}

/// Notes how many have been refused when it is dropped, and with that closed.
#[derive(Debug)]
struct Noting {
    server: ServerHandle,
    refused: Arc<Mutex<Vec<u64>>>,
}

impl Drop for Noting {
    fn drop(&mut self) {
        let refused = self.server.stats().refused;
        self.refused.lock().unwrap().push(refused);
    }
}

/// It is never handled.
impl Conn for Noting {
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!()
    }

    fn write(&self, _: &[u8]) -> io::Result<usize> {
        unreachable!()
    }

    fn write_some(&self, _: &[u8]) -> io::Result<usize> {
        unreachable!()
    }

    fn close(&self) -> io::Result<()> {
        unreachable!()
    }

    fn local_addr(&self) -> Option<Addr> {
        None
    }

    fn remote_addr(&self) -> Option<Addr> {
        None
    }

    fn set_read_deadline(&self, _: Option<Instant>) -> io::Result<()> {
        unreachable!()
    }

    fn set_write_deadline(&self, _: Option<Instant>) -> io::Result<()> {
        unreachable!()
    }
}

/// Accepts three connections, and then fails for good.
#[derive(Debug)]
struct Three {
    accepted: AtomicU64,
    server: ServerHandle,
    refused: Arc<Mutex<Vec<u64>>>,
}

impl Listener for Three {
    fn accept(&self) -> io::Result<Box<dyn Conn>> {
        if self.accepted.fetch_add(1, SeqCst) == 3 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        Ok(Box::new(Noting {
            server: self.server.clone(),
            refused: self.refused.clone(),
        }))
    }

    fn close(&self) -> io::Result<()> {
        Ok(())
    }

    fn addr(&self) -> Addr {
        TcpListener::bind("127.0.0.1:0").unwrap().addr()
    }
}

#[test]
fn a_connection_for_which_no_task_can_be_had_is_counted_as_refused_before_it_is_closed() {
    let runtime = gopark::Runtime::builder().workers(1).build().unwrap();
    let ended = runtime.handle();
    drop(runtime);
    let server = Server::new().runtime(ended);
    let (handle, refused) = (server.handle(), Arc::default());
    let listener: Box<dyn Listener> = Box::new(Three {
        accepted: AtomicU64::new(0),
        server: server.handle(),
        refused: Arc::clone(&refused),
    });
    let err = server.serve(listener, |_: &dyn Conn| unreachable!());
    assert_eq!(err.unwrap_err().errno(), Some(libc::EINVAL));
    assert_eq!(*refused.lock().unwrap(), [1, 2, 3]);
    let stats = handle.stats();
    assert_eq!((stats.refused, stats.exhausted, stats.active), (3, 3, 0));
}

#[test]
fn an_error_that_no_waiting_cures_ends_the_server_with_it() {
    let (inner, _) = bind();
    let failing = Failing {
        errnos: Mutex::new(vec![libc::EINVAL]),
        inner,
    };
    let listener: Box<dyn Listener> = Box::new(failing);
    let err = serve(listener, |_: &dyn Conn| {}).unwrap_err();
    assert_eq!(err.errno(), Some(libc::EINVAL));
}

#[test]
fn a_unix_listener_is_served_with_connections_of_its_own_type() {
    in_every_way(|| {
        let path = format!(
            "@gopark-serve-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let listener = UnixListener::bind(&path).unwrap();
        let server = Server::new();
        let handle = server.handle();
        let served = go(move || server.serve(listener, |conn: &UnixConn| drop(conn.write(b"hi"))));
        let client = UnixConn::connect(&path).unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 2);
        handle.shutdown();
        assert_eq!(served.join().unwrap().finished, 1);
    });
}
