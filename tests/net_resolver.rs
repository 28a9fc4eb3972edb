//! Promises about looking names up: who waits, for how long, and who shares.

mod harness;

use gopark::{
    Handle, Reason, Runtime,
    net::{
        CancelToken, Cause, Dialer, DnsError, IpVersion, NetError, Resolver, ZonedIp, lookup_host,
        lookup_ip,
    },
};
use harness::{everywhere, lines::*, listener, scope, until};
use std::{
    io,
    net::IpAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);

fn local() -> Result<Vec<ZonedIp>, DnsError> {
    Ok(vec![IpAddr::from([127, 0, 0, 1]).into()])
}

/// A resolver that answers no question before it is told to.
#[derive(Clone, Default)]
struct Slow {
    open: Arc<(Mutex<bool>, Condvar)>,
    asked: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
}

impl Slow {
    fn resolver(&self) -> Resolver {
        let slow = self.clone();
        Resolver::new(move |_, _| {
            slow.asked.fetch_add(1, Ordering::SeqCst);
            let (open, opened) = &*slow.open;
            let _open = opened.wait_while(open.lock().unwrap(), |open| !*open);
            slow.answered.fetch_add(1, Ordering::SeqCst);
            local()
        })
    }

    fn answer(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Slow {
    /// A test that fails must not leave threads behind that wait for ever.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.answer();
        }
    }
}

/// Follows Go's TestLookupHostCancel and TestDialerPartialDeadline's sibling for names.
#[test]
fn a_caller_gives_up_at_its_deadline_while_the_question_goes_on() {
    everywhere(|| {
        let slow = Slow::default();
        let resolver = slow.resolver();
        let start = Instant::now();
        let err = resolver
            .clone()
            .timeout(30 * MS)
            .lookup_host("n", IpVersion::Any)
            .unwrap_err();
        assert_eq!(err.to_string(), "lookup n: i/o timeout");
        assert!(err.is_timeout && err.is_temporary() && !err.is_not_found);
        assert!(start.elapsed() >= 30 * MS);

        let dialer = Dialer::new().resolver(resolver.clone()).timeout(30 * MS);
        let err = dialer.dial("tcp", "n:1").unwrap_err();
        assert!(err.is_timeout());
        assert_eq!(err.to_string(), "dial tcp: lookup n: i/o timeout");

        // What limits the resolver limits the dial.
        let short = Dialer::new().resolver(resolver.clone().deadline(Instant::now() + 30 * MS));
        assert!(short.dial("tcp", "n:1").unwrap_err().is_timeout());

        // Whoever asks again joins the question that is under way, and gets its answer.
        scope(|s| {
            let patient = s.spawn(|| {
                let resolver = resolver.clone().timeout(100_000 * MS);
                resolver.lookup_host("n", IpVersion::Any)
            });
            assert!(patient.is_pending());
            until("the question", || slow.asked() > 0);
            assert_eq!(slow.asked(), 1);
            slow.answer();
            assert_eq!(patient.wait().unwrap(), local().unwrap());
        });
    });
}

