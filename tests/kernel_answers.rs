//! The kernel's answers below us are those that Go got. Alone in its file: it closes a descriptor twice,
//! and the number must not be anybody else's by then.

mod harness;

use harness::lines::Lines;
use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

/// Follows the Go program `raw_unconnected`: on these answers of the kernel ours rest.
#[test]
fn a_socket_that_is_not_connected_answers_as_the_kernel_answers_go() {
    let mut out = Lines::new();
    let outcome = |n: isize| {
        if n < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(n)
        }
    };
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0);
    // SAFETY: just made, and owned by nobody else. Closed by hand below.
    let socket = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(fd) });
    let fd = socket.as_raw_fd();
    let mut buf = [0_u8; 8];
    // SAFETY: `buf` is valid for its length.
    let mut read = || outcome(unsafe { libc::read(fd, buf.as_mut_ptr().cast(), 8) });
    // SAFETY: eight bytes are valid for reading. std ignores SIGPIPE.
    let write = || outcome(unsafe { libc::write(fd, [0_u8; 8].as_ptr().cast(), 8) });
    let mut print = |what: &str, n: &str, result: io::Result<isize>| {
        let line = format!("{what}: {n}err={}", out.error(result));
        out.print(line);
    };
    print("read on an unconnected TCP socket", "n=-1 ", read());
    print("write on an unconnected TCP socket", "n=-1 ", write());
    // SAFETY: no memory is passed.
    let shutdown = outcome(unsafe { libc::shutdown(fd, libc::SHUT_WR) } as isize);
    print("shutdown on an unconnected TCP socket", "", shutdown);
    let peer = socket2::SockRef::from(&*socket).peer_addr().map(|_| 0);
    print("getpeername", "", peer);
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    socket2::SockRef::from(&*socket).bind(&any.into()).unwrap();
    socket2::SockRef::from(&*socket).listen(2).unwrap();
    print("write on a listening socket", "n=-1 ", write());
    print("read on a listening socket", "n=-1 ", read());
    // SAFETY: the descriptor is ours; `socket` is never dropped, and not used as open below.
    let close = || outcome(unsafe { libc::close(fd) } as isize);
    print("close", "", close());
    let elsewhere = close().expect_err("closed already, and this test has a process of its own");
    print("close again", "", Err(elsewhere));
    print("read on a closed descriptor", "n=-1 ", read());
    out.compare("raw_unconnected");
}
