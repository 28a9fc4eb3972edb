//! Close: it reaches everyone, and the number is not reused under anybody's feet.

mod support;

use netpoll::{Error, Fd, Kind, Mode, Park, Poller, Reason, Refusal, Slot, Waiter, park};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::mpsc::{self, channel};
use std::sync::{Arc, Barrier};
use support::{BOUND, after, fill, start, tcp_pair, unix_pair, until};

/// Go: `CloseTimeout`, `TestCloseUnblocksRead`, `TestMutexCloseUnblock` and their like, at once.
#[test]
fn close_ends_a_blocked_read_a_blocked_write_and_all_who_queue_behind_them() {
    let (a, _b) = tcp_pair();
    fill(&a);
    a.set_deadline(&[Mode::Read, Mode::Write], after(BOUND))
        .unwrap();
    let a = Arc::new(a);
    let blocked: Vec<_> = (0..6)
        .map(|i| {
            let a = a.clone();
            start(move || match i % 2 {
                0 => a.read(&mut [0; 8]).map(drop),
                _ => a.write(&[0; 1 << 22]).map_err(|p| p.error),
            })
            .asleep()
        })
        .collect();
    assert_eq!(a.close(), Ok(()));
    for thread in blocked {
        assert_eq!(thread.join(), Err(Error::Closing));
    }
    assert_eq!(a.close(), Err(Error::Closing));
    assert_eq!(a.set_deadline(&[Mode::Read], None), Err(Error::Closing));
    assert_eq!(a.with(|_| ()), Err(Error::Closing));
    assert_eq!(a.dup().map(drop), Err(Error::Closing));
}

/// Go: `TestListenerClose`, `TestTCPListenAfterClose`, `TestClosingListener`.
#[test]
fn close_ends_blocked_accepts_and_the_address_is_free_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let listener = Arc::new(Fd::new(listener.into(), Kind::STREAM).unwrap());
    let accepters: Vec<_> = (0..3)
        .map(|_| {
            let listener = listener.clone();
            start(move || listener.accept().map(drop)).asleep()
        })
        .collect();
    listener.close().unwrap();
    TcpListener::bind(addr).expect("the number is closed when `close` returns");
    for accepter in accepters {
        assert_eq!(accepter.join(), Err(Error::Closing));
    }
    assert_eq!(listener.try_accept().map(drop), Err(Error::Closing));
}

fn inode(fd: i32) -> u64 {
    // SAFETY: all-zero is a valid `stat`, which the call fills.
    unsafe {
        let mut stat = std::mem::zeroed::<libc::stat>();
        assert_eq!(
            libc::fstat(fd, &mut stat),
            0,
            "the number is closed under its user"
        );
        stat.st_ino
    }
}

#[test]
fn the_number_stays_open_and_the_same_until_its_last_user_has_left() {
    let (a, b) = tcp_pair();
    let a = Arc::new(a);
    let (inside, closing) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let user = {
        let (a, inside, closing) = (a.clone(), inside.clone(), closing.clone());
        start(move || {
            a.read_with("test", |fd| {
                let before = inode(fd.as_raw_fd());
                inside.wait();
                closing.wait();
                // Many new descriptors: one of them would get the number if it were free.
                let others: Vec<_> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
                assert!(others.iter().all(|f| f.as_raw_fd() != fd.as_raw_fd()));
                assert_eq!(inode(fd.as_raw_fd()), before);
                Ok::<_, i32>(())
            })
        })
    };
    inside.wait();
    let closer = {
        let a = a.clone();
        start(move || a.close())
    };
    until("the close has begun", || a.is_closing());
    closing.wait();
    assert_eq!(user.join(), Ok(()));
    assert_eq!(closer.join(), Ok(()));
    assert_eq!(b.read(&mut [0; 8]), Ok(0), "closed for the peer too");
}

#[test]
fn a_hold_keeps_the_number_open_and_only_closing_waits_for_it() {
    let (a, b) = tcp_pair();
    let a = Arc::new(a);
    let reader = {
        let a = a.clone();
        start(move || a.read(&mut [0; 8])).asleep()
    };
    let hold = a.hold().unwrap();
    let before = inode(hold.as_raw_fd());
    let closer = {
        let a = a.clone();
        start(move || a.close())
    };
    assert_eq!(reader.join(), Err(Error::Closing), "although it is held");
    let closer = closer.asleep();
    assert_eq!(a.hold().map(drop), Err(Error::Closing));
    let others: Vec<_> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
    assert!(others.iter().all(|f| f.as_raw_fd() != hold.as_raw_fd()));
    assert_eq!(inode(hold.as_fd().as_raw_fd()), before);
    drop(hold);
    assert_eq!(closer.join(), Ok(()));
    assert_eq!(b.read(&mut [0; 8]), Ok(0), "closed for the peer too");
}

#[test]
fn of_many_who_close_at_once_one_succeeds() {
    for _ in 0..50 {
        let (a, _b) = tcp_pair();
        let a = Arc::new(a);
        let closers: Vec<_> = (0..4)
            .map(|_| {
                let a = a.clone();
                start(move || a.close())
            })
            .collect();
        let ok = closers
            .into_iter()
            .filter(|_| true)
            .map(support::Blocked::join);
        assert_eq!(ok.filter(Result::is_ok).count(), 1);
    }
}

