//! `Fd` from plain threads: each waits on a poller of its own.

mod support;

use netpoll::{Error, Mode};
use std::time::Duration;
use support::{after, start, tcp_pair};

#[test]
fn a_thousand_ping_pongs_between_two_threads_all_arrive() {
    let (a, b) = tcp_pair();
    let echo = start(move || {
        let mut buf = [0; 64];
        while let n @ 1.. = b.read(&mut buf).unwrap() {
            b.write(&buf[..n]).unwrap();
        }
    });
    let mut buf = [0; 64];
    for i in 0..1000u64 {
        a.write(&i.to_le_bytes()).unwrap();
        assert_eq!(a.read(&mut buf), Ok(8));
        assert_eq!(buf[..8], i.to_le_bytes());
    }
    a.close().unwrap();
    echo.join();
}

#[test]
fn a_read_deadline_ends_a_blocked_read_and_stays_until_it_is_moved() {
    let (a, b) = tcp_pair();
    let mut buf = [0; 8];
    a.set_deadline(&[Mode::Read], after(Duration::from_millis(20)))
        .unwrap();
    assert_eq!(a.read(&mut buf), Err(Error::Timeout));
    b.write(b"x").unwrap();
    assert_eq!(a.read(&mut buf), Err(Error::Timeout));
    a.set_deadline(&[Mode::Read], None).unwrap();
    assert_eq!(a.read(&mut buf), Ok(1));
}
