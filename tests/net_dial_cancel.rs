//! Promises about cancelling a dial before, during and after.

mod harness;

use gopark::{
    Runtime,
    net::{CancelToken, Dialer, NetError, TcpAddr},
};
use harness::{everywhere, full_backlog, listener, scope, until};
use std::time::{Duration, Instant};

/// Follows Go's TestDialContext with a context that is over.
#[test]
fn a_dial_with_a_cancelled_token_fails_and_names_what_it_would_have_dialed() {
    everywhere(|| {
        let listener = listener();
        let to = listener.local_addr().unwrap();
        let token = CancelToken::new();
        token.cancel();
        let dialer = Dialer::new().cancel_token(&token);
        let results = [
            dialer.dial("tcp", &to.to_string()).map(drop),
            dialer.dial_tcp("tcp", &to.into()).map(drop),
        ];
        for result in results {
            let err = result.unwrap_err();
            assert!(err.is_cancelled() && !err.is_timeout());
            let text = format!("dial tcp {to}: operation was canceled");
            assert_eq!(err.to_string(), text);
        }
        listener.set_deadline(Some(Instant::now())).unwrap();
        assert!(listener.accept().unwrap_err().is_timeout());
    });
}

/// Follows Go's TestDialCancel.
#[test]
fn cancelling_ends_every_dial_that_waits_with_the_token_and_no_other() {
    everywhere(|| {
        let (full, _fill) = full_backlog();
        let address = full.local_addr().unwrap().to_string();
        let (token, other) = (CancelToken::new(), CancelToken::new());
        let child = token.child();
        let dial = |token| Dialer::new().cancel_token(token).dial("tcp", &address);
        scope(|s| {
            let ours: Vec<_> = (0..3)
                .map(|i| {
                    let token = if i == 0 { &child } else { &token };
                    let dial = &dial;
                    s.spawn(move || dial(token))
                })
                .collect();
            let theirs = s.spawn(|| dial(&other));
            assert!(theirs.is_pending());
            token.cancel();
            for dial in ours {
                assert!(dial.wait().unwrap_err().is_cancelled());
            }
            assert!(theirs.is_pending());
            other.cancel();
            assert!(theirs.wait().unwrap_err().is_cancelled());
        });
    });
}

/// Follows Go's TestCancelAfterDial.
#[test]
fn cancelling_after_the_dial_does_nothing_to_the_connection() {
    everywhere(|| {
        let listener = listener();
        let to = listener.local_addr().unwrap();
        for _ in 0..10 {
            let token = CancelToken::new();
            let dialer = Dialer::new().cancel_token(&token);
            let conn = dialer
                .timeout(Duration::from_secs(20))
                .dial("tcp", &to.to_string())
                .unwrap();
            token.cancel();
            let (server, _) = listener.accept().unwrap();
            conn.write(b"hello").unwrap();
            let mut buf = [0; 8];
            assert_eq!(server.read(&mut buf).unwrap(), 5);
            server.write(&buf[..5]).unwrap();
            assert_eq!(conn.read(&mut buf).unwrap(), 5);
        }
    });
}

/// Follows Go's TestDialContextCancelRace and TestTCPSpuriousConnSetupCompletionWithCancel.
#[test]
fn cancelling_just_as_the_connection_comes_never_gives_one_that_cannot_be_written() {
    everywhere(|| {
        const EACH: usize = 150;
        let listener = listener();
        let to = TcpAddr::from(listener.local_addr().unwrap());
        let dial = |turns| {
            let token = CancelToken::new();
            let result = scope(|s| {
                s.spawn(|| {
                    for _ in 0..turns {
                        std::hint::spin_loop();
                    }
                    token.cancel();
                });
                Dialer::new().cancel_token(&token).dial_tcp("tcp", &to)
            });
            match result {
                Ok(conn) => conn.write(b"x").err(),
                Err(err) if err.is_cancelled() => None,
                Err(err) => Some(err),
            }
        };
        // Errors are kept for the end: a panic in here would leave the accepting one waiting.
        let wrong: Vec<_> = scope(|s| {
            let accepting = s.spawn(|| while listener.accept().is_ok() {});
            let lanes: Vec<_> = (1..=4)
                .map(|lane| {
                    let dial = &dial;
                    s.spawn(move || (0..EACH).find_map(|i| dial(i * lane % 40)))
                })
                .collect();
            let wrong = lanes.into_iter().filter_map(|lane| lane.wait()).collect();
            listener.close().unwrap();
            accepting.wait();
            wrong
        });
        assert!(wrong.is_empty(), "{wrong:?}");
    });
}

/// How many connections to `port` the kernel is still making.
fn dials_under_way(port: u16) -> usize {
    const SYN_SENT: &str = "02";
    let peer = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = table.lines().map(|line| line.split_whitespace().skip(2));
    fields
        .filter_map(|mut fields| Some((fields.next()?, fields.next()?)))
        .filter(|(remote, state)| remote.ends_with(&peer) && *state == SYN_SENT)
        .count()
}

/// The same at a dial that has begun to wait: an accept and the cancelling make room at once.
#[test]
fn a_dial_that_waits_is_either_cancelled_or_good() {
    everywhere(|| {
        for round in 0..20 {
            let (full, _fill) = full_backlog();
            let to = TcpAddr::from(full.local_addr().unwrap());
            let port = full.local_addr().unwrap().port();
            let token = CancelToken::new();
            scope(|s| {
                let dial = s.spawn(|| Dialer::new().cancel_token(&token).dial_tcp("tcp", &to));
                until("the dial waits", || dials_under_way(port) == 1);
                let _first = full.accept().unwrap();
                if round % 2 == 0 {
                    // The kernel knocks again about a second later, seldom before.
                    // So the two ends come together only now and then, as they may.
                    harness::sleep(Duration::from_millis(1));
                }
                token.cancel();
                match dial.wait() {
                    // A deadline left over would end the write.
                    Ok(conn) => conn.write(b"x").map(drop).unwrap(),
                    Err(err) => assert!(err.is_cancelled(), "{err}"),
                }
            });
        }
    });
}

#[test]
fn the_end_of_the_runtime_ends_a_dial_that_has_a_token() {
    let (full, _fill) = full_backlog();
    let address = full.local_addr().unwrap().to_string();
    let runtime = Runtime::new().unwrap();
    let token = CancelToken::new();
    let dialer = Dialer::new().cancel_token(&token);
    let dial = runtime.handle().spawn(move || dialer.dial("tcp", &address));
    let report = runtime.shutdown_timeout(Duration::from_secs(50));
    assert!(report.is_clean(), "{report}");
    assert!(dial.join().unwrap().unwrap_err().is_shutdown());
}