/// Go: `TestFdReadRace`, and `TestCloseWithBlockingReadByNewFile`: a blocking descriptor is not
/// waited for.
#[test]
fn closing_a_descriptor_that_cannot_be_waited_for_does_not_wait_for_its_reader() {
    let (read, mut write) = std::io::pipe().unwrap();
    let kind = Kind {
        pollable: false,
        ..Kind::FILE
    };
    let fd = Arc::new(Fd::new(read.into(), kind).unwrap());
    let (tx, rx) = channel();
    let reader = {
        let fd = fd.clone();
        std::thread::spawn(move || {
            tx.send(support::this_thread()).unwrap();
            fd.read(&mut [0; 8])
        })
    };
    let thread = rx.recv().unwrap();
    // Until it holds the lock it is not in the call; then only the pipe can end it.
    until("the reader is in the call", || {
        support::sleeps_in_kernel(thread)
    });
    let closer = {
        let fd = fd.clone();
        start(move || fd.close())
    };
    assert_eq!(closer.join(), Ok(()));
    write.write_all(b"x").unwrap();
    assert!(matches!(
        reader.join().unwrap(),
        Ok(1) | Err(Error::Closing)
    ));
    assert_eq!(fd.set_deadline(&[Mode::Read], None), Err(Error::Closing));
}

#[test]
fn a_descriptor_that_cannot_be_waited_for_has_no_deadline() {
    let kind = Kind {
        pollable: false,
        ..Kind::FILE
    };
    let fd = Fd::new(File::open("/dev/null").unwrap().into(), kind).unwrap();
    assert_eq!(fd.set_deadline(&[Mode::Read], None), Err(Error::NoDeadline));
    assert_eq!(fd.read(&mut [0; 8]), Ok(0));
}

#[test]
fn dropping_without_close_closes() {
    let (a, mut b) = support::std_tcp_pair();
    drop(Fd::new(a.into(), Kind::TCP).unwrap());
    assert_eq!(b.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn closing_while_others_connect_read_and_write_in_a_storm_always_ends() {
    for _ in 0..200 {
        let (a, b) = tcp_pair();
        let (a, b) = (Arc::new(a), Arc::new(b));
        let (r, w) = (a.clone(), a.clone());
        let reader = start(move || while let Ok(1..) = r.read(&mut [0; 64]) {});
        let writer = start(move || while w.write(&[0; 64]).is_ok() {});
        let e = b.clone();
        let echo = start(move || {
            let mut buf = [0; 64];
            while let Ok(n @ 1..) = e.read(&mut buf) {
                if e.write(&buf[..n]).is_err() {
                    break;
                }
            }
        });
        std::thread::yield_now();
        a.close().unwrap();
        reader.join();
        writer.join();
        echo.join();
    }
}

/// One that unwinds, say: it must never park. Asked whether it may, it has the last reference dropped.
#[repr(C)]
struct Refusing {
    waiter: Waiter,
    ask: mpsc::Sender<()>,
    dropped: mpsc::Receiver<()>,
}

/// # Safety
/// None is needed: it looks at nothing.
unsafe fn ignore(_: NonNull<Waiter>) {}

// SAFETY: the waiter lives in `self`. It never parks, so nothing can be wrong about how.
unsafe impl Park for Refusing {
    fn waiter(&self) -> NonNull<Waiter> {
        NonNull::from(self).cast()
    }
    fn park(&self, _: &Slot, _: Reason) {
        unreachable!("parked, although it may not");
    }
    fn may_park(&self) -> Result<(), Refusal> {
        let _ = self.ask.send(());
        let _ = self.dropped.recv();
        Err(Refusal::Unwinding)
    }
    fn poller(&self) -> &Poller {
        unreachable!("it waits for no event")
    }
}

#[test]
fn whoever_closes_but_may_not_wait_never_parks_however_close_the_last_operation_is_to_its_end() {
    let (a, _b) = unix_pair();
    std::thread::scope(|s| {
        let (ask, asked) = mpsc::channel();
        let (tell, dropped) = mpsc::channel();
        let hold = a.hold().unwrap();
        s.spawn(move || {
            asked.recv().unwrap();
            drop(hold); // the last: the number is closed, and who closes is told
            let _ = tell.send(());
        });
        let waiter = Waiter::new(ignore);
        let me = Refusing {
            waiter,
            ask,
            dropped,
        };
        let park: &dyn Park = &me;
        // SAFETY: only the lifetime changes, and what was set is taken back before it ends.
        let park: &'static dyn Park = unsafe { std::mem::transmute(park) };
        // SAFETY: as above.
        let before = unsafe { park::set_current(Some(NonNull::from(park))) };
        let closed = a.close();
        // SAFETY: nothing is left to be valid.
        unsafe { park::set_current(before) };
        assert_eq!(closed, Ok(()));
    });
    assert_eq!(a.close(), Err(Error::Closing));
}
