//! Two copies at once, and how the end of one reaches the other.

#![forbid(unsafe_code)]

use super::copy;
use crate::{Handle, net::Conn, task};
use parking_lot::Mutex;
use std::{io, thread};

/// Copies from `a` to `b` and from `b` to `a` until both have ended; returns the bytes of each.
///
/// The end of one direction is passed on: the other connection's writing is closed
/// ([`Conn::close_write`]), and its answers go on coming. A connection that cannot be closed by halves
/// is closed, since nothing else tells its peer. When one direction fails, both connections are closed,
/// which ends the other. Otherwise neither is closed.
///
/// # Errors
/// That of the direction that failed first; see [`copy`].
///
/// # Panics
/// If there is no memory for a second task, or no thread.
///
/// ```
/// use gopark::net::{copy_bidirectional, TcpConn, TcpListener};
/// gopark::run(|| {
///     let pair = || -> std::io::Result<_> {
///         let listener = TcpListener::bind("127.0.0.1:0")?;
///         let client = TcpConn::connect(listener.local_addr()?)?;
///         Ok((client, listener.accept()?.0))
///     };
///     let ((client, front), (back, server)) = (pair()?, pair()?);
///     let proxy = gopark::spawn(move || copy_bidirectional(&front, &back));
///     client.write(b"ping")?;
///     client.close_write()?;
///     assert_eq!(server.read(&mut [0; 8])?, 4);
///     assert_eq!(server.read(&mut [0; 8])?, 0); // the half close came through
///     server.write(b"pong!")?;
///     server.close()?;
///     assert_eq!(client.read(&mut [0; 8])?, 5);
///     assert_eq!(proxy.join().unwrap()?, (4, 5));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn copy_bidirectional<A, B>(a: &A, b: &B) -> io::Result<(u64, u64)>
where
    A: Conn + ?Sized,
    B: Conn + ?Sized,
{
    let first_error = Mutex::new(None);
    let forth = || {
        one_way(a, b, &first_error, || {
            let _ = (a.close(), b.close());
        })
    };
    let back = || {
        one_way(b, a, &first_error, || {
            let _ = (a.close(), b.close());
        })
    };
    let counts = if Handle::current().is_some() {
        task::scope(|tasks| {
            let forth = tasks.spawn(forth);
            let back = back();
            (forth.join(), back)
        })
    } else {
        thread::scope(|threads| {
            let forth = threads.spawn(forth);
            let back = back();
            (forth.join(), back)
        })
    };
    if let Some(err) = first_error.into_inner() {
        return Err(err);
    }
    match counts {
        (Ok(forth), back) => Ok((forth, back)),
        (Err(panic), _) => std::panic::resume_unwind(panic),
    }
}

/// One direction: copies, and passes on how it ended.
fn one_way<R, W>(
    from: &R,
    to: &W,
    first_error: &Mutex<Option<io::Error>>,
    close_both: impl Fn(),
) -> u64
where
    R: Conn + ?Sized,
    W: Conn + ?Sized,
{
    match copy(from, to) {
        Ok(n) => {
            // An error here is that the peer is gone, which the other direction learns by itself.
            if let Err(err) = to.close_write()
                && err.kind() == io::ErrorKind::Unsupported
            {
                let _ = to.close();
            }
            n
        }
        Err(err) => {
            first_error.lock().get_or_insert(err);
            close_both();
            0
        }
    }
}
