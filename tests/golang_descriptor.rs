//! Pipes, FIFOs and files of the kernel's own. Follows Go's `os` (`pipe_test.go`, `fifo_test.go`,
//! `timeout_test.go`) and `internal/poll/read_test.go`.

mod harness;

use gopark::{Descriptor, net::NetError};
use harness::{everywhere, scope, until};
use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::ffi::OsStrExt, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

fn pipe() -> (Descriptor, Descriptor) {
    let (r, w) = io::pipe().unwrap();
    (Descriptor::new(r).unwrap(), Descriptor::new(w).unwrap())
}

/// Follows Go's TestRead: files whose length nobody knows, and which no poller takes.
#[test]
fn files_that_the_kernel_makes_up_are_read_to_their_end() {
    everywhere(|| {
        for path in ["/proc/self/status", "/proc/version", "/proc/self/maps"] {
            let file = Descriptor::new(File::open(path).unwrap()).unwrap();
            let mut text = Vec::new();
            let mut buf = [0; 100];
            loop {
                match file.read(&mut buf).unwrap() {
                    0 => break,
                    n => text.extend_from_slice(&buf[..n]),
                }
            }
            assert!(text.len() > 30 && text.ends_with(b"\n"), "{path}");
            file.close().unwrap();
            assert!(file.read(&mut buf).unwrap_err().is_closed());
        }
        if let Ok(online) = File::open("/sys/kernel/mm/transparent_hugepage/enabled") {
            let file = Descriptor::new(online).unwrap();
            assert!(file.read(&mut [0; 4096]).unwrap() > 0);
        }
    });
}

/// Follows Go's TestClosedPipeRaceRead and TestClosedPipeRaceWrite.
#[test]
fn closing_a_pipe_ends_the_read_or_the_write_that_waits_on_it() {
    everywhere(|| {
        let (r, _w) = pipe();
        scope(|s| {
            let read = s.spawn(|| r.read(&mut [0; 1]));
            assert!(read.is_pending());
            r.close().unwrap();
            let err = read.wait().unwrap_err();
            assert!(err.is_closed() && !err.is_timeout(), "{err}");
        });
        let (_r, w) = pipe();
        let big = vec![0; 1 << 20];
        scope(|s| {
            let write = s.spawn(|| w.write(&big));
            assert!(write.is_pending());
            w.close().unwrap();
            let err = write.wait().unwrap_err();
            assert!(err.is_closed() && err.bytes() > 0, "{err}");
        });
    });
}

/// Follows Go's TestClosedPipeRaceRead as a race, and TestFdRace: everything at once.
#[test]
fn reading_writing_duplicating_and_closing_at_once_hurt_nobody() {
    everywhere(|| {
        for _ in 0..50 {
            let (r, w) = pipe();
            let reads = AtomicUsize::new(0);
            scope(|s| {
                for _ in 0..3 {
                    s.spawn(|| {
                        let mut buf = [0; 8];
                        while let Ok(n) = r.read(&mut buf) {
                            assert!(n > 0, "the writer is open");
                            reads.fetch_add(1, Relaxed);
                        }
                    });
                    s.spawn(|| while w.write(b"12345678").is_ok() {});
                    s.spawn(|| {
                        while let Ok(number) = r.with_fd(|fd| fd.as_raw_fd()) {
                            assert!(number >= 0);
                            gopark::yield_now();
                        }
                    });
                    s.spawn(|| drop(r.dup()));
                }
                until("reads are under way", || reads.load(Relaxed) >= 30);
                let first = [s.spawn(|| r.close()), s.spawn(|| r.close())];
                let closed = first.map(|job| job.wait().is_ok());
                assert!(closed[0] != closed[1], "one of two closers succeeds");
                w.close().unwrap();
            });
        }
    });
}

/// A FIFO in the file system that is removed at the end.
struct Fifo(PathBuf);