/// Follows Go's TestLookupIPAddrConcurrentCallsForNetworks and TestLookupContextCancel:
/// one caller's cancellation does not end the question of the others.
#[test]
fn callers_of_one_name_share_the_question_and_one_that_is_cancelled_leaves_the_others_alone() {
    everywhere(|| {
        let slow = Slow::default();
        let resolver = slow.resolver();
        let (token, other) = (CancelToken::new(), CancelToken::new());
        let ask = |name, version, token: &CancelToken| {
            let resolver = resolver.clone().cancel_token(token);
            resolver.lookup_host(name, version)
        };
        scope(|s| {
            let leaver = s.spawn(|| ask("n", IpVersion::Any, &token));
            until("the question", || slow.asked() == 1);
            let stayers: Vec<_> = (0..4)
                .map(|_| s.spawn(|| ask("n", IpVersion::Any, &other)))
                .collect();
            assert!(stayers[0].is_pending());
            token.cancel();
            let err = leaver.wait().unwrap_err();
            assert_eq!(err.to_string(), "lookup n: operation was canceled");
            assert!(Cause::from(err).is_cancelled());
            assert!(stayers[3].is_pending());
            assert_eq!(slow.asked(), 1);
            // Another name, and another family, are other questions.
            let m = s.spawn(|| ask("m", IpVersion::Any, &other));
            let v4 = s.spawn(|| ask("n", IpVersion::V4, &other));
            until("three questions", || slow.asked() == 3);
            slow.answer();
            for caller in stayers.into_iter().chain([m, v4]) {
                assert_eq!(caller.wait().unwrap(), local().unwrap());
            }
        });
        // With all answers there, the next question is a new one.
        let before = slow.asked();
        ask("n", IpVersion::Any, &other).unwrap();
        assert_eq!(slow.asked(), before + 1);
    });
}

#[test]
fn a_dial_that_looks_up_a_name_is_cancelled_by_either_token() {
    everywhere(|| {
        let slow = Slow::default();
        for by_dialer in [true, false] {
            let (one, two) = (CancelToken::new(), CancelToken::new());
            let resolver = slow.resolver().cancel_token(&two);
            let dialer = Dialer::new().cancel_token(&one).resolver(resolver);
            scope(|s| {
                let dial = s.spawn(|| dialer.dial("tcp", "n:1"));
                assert!(dial.is_pending());
                if by_dialer { &one } else { &two }.cancel();
                let err = dial.wait().unwrap_err();
                assert!(err.is_cancelled());
                let text = "dial tcp: lookup n: operation was canceled";
                assert_eq!(err.to_string(), text);
            });
        }
        slow.answer();
    });
}

#[test]
fn a_look_up_holds_neither_a_worker_nor_the_end_of_the_runtime() {
    let slow = Slow::default();
    let resolver = slow.resolver();
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let caller = {
        let resolver = resolver.clone();
        let handle = runtime.handle();
        handle.spawn(move || resolver.lookup_host("n", IpVersion::Any))
    };
    until("the question", || slow.asked() == 1);
    // The only worker is free.
    assert_eq!(runtime.run(|| 7), 7);
    let report = runtime.shutdown_timeout(Duration::from_secs(50));
    assert!(report.is_clean(), "{report}");
    let err = caller.join().unwrap().unwrap_err();
    assert_eq!(err.to_string(), "lookup n: runtime is shutting down");
    assert!(io::Error::from(err).is_shutdown());
    // The question outlives its runtime, and still answers whoever joined it elsewhere.
    assert_eq!(slow.answered.load(Ordering::SeqCst), 0);
    scope(|s| {
        let other = s.spawn(|| {
            let resolver = resolver.timeout(100_000 * MS);
            resolver.lookup_host("n", IpVersion::Any)
        });
        assert!(other.is_pending());
        assert_eq!(slow.asked(), 1);
        slow.answer();
        assert_eq!(other.wait().unwrap(), local().unwrap());
    });
}

