//! The descriptors that are registered with a poller.
//!
//! A token, which is all the kernel says of a descriptor, is a place in the table and a sequence number, 32
//! bits each. An entry gets a new number whenever its registration changes, so events that were collected
//! before are told from those that come after.
//!
//! | change                       | the kernel              | the entry                                      |
//! |------------------------------|-------------------------|------------------------------------------------|
//! | [`Poller::register`]         | `EPOLL_CTL_ADD`         | new                                            |
//! | [`Poller::widen`]            | `EPOLL_CTL_MOD`         | a new number; stands for both directions now   |
//! | `PollerHandle::deregister`   | `EPOLL_CTL_DEL`, or nothing if the descriptor is closed | stays until the poller next looks |
//! | [`Poller::forget_removed`]   |                         | gone                                           |
//!
//! With each of the first two the kernel looks at the descriptor, and reports whatever is there already.
//!
//! Go: `runtime/netpoll_epoll.go`, `netpollopen`, whose token is a pointer with a sequence number in its low bits.

#![forbid(unsafe_code)]

use crate::counters::bump;
use crate::desc::{Mode, PollDesc};
use crate::error::Error;
use crate::poller::Poller;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub entries: RefCell<Slab<Entry>>,
    next_seq: Cell<u32>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub seq: u32,
    /// Registered for both directions, so that an event with only `ERR` in it means just that.
    pub both: bool,
    pub desc: Arc<PollDesc>,
}

impl Table {
    fn new_seq(&self) -> u32 {
        let seq = self.next_seq.get();
        self.next_seq.set(seq.wrapping_add(1));
        seq
    }
}

fn token(key: usize, seq: u32) -> Token {
    Token((seq as usize) << 32 | key)
}

/// What to ask epoll for; `only` restricts it to one direction.
fn interest(only: Option<Mode>) -> Interest {
    // PRIORITY: urgent data ends a read early at its mark, which the skipped read must know.
    let read = Interest::READABLE | Interest::PRIORITY;
    match only {
        None => read | Interest::WRITABLE,
        Some(Mode::Read) => read,
        Some(Mode::Write) => Interest::WRITABLE,
    }
}

fn refused(err: &io::Error) -> Error {
    match err.raw_os_error() {
        Some(libc::EPERM) => Error::NotPollable,
        errno => Error::Sys {
            call: "epoll_ctl",
            errno: errno.unwrap_or(libc::EINVAL),
        },
    }
}

impl Poller {
    /// Enters a descriptor into the table and into epoll, for both directions or one. Returns its place
    /// and its number.
    ///
    /// # Errors
    /// What `epoll_ctl` says; [`Error::NotPollable`] for a file that cannot be waited for.
    pub(crate) fn register(
        &self,
        fd: RawFd,
        desc: &Arc<PollDesc>,
        only: Option<Mode>,
    ) -> Result<(u32, u32), Error> {
        self.forget_removed();
        let seq = self.table.new_seq();
        let mut entries = self.table.entries.borrow_mut();
        let key = entries.insert(Entry {
            seq,
            both: only.is_none(),
            desc: desc.clone(),
        });
        let index = u32::try_from(key).expect("more than 2^32 descriptors");
        let (token, interest) = (token(key, seq), interest(only));
        let shared = &*self.handle().0;
        let mut source = SourceFd(&fd);
        let mut done = shared.registry.register(&mut source, token, interest);
        if let Err(err) = &done
            && err.raw_os_error() == Some(libc::EEXIST)
        {
            // The same open file under the same number, left behind by a descriptor that was closed
            // while a duplicate kept the file open, and has now got its number back.
            let _ = shared.registry.deregister(&mut source);
            done = shared.registry.register(&mut source, token, interest);
        }
        if let Err(err) = done {
            entries.remove(key);
            return Err(refused(&err));
        }
        bump(&shared.counters.registrations, 1);
        let count = entries.len() as u64;
        shared.counters.descriptors.store(count, Relaxed);
        Ok((index, seq))
    }

    /// Makes a registration for one direction one for both. Returns the number that the entry has from now
    /// on.
    ///
    /// # Errors
    /// What `epoll_ctl` says; then it is what it was.
    pub(crate) fn widen(&self, fd: RawFd, key: u32) -> Result<u32, Error> {
        let seq = self.table.new_seq();
        let mut entries = self.table.entries.borrow_mut();
        let entry = &mut entries[key as usize];
        let token = token(key as usize, seq);
        let registry = &self.handle().0.registry;
        let done = registry.reregister(&mut SourceFd(&fd), token, interest(None));
        done.map_err(|err| refused(&err))?;
        (entry.seq, entry.both) = (seq, true);
        Ok(seq)
    }

    /// Drops the table entries of descriptors that were closed or have moved.
    pub(crate) fn forget_removed(&self) {
        let shared = &*self.handle().0;
        let removed = shared.removed.take();
        if removed.is_empty() {
            return;
        }
        let mut entries = self.table.entries.borrow_mut();
        for (key, seq) in removed {
            if entries.get(key as usize).is_some_and(|e| e.seq == seq) {
                entries.remove(key as usize);
            }
        }
        let count = entries.len() as u64;
        shared.counters.descriptors.store(count, Relaxed);
    }
}
