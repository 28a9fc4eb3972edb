//! Promises about waiting with nothing but a watcher: when the wake-up itself says that there is something
//! to read, and when the kernel has to be asked.

use netpoll::{Error, Fd, Kind, Mode, Waiter, Watched, Watcher, park};
use std::cell::Cell;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// A watcher that counts, and says in which batch it was woken.
#[repr(C)]
struct Counting {
    watcher: Watcher,
    woken: Cell<u32>,
}

unsafe fn ready(waiter: NonNull<Waiter>) {
    // SAFETY: it comes first in a `Counting`, which outlives every wait in these tests.
    let me = unsafe { waiter.cast::<Counting>().as_ref() };
    me.woken.set(me.woken.get() + 1);
    park::with_current(|p| me.watcher.woken_in(p.poller().batch()));
}

/// A descriptor and who watches it, on this thread.
struct Watching {
    fd: Fd,
    me: Counting,
}

impl Watching {
    fn pair() -> (Fd, Watching) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (b, _) = listener.accept().unwrap();
        let of = |end: TcpStream| Fd::new(end.into(), Kind::TCP).unwrap();
        let me = Counting {
            watcher: Watcher::new(ready),
            woken: Cell::new(0),
        };
        (of(a), Watching { fd: of(b), me })
    }

    fn watch(&self, again: bool) -> Result<Watched, Error> {
        // SAFETY: both live to the end of the test; `again` is said where it was parked and woken.
        unsafe {
            self.fd
                .watch_readable(NonNull::from(&self.me).cast(), again)
        }
    }

    fn ends(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.fd.ends_watch(&self.me.watcher) }
    }

    /// What a system call of the caller's own takes, without a look at what this crate knows.
    fn take(&self) -> usize {
        let taken = self.fd.read_with("recv", |fd| {
            let mut buf = [0u8; 8];
            // SAFETY: `buf` is valid for its length.
            match unsafe { libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast(), 8, 0) } {
                n @ 0.. => Ok(n as usize),
                _ => Err(libc::EAGAIN),
            }
        });
        taken.unwrap()
    }
}

fn poll() {
    park::with_current(|p| p.poller().poll(Some(Duration::from_secs(20)))).unwrap();
}

#[test]
fn an_event_that_came_after_the_wait_began_ends_it_and_what_it_told_of_is_not_forgotten() {
    let (peer, watching) = Watching::pair();
    for round in 1..=3 {
        // From the second round on the last read has found less than it asked for, and the next one would
        // wait for an event without a try.
        assert_eq!(watching.watch(false), Ok(Watched::Parked));
        peer.write(b"x").unwrap();
        poll();
        assert_eq!(watching.me.woken.get(), round);
        assert!(watching.ends(), "no question is asked");
        if round == 2 {
            // Nobody has read: a wait that begins now is over at once.
            assert_eq!(watching.watch(false), Ok(Watched::Ready));
        }
        let deadline = Some(Instant::now() + Duration::from_secs(20));
        watching.fd.set_deadline(&[Mode::Read], deadline).unwrap();
        assert_eq!(watching.fd.read(&mut [0; 8]), Ok(1));
        watching.fd.set_deadline(&[Mode::Read], None).unwrap();
    }
}

#[test]
fn an_event_that_was_collected_before_the_wait_began_does_not_end_it() {
    let (peer, watching) = Watching::pair();
    assert_eq!(watching.watch(false), Ok(Watched::Parked));
    peer.write(b"x").unwrap();
    poll();
    assert!(watching.ends());
    assert_eq!(watching.fd.read(&mut [0; 8]), Ok(1));
    // Collected, and taken by somebody before anybody was told.
    peer.write(b"y").unwrap();
    let collected = park::with_current(|p| p.poller().collect(Some(Duration::from_secs(20))));
    assert_eq!(collected.unwrap(), 1);
    assert_eq!(watching.take(), 1);
    assert_eq!(watching.watch(false), Ok(Watched::Parked));
    assert!(park::with_current(|p| p.poller().deliver()));
    assert_eq!(watching.me.woken.get(), 2, "told of what is gone");
    assert!(!watching.ends());
    assert_eq!(watching.watch(true), Ok(Watched::Parked));
    peer.write(b"z").unwrap();
    poll();
    assert!(watching.ends());
    assert_eq!(watching.fd.read(&mut [0; 8]), Ok(1));
}

#[test]
fn what_is_not_a_readiness_and_what_is_not_plain_are_looked_at() {
    let (peer, watching) = Watching::pair();
    let deadline = |when| watching.fd.set_deadline(&[Mode::Read], when).unwrap();
    // A deadline, and one that has been moved when it comes to be looked at.
    deadline(Some(Instant::now() + Duration::from_millis(2)));
    assert_eq!(watching.watch(false), Ok(Watched::Parked));
    while watching.me.woken.get() == 0 {
        poll();
    }
    assert!(!watching.ends());
    deadline(None);
    assert_eq!(watching.watch(true), Ok(Watched::Parked));
    deadline(Some(Instant::now()));
    assert_eq!(watching.me.woken.get(), 2);
    assert!(!watching.ends());
    assert_eq!(watching.watch(true), Err(Error::Timeout));
    deadline(None);
    // The end of the stream comes with a hang-up.
    assert_eq!(watching.watch(false), Ok(Watched::Parked));
    peer.close().unwrap();
    poll();
    assert!(!watching.ends());
    assert_eq!(watching.watch(true), Ok(Watched::Ready));
    assert_eq!(watching.fd.read(&mut [0; 8]), Ok(0));
}