#[test]
fn a_thread_of_the_pool_never_waits_for_a_question_that_waits_for_the_pool() {
    let runtime = Runtime::builder()
        .workers(1)
        .blocking_threads(1)
        .build()
        .unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let resolver = Resolver::new(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        local()
    });
    runtime.run(|| {
        let in_pool = Arc::new(AtomicUsize::new(0));
        let (begun, theirs) = (in_pool.clone(), resolver.clone());
        let runtime = Handle::current().unwrap();
        let pool = gopark::spawn(move || {
            gopark::blocking(|| {
                begun.store(1, Ordering::SeqCst);
                until("a task's question to wait behind this closure", || {
                    runtime.metrics().total.parked_for(Reason::Blocking) == 2
                });
                let limited = theirs.clone().timeout(100_000 * MS);
                limited.lookup_host("n", IpVersion::Any).unwrap();
                theirs.lookup_host("n", IpVersion::Any).unwrap()
            })
        });
        until("the pool's only thread is taken", || {
            in_pool.load(Ordering::SeqCst) == 1
        });
        assert_eq!(
            resolver.lookup_host("n", IpVersion::Any).unwrap(),
            local().unwrap()
        );
        assert_eq!(pool.join().unwrap(), local().unwrap());
    });
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[test]
fn a_resolver_that_panics_fails_its_callers_and_not_the_next_question() {
    everywhere(|| {
        let calls = AtomicUsize::new(0);
        let resolver = Resolver::new(move |_, _| {
            assert!(
                calls.fetch_add(1, Ordering::SeqCst) > 0,
                "as the test wants"
            );
            local()
        });
        let err = resolver.lookup_host("n", IpVersion::Any).unwrap_err();
        assert_eq!(err.to_string(), "lookup n: the look-up panicked");
        resolver.lookup_host("n", IpVersion::Any).unwrap();
    });
}

#[test]
fn the_system_is_asked_by_many_at_once_with_and_without_limits() {
    everywhere(|| {
        scope(|s| {
            let callers: Vec<_> = (0..16)
                .map(|i| {
                    s.spawn(move || {
                        let limited = Resolver::system().timeout(50_000 * MS);
                        let found = if i % 2 == 0 {
                            limited.lookup_ip("ip", "localhost").unwrap()
                        } else {
                            lookup_ip("ip", "localhost").unwrap()
                        };
                        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty());
                    })
                })
                .collect();
            for caller in callers {
                caller.wait();
            }
        });
        let found = lookup_host("localhost", IpVersion::V4).unwrap();
        assert!(found.iter().any(|ip| ip.ip.is_ipv4()));
    });
}

/// The zone of the Go program; `silent.test` answers when it is told to.
fn zone(slow: &Slow) -> Resolver {
    let silent = slow.resolver();
    Resolver::new(move |name, version| {
        // The recorded resolver knows whom it asked; ours may say so, too.
        let on_server = |err: DnsError| DnsError {
            server: "NAMESERVER".into(),
            ..err
        };
        let misbehaving = |is_temporary| DnsError {
            is_temporary,
            ..DnsError::new("server misbehaving", name)
        };
        match name {
            "ok.test" if version != IpVersion::V6 => local(),
            "fail.test" => Err(on_server(misbehaving(true))),
            "refuse.test" => Err(on_server(misbehaving(false))),
            "silent.test" => silent.lookup_host(name, version),
            _ => Err(on_server(DnsError::no_such_host(name))),
        }
    })
}

