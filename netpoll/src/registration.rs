//! Which pollers a descriptor is registered with.
//!
//! Registration is lazy: a descriptor whose operations never meet EAGAIN costs no `epoll_ctl`. It is
//! edge-triggered, at the first wait. Each direction has a *home*, the poller on which its waiter parks:
//!
//! | the other direction          | what a waiter on a new poller does                                   |
//! |------------------------------|----------------------------------------------------------------------|
//! | is waited for elsewhere      | registers its own direction here; the other one keeps its home       |
//! | is registered here, with this one | nothing: it has been here before                                |
//! | is registered here, alone    | widens that registration: it is for both directions then             |
//! | none of this, and this is a reader of an accepted connection to which nobody has waited to write | registers its own direction here, takes every older registration away |
//! | none of this                 | registers both directions here, takes every older registration away  |
//!
//! The first row is decided by a look at the other slot. A waiter that was just about to park there
//! is not missed: it looks at its home again after it has entered its slot, and whoever moves a home
//! interrupts the slot after the move.

use crate::desc::{Mode, PollDesc};
use crate::error::Error;
use crate::poller::{Poller, PollerHandle};
use std::os::fd::RawFd;
use std::sync::Arc;

/// One entry in one poller's table.
#[derive(Debug)]
struct Registration {
    poller: PollerHandle,
    /// The place in the table, and in the two bits above [`KEY_BITS`] for which direction it is: 0 for
    /// both. Every descriptor has room for one of these, so they are small.
    place: u32,
    seq: u32,
}

/// No table is larger: the kernel has no more descriptors.
const KEY_BITS: u32 = 30;

impl Registration {
    fn new(poller: PollerHandle, (key, seq): (u32, u32), only: Option<Mode>) -> Registration {
        assert!(key < 1 << KEY_BITS, "a process has fewer descriptors");
        let which = only.map_or(0, |mode| mode as u32 + 1);
        Registration {
            poller,
            place: key | which << KEY_BITS,
            seq,
        }
    }

    /// It was widened, and its entry has a new number.
    fn now_is_for_both(&mut self, seq: u32) {
        self.place = self.key();
        self.seq = seq;
    }

    fn key(&self) -> u32 {
        self.place & ((1 << KEY_BITS) - 1)
    }

    /// `None` is both directions.
    fn only(&self) -> Option<Mode> {
        match self.place >> KEY_BITS {
            0 => None,
            1 => Some(Mode::Read),
            _ => Some(Mode::Write),
        }
    }
}

/// A descriptor's registrations: at most one for each direction's home, which is nearly always the
/// same. So the second has its place elsewhere, and an idle connection stays small.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    one: Option<Registration>,
    another: Option<Box<Registration>>,
}

impl Registrations {
    fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.one.iter().chain(self.another.as_deref())
    }

    fn add(&mut self, registration: Registration) {
        if self.one.is_none() {
            self.one = Some(registration);
        } else {
            debug_assert!(self.another.is_none(), "a descriptor has at most two homes");
            self.another = Some(Box::new(registration));
        }
    }

    /// The one with `poller`.
    fn at(&mut self, poller: &Poller) -> Option<&mut Registration> {
        let both = [self.one.as_mut(), self.another.as_deref_mut()];
        both.into_iter()
            .flatten()
            .find(|r| r.poller.id() == poller.id())
    }

    /// Takes out those that `leaves` says.
    fn take_if(&mut self, leaves: impl Fn(&Registration) -> bool) -> [Option<Registration>; 2] {
        [
            self.one.take_if(|r| leaves(r)),
            self.another.take_if(|r| leaves(r)).map(|r| *r),
        ]
    }
}

impl PollDesc {
    /// Makes `poller` the home of this direction. Called by the waiter, on the poller's thread.
    ///
    /// # Errors
    /// What `epoll_ctl` says; [`Error::NotPollable`] for a file that cannot be waited for.
    #[cold]
    pub(crate) fn register(
        self: &Arc<Self>,
        fd: RawFd,
        mode: Mode,
        poller: &Poller,
    ) -> Result<(), Error> {
        let other = mode.other();
        let mut regs = self.registrations.lock();
        let kept = self.home(other);
        let moves = kept == 0 || !self.is_waited(other);
        for r in regs.iter() {
            // A timer on a poller that is left behind has nobody who wants it: say so there, or it
            // would sit in that heap until its moment.
            if r.poller.id() != poller.id() && self.is_armed_by(mode, r.poller.id()) {
                r.poller.disarmed();
            }
        }
        let leaves = |r: &Registration| {
            let home = r.poller.id();
            home != poller.id() && (moves || home != kept)
        };
        for r in regs.take_if(leaves).into_iter().flatten() {
            if self.is_armed_by(other, r.poller.id()) {
                r.poller.disarmed();
            }
            r.poller.deregister(fd, r.key(), r.seq, true);
        }
        let alone = mode == Mode::Read && kept == 0 && self.is_read_first();
        let entered = match regs.at(poller) {
            Some(r) if r.only() == Some(other) => {
                poller.widen(fd, r.key()).map(|seq| r.now_is_for_both(seq))
            }
            Some(_) => Ok(()),
            None => {
                let only = (alone || !moves && kept != poller.id()).then_some(mode);
                let entered = poller.register(fd, self, only);
                entered.map(|at| regs.add(Registration::new(poller.handle().clone(), at, only)))
            }
        };
        if let Err(err) = entered {
            self.forget_homes_without_entry(&regs);
            return Err(err);
        }
        self.set_home(mode, poller.id());
        if moves && kept != poller.id() && !alone {
            self.set_home(other, poller.id());
            self.interrupt(other);
        }
        Ok(())
    }

