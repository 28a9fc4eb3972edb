//! Promises about the race, with dials that do what they are told.

use super::*;
use crate::{
    Runtime,
    net::{DnsError, NetError, OpError, TcpAddr},
};
use parking_lot::Mutex;
use std::sync::atomic::AtomicU8;

/// Dials that connect, hang until they are ended, or fail at once, by the last number of the address.
#[derive(Clone, Default)]
struct Fake {
    /// What was tried, when.
    tried: Arc<Mutex<Vec<(u8, Instant)>>>,
    /// The connections that are open.
    open: Arc<()>,
    /// Called when a connection is made.
    connected: Option<Arc<dyn Fn(u8) + Send + Sync>>,
}

const HANG: u8 = 100;
const FAIL: u8 = 200;

#[derive(Debug)]
struct FakeConn(u8, #[allow(dead_code, reason = "counted")] Arc<()>);

impl Single for Fake {
    type Conn = FakeConn;

    fn single(&self, addr: &Addr, limits: &Limits) -> Result<FakeConn, Cause> {
        let Some(std::net::IpAddr::V4(ip)) = addr.ip() else {
            panic!("a fake address is IPv4");
        };
        let last = ip.octets()[3];
        self.tried.lock().push((last, Instant::now()));
        match last {
            FAIL.. => Err(DnsError::new("refused", last.to_string()).into()),
            HANG.. => {
                let hang: Result<(), Cause> = limits.wait(&Arc::default(), Reason::Sleep, || None);
                Err(hang.unwrap_err())
            }
            _ => {
                let conn = FakeConn(last, self.open.clone());
                if let Some(connected) = &self.connected {
                    connected(last);
                }
                Ok(conn)
            }
        }
    }

    fn fail(&self, addr: &Addr, cause: Cause) -> io::Error {
        OpError::new("dial", "tcp", cause).addr(addr.clone()).into()
    }

    fn missing(&self) -> io::Error {
        OpError::new("dial", "tcp", Cause::MissingAddress).into()
    }
}

impl Fake {
    fn open(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }
}

fn addrs(last: &[u8]) -> Vec<Addr> {
    let addr = |&last| TcpAddr::new([127, 0, 0, last], 1).into();
    last.iter().map(addr).collect()
}

/// On a plain thread, and in a task of one and of two workers.
fn everywhere(body: impl Fn() + Send + Sync) {
    body();
    for workers in [1, 2] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        runtime.run(&body);
    }
}

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(3600);

/// Follows Go's TestDialParallel: its table, with one delay that passes and one that does not.
#[test]
fn the_fallbacks_start_after_the_delay_or_when_the_primaries_have_failed() {
    everywhere(|| {
        let many = vec![FAIL; 1000];
        for (primaries, fallbacks, delay, winner, waited) in [
            // The primary is first, or alone.
            (&[1][..], &[2][..], LONG, Some(1), false),
            (&[1], &[HANG], LONG, Some(1), false),
            (&[1], &[FAIL], LONG, Some(1), false),
            (&[FAIL, 1], &[2], LONG, Some(1), false),
            // The primaries fail: the fallbacks start at once.
            (&[FAIL], &[2], LONG, Some(2), false),
            (&[FAIL, FAIL + 1], &[2], LONG, Some(2), false),
            (&[FAIL], &[FAIL + 1, 2], LONG, Some(2), false),
            (&many, &[2], LONG, Some(2), false),
            // The primary hangs: the fallbacks start after the delay.
            (&[HANG], &[2], SHORT, Some(2), true),
            (&[FAIL, HANG], &[2], SHORT, Some(2), true),
            (&[HANG, 1], &[FAIL, 2], SHORT, Some(2), true),
            // All fail: the primaries' first error.
            (&[FAIL], &[FAIL + 1], LONG, None, false),
            (&[FAIL, FAIL + 1], &[FAIL + 2], LONG, None, false),
        ] {
            let (dial, limits) = (Fake::default(), Limits::default());
            let start = Instant::now();
            let (front, back) = (addrs(primaries), addrs(fallbacks));
            let result = parallel(&dial, &front, &back, delay, &limits);
            match (winner, result) {
                (Some(winner), Ok(conn)) => assert_eq!(conn.0, winner),
                (None, Err(err)) => assert_eq!(
                    err.to_string(),
                    "dial tcp 127.0.0.200:1: lookup 200: refused"
                ),
                (winner, result) => panic!("{winner:?}: {result:?}"),
            }
            let elapsed = start.elapsed();
            assert!(!waited || elapsed >= delay, "{elapsed:?} of {delay:?}");
            assert!(elapsed < LONG / 10, "{elapsed:?}");
            assert_eq!(dial.open(), 0);
        }
    });
}