/// Follows the Go program `resolver_errors`, and Go's TestLookupNullByte,
/// TestResolverLookupIPWithEmptyHost, TestLookupNoSuchHost, TestLookupNoData and TestDNSTimeout.
#[test]
fn what_a_resolver_says_reaches_the_caller_and_limits_are_told_as_go_tells_them() {
    everywhere(|| {
        let mut out = Lines::new();
        let slow = Slow::default();
        let resolver = zone(&slow);
        let dialer = Dialer::new().resolver(resolver.clone());
        let host = |name: &str| resolver.lookup_host(name, IpVersion::Any);
        let plain = |err: DnsError| io::Error::from(err);
        let (long_label, long_name) = ("a".repeat(64) + ".test", "a.".repeat(130));
        for (name, shown) in [
            ("", ""),
            (".", "."),
            ("..", ".."),
            ("a..b", "a..b"),
            ("-", "-"),
            ("foo.onion", "foo.onion"),
            ("foo.onion.", "foo.onion."),
            ("a b", "a b"),
            ("under_score.onion", "under_score.onion"),
            (&*long_label, "aaaaa..."),
            (&*long_name, "a.a.a..."),
            ("host\0name", "host\\x00name"),
            ("[::1]", "[::1]"),
            ("::1%", "::1%"),
            ("fe80::1%", "fe80::1%"),
        ] {
            let line = out.error(host(name).map_err(plain));
            // Go's %q and Rust's {:?} differ in how they write a NUL.
            let line = line.replace("\\0", "\\x00").replace(name, shown);
            out.print(format!("LookupHost(\"{shown}\"): err={line}"));
        }
        out.done("Dial foo.onion:80", dialer.dial("tcp", "foo.onion:80"));
        for literal in ["127.0.0.1", "::1", "::ffff:1.2.3.4", "fe80::1%lo"] {
            let found = host(literal).unwrap();
            assert_eq!(found.len(), 1);
            out.print(format!("LookupHost({literal:?}) = [{literal}] err=nil"));
        }
        for name in ["nx.test", "nodata.test", "fail.test", "refuse.test"] {
            out.done(&format!("LookupHost {name}"), host(name).map_err(plain));
            let address = format!("{name}:80");
            let err = dialer.dial("tcp", &address).unwrap_err();
            let Some(Cause::Dns(dns)) = err.net_cause().cloned() else {
                panic!("{err:?}");
            };
            out.done::<()>(&format!("Dial tcp {address}"), Err(err));
            out.print(format!(
                "errors.As(*DNSError)=true Name={:?} IsNotFound={} IsTemporary={} IsTimeout={}",
                dns.name, dns.is_not_found, dns.is_temporary, dns.is_timeout
            ));
        }
        let found = host("ok.test").unwrap();
        out.print(format!("LookupHost ok.test = [{}] err=nil", found[0]));
        let none = resolver.lookup_ip("ip6", "ok.test");
        let line = out.error(none.map_err(io::Error::from));
        out.print(format!("LookupIP ip6 ok.test = [] err={line}"));
        for (what, network, name) in [("tcp", "tcp", "ok.test"), ("empty", "ip", "")] {
            let result = resolver.lookup_ip(network, name).map_err(io::Error::from);
            out.done(&format!("LookupIP {what}"), result);
        }
        let v6 = dialer.dial("tcp6", "ok.test:80");
        out.done("Dial tcp6 ok.test (IPv4 only)", v6);
        out.done(
            "Dial bad port (port is looked up first)",
            dialer.dial("tcp", "ok.test:nosuch"),
        );

        let start = Instant::now();
        let result = dialer
            .clone()
            .timeout(150 * MS)
            .dial("tcp", "silent.test:80");
        let (when, line) = (elapsed(start, 150 * MS), out.error(result));
        out.print(format!("Dial, DNS silent, deadline: {when} err={line}"));
        let token = CancelToken::new();
        let result = scope(|s| {
            let dialer = dialer.clone().cancel_token(&token);
            let dial = s.spawn(move || dialer.dial("tcp", "silent.test:80"));
            assert!(dial.is_pending());
            token.cancel();
            dial.wait()
        });
        out.done("Dial, DNS silent, cancelled", result);
        let over = resolver.clone().cancel_token(&token);
        let result = over.lookup_host("silent.test", IpVersion::Any);
        out.done("LookupIPAddr, cancelled before", result.map_err(plain));
        out.compare("resolver_errors");
        slow.answer();
    });
}

/// Follows Go's TestDialerResolver's use: a name leads to where its resolver says.
#[test]
fn a_dialer_goes_where_its_resolver_says() {
    everywhere(|| {
        let listener = listener();
        let port = listener.local_addr().unwrap().port();
        let dialer = Dialer::new().resolver(Resolver::new(|_, _| local()));
        let conn = dialer.dial("tcp", &format!("anything:{port}")).unwrap();
        assert_eq!(
            conn.remote_addr().unwrap().to_string(),
            format!("127.0.0.1:{port}")
        );
    });
}
