//! Many receivers on one socket, under every interleaving: nothing sits while somebody sleeps.
#![cfg(loom)]

#[path = "support/loom_park.rs"]
mod loom_park;

use loom::thread;
use loom_park::{Threaded, bounded};
use netpoll::desc::{Event, Reactor};
use netpoll::fd_mutex::Side;
use netpoll::sync::{AtomicUsize, Ordering::SeqCst};
use netpoll::turns::{self, Turns};
use netpoll::{Error, FdMutex, Mode, Park, PollDesc, Reason, Refusal};
use std::sync::Arc;

const EAGAIN: i32 = 11;

/// A socket of which only the number of datagrams exists, and how often it was destroyed.
struct Socket {
    mutex: FdMutex,
    desc: Arc<PollDesc>,
    waiting: AtomicUsize,
    destroyed: AtomicUsize,
}

impl Socket {
    fn new() -> Arc<Socket> {
        netpoll::clock::set(1000);
        Arc::new(Socket {
            mutex: FdMutex::new(),
            desc: Arc::new(PollDesc::new()),
            waiting: AtomicUsize::new(0),
            destroyed: AtomicUsize::new(0),
        })
    }

    /// `n` datagrams arrive, of which the kernel tells with one edge.
    fn arrive(&self, n: usize) {
        self.waiting.fetch_add(n, SeqCst);
        self.desc.event(Event {
            readable: true,
            ..Event::default()
        });
    }

    fn take(&self) -> Result<(), i32> {
        let mut now = self.waiting.load(SeqCst);
        while now > 0 {
            match self.waiting.compare_exchange(now, now - 1, SeqCst, SeqCst) {
                Ok(_) => return Ok(()),
                Err(other) => now = other,
            }
        }
        Err(EAGAIN)
    }

    fn close(&self) {
        assert!(self.mutex.incref_and_close());
        self.desc.evict();
        if self.mutex.decref() {
            self.destroy_once();
        }
    }

    fn destroy_once(&self) {
        assert_eq!(self.destroyed.fetch_add(1, SeqCst), 0);
    }

    fn receive(self: &Arc<Self>) -> Result<(), Error> {
        let me = Threaded::new();
        let receiver = Receiver {
            socket: self,
            me: &me,
        };
        let result = turns::run(&receiver, Side::Read, "recvfrom", || self.take());
        assert_eq!(me.readied(), me.parked(), "one `ready` for each park");
        result
    }

    fn receiver(self: &Arc<Self>) -> thread::JoinHandle<Result<(), Error>> {
        let socket = self.clone();
        thread::spawn(move || socket.receive())
    }
}

struct Receiver<'a> {
    socket: &'a Socket,
    me: &'a Threaded,
}

impl Turns for Receiver<'_> {
    fn mutex(&self) -> &FdMutex {
        &self.socket.mutex
    }
    fn destroy(&self) {
        self.socket.destroy_once();
    }
    fn lock(&self, side: Side) -> Result<bool, Refusal> {
        self.socket.mutex.rwlock(side, self.me)
    }
    fn check(&self, _: Side) -> Result<(), Error> {
        self.socket.desc.check(Mode::Read)
    }
    fn prepare(&self, _: Side) -> Result<(), Error> {
        self.socket.desc.prepare(Mode::Read)
    }
    fn wait(&self, _: Side) -> Result<(), Error> {
        let me: &dyn Park = self.me;
        self.socket
            .desc
            .wait(0, Mode::Read, Reason::Read, me, &Home)
    }
}

/// One poller for all.
struct Home;

impl Reactor for Home {
    fn id(&self) -> u32 {
        1
    }
    fn register(&self, _fd: i32, desc: &Arc<PollDesc>, mode: Mode) -> Result<(), Error> {
        desc.set_home(mode, 1);
        Ok(())
    }
    fn arm(&self, _when: u64, _desc: &Arc<PollDesc>, _mode: Mode) {}
    fn disarmed(&self) {}
    fn fired_up_to(&self) -> u64 {
        0
    }
}

#[test]
fn one_edge_for_two_datagrams_wakes_both_receivers() {
    bounded(3, || {
        let socket = Socket::new();
        let other = socket.receiver();
        let sender = {
            let socket = socket.clone();
            thread::spawn(move || socket.arrive(2))
        };
        assert_eq!(socket.receive(), Ok(()));
        assert_eq!(other.join().unwrap(), Ok(()));
        sender.join().unwrap();
    });
}

#[test]
fn each_of_three_receivers_gets_its_own_of_a_burst_and_a_straggler() {
    bounded(2, || {
        let socket = Socket::new();
        let others = [socket.receiver(), socket.receiver()];
        let sender = {
            let socket = socket.clone();
            thread::spawn(move || {
                socket.arrive(2);
                socket.arrive(1);
            })
        };
        assert_eq!(socket.receive(), Ok(()));
        for other in others {
            assert_eq!(other.join().unwrap(), Ok(()));
        }
        sender.join().unwrap();
    });
}

#[test]
fn closing_wakes_whoever_is_first_and_whoever_is_behind_and_destroys_once() {
    bounded(2, || {
        let socket = Socket::new();
        let others = [socket.receiver(), socket.receiver()];
        socket.arrive(1);
        socket.close();
        let results = others.map(|other| other.join().unwrap());
        let got = results.iter().filter(|r| r.is_ok()).count();
        assert!(got <= 1);
        for result in results {
            assert!(matches!(result, Ok(()) | Err(Error::Closing)));
        }
        assert_eq!(socket.destroyed.load(SeqCst), 1);
        assert_eq!(socket.receive(), Err(Error::Closing));
    });
}

#[test]
fn a_receiver_that_comes_twice_leaves_the_watch_to_another() {
    bounded(2, || {
        let socket = Socket::new();
        let other = socket.receiver();
        let sender = {
            let socket = socket.clone();
            thread::spawn(move || {
                socket.arrive(1);
                socket.arrive(1);
                socket.arrive(1);
            })
        };
        assert_eq!(socket.receive(), Ok(()));
        assert_eq!(socket.receive(), Ok(()));
        assert_eq!(other.join().unwrap(), Ok(()));
        sender.join().unwrap();
    });
}