    /// After a registration failed: a direction whose old one is gone already has no home, and who
    /// waits there must find that out.
    fn forget_homes_without_entry(&self, regs: &Registrations) {
        for mode in [Mode::Read, Mode::Write] {
            let home = self.home(mode);
            if home != 0 && !regs.iter().any(|r| r.poller.id() == home) {
                self.set_home(mode, 0);
                self.interrupt(mode);
            }
        }
    }

    /// Takes the descriptor out of every poller. `delete` says whether the kernel must be told: a
    /// descriptor that was never duplicated leaves its epolls when it is closed.
    pub(crate) fn deregister(&self, fd: RawFd, delete: bool) {
        let mut regs = self.registrations.lock();
        for mode in [Mode::Read, Mode::Write] {
            self.set_home(mode, 0);
        }
        for r in regs.take_if(|_| true).into_iter().flatten() {
            for mode in [Mode::Read, Mode::Write] {
                if self.is_armed_by(mode, r.poller.id()) {
                    r.poller.disarmed();
                }
            }
            r.poller.deregister(fd, r.key(), r.seq, delete);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::park::{self, Reason};
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::{Duration, Instant};

    #[test]
    fn a_registration_that_fails_leaves_no_home_without_an_entry() {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let (one, two) = (Poller::new().unwrap(), Poller::new().unwrap());
        let desc = Arc::new(PollDesc::new());
        desc.register(a.as_raw_fd(), Mode::Read, &one).unwrap();
        assert_eq!(desc.home(Mode::Read), one.id());
        let err = desc.register(-1, Mode::Read, &two).unwrap_err();
        assert_eq!(err.errno(), Some(libc::EBADF));
        // Or the next wait on `one` would rely on a registration that is gone.
        assert_eq!((desc.home(Mode::Read), desc.home(Mode::Write)), (0, 0));
    }

    /// A socket whose writer waits on a thread of its own, until `end`.
    fn with_waiting_writer(end: impl FnOnce(&Arc<PollDesc>, &UdpSocket)) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let desc = Arc::new(PollDesc::new());
        let (fd, shared) = (socket.as_raw_fd(), desc.clone());
        let writer = std::thread::spawn(move || {
            park::with_current(|p| {
                // The first wait consumes the edge "there is room"; no second one comes.
                while shared
                    .wait(fd, Mode::Write, Reason::Write, p, p.poller())
                    .is_ok()
                {}
            });
        });
        let start = Instant::now();
        while !desc.is_waited(Mode::Write) {
            assert!(start.elapsed() < Duration::from_secs(30));
            std::thread::yield_now();
        }
        end(&desc, &socket);
        desc.evict();
        writer.join().unwrap();
        desc.deregister(fd, true);
    }

    #[test]
    fn an_error_seen_by_a_registration_for_reads_alone_is_no_sign_of_a_useless_file() {
        with_waiting_writer(|desc, socket| {
            let poller = Poller::new().unwrap();
            desc.register(socket.as_raw_fd(), Mode::Read, &poller)
                .unwrap();
            assert_ne!(desc.home(Mode::Write), poller.id(), "the writer stays");
            // Nobody listens at that port: the answer is an error on the socket.
            let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(gone.local_addr().unwrap()).unwrap();
            drop(gone);
            socket.send(b"x").unwrap();
            assert_eq!(poller.poll(Some(Duration::from_secs(30))).unwrap(), 1);
            assert_eq!(desc.check(Mode::Read), Ok(()));
        });
    }

    #[test]
    fn a_waiter_that_enters_its_slot_while_its_home_is_moved_away_is_not_left_behind() {
        let mine = Poller::new().unwrap();
        for round in 0..2000 {
            let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
            let desc = Arc::new(PollDesc::new());
            let met = Arc::new(AtomicUsize::new(0));
            let meet = |met: &AtomicUsize| {
                met.fetch_add(1, SeqCst);
                while met.load(SeqCst) < 2 {
                    std::thread::yield_now();
                }
            };
            let (fd, shared, meets) = (a.as_raw_fd(), desc.clone(), met.clone());
            let writer = std::thread::spawn(move || {
                park::with_current(|p| {
                    let wait = || shared.wait(fd, Mode::Write, Reason::Write, p, p.poller());
                    wait().unwrap(); // there is room; from here on the edge is consumed
                    meet(&meets);
                    // It comes at every moment of the move.
                    (0..round % 200).for_each(|_| std::hint::spin_loop());
                    wait()
                })
            });
            meet(&met);
            desc.register(fd, Mode::Read, &mine).unwrap();
            // It waits where it did, for what does not come; or it registers anew, and is told at once.
            let start = Instant::now();
            while !writer.is_finished() {
                let stays = desc.home(Mode::Write) != mine.id();
                if stays && desc.is_waited(Mode::Write) {
                    desc.signal(Mode::Write);
                }
                assert!(start.elapsed() < Duration::from_secs(30), "left behind");
                std::thread::yield_now();
            }
            assert_eq!(writer.join().unwrap(), Ok(()));
            desc.deregister(fd, true);
        }
    }

    #[test]
    fn a_registration_that_moves_takes_both_directions_unless_the_other_one_is_waited_for() {
        with_waiting_writer(|desc, socket| {
            let poller = Poller::new().unwrap();
            desc.register(socket.as_raw_fd(), Mode::Read, &poller)
                .unwrap();
            assert_ne!(desc.home(Mode::Write), desc.home(Mode::Read));
            // Or a runtime would not end, nor a spare worker leave, before a wait that is none of its own.
            assert!(!poller.is_waited_for());
            assert_eq!(poller.interrupt_some(usize::MAX), 0);
        });
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let (one, two) = (Poller::new().unwrap(), Poller::new().unwrap());
        let desc = Arc::new(PollDesc::new());
        for (poller, mode) in [(&one, Mode::Read), (&two, Mode::Write), (&one, Mode::Write)] {
            desc.register(a.as_raw_fd(), mode, poller).unwrap();
            assert_eq!(desc.home(Mode::Read), poller.id());
            assert_eq!(desc.home(Mode::Write), poller.id());
        }
        assert_eq!(two.poll(Some(Duration::ZERO)).unwrap(), 0, "it has left");
        assert_eq!(one.poll(Some(Duration::ZERO)).unwrap(), 1);
    }

    #[test]
    fn a_registration_for_reading_that_is_widened_tells_what_comes_after_from_what_came_before() {
        use std::io::Write;
        let (a, mut b) = std::os::unix::net::UnixStream::pair().unwrap();
        let (poller, desc) = (Poller::new().unwrap(), Arc::new(PollDesc::read_first()));
        let now = || poller.poll(Some(Duration::ZERO)).unwrap();
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(SeqCst);
        let counters = poller.counters();
        desc.register(a.as_raw_fd(), Mode::Read, &poller).unwrap();
        assert_eq!(desc.home(Mode::Write), 0, "nobody would hear of room");
        assert_eq!(now(), 0, "there is room, and nobody has asked");
        b.write_all(b"x").unwrap();
        poller.collect(Some(Duration::ZERO)).unwrap();
        desc.register(a.as_raw_fd(), Mode::Write, &poller).unwrap();
        assert_eq!(desc.home(Mode::Write), poller.id());
        while poller.deliver() {}
        assert_eq!(
            (count(&counters.events), count(&counters.stale_events)),
            (0, 1)
        );
        assert!(desc.is_quiet(Mode::Read) && desc.is_quiet(Mode::Write));
        // The kernel has looked anew, and what was dropped comes again.
        assert_eq!(now(), 1);
        assert!(!desc.is_quiet(Mode::Read) && !desc.is_quiet(Mode::Write));
        desc.deregister(a.as_raw_fd(), true);
        b.write_all(b"y").unwrap();
        assert_eq!((now(), count(&counters.registrations)), (0, 1));
        poller.is_waited_for(); // looks, and so forgets
        assert_eq!(count(&counters.descriptors), 0);
    }

    #[test]
    fn a_widening_that_fails_leaves_the_registration_as_it_was() {
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        let (poller, desc) = (Poller::new().unwrap(), Arc::new(PollDesc::read_first()));
        desc.register(a.as_raw_fd(), Mode::Read, &poller).unwrap();
        let err = desc.register(-1, Mode::Write, &poller).unwrap_err();
        assert_eq!(err.errno(), Some(libc::EBADF));
        assert_eq!(
            (desc.home(Mode::Read), desc.home(Mode::Write)),
            (poller.id(), 0)
        );
        drop(b);
        assert_eq!(poller.poll(Some(Duration::ZERO)).unwrap(), 1);
        assert!(
            !desc.is_quiet(Mode::Read),
            "the event is not taken for a stale one"
        );
    }
}
