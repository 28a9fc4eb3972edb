//! Promises about connections and listeners made of descriptors that come from elsewhere.

mod harness;

use gopark::net::{
    Addr, Errno, NetError, TcpConn, TcpListener, UdpConn, UnixConn, UnixDatagram, UnixListener,
    dial, file_conn, file_listener, file_packet_conn, listen, listen_packet,
};
use harness::{everywhere, option, scope};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    any::Any,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

const LOOPBACK: &str = "127.0.0.1:0";

/// A duplicate of whatever socket it is; the original is closed.
fn dup_of(any: Box<dyn Any>) -> OwnedFd {
    fn of<T: Any>(
        any: Box<dyn Any>,
        dup: fn(&T) -> io::Result<OwnedFd>,
        close: fn(&T) -> io::Result<()>,
    ) -> Result<OwnedFd, Box<dyn Any>> {
        let socket = any.downcast::<T>()?;
        let fd = dup(&socket).unwrap();
        close(&socket).unwrap();
        Ok(fd)
    }
    of(any, TcpConn::dup, TcpConn::close)
        .or_else(|any| of(any, UdpConn::dup, UdpConn::close))
        .or_else(|any| of(any, UnixConn::dup, UnixConn::close))
        .or_else(|any| of(any, UnixDatagram::dup, UnixDatagram::close))
        .or_else(|any| of(any, TcpListener::dup, TcpListener::close))
        .or_else(|any| of(any, UnixListener::dup, UnixListener::close))
        .expect("one of ours")
}

fn here(network: &str) -> &'static str {
    if network.starts_with("unix") {
        "" // the kernel makes up a name
    } else {
        LOOPBACK
    }
}

/// Follows Go's TestFileConn, and reads as well.
#[test]
fn a_connection_of_any_network_lives_on_in_a_duplicate() {
    everywhere(|| {
        for network in ["tcp", "unix", "unixpacket"] {
            let listener = listen(network, here(network)).unwrap();
            let first = dial(network, &listener.addr().to_string()).unwrap();
            let peer = listener.accept().unwrap();
            let (local, remote) = (first.local_addr(), first.remote_addr());
            let second = file_conn(dup_of(first), "second").unwrap();
            assert_eq!(second.local_addr(), local, "{network}");
            assert_eq!(second.remote_addr(), remote, "{network}");
            scope(|s| {
                let read = s.spawn(|| {
                    let mut buf = [0; 32];
                    peer.read(&mut buf).map(|n| buf[..n].to_vec())
                });
                assert_eq!(second.write(b"FILECONN TEST").unwrap(), 13);
                assert_eq!(read.wait().unwrap(), b"FILECONN TEST");
                let read = s.spawn(|| second.read(&mut [0; 32]));
                assert!(read.is_pending(), "it waits as ours do");
                peer.write(b"back").unwrap();
                assert_eq!(read.wait().unwrap(), 4);
            });
        }
        for network in ["udp", "unixgram"] {
            let peer = listen_packet(network, here(network)).unwrap();
            let first = dial(network, &peer.local_addr().unwrap().to_string()).unwrap();
            let (local, remote) = (first.local_addr(), first.remote_addr());
            let second = file_conn(dup_of(first), "second").unwrap();
            assert_eq!(second.local_addr(), local, "{network}");
            assert_eq!(second.remote_addr(), remote, "{network}");
            assert_eq!(second.write(b"FILECONN TEST").unwrap(), 13);
            assert_eq!(peer.recv_from(&mut [0; 32]).unwrap().0, 13);
        }
    });
}

/// Follows Go's TestFileListener.
#[test]
fn a_listener_of_any_network_lives_on_in_a_duplicate() {
    everywhere(|| {
        for network in ["tcp", "unix", "unixpacket"] {
            let first = listen(network, here(network)).unwrap();
            let addr = first.addr();
            let second = file_listener(dup_of(first), "second").unwrap();
            assert_eq!(second.addr(), addr);
            assert_eq!(second.addr().network(), network);
            scope(|s| {
                let accept = s.spawn(|| second.accept());
                assert!(accept.is_pending());
                let conn = dial(network, &addr.to_string()).unwrap();
                let accepted = accept.wait().unwrap();
                assert_eq!(accepted.local_addr(), Some(addr.clone()));
                assert_eq!(
                    conn.remote_addr().map(|a| a.to_string()),
                    Some(addr.to_string())
                );
                if let Ok(tcp) = (accepted as Box<dyn Any>).downcast::<TcpConn>() {
                    assert!(tcp.nodelay().unwrap(), "with the default options");
                }
            });
        }
    });
}

/// Follows Go's TestFilePacketConn.
#[test]
fn a_socket_of_datagrams_lives_on_in_a_duplicate() {
    everywhere(|| {
        for network in ["udp", "unixgram"] {
            let first = listen_packet(network, here(network)).unwrap();
            let addr = first.local_addr().unwrap();
            let second = file_packet_conn(dup_of(first), "second").unwrap();
            assert_eq!(second.local_addr().as_ref(), Some(&addr));
            assert_eq!(second.send_to(b"FILEPACKETCONN TEST", &addr).unwrap(), 19);
            let (n, from) = second.recv_from(&mut [0; 32]).unwrap();
            assert_eq!((n, from), (19, Some(addr)), "to itself");
        }
    });
}

fn socket(domain: Domain, kind: Type) -> Socket {
    Socket::new(domain, kind, None).unwrap()
}

