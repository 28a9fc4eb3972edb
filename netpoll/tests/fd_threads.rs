//! `Fd` from plain threads: each waits on a poller of its own.

use netpoll::{Error, Fd, Kind, Mode};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn tcp_pair() -> (Fd, Fd) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (b, _) = listener.accept().unwrap();
    a.set_nodelay(true).unwrap();
    b.set_nodelay(true).unwrap();
    (
        Fd::new(a.into(), Kind::TCP).unwrap(),
        Fd::new(b.into(), Kind::TCP).unwrap(),
    )
}

#[test]
fn a_thousand_ping_pongs_between_two_threads_all_arrive() {
    let (a, b) = tcp_pair();
    let echo = std::thread::spawn(move || {
        let mut buf = [0; 64];
        loop {
            let n = b.read(&mut buf).unwrap();
            if n == 0 {
                return;
            }
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
    echo.join().unwrap();
}

#[test]
fn a_read_deadline_ends_a_blocked_read_and_stays_until_it_is_moved() {
    let (a, b) = tcp_pair();
    let mut buf = [0; 8];
    a.set_deadline(
        &[Mode::Read],
        Some(Instant::now() + Duration::from_millis(20)),
    )
    .unwrap();
    assert_eq!(a.read(&mut buf), Err(Error::Timeout));
    b.write(b"x").unwrap();
    assert_eq!(a.read(&mut buf), Err(Error::Timeout));
    a.set_deadline(&[Mode::Read], None).unwrap();
    assert_eq!(a.read(&mut buf), Ok(1));
}

#[test]
fn a_deadline_set_while_a_read_is_blocked_ends_it() {
    for to in [Duration::ZERO, Duration::from_millis(10)] {
        let (a, _b) = tcp_pair();
        let a = Arc::new(a);
        let reader = {
            let a = a.clone();
            std::thread::spawn(move || a.read(&mut [0; 8]))
        };
        a.set_deadline(&[Mode::Read], Some(Instant::now() + to))
            .unwrap();
        assert_eq!(reader.join().unwrap(), Err(Error::Timeout));
    }
}

#[test]
fn close_ends_a_blocked_read_and_a_second_close_fails() {
    let (a, _b) = tcp_pair();
    let a = Arc::new(a);
    let reader = {
        let a = a.clone();
        std::thread::spawn(move || a.read(&mut [0; 8]))
    };
    assert_eq!(a.close(), Ok(()));
    assert_eq!(reader.join().unwrap(), Err(Error::Closing));
    assert_eq!(a.close(), Err(Error::Closing));
    assert_eq!(a.read(&mut [0; 8]), Err(Error::Closing));
}
