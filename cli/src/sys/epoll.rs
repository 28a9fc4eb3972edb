//! epoll, and nothing on top of it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Both directions and the peer's half close, edge-triggered: what a stream registers once.
pub const STREAM: i32 = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;

/// Level-triggered readability: what a listener registers.
pub const LISTENER: i32 = libc::EPOLLIN;

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// Room for the events of one wait.
pub struct Events {
    room: Vec<libc::epoll_event>,
    filled: usize,
}

/// One event, as the kernel reported it.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The number given to [`Epoll::add`].
    pub token: u64,
    bits: i32,
}

impl Event {
    /// Data, the end of the stream or an error waits to be read.
    pub fn readable(self) -> bool {
        self.bits & (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) != 0
    }

    /// There is room to write, or an error to be met by writing.
    pub fn writable(self) -> bool {
        self.bits & (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) != 0
    }

    /// The stream will end or has failed, so a short read does not mean that it is drained.
    pub fn ending(self) -> bool {
        self.bits & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) != 0
    }
}

impl Events {
    /// Room for `capacity` events.
    pub fn with_capacity(capacity: usize) -> Events {
        Events {
            room: vec![libc::epoll_event { events: 0, u64: 0 }; capacity],
            filled: 0,
        }
    }

    /// The events of the last wait.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.room[..self.filled].iter().map(|event| Event {
            token: event.u64,
            bits: event.events as i32,
        })
    }
}

impl Epoll {
    /// A new instance, closed on exec.
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: epoll_create1 takes flags and touches no memory.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call just returned this descriptor and nothing else knows it.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Registers a descriptor. Closing it is what takes it out again.
    pub fn add(&self, fd: impl AsFd, interest: i32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest as u32,
            u64: token,
        };
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: both descriptors are open for the length of the call, and `event` is live.
        let code =
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) };
        if code == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Waits for events, at most for `timeout` (rounded up to a millisecond); `None` is for ever.
    /// A signal ends the wait without events.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let millis = match timeout {
            None => -1,
            Some(time) => time.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32,
        };
        let room = events.room.len() as i32;
        events.filled = 0;
        // SAFETY: the pointer and the length describe the live vector `events.room`.
        let found =
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.room.as_mut_ptr(), room, millis) };
        if found < 0 {
            let error = io::Error::last_os_error();
            let interrupted = error.kind() == io::ErrorKind::Interrupted;
            return if interrupted { Ok(()) } else { Err(error) };
        }
        events.filled = found as usize;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_written_byte_makes_the_other_end_readable() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let epoll = Epoll::new().unwrap();
        let mut events = Events::with_capacity(4);
        epoll.add(&theirs, STREAM, 7).unwrap();
        ours.write_all(b"x").unwrap();
        epoll.wait(&mut events, None).unwrap();
        let event = events.iter().next().unwrap();
        assert_eq!(event.token, 7);
        assert!(event.readable() && event.writable() && !event.ending());
        drop(ours);
        epoll.wait(&mut events, None).unwrap();
        assert!(events.iter().next().unwrap().ending());
    }
}