/// The table of `net/file.rs`: what is none of its kind is refused, and the descriptor is closed.
/// Follows Go's TestFileError.
#[test]
fn what_is_not_asked_for_is_refused_at_once() {
    let text = |err: io::Error| {
        assert_eq!(err.op_error().unwrap().addr, Some(Addr::File("it".into())));
        err.to_string()
    };
    let invalid = "file file+net it: invalid argument";
    let unconnected = "file file+net it: getpeername: transport endpoint is not connected";
    let conn = |fd: OwnedFd| text(file_conn(fd, "it").unwrap_err());
    let listener = |fd: OwnedFd| text(file_listener(fd, "it").unwrap_err());
    let packets = |fd: OwnedFd| text(file_packet_conn(fd, "it").unwrap_err());
    for (domain, kind) in [
        (Domain::IPV4, Type::STREAM),
        (Domain::UNIX, Type::STREAM),
        (Domain::UNIX, Type::SEQPACKET),
    ] {
        let fresh = || OwnedFd::from(socket(domain, kind));
        assert_eq!(conn(fresh()), unconnected);
        assert_eq!(listener(fresh()), invalid, "it does not listen");
        assert_eq!(packets(fresh()), invalid);
    }
    for domain in [Domain::IPV4, Domain::UNIX] {
        assert_eq!(listener(socket(domain, Type::DGRAM).into()), invalid);
    }
    let listening = TcpListener::bind(LOOPBACK).unwrap();
    assert_eq!(conn(listening.dup().unwrap()), unconnected);
    // A family that nobody here speaks. Go: EPROTONOSUPPORT.
    let netlink = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::RAW,
        Some(Protocol::from(0)),
    );
    let fd = OwnedFd::from(netlink.unwrap());
    let number = fd.as_raw_fd();
    let err = file_conn(fd, "it").unwrap_err();
    assert_eq!(err.errno(), Some(libc::EPROTONOSUPPORT));
    assert_eq!(text(err), "file file+net it: protocol not supported");
    // SAFETY: no memory is passed.
    let gone = unsafe { libc::fcntl(number, libc::F_GETFD) };
    // Somebody else may have got the number meanwhile, but then it is no netlink socket.
    assert!(gone < 0 || !is_netlink(number));
}

fn is_netlink(number: i32) -> bool {
    let mut domain = 0i32;
    let mut len = size_of::<i32>() as libc::socklen_t;
    let at = (&raw mut domain).cast();
    // SAFETY: `at` and `len` describe one `i32`.
    let done = unsafe { libc::getsockopt(number, libc::SOL_SOCKET, libc::SO_DOMAIN, at, &mut len) };
    done == 0 && domain == libc::AF_NETLINK
}

/// What an inherited descriptor is like: blocking, and open across an exec.
#[test]
fn an_inherited_descriptor_is_made_non_blocking_and_closed_on_exec() {
    fn flags(fd: impl AsFd) -> (bool, bool) {
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: no memory is passed.
        let (of_file, of_number) = unsafe {
            (
                libc::fcntl(fd, libc::F_GETFL),
                libc::fcntl(fd, libc::F_GETFD),
            )
        };
        (
            of_file & libc::O_NONBLOCK != 0,
            of_number & libc::FD_CLOEXEC != 0,
        )
    }
    let listener = std::net::TcpListener::bind(LOOPBACK).unwrap();
    let stream = socket(Domain::IPV4, Type::STREAM);
    let at = listener.local_addr().unwrap();
    stream.connect(&at.into()).unwrap();
    for socket in [&stream, &Socket::from(listener.try_clone().unwrap())] {
        socket.set_cloexec(false).unwrap();
        assert_eq!(flags(socket), (false, false));
    }
    let conn: Box<dyn Any> = file_conn(stream, "conn").unwrap();
    let conn: Box<TcpConn> = conn.downcast().unwrap();
    assert_eq!(conn.with_fd(|fd| flags(fd)).unwrap(), (true, true));
    // Go gives such a connection the options that it gives all of them.
    assert!(conn.nodelay().unwrap());
    let keeps = conn.with_fd(|fd| option(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE));
    assert_eq!(keeps.unwrap(), 1);
    let listener: Box<dyn Any> = file_listener(listener, "listener").unwrap();
    let listener: Box<TcpListener> = listener.downcast().unwrap();
    assert_eq!(listener.with_fd(|fd| flags(fd)).unwrap(), (true, true));
}

#[test]
fn std_s_types_keep_the_network_their_descriptor_has() {
    let packets = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    let (a, b) = (OwnedFd::from(packets.0), OwnedFd::from(packets.1));
    let a = UnixConn::from_std(a.into()).unwrap();
    assert_eq!(a.local_addr().net.as_str(), "unixpacket");
    let b = UnixConn::from_std(b.into()).unwrap();
    a.write(b"one").unwrap();
    a.write(b"two").unwrap();
    assert_eq!(b.read(&mut [0; 16]).unwrap(), 3, "one packet");

    let datagrams = OwnedFd::from(socket(Domain::UNIX, Type::DGRAM));
    let err = UnixConn::from_std(datagrams.into()).unwrap_err();
    assert_eq!(err.errno(), Some(Errno::EINVAL.0));
    let stream = OwnedFd::from(socket(Domain::UNIX, Type::STREAM));
    assert!(UnixDatagram::from_std(stream.into()).is_err());

    let tcp = TcpListener::bind(LOOPBACK).unwrap();
    let back = std::net::TcpListener::try_from(tcp.clone()).unwrap();
    assert!(tcp.accept().unwrap_err().is_closed());
    TcpListener::try_from(back).unwrap();
}
