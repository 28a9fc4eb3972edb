//! Many receivers and senders on one socket at once: nothing is lost, and nobody sleeps in front of a
//! datagram.

mod harness;

use gopark::net::{UdpConn, UnixDatagram};
use harness::{everywhere, scope, until};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};

/// Long enough for anything; a wake-up that is lost takes longer.
fn bound() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

/// Each burst is as large as the crowd that waits for it, and the next comes when all of it was taken:
/// a receiver that slept on would be one too few.
#[test]
fn a_burst_wakes_as_many_receivers_as_it_has_datagrams() {
    const RECEIVERS: usize = 4;
    const BURSTS: usize = 300;
    everywhere(|| {
        let socket = UdpConn::bind("127.0.0.1:0").unwrap();
        socket.set_read_deadline(bound()).unwrap();
        let to = socket.local_addr().unwrap();
        let [back, taken, go] = <[AtomicUsize; 3]>::default();
        scope(|s| {
            let jobs: Vec<_> = (0..RECEIVERS)
                .map(|_| {
                    s.spawn(|| {
                        for burst in 0..BURSTS {
                            let mut buf = [0; 8];
                            back.fetch_add(1, SeqCst);
                            socket.recv(&mut buf).unwrap();
                            taken.fetch_add(1, SeqCst);
                            // Nobody takes two of one burst: each of the others has to wake up.
                            until("all are awake", || go.load(SeqCst) > burst);
                        }
                    })
                })
                .collect();
            let sender = UdpConn::connect(to).unwrap();
            for burst in 1..=BURSTS {
                until("the crowd is back", || {
                    back.load(SeqCst) == burst * RECEIVERS
                });
                for _ in 0..RECEIVERS {
                    sender.send(b"x").unwrap();
                }
                until(&format!("all of burst {burst} are taken"), || {
                    taken.load(SeqCst) >= burst * RECEIVERS
                });
                go.store(burst, SeqCst);
            }
            for job in jobs {
                job.wait();
            }
        });
    });
}

/// The pace changes all the time, so that receivers come and go between trying, waiting and queueing.
#[test]
fn every_datagram_of_many_senders_reaches_one_of_many_receivers_once() {
    const SENDERS: u32 = 3;
    const EACH: u32 = 2000;
    everywhere(|| {
        let socket = UdpConn::bind("127.0.0.1:0").unwrap();
        socket.set_read_deadline(bound()).unwrap();
        socket.set_read_buffer(1 << 20).unwrap();
        let to = socket.local_addr().unwrap();
        let received = AtomicUsize::new(0);
        let got = scope(|s| {
            let receivers: Vec<_> = (0..4)
                .map(|_| {
                    s.spawn(|| {
                        let mut mine = Vec::new();
                        let mut buf = [0; 8];
                        loop {
                            match socket.recv_from(&mut buf) {
                                Ok((8, _)) => {
                                    mine.push(u64::from_ne_bytes(buf));
                                    received.fetch_add(1, SeqCst);
                                }
                                Ok(other) => panic!("{other:?}"),
                                Err(err) => {
                                    assert!(gopark::net::is_closed(&err), "{err}");
                                    return mine;
                                }
                            }
                        }
                    })
                })
                .collect();
            let sent = AtomicUsize::new(0);
            scope(|s| {
                for sender in 0..SENDERS {
                    let (sent, received) = (&sent, &received);
                    let job = s.spawn(move || {
                        let socket = UdpConn::bind("127.0.0.1:0").unwrap();
                        for n in 0..EACH {
                            let message = u64::from(sender) << 32 | u64::from(n);
                            socket.send_to(&message.to_ne_bytes(), to).unwrap();
                            sent.fetch_add(1, SeqCst);
                            // Never so many under way that the kernel drops some; sometimes none.
                            let most = if n % 7 == 0 { 0 } else { 200 };
                            until("no datagram sits", || {
                                sent.load(SeqCst) <= received.load(SeqCst) + most
                            });
                        }
                    });
                    drop(job);
                }
            });
            let all = (SENDERS * EACH) as usize;
            until("all are received", || received.load(SeqCst) == all);
            socket.close().unwrap();
            receivers
                .into_iter()
                .flat_map(|job| job.wait())
                .collect::<Vec<_>>()
        });
        let all = (SENDERS * EACH) as usize;
        assert_eq!(got.len(), all);
        assert_eq!(got.into_iter().collect::<HashSet<_>>().len(), all);
    });
}

/// A sender that waits for room holds up neither the receivers nor the other senders' errors.
#[test]
fn senders_that_wait_for_room_are_all_woken_when_there_is_some() {
    everywhere(|| {
        let (a, b) = UnixDatagram::pair().unwrap();
        b.set_read_deadline(bound()).unwrap();
        let sent = AtomicUsize::new(0);
        scope(|s| {
            let jobs: Vec<_> = (0..4)
                .map(|_| {
                    s.spawn(|| {
                        for _ in 0..500 {
                            a.send(b"datagram").unwrap();
                            sent.fetch_add(1, SeqCst);
                        }
                    })
                })
                .collect();
            // The queue of a Unix socket is short: they are stuck before all is sent.
            assert!(jobs[0].is_pending());
            let stuck = sent.load(SeqCst);
            assert!(stuck < 2000, "{stuck}");
            for _ in 0..2000 {
                assert_eq!(b.recv(&mut [0; 16]).unwrap(), 8);
            }
            for job in jobs {
                job.wait();
            }
        });
    });
}

/// The deadline ends the wait of the one in the slot and of all behind it.
#[test]
fn a_deadline_ends_the_waits_of_all_receivers() {
    everywhere(|| {
        let socket = UdpConn::bind("127.0.0.1:0").unwrap();
        scope(|s| {
            let jobs: Vec<_> = (0..4)
                .map(|_| s.spawn(|| socket.recv(&mut [0; 8])))
                .collect();
            for job in &jobs {
                assert!(job.is_pending());
            }
            socket
                .set_read_deadline(Some(Instant::now() + Duration::from_millis(30)))
                .unwrap();
            for job in jobs {
                let err = job.wait().unwrap_err();
                assert!(gopark::net::is_timeout(&err), "{err}");
            }
        });
    });
}
