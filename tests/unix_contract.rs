//! Promises about Unix sockets that no recording shows: every connection's duties, files, credentials,
//! descriptors that travel.

mod harness;
mod nettest;

use gopark::net::{
    Conn, Listener, NetError, PacketConn, UnixAddr, UnixConn, UnixDatagram, UnixListener, UnixNet,
    dial, listen, listen_packet, listen_unix, listen_unixgram,
};
use harness::{everywhere, scope, until};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net as std_unix,
    },
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

fn fresh() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("gopark-{}-{}", process::id(), NEXT.fetch_add(1, Relaxed))
}

/// A name in the abstract namespace that nobody has.
fn abstract_name() -> String {
    format!("@{}", fresh())
}

/// A path that nobody has; the file is removed at the end.
struct Socket(PathBuf);

impl Socket {
    fn new() -> Socket {
        Socket(std::env::temp_dir().join(fresh()))
    }

    fn exists(&self) -> bool {
        self.0.symlink_metadata().is_ok()
    }
}

impl AsRef<std::ffi::OsStr> for Socket {
    fn as_ref(&self) -> &std::ffi::OsStr {
        self.0.as_os_str()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn pair_on(network: &str) -> (Box<dyn Conn>, Box<dyn Conn>) {
    let listener = listen(network, "").unwrap();
    let dialed = dial(network, &listener.addr().to_string()).unwrap();
    (dialed, listener.accept().unwrap())
}

/// Follows Go's nettest.TestConn over `unix`, all eleven of it.
#[test]
fn a_unix_stream_does_what_every_connection_must() {
    everywhere(|| nettest::all(|| pair_on("unix")));
}

/// Follows Go's TestUnixUnlink.
#[test]
fn a_listener_removes_the_file_it_made_and_no_other() {
    everywhere(|| {
        let path = Socket::new();
        let bind = || UnixListener::bind(&path).unwrap();
        let l = bind();
        l.close().unwrap();
        assert!(!path.exists(), "closing removes it");

        let l = bind();
        drop(l.clone());
        assert!(path.exists(), "a clone is not the listener's end");
        drop(l);
        assert!(!path.exists(), "dropping the last clone closes");

        let l = bind();
        l.close().unwrap();
        let other = bind();
        assert!(l.close().unwrap_err().is_closed());
        l.set_unlink_on_close(true);
        drop(l);
        assert!(path.exists(), "a second close leaves the next one's alone");

        // What came from elsewhere keeps its file, unless told.
        let other = UnixListener::from_std(other.into_std().unwrap()).unwrap();
        assert!(path.exists());
        other.close().unwrap();
        assert!(path.exists());
        fs::remove_file(&path.0).unwrap();
        let std = std_unix::UnixListener::bind(&path.0).unwrap();
        let l = UnixListener::from_std(std).unwrap();
        l.set_unlink_on_close(true);
        l.close().unwrap();
        assert!(!path.exists());
    });
}

/// Follows Go's TestUnixConnReadEOF (`unixsock_test.go`): the end is there as soon as the peer is gone.
#[test]
fn a_connection_that_is_accepted_and_closed_at_once_reads_its_end() {
    everywhere(|| {
        for network in ["unix", "unixpacket"] {
            let l = listen(network, "").unwrap();
            let name = l.addr().to_string();
            for _ in 0..20 {
                let read = scope(|s| {
                    let server = s.spawn(|| l.accept().unwrap().close().unwrap());
                    let conn = dial(network, &name).unwrap();
                    let conn: Box<UnixConn> = (conn as Box<dyn std::any::Any>).downcast().unwrap();
                    let read = conn.read_msg(&mut [0; 16], 0, 0).unwrap();
                    server.wait();
                    assert_eq!(conn.read(&mut [0; 16]).unwrap(), 0);
                    read
                });
                assert_eq!((read.bytes, read.fds.len(), read.from), (0, 0, None));
            }
        }
    });
}

/// Follows Go's TestUnixAutobindClose and TestUnixgramAutobind.
#[test]
fn without_a_name_the_kernel_makes_one_up() {
    everywhere(|| {
        let l = listen_unix("unix", &UnixAddr::new("", UnixNet::Stream)).unwrap();
        assert!(l.local_addr().is_abstract() && l.local_addr().path().is_none());
        l.close().unwrap();
        let a = listen_unixgram(&UnixAddr::new("", UnixNet::Datagram)).unwrap();
        assert!(a.local_addr().is_abstract());
        assert_eq!(a.local_addr().name.len(), 6);
        let b = UnixDatagram::connect(&a.local_addr().name).unwrap();
        assert_eq!(b.peer_addr(), Some(a.local_addr()));
        b.send(b"hi").unwrap();
        assert_eq!(a.recv(&mut [0; 4]).unwrap(), 2);
    });
}

/// Follows Go's TestUnixAbstractLongNameNulStart and TestUnixgramLinuxAbstractLongName.
#[test]
fn an_abstract_name_may_fill_all_the_room_there_is() {
    everywhere(|| {
        let tail = fresh();
        let long = format!("{}{tail}", "x".repeat(107 - tail.len()));
        for start in ["@", "\0"] {
            let name = format!("{start}{long}");
            let l = UnixListener::bind(&name).unwrap();
            let c = UnixConn::connect(&name).unwrap();
            let (s, peer) = l.accept().unwrap();
            let shown = format!("@{long}");
            assert_eq!(c.peer_addr().to_string(), shown);
            assert_eq!(s.local_addr().to_string(), shown);
            assert_eq!(peer.to_string(), "@");
            let d = UnixDatagram::bind(&name).unwrap();
            assert_eq!(d.local_addr().to_string(), shown);
        }
        let err = UnixListener::bind(format!("@{long}x")).unwrap_err();
        assert!(err.to_string().ends_with("bind: invalid argument"), "{err}");
    });
}

/// Follows Go's TestUnixConnLocalAndRemoteNames and TestUnixgramConnLocalAndRemoteNames.
#[test]
fn both_ends_know_both_names_and_who_has_none_is_an_at_sign() {
    everywhere(|| {
        let name = abstract_name();
        let l = UnixListener::bind(&name).unwrap();
        for own in ["", &abstract_name()] {
            let local = UnixAddr::new(own, UnixNet::Stream);
            let c = gopark::net::dial_unix("unix", Some(&local), l.local_addr()).unwrap();
            let (s, peer) = l.accept().unwrap();
            let own = if own.is_empty() { "@" } else { own };
            assert_eq!(c.local_addr().to_string(), own);
            assert_eq!(c.peer_addr().to_string(), name);
            assert_eq!(s.local_addr().to_string(), name);
            assert_eq!((s.peer_addr(), peer.to_string()), (&peer, own.to_owned()));
        }
        let d = UnixDatagram::bind(abstract_name()).unwrap();
        let c = UnixDatagram::connect(&d.local_addr().name).unwrap();
        assert_eq!(c.local_addr().to_string(), "@");
        assert_eq!(d.peer_addr(), None);
        let err = UnixConn::connect("").unwrap_err();
        assert_eq!(err.to_string(), "dial unix : missing address");
    });
}

/// Follows Go's TestReadUnixgramWithUnnamedSocket, TestUnixgramZeroBytePayload and
/// TestUnixgramZeroByteBuffer.
#[test]
fn a_datagram_may_be_empty_and_its_sender_nameless() {
    everywhere(|| {
        let a = UnixDatagram::bind(abstract_name()).unwrap();
        let nameless = std_unix::UnixDatagram::unbound().unwrap();
        nameless
            .connect_addr(&a.local_addr().to_std().unwrap())
            .unwrap();
        nameless.send(b"hello").unwrap();
        let mut buf = [0; 16];
        assert_eq!(a.recv_from(&mut buf).unwrap(), (5, None));
        nameless.send(b"").unwrap();
        assert_eq!(a.recv_from(&mut buf).unwrap(), (0, None));
        nameless.send(b"gone").unwrap();
        nameless.send(b"kept").unwrap();
        assert_eq!(a.recv_from(&mut []).unwrap(), (0, None), "takes one");
        assert_eq!(Conn::read(&a, &mut []).unwrap(), 0, "takes none");
        assert_eq!(a.peek_from(&mut buf).unwrap(), (4, None));
        assert_eq!(a.recv(&mut buf).unwrap(), 4);
        assert_eq!(&buf[..4], b"kept");
    });
}

/// Follows Go's TestUnixgramWrite.
#[test]
fn a_dialed_datagram_socket_takes_no_address_and_another_needs_one() {
    everywhere(|| {
        let a = UnixDatagram::bind(abstract_name()).unwrap();
        let to = a.local_addr().clone();
        let dialed = UnixDatagram::connect(&to.name).unwrap();
        assert_eq!(dialed.send(b"1").unwrap(), 1);
        assert_eq!(dialed.write_msg(b"2", &[], None, 0).unwrap(), 1);
        for err in [
            dialed.send_to(b"x", &to).unwrap_err(),
            dialed.write_msg(b"x", &[], Some(&to), 0).unwrap_err(),
        ] {
            assert_eq!(
                err.to_string(),
                format!("write unixgram @->{to}: use of WriteTo with pre-connected connection")
            );
        }
        let bound = UnixDatagram::bind("").unwrap();
        assert_eq!(bound.send_to(b"3", &to).unwrap(), 1);
        assert_eq!(bound.write_msg(b"4", &[], Some(&to), 0).unwrap(), 1);
        assert!(bound.send(b"x").is_err());
        assert!(bound.write_msg(b"x", &[], None, 0).is_err());
        let mut got = Vec::new();
        for _ in 0..4 {
            let mut buf = [0; 4];
            let message = a.read_msg(&mut buf, 0, 0).unwrap();
            got.push((buf[0], message.from));
        }
        let from = Some(bound.local_addr().clone());
        let none = || None;
        assert_eq!(
            got,
            [
                (b'1', none()),
                (b'2', none()),
                (b'3', from.clone()),
                (b'4', from)
            ]
        );
    });
}

/// Follows Go's TestUnixConnReadMsgUnixSCMRightsCloseOnExec, and passes more than one.
#[test]
fn descriptors_travel_with_a_message_and_close_on_exec() {
    everywhere(|| {
        let (a, b) = UnixConn::pair().unwrap();
        let (p, q) = UnixConn::packet_pair().unwrap();
        let (d, e) = UnixDatagram::pair().unwrap();
        let mut file = tempfile();
        file.write_all(b"what travelled").unwrap();
        let fds = [file.as_fd(), file.as_fd()];
        assert_eq!(a.write_msg(b"hello", &fds, 0).unwrap(), 5);
        assert_eq!(p.write_msg(b"hello", &fds, 0).unwrap(), 5);
        assert_eq!(d.write_msg(b"hello", &fds, None, 0).unwrap(), 5);
        let mut buf = [0; 16];
        for message in [
            b.read_msg(&mut buf, 4, 0).unwrap(),
            q.read_msg(&mut buf, 4, 0).unwrap(),
            e.read_msg(&mut buf, 4, 0).unwrap(),
        ] {
            assert_eq!((message.bytes, message.fds.len()), (5, 2));
            for fd in message.fds {
                // SAFETY: no memory is passed.
                let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
                assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
                let mut file = File::from(fd);
                file.rewind().unwrap();
                let text = io::read_to_string(file).unwrap();
                assert_eq!(text, "what travelled");
            }
        }
        // Without bytes of its own a message needs one that carries it, of which nobody is told.
        assert_eq!(a.write_msg(b"", &fds[..1], 0).unwrap(), 0);
        let message = b.read_msg(&mut [], 1, 0).unwrap();
        assert_eq!((message.bytes, message.fds.len()), (0, 1));
        // Those that were not asked for are closed, and that is said.
        let before = open_descriptors();
        a.write_msg(b"x", &fds, 0).unwrap();
        let message = b.read_msg(&mut buf, 1, 0).unwrap();
        assert_eq!(message.fds.len(), 1);
        assert_ne!(message.flags & libc::MSG_CTRUNC, 0);
        drop(message);
        a.write_msg(b"x", &fds, 0).unwrap();
        assert_eq!(b.read(&mut buf).unwrap(), 1, "a plain read leaves them");
        until("none is left open", || open_descriptors() <= before);
    });
}

fn tempfile() -> File {
    let path = std::env::temp_dir().join(fresh());
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    fs::remove_file(path).unwrap();
    file
}

/// How many descriptors of deleted files this process has.
fn open_descriptors() -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    links
        .filter_map(|link| fs::read_link(link.ok()?.path()).ok())
        .filter(|target| target.to_string_lossy().contains("(deleted)"))
        .count()
}

#[test]
fn each_end_can_ask_who_the_other_is() {
    everywhere(|| {
        let me = (process::id() as i32, fs::metadata("/proc/self").unwrap());
        let (a, b) = UnixConn::pair().unwrap();
        let who = a.peer_credentials().unwrap();
        assert_eq!(who.pid, me.0);
        assert_eq!(who.uid, std::os::unix::fs::MetadataExt::uid(&me.1));
        b.set_pass_credentials(true).unwrap();
        a.write(b"hello").unwrap();
        let message = b.read_msg(&mut [0; 8], 0, 0).unwrap();
        assert_eq!((message.bytes, message.credentials), (5, Some(who)));
        a.close().unwrap();
        let err = a.peer_credentials().unwrap_err();
        assert_eq!(
            err.to_string(),
            "get unix @: use of closed network connection"
        );
    });
}

/// Follows Go's TestCloseRead and TestCloseWrite over `unix` and `unixpacket`.
#[test]
fn half_a_connection_can_be_closed() {
    everywhere(|| {
        for network in ["unix", "unixpacket"] {
            let make = || {
                let (a, b) = pair_on(network);
                let down = |conn: Box<dyn Conn>| -> Box<UnixConn> {
                    (conn as Box<dyn std::any::Any>).downcast().unwrap()
                };
                (down(a), down(b))
            };
            let (a, b) = make();
            scope(|s| {
                let read = s.spawn(|| a.read(&mut [0; 8]));
                assert!(read.is_pending());
                a.close_read().unwrap();
                assert_eq!(read.wait().unwrap(), 0);
            });
            let err = b.write(b"x").unwrap_err();
            assert_eq!(err.kind(), io::ErrorKind::BrokenPipe);
            let (a, b) = make();
            a.write(b"last").unwrap();
            a.close_write().unwrap();
            assert_eq!(b.read(&mut [0; 8]).unwrap(), 4);
            assert_eq!(b.read(&mut [0; 8]).unwrap(), 0);
            b.write(b"still").unwrap();
            assert_eq!(a.read(&mut [0; 8]).unwrap(), 5);
        }
    });
}

/// Follows the Go program `unix_backlog_full`.
#[test]
fn a_full_queue_refuses_a_dial_at_once() {
    everywhere(|| {
        let name = abstract_name();
        let config = gopark::net::ListenConfig::new().backlog(0);
        let addr = UnixAddr::new(&name, UnixNet::Stream);
        let _listener = config.listen_unix("unix", &addr).unwrap();
        let _first = UnixConn::connect(&name).unwrap();
        let long = gopark::net::Dialer::new().timeout(Duration::from_secs(60));
        let start = Instant::now();
        for err in [
            UnixConn::connect(&name).unwrap_err(),
            long.dial("unix", &name).unwrap_err(),
        ] {
            assert_eq!(
                err.to_string(),
                format!("dial unix {name}: connect: resource temporarily unavailable")
            );
            assert!(err.is_timeout() && err.is_temporary());
            assert_eq!(err.kind(), io::ErrorKind::WouldBlock);
        }
        assert!(start.elapsed() < Duration::from_secs(30));
    });
}

/// Follows Go's TestConnAndListener, TestListenerClose, TestPacketConnClose, TestAcceptTimeout and
/// TestZeroByteRead over Unix networks.
#[test]
fn listeners_and_packet_sockets_keep_the_common_contract() {
    everywhere(|| {
        for network in ["unix", "unixpacket"] {
            let l = listen(network, "").unwrap();
            assert_eq!(l.addr().network(), network);
            let (a, b) = pair_on(network);
            assert_eq!(a.local_addr().unwrap().network(), network);
            assert_eq!(b.remote_addr().unwrap().to_string(), "@");
            assert_eq!(a.read(&mut []).unwrap(), 0);
            assert_eq!(b.read(&mut []).unwrap(), 0);
            l.close().unwrap();
            let err = l.accept().unwrap_err();
            assert_eq!(
                err.to_string(),
                format!(
                    "accept {network} {}: use of closed network connection",
                    l.addr()
                )
            );
        }
        let l = UnixListener::bind(abstract_name()).unwrap();
        l.set_deadline(Some(Instant::now())).unwrap();
        for _ in 0..3 {
            assert!(l.accept().unwrap_err().is_timeout());
        }
        l.set_deadline(None).unwrap();
        scope(|s| {
            let accept = s.spawn(|| Listener::accept(&l));
            assert!(accept.is_pending());
            l.set_deadline(Some(Instant::now())).unwrap();
            assert!(accept.wait().unwrap_err().is_timeout());
        });
        l.close().unwrap();
        let err = l.set_deadline(None).unwrap_err();
        assert_eq!(err.to_string(), "use of closed network connection");

        let p = listen_packet("unixgram", &abstract_name()).unwrap();
        p.set_deadline(Some(Instant::now())).unwrap();
        assert!(p.recv_from(&mut [0; 4]).unwrap_err().is_timeout());
        p.close().unwrap();
        assert!(p.recv_from(&mut [0; 4]).unwrap_err().is_closed());
        assert!(p.close().unwrap_err().is_closed());
        let err = listen_packet("tcp", "127.0.0.1:0").err().unwrap();
        assert!(
            err.to_string().ends_with("unexpected address type"),
            "{err}"
        );
    });
}

/// As TCP: the bytes that went out count, and the error comes from the next write.
#[test]
fn stds_write_keeps_its_contract_when_the_peer_goes_away_in_the_middle() {
    everywhere(|| {
        let (a, b) = UnixConn::pair().unwrap();
        let big = vec![7; 8 << 20];
        let n = scope(|s| {
            let write = s.spawn(|| Write::write(&mut &a, &big));
            assert!(write.is_pending());
            b.close().unwrap();
            write.wait().unwrap()
        });
        assert!(n > 0 && n < big.len());
        let err = Write::write(&mut &a, b"x").unwrap_err();
        assert!(
            matches!(
                err.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ),
            "{err}"
        );
    });
}

#[test]
fn sockets_go_over_from_std_and_back() {
    everywhere(|| {
        let (a, b) = std_unix::UnixStream::pair().unwrap();
        let a = UnixConn::from_std(a).unwrap();
        let other = a.clone();
        scope(|s| {
            let read = s.spawn(|| other.read(&mut [0; 4]));
            assert!(read.is_pending());
            let mut std = a.clone().into_std().unwrap();
            assert!(read.wait().unwrap_err().is_closed());
            (&b).write_all(b"blocks").unwrap();
            let mut text = [0; 6];
            std.read_exact(&mut text).unwrap();
            assert_eq!(&text, b"blocks");
        });
        let d = std_unix::UnixDatagram::unbound().unwrap();
        let d = UnixDatagram::from_std(d).unwrap();
        assert_eq!(
            (d.peer_addr(), d.local_addr().to_string()),
            (None, "@".into())
        );
        std_unix::UnixDatagram::try_from(d).unwrap();
    });
}

/// Follows Go's CloseRead and CloseWrite on `unixgram`, and std's `shutdown`.
#[test]
fn half_of_a_datagram_socket_can_be_closed() {
    everywhere(|| {
        let (a, b) = UnixDatagram::pair().unwrap();
        scope(|s| {
            let read = s.spawn(|| b.recv(&mut [0; 4]));
            assert!(read.is_pending());
            b.close_read().unwrap();
            assert!(read.is_pending(), "datagrams have no end");
            b.set_read_deadline(Some(Instant::now())).unwrap();
            assert!(read.wait().unwrap_err().is_timeout());
        });
        let err = a.send(b"x").unwrap_err();
        assert_eq!(err.errno(), Some(libc::EPIPE), "{err}");
        b.writable().unwrap();
        b.send(b"still").unwrap();
        assert_eq!(a.recv(&mut [0; 8]).unwrap(), 5);
        b.close_write().unwrap();
        assert!(b.send(b"x").is_err());
        let alone = UnixDatagram::unbound().unwrap();
        assert_eq!(alone.local_addr().to_string(), "@");
        alone.close_read().unwrap();
        alone.close().unwrap();
        let err = alone.close_read().unwrap_err().to_string();
        assert_eq!(err, "close unixgram @: use of closed network connection");
    });
}

#[test]
fn connections_come_one_after_the_other_until_the_listener_is_closed() {
    everywhere(|| {
        let l = UnixListener::bind("").unwrap();
        let name = l.local_addr().to_string();
        scope(|s| {
            let served = s.spawn(|| {
                let mut n = 0;
                for conn in l.incoming() {
                    conn.unwrap().write(b"hi").unwrap();
                    n += 1;
                }
                n
            });
            for _ in 0..3 {
                let conn = UnixConn::connect(&name).unwrap();
                assert_eq!(conn.read(&mut [0; 8]).unwrap(), 2);
            }
            assert!(served.is_pending());
            l.close().unwrap();
            assert_eq!(served.wait(), 3);
        });
        assert!(l.take_error().unwrap_err().is_closed());
    });
}
