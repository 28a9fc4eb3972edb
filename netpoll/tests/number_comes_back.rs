//! An open file that gets its old number back. Alone in its binary: it plays with numbers.

mod support;

use netpoll::{Fd, Kind, Mode};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use support::{BOUND, after, register, unix_pair};

#[test]
fn a_file_that_comes_back_under_its_number_can_be_waited_for_again() {
    let (a, b) = unix_pair();
    register(&a);
    let (number, duplicate) = a
        .with(|fd| (fd.as_raw_fd(), fd.try_clone_to_owned().unwrap()))
        .unwrap();
    a.close().unwrap();
    // SAFETY: the number is free (closed above, and this process opens nothing else meanwhile).
    let again = unsafe {
        assert_eq!(libc::dup2(duplicate.as_raw_fd(), number), number);
        OwnedFd::from_raw_fd(number)
    };
    let again = Fd::new(again, Kind::STREAM).unwrap();
    again.set_deadline(&[Mode::Read], after(BOUND)).unwrap();
    let writer = {
        let me = support::my_handle();
        support::start(move || {
            support::until("the reader sleeps", || me.is_sleeping());
            b.write(b"x").unwrap();
            b
        })
    };
    assert_eq!(again.read(&mut [0; 8]), Ok(1));
    writer.join();
}
