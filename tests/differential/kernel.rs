//! What the kernel says about a connection, without going through it: asking a [`TcpConn`] for its
//! descriptor would change how it closes.

use gopark::net::TcpConn;
use std::{mem, os::fd::RawFd};

/// The descriptor of one end of a connection that nothing has happened to yet. It is that end's until
/// it is closed.
pub fn descriptor(conn: &TcpConn) -> RawFd {
    let (local, peer) = (conn.local_addr().unwrap(), conn.peer_addr().unwrap());
    let is_it = |fd: &RawFd| {
        address(*fd, libc::getpeername) == Some(peer.port())
            && address(*fd, libc::getsockname) == Some(local.port())
    };
    // The numbers in use are the smallest there are.
    (0..4096).find(is_it).expect("the end is connected")
}

type Ask = unsafe extern "C" fn(i32, *mut libc::sockaddr, *mut libc::socklen_t) -> i32;

/// The port of an IPv4 address of a socket; nothing if it has none.
fn address(fd: RawFd, ask: Ask) -> Option<u16> {
    // SAFETY: all-zero is a valid address.
    let mut addr: libc::sockaddr_in = unsafe { mem::zeroed() };
    let mut len = mem::size_of_val(&addr) as libc::socklen_t;
    // SAFETY: `len` is the room there is; any number may be asked about.
    let done = unsafe { ask(fd, (&raw mut addr).cast(), &mut len) };
    (done == 0 && addr.sin_family == libc::AF_INET as u16).then(|| u16::from_be(addr.sin_port))
}

/// The TCP state of a socket and how many bytes it has to read; zeros if it is none.
pub fn state(fd: RawFd) -> (u8, usize) {
    let mut info = 0i32;
    let mut len = mem::size_of_val(&info) as libc::socklen_t;
    let at = (&raw mut info).cast();
    // SAFETY: `len` is the room there is at `at`.
    let done = unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, at, &mut len) };
    let mut unread = 0i32;
    // SAFETY: FIONREAD writes one `i32`.
    let asked = unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut unread) };
    if (done, asked) != (0, 0) {
        return (0, 0); // closed, against the model
    }
    // The state is the structure's first byte.
    (info.to_ne_bytes()[0], unread as usize)
}

/// The calling thread, as the kernel knows it.
pub fn this_thread() -> i32 {
    // SAFETY: no memory is passed.
    unsafe { libc::gettid() }
}

/// Whether a thread of this process sleeps in the kernel.
pub fn sleeps(thread: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
    // The state follows the name, which may hold anything but is in parentheses.
    let state = stat
        .ok()
        .and_then(|stat| stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()));
    state.is_some_and(|state| state.starts_with('S'))
}
