//! A connection that is given up before it is accepted is nobody's business. Follows Go's
//! TestAcceptIgnoreAbortedConnRequest (`net_test.go`).
//!
//! The kernel seldom says `ECONNABORTED`, so it is put into its mouth: a filter for system calls
//! (`seccomp`) on the accepting thread asks this test what to answer.

use gopark::net::{NetError, TcpConn, TcpListener};
use std::{
    io, mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::mpsc,
    thread,
};

/// Has every `accept4` of this thread, and of no other, decided by whoever holds what is returned.
fn ask_before_accept() -> io::Result<OwnedFd> {
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load_number = step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0);
    let accept4 = libc::SYS_accept4 as u32;
    let is_accept = step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, accept4);
    let ask = step(
        libc::BPF_RET | libc::BPF_K,
        0,
        0,
        libc::SECCOMP_RET_USER_NOTIF,
    );
    let allow = step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW);
    let mut steps = [load_number, is_accept, ask, allow];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: no memory is passed.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let (set, listener) = (
        libc::SECCOMP_SET_MODE_FILTER,
        libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
    );
    // SAFETY: `program` and the steps it points to outlive the call.
    let fd = unsafe { libc::syscall(libc::SYS_seccomp, set, listener, &raw const program) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Answers the first `aborted` accepts with `ECONNABORTED` and lets the others through, until the
/// thread has ended. How many were asked about.
fn answer(asked: &OwnedFd, aborted: usize) -> usize {
    let fd = asked.as_raw_fd();
    let mut count = 0;
    loop {
        let mut ready = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: `ready` is one entry.
        let n = unsafe { libc::poll(&raw mut ready, 1, 60_000) };
        assert_eq!(n, 1, "the thread neither accepts nor ends");
        if ready.revents & libc::POLLIN == 0 {
            return count;
        }
        // SAFETY: zeros are a question that nobody has asked.
        let mut question: libc::seccomp_notif = unsafe { mem::zeroed() };
        // SAFETY: the kernel fills in one question.
        let n = unsafe { libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut question) };
        assert_eq!(n, 0, "{}", io::Error::last_os_error());
        let aborts = count < aborted;
        count += 1;
        let response = libc::seccomp_notif_resp {
            id: question.id,
            val: 0,
            error: if aborts { -libc::ECONNABORTED } else { 0 },
            flags: if aborts {
                0
            } else {
                libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32
            },
        };
        // SAFETY: `response` is one answer.
        let n = unsafe { libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response) };
        assert_eq!(n, 0, "{}", io::Error::last_os_error());
    }
}

/// Accepts once on a thread whose first `aborted` accepts fail. Nothing where there are no filters.
fn accepted_after(aborted: usize, dialed_before: bool) -> Option<usize> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let dial = || TcpConn::connect(to).unwrap();
    let before = dialed_before.then(dial);
    let (tell, told) = mpsc::channel();
    let accept = thread::spawn(move || {
        let asked = ask_before_accept();
        let can = asked.is_ok();
        tell.send(asked).unwrap();
        can.then(|| {
            listener
                .accept()
                .map(|(conn, peer)| (conn.read(&mut [0; 4]), peer))
        })
    });
    let asked = match told.recv().unwrap() {
        Ok(asked) => asked,
        Err(err) => {
            eprintln!("skipped: no filter for system calls: {err}");
            return None;
        }
    };
    let answering = thread::spawn(move || answer(&asked, aborted));
    let conn = before.unwrap_or_else(dial);
    conn.write(b"here").unwrap();
    let (read, peer) = accept.join().unwrap().unwrap().unwrap_or_else(|err| {
        panic!("{err}, closed: {}", err.is_closed());
    });
    assert_eq!((read.unwrap(), peer), (4, conn.local_addr().unwrap()));
    Some(answering.join().unwrap())
}

/// Follows Go's TestAcceptIgnoreAbortedConnRequest.
#[test]
fn an_accept_passes_over_connections_that_were_given_up() {
    for (aborted, dialed_before) in [(0, true), (1, true), (5, true), (1, false), (5, false)] {
        let Some(asked) = accepted_after(aborted, dialed_before) else {
            return;
        };
        assert!(asked > aborted, "{asked} accepts, {aborted} of them failed");
    }
}
