//! Copying from one end to another, through the kernel where that is possible.
//!
//! | file           | what it is                                                     |
//! |----------------|----------------------------------------------------------------|
//! | `mod.rs`       | `copy`, `copy_n`: which way bytes go, and what errors say      |
//! | `ends.rs`      | what can be copied from and to                                 |
//! | `splice.rs`    | between sockets and pipes, through a pipe of the pool          |
//! | `pipe_pool.rs` | pipes that are kept for the next copy                          |
//! | `send_file.rs` | from a file to a socket                                        |
//! | `plain.rs`     | a read and a write at a time                                   |
//! | `both_ways.rs` | two copies at once, and how the end of one reaches the other   |
//! | `sys.rs`       | the system calls                                               |
//!
//! | from \ to          | TCP, Unix stream | pipe, terminal (`Descriptor`) | anything else |
//! |--------------------|------------------|-------------------------------|---------------|
//! | TCP, Unix stream   | splice           | splice                        | plain         |
//! | pipe (`Descriptor`)| splice           | splice                        | plain         |
//! | file               | sendfile         | plain                         | plain         |
//! | anything else      | plain            | plain                         | plain         |
//!
//! Where the kernel refuses at the first call, or no pipe can be had, the copy is plain. The kernel's
//! ways wait, and fail, by the deadlines and the closing of both ends, as reads and writes do. They
//! cannot ask that a broken pipe raise no signal: Rust programs ignore `SIGPIPE` from the start, and a
//! program that does not must.
//!
//! Go: `net/splice_linux.go`, `net/sendfile.go`, `TCPConn.ReadFrom` and `TCPConn.WriteTo`.

mod both_ways;
mod ends;
mod pipe_pool;
mod plain;
mod send_file;
mod splice;
mod sys;

pub use both_ways::copy_bidirectional;
pub use ends::{CopyFrom, CopyTo, Kernel, Stream};

use super::{Cause, error};
use std::io;

/// Copies until the end of `from`, and returns how many bytes that were. Neither end is closed.
///
/// The ends may be connections, [`Descriptor`](crate::Descriptor)s and [`File`](std::fs::File)s.
/// Between sockets, pipes and files the bytes do not pass through this process. For other readers and
/// writers there is [`std::io::copy`].
///
/// # Errors
/// The error of the reading or of the writing; of a TCP connection in Go's words:
/// `readfrom tcp A->B: splice: broken pipe`, `writeto tcp A->B: i/o timeout`.
/// [`NetError::bytes`](super::NetError::bytes) says how many bytes were written. What was read and could
/// not be written is lost.
///
/// ```
/// use gopark::net::{copy, pipe, TcpConn, TcpListener};
/// gopark::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpConn::connect(listener.local_addr()?)?;
///     let (server, _) = listener.accept()?;
///     let (a, b) = pipe();
///     let copier = gopark::spawn(move || copy(&server, &a));
///     client.write(b"hello")?;
///     client.close()?;
///     assert_eq!(b.read(&mut [0; 16])?, 5);
///     assert_eq!(copier.join().unwrap()?, 5);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `io.Copy` of a connection.
pub fn copy<R, W>(from: &R, to: &W) -> io::Result<u64>
where
    R: CopyFrom + ?Sized,
    W: CopyTo + ?Sized,
{
    copy_n(from, to, u64::MAX)
}

/// [`copy`] of at most `most` bytes.
///
/// ```
/// use gopark::{Descriptor, net::{copy_n, UnixConn}};
/// let (reader, writer) = std::io::pipe()?;
/// let (a, b) = UnixConn::pair()?;
/// a.write(b"head and body")?;
/// assert_eq!(copy_n(&b, &Descriptor::new(writer)?, 4)?, 4); // spliced
/// assert_eq!(Descriptor::new(reader)?.read(&mut [0; 16])?, 4);
/// assert_eq!(b.read(&mut [0; 16])?, 9); // the rest is still there
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`copy`].
///
/// Go: `io.Copy` of an `io.LimitedReader`.
pub fn copy_n<R, W>(from: &R, to: &W, most: u64) -> io::Result<u64>
where
    R: CopyFrom + ?Sized,
    W: CopyTo + ?Sized,
{
    let (source, target) = (from.kernel(), to.kernel());
    let mut progress = Progress {
        written: 0,
        left: most,
    };
    let done = match (&source, &target) {
        (Kernel::Stream(source), Kernel::Stream(target)) => {
            splice::run(*source, *target, &mut progress)
        }
        (Kernel::File(file), Kernel::Stream(target)) if target.fd().kind().socket => {
            send_file::run(file, *target, &mut progress)
        }
        _ => Ok(Handled::No),
    };
    let done = match done {
        Ok(Handled::Yes) => Ok(()),
        Ok(Handled::No) => {
            plain::run(from, to, &mut progress).map_err(|err| Failed::Whole(err.into()))
        }
        Err(failed) => Err(failed),
    };
    match done {
        Ok(()) => Ok(progress.written),
        Err(failed) => Err(describe(failed, &source, &target, progress.written)),
    }
}

/// How far a copy has come.
struct Progress {
    written: u64,
    left: u64,
}

impl Progress {
    fn moved(&mut self, n: usize) {
        self.written += n as u64;
        self.left = self.left.saturating_sub(n as u64);
    }
}

/// Whether a way through the kernel took over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handled {
    Yes,
    /// Nothing was moved: another way must be taken.
    No,
}

/// Why a copy ended early.
enum Failed {
    /// The reading half of a way through the kernel.
    Reading(Cause),
    /// The writing half.
    Writing(Cause),
    /// A read or a write that says itself what it was.
    Whole(Cause),
}

/// The error of a copy. TCP connections name the copy, as Go's methods do; elsewhere the half that
/// failed is named.
#[cold]
fn describe(failed: Failed, from: &Kernel<'_>, to: &Kernel<'_>, bytes: u64) -> io::Error {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let naming = |kernel: &Kernel<'_>| kernel.stream().is_some_and(Stream::names_copies);
    let named = naming(from) || naming(to);
    let mut cause = match failed {
        Failed::Whole(cause) => cause,
        Failed::Reading(cause) | Failed::Writing(cause) if named => cause,
        Failed::Reading(cause) => half(from, "read", cause),
        Failed::Writing(cause) => half(to, "write", cause),
    };
    for (kernel, op) in [(to, "readfrom"), (from, "writeto")] {
        if let Some(stream) = kernel.stream()
            && stream.names_copies()
        {
            cause = Cause::from(stream.fail(op, cause, bytes));
        }
    }
    let err = io::Error::from(cause);
    if named {
        return err;
    }
    error::with_bytes(bytes, err)
}

fn half(kernel: &Kernel<'_>, op: &'static str, cause: Cause) -> Cause {
    match kernel.stream() {
        Some(stream) => Cause::from(stream.fail(op, cause, 0)),
        None => cause,
    }
}
