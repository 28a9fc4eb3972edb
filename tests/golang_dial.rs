//! Dialing addresses of every kind. Follows Go's `dial_test.go`; what is over TCP alone is in
//! `tcp_golden_dial.rs`, `net_dial_cancel.rs` and `net_dial_race.rs`.

mod harness;

use gopark::net::{
    Addr, CancelToken, Dialer, NetError, TcpAddr, UdpAddr, UdpConn, UnixAddr, UnixNet, dial,
    join_host_port, listen, listen_unix, listen_unixgram,
};
use harness::{EVERY_STREAM, everywhere};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

/// A dialer whose hook counts.
fn counted() -> (Dialer, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let dialer = Dialer::new().control(move |_, _, _| {
        count.fetch_add(1, Relaxed);
        Ok(())
    });
    (dialer, calls)
}

/// Follows Go's TestDialContext and TestDialerControlContext. The value that its context carries to the hook is here captured by it.
#[test]
fn every_typed_dial_runs_the_hook_of_its_dialer() {
    everywhere(|| {
        for (network, address) in EVERY_STREAM {
            let listener = listen(network, address).unwrap();
            let (dialer, calls) = counted();
            match listener.addr() {
                Addr::Tcp(to) => {
                    let conn = dialer.dial_tcp(network, &to).unwrap();
                    assert_eq!(TcpAddr::from(conn.peer_addr().unwrap()), to);
                }
                Addr::Unix(to) => {
                    let conn = dialer.dial_unix(network, &to).unwrap();
                    assert_eq!(conn.peer_addr(), &to);
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(calls.load(Relaxed), 1, "{network}");
            listener.accept().unwrap();
        }
        for (network, address) in [
            ("udp", "127.0.0.1:0"),
            ("udp4", "127.0.0.1:0"),
            ("udp6", "[::1]:0"),
        ] {
            let peer = UdpConn::bind(address).unwrap();
            let to = peer.local_addr().unwrap();
            let (dialer, calls) = counted();
            let conn = dialer.dial_udp(network, &to.into()).unwrap();
            assert_eq!(conn.peer_addr().unwrap(), to);
            assert_eq!(calls.load(Relaxed), 1, "{network}");
        }
        let peer = listen_unixgram(&UnixAddr::new("", UnixNet::Datagram)).unwrap();
        let (dialer, calls) = counted();
        let conn = dialer.dial_unixgram(Some(peer.local_addr())).unwrap();
        assert_eq!(conn.peer_addr(), Some(peer.local_addr()));
        assert_eq!(calls.load(Relaxed), 1);
    });
}

/// Follows Go's TestDialContext with a context that is over, and TestDialTimeout.
#[test]
fn a_typed_dial_after_its_time_or_its_cancelling_fails_and_says_which() {
    everywhere(|| {
        let listener = listen_unix("unix", &UnixAddr::new("", UnixNet::Stream)).unwrap();
        let to = listener.local_addr();
        let udp = UdpAddr::new([127, 0, 0, 1], 9);
        let late = Dialer::new().deadline(Instant::now());
        let token = CancelToken::new();
        token.cancel();
        let cancelled = Dialer::new().cancel_token(&token);
        let timed_out = |err: &io::Error| err.is_timeout();
        let is_cancelled = |err: &io::Error| err.is_cancelled();
        type Fits = fn(&io::Error) -> bool;
        for (dialer, fits) in [(late, timed_out as Fits), (cancelled, is_cancelled as Fits)] {
            for err in [
                dialer.dial_unix("unix", to).map(drop).unwrap_err(),
                dialer.dial_unixgram(Some(to)).map(drop).unwrap_err(),
                dialer.dial_udp("udp", &udp).map(drop).unwrap_err(),
            ] {
                assert!(fits(&err), "{err}");
                assert!(err.op_error().unwrap().addr.is_some(), "{err}");
            }
        }
    });
}

/// A network or a local address of another kind is refused before anything is dialed.
#[test]
fn a_typed_dial_says_what_is_wrong_with_its_network_or_its_local_address() {
    let udp = UdpAddr::new([127, 0, 0, 1], 9);
    let unix = UnixAddr::new("/no/such", UnixNet::Stream);
    let text = |result: io::Result<()>| result.unwrap_err().to_string();
    assert_eq!(
        text(Dialer::new().dial_udp("tcp", &udp).map(drop)),
        "dial tcp 127.0.0.1:9: unknown network tcp"
    );
    assert_eq!(
        text(Dialer::new().dial_unix("unixgram", &unix).map(drop)),
        "dial unixgram /no/such: unknown network unixgram"
    );
    let of_another_kind = Dialer::new().local_addr(TcpAddr::new([127, 0, 0, 1], 0));
    let end = "address 127.0.0.1:0: mismatched local address type";
    for err in [
        text(of_another_kind.dial_udp("udp", &udp).map(drop)),
        text(of_another_kind.dial_unix("unix", &unix).map(drop)),
        text(of_another_kind.dial_unixgram(Some(&unix)).map(drop)),
    ] {
        assert!(err.ends_with(end), "{err}");
    }
}

/// Follows Go's TestProhibitionaryDialArg.
#[test]
fn an_ipv4_address_is_never_dialed_on_a_network_of_ipv6() {
    everywhere(|| {
        let listener = listen("tcp", "[::]:0").unwrap();
        let port = match listener.addr() {
            Addr::Tcp(at) => at.port.to_string(),
            other => panic!("{other:?}"),
        };
        for host in ["127.0.0.1", "::ffff:127.0.0.1"] {
            let address = join_host_port(host, &port);
            let err = dial("tcp6", &address).map(drop).unwrap_err();
            assert!(
                err.to_string().contains("no suitable address found"),
                "{err}"
            );
            dial("tcp", &address).unwrap();
        }
    });
}