/// Follows Go's TestDialParallel, "cancel": the caller's token ends both.
#[test]
fn cancelling_ends_the_primaries_and_the_fallbacks_and_the_wait_for_them() {
    everywhere(|| {
        for delay in [Duration::ZERO, LONG] {
            let (dial, token) = (Fake::default(), CancelToken::new());
            let limits = Limits::default().with_token(&token);
            let canceller = thread::spawn({
                let (tried, racers) = (dial.tried.clone(), if delay.is_zero() { 2 } else { 1 });
                move || {
                    until(|| tried.lock().len() >= racers);
                    token.cancel();
                }
            });
            let err = parallel(&dial, &addrs(&[HANG]), &addrs(&[HANG + 1]), delay, &limits);
            let err = err.unwrap_err();
            assert!(err.is_cancelled());
            assert_eq!(
                err.to_string(),
                "dial tcp 127.0.0.100:1: operation was canceled"
            );
            canceller.join().unwrap();
        }
    });
}

/// Follows Go's TestDialParallelSpuriousConnection.
#[test]
fn of_two_connections_one_is_returned_and_the_other_is_closed_before() {
    everywhere(|| {
        // Each connects when the other does.
        let connecting = Arc::new(AtomicU8::new(0));
        let dial = Fake {
            connected: Some(Arc::new(move |last| {
                connecting.fetch_or(last, Ordering::SeqCst);
                until(|| connecting.load(Ordering::SeqCst) == 1 | 2);
            })),
            ..Fake::default()
        };
        let conn = parallel(
            &dial,
            &addrs(&[1]),
            &addrs(&[2]),
            Duration::from_nanos(1),
            &Limits::default(),
        );
        assert!([1, 2].contains(&conn.as_ref().unwrap().0));
        let open = dial.tried.lock().len();
        assert_eq!(open, 2, "both were dialed");
        // `connected` holds no connection; the one returned is the only one.
        assert_eq!(dial.open(), 1);
        drop(conn);
        assert_eq!(dial.open(), 0);
    });
}

/// Waits, as a thread or a task, until `condition` holds.
fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG / 60, "it does not happen");
        crate::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_serial_dial_that_is_cancelled_names_the_address_it_would_have_tried_next() {
    everywhere(|| {
        let (dial, token) = (Fake::default(), CancelToken::new());
        token.cancel();
        let limits = Limits::default().with_token(&token);
        let err = serial(&dial, &addrs(&[1, 2]), &limits).unwrap_err();
        assert_eq!(
            err.to_string(),
            "dial tcp 127.0.0.1:1: operation was canceled"
        );
        assert!(dial.tried.lock().is_empty());
        let err = serial(&dial, &[], &limits).unwrap_err();
        assert_eq!(err.to_string(), "dial tcp: missing address");
    });
}

#[test]
fn a_deadline_limits_both_racers_and_the_wait_for_the_second() {
    everywhere(|| {
        let dial = Fake::default();
        let limits = Limits::until(Some(Instant::now() + SHORT));
        let result = parallel(&dial, &addrs(&[HANG]), &addrs(&[2]), LONG, &limits);
        // The second racer starts when its time is up, and then finds that it is.
        let err = result.unwrap_err();
        assert_eq!(err.to_string(), "dial tcp 127.0.0.100:1: i/o timeout");
    });
}

#[test]
fn a_panic_of_a_racer_reaches_the_caller_and_ends_the_other() {
    everywhere(|| {
        for (primary, fallback) in [(1, HANG), (HANG, 1)] {
            let dial = Fake {
                connected: Some(Arc::new(|_| panic!("a hook of the test panics"))),
                ..Fake::default()
            };
            let limits = Limits::default();
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let delay = Duration::from_nanos(1);
                parallel(
                    &dial,
                    &addrs(&[primary]),
                    &addrs(&[fallback]),
                    delay,
                    &limits,
                )
            }));
            let payload = panicked.expect_err("the panic was lost");
            assert_eq!(
                payload.downcast_ref::<&str>(),
                Some(&"a hook of the test panics")
            );
        }
    });
}

/// Follows Go's TestDialerPartialDeadline.
#[test]
fn each_address_gets_its_share_of_the_time_but_at_least_two_seconds() {
    let now = Instant::now();
    let after = |seconds| now + Duration::from_secs(seconds);
    for (deadline, left, expected) in [
        (None, 1, Ok(None)),
        (Some(after(12)), 1, Ok(Some(after(12)))),
        (Some(after(12)), 2, Ok(Some(after(6)))),
        (Some(after(12)), 3, Ok(Some(after(4)))),
        (Some(after(12)), 12, Ok(Some(after(2)))),
        (Some(after(3)), 12, Ok(Some(after(2)))),
        (Some(after(2)), 12, Ok(Some(after(2)))),
        (Some(after(1)), 12, Ok(Some(after(1)))),
        (Some(now), 1, Err(Timeout::Context)),
        (
            now.checked_sub(Duration::from_millis(1)),
            1,
            Err(Timeout::Context),
        ),
    ] {
        assert_eq!(partial_deadline(now, deadline, left), expected, "{left}");
    }
}