impl Fifo {
    fn new() -> Fifo {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "gopark-fifo-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        let text = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: `text` is a string that ends with a NUL.
        let made = unsafe { libc::mkfifo(text.as_ptr(), 0o600) };
        assert_eq!(made, 0, "{}", io::Error::last_os_error());
        Fifo(path)
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn open(path: &Path, write: bool) -> io::Result<File> {
    let mut options = File::options();
    options
        .read(!write)
        .write(write)
        .custom_flags(libc::O_NONBLOCK);
    options.open(path)
}

/// Follows Go's TestFifoEOF.
#[test]
fn a_fifo_is_at_its_end_when_its_writer_has_closed() {
    everywhere(|| {
        let fifo = Fifo::new();
        let r = Descriptor::new(open(&fifo.0, false).unwrap()).unwrap();
        let w = Descriptor::new(open(&fifo.0, true).unwrap()).unwrap();
        scope(|s| {
            let read = s.spawn(|| {
                let mut text = Vec::new();
                let mut buf = [0; 16];
                loop {
                    match r.read(&mut buf).unwrap() {
                        0 => return text,
                        n => text.extend_from_slice(&buf[..n]),
                    }
                }
            });
            assert!(read.is_pending());
            for _ in 0..3 {
                w.write(b"line\n").unwrap();
            }
            w.close().unwrap();
            assert_eq!(read.wait(), b"line\nline\nline\n");
        });
    });
}

/// Follows Go's TestReadNonblockingFd: where a program's own call says that there is nothing, ours wait.
#[test]
fn a_pipe_that_came_without_blocking_can_be_waited_for() {
    everywhere(|| {
        let (r, w) = io::pipe().unwrap();
        // SAFETY: no memory is passed.
        let set = unsafe { libc::fcntl(r.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        assert_eq!(set, 0);
        let mut byte = 0_u8;
        // SAFETY: `byte` is valid for one byte.
        let n = unsafe { libc::read(r.as_raw_fd(), (&raw mut byte).cast(), 1) };
        assert_eq!(
            (n, io::Error::last_os_error().kind()),
            (-1, io::ErrorKind::WouldBlock)
        );
        let r = Descriptor::new(r).unwrap();
        let w = Descriptor::new(w).unwrap();
        r.set_read_deadline(Some(Instant::now() + Duration::from_millis(20)))
            .unwrap();
        assert!(r.read(&mut [0; 1]).unwrap_err().is_timeout());
        r.set_read_deadline(None).unwrap();
        scope(|s| {
            let read = s.spawn(|| r.read(&mut [0; 4]));
            assert!(read.is_pending());
            w.write(b"x").unwrap();
            assert_eq!(read.wait().unwrap(), 1);
        });
    });
}

/// Follows Go's TestNonPollable (issue 59545): errors of a device that no poller serves never reach the
/// pipe that has its place in the table next.
#[test]
fn a_place_that_a_useless_device_had_serves_a_pipe_well() {
    const ROUNDS: usize = 3000;
    let tun = || File::options().read(true).write(true).open("/dev/net/tun");
    if tun().is_err() {
        eprintln!("skipped: no permission for /dev/net/tun, or no such device");
        return;
    }
    everywhere(|| {
        let rounds = AtomicUsize::new(0);
        scope(|s| {
            s.spawn(|| {
                while rounds.load(Relaxed) < ROUNDS {
                    let tun = Descriptor::new(tun().unwrap()).unwrap();
                    // Registers it, which calls the poller's attention to an error and nothing else.
                    let soon = Instant::now() + Duration::from_micros(20);
                    let _ = tun.set_read_deadline(Some(soon));
                    let _ = tun.read(&mut [0; 16]);
                    tun.close().unwrap();
                    gopark::yield_now();
                }
            });
            for _ in 0..ROUNDS {
                let (r, w) = pipe();
                scope(|s| {
                    let read = s.spawn(|| r.read(&mut [0; 4]));
                    w.write(b"pipe").unwrap();
                    assert_eq!(read.wait().unwrap(), 4);
                });
                rounds.fetch_add(1, Relaxed);
            }
        });
        until("all rounds", || rounds.load(Relaxed) == ROUNDS);
    });
}
