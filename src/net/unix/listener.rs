//! A Unix listener, and the file that goes with it.

use super::{UnixConn, inner::Inner, names};
use crate::{
    net::{
        Addr, Cause, OpError, UnixAddr, fail,
        raw::{self, Raw, descriptor_methods},
        socket::named,
    },
    task::idle::HasFd,
};
use netpoll::{Error, Fd, Kind, Mode, SockAddr};
use socket2::SockRef;
use std::{
    fmt, fs, io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

/// A Unix socket that listens, on `unix` or `unixpacket`. Clones are the same listener; any number of
/// tasks and threads may accept at the same time, and [`close`](UnixListener::close) ends all of them.
///
/// A listener that made its file removes it when it is closed, or when its last clone is dropped.
///
/// ```
/// use gopark::net::{UnixConn, UnixListener};
/// let listener = UnixListener::bind("@gopark-doc-listener")?;
/// let client = UnixConn::connect("@gopark-doc-listener")?;
/// let (server, _peer) = listener.accept()?;
/// client.write(b"hello")?;
/// assert_eq!(server.read(&mut [0; 16])?, 5);
/// # std::io::Result::Ok(())
/// ```
///
/// Go: `net.UnixListener` (`net/unixsock.go`). `AcceptUnix` is [`accept`](UnixListener::accept), `File`
/// is [`dup`](UnixListener::dup), and what `SyscallConn` leads to are
/// [`with_fd`](UnixListener::with_fd) and [`hold_fd`](UnixListener::hold_fd); `RawConn.Read` and `Write`
/// have no twins, since on a listener Go's only fail.
#[derive(Clone)]
pub struct UnixListener(pub(super) Arc<Shared>);

pub(super) struct Shared {
    fd: Fd,
    local: UnixAddr,
    /// The file is to be removed, and has not been.
    unlink: AtomicBool,
}

impl UnixListener {
    /// A listener on a socket that listens already. `made` says whether it made its file.
    pub(super) fn new(fd: OwnedFd, local: UnixAddr, made: bool) -> UnixListener {
        UnixListener(Arc::new(Shared {
            fd: Fd::from_nonblocking(fd, Kind::STREAM),
            local,
            unlink: AtomicBool::new(made),
        }))
    }

    /// Waits for the next connection; returns it with the address of its peer, which is `@` unless the
    /// peer was bound to a name.
    ///
    /// # Errors
    /// `accept unix A: use of closed network connection` once it is closed; `.. i/o timeout` after the
    /// deadline, even if a connection waits; `.. accept4: too many open files`, which is
    /// [temporary](crate::net::NetError::is_temporary) and leaves the connection in the queue.
    ///
    /// Go: `UnixListener.AcceptUnix` (`net/unixsock.go`).
    pub fn accept(&self) -> io::Result<(UnixConn, UnixAddr)> {
        let shared = &*self.0;
        let accepted = shared.fd.accept();
        let (fd, peer) = accepted.map_err(|err| shared.fail("accept", err))?;
        Ok(shared.connection(fd, &peer))
    }

    /// The next connection if one is in the queue already; never waits for one.
    ///
    /// ```
    /// use gopark::net::{UnixConn, UnixListener};
    /// let listener = UnixListener::bind("")?; // the kernel makes up a name
    /// assert!(listener.try_accept()?.is_none());
    /// let _client = UnixConn::connect(&listener.local_addr().name)?;
    /// assert!(listener.try_accept()?.is_some());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`accept`](UnixListener::accept).
    pub fn try_accept(&self) -> io::Result<Option<(UnixConn, UnixAddr)>> {
        let shared = &*self.0;
        match shared.fd.try_accept() {
            Ok(accepted) => Ok(accepted.map(|(fd, peer)| shared.connection(fd, &peer))),
            Err(err) => Err(shared.fail("accept", err)),
        }
    }

    /// The address it listens on. It survives closing.
    ///
    /// Go: `UnixListener.Addr` (`net/unixsock.go`).
    pub fn local_addr(&self) -> &UnixAddr {
        &self.0.local
    }

    /// The address it listens on, as Go has it.
    ///
    /// ```
    /// use gopark::net::UnixListener;
    /// let listener = UnixListener::bind("")?;
    /// assert_eq!(listener.addr().network(), "unix");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go: `UnixListener.Addr` (`net/unixsock.go`).
    pub fn addr(&self) -> Addr {
        self.0.local.clone().into()
    }

    /// The connections, one after the other, until the listener is closed; then it ends.
    ///
    /// ```
    /// use gopark::net::{UnixConn, UnixListener};
    /// let listener = UnixListener::bind("@gopark-doc-incoming")?;
    /// let _client = UnixConn::connect("@gopark-doc-incoming")?;
    /// for conn in listener.incoming() {
    ///     conn?.close()?;
    ///     listener.close()?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go has no counterpart; it is [`std::os::unix::net::UnixListener::incoming`].
    pub fn incoming(&self) -> impl Iterator<Item = io::Result<UnixConn>> {
        std::iter::from_fn(|| match self.accept() {
            Ok((conn, _)) => Some(Ok(conn)),
            Err(_) if self.0.fd.is_closing() => None,
            Err(err) => Some(Err(err)),
        })
    }

    /// Takes the error the kernel holds for this listener, if any.
    ///
    /// # Errors
    /// `get unix A: use of closed network connection`.
    ///
    /// ```
    /// let listener = gopark::net::UnixListener::bind("")?;
    /// assert!(listener.take_error()?.is_none());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// Go has no counterpart; it is [`std::os::unix::net::UnixListener::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let ask = |fd: BorrowedFd<'_>| named("getsockopt", SockRef::from(&fd).take_error());
        let done = self.0.fd.with(ask).map_err(fail::cause).flatten();
        done.map_err(|cause| self.0.fail_for("get", cause))
    }

    /// Closes the listener for all its clones: accepts that wait fail, and so do the peers nobody has
    /// accepted. Removes its file first, unless told otherwise; only once, so that a second close
    /// leaves alone the file of whoever listens there now.
    ///
    /// ```
    /// use gopark::net::{NetError, UnixListener};
    /// let path = std::env::temp_dir().join(format!("gopark-doc-close-{}.sock", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// listener.set_unlink_on_close(false);
    /// listener.try_clone()?.close()?; // a clone is the same listener
    /// assert!(listener.accept().unwrap_err().is_closed());
    /// assert!(path.exists()); // for whoever listens there next
    /// std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `close unix A: use of closed network connection` if it was closed before.
    ///
    /// Go: `UnixListener.Close` (`net/unixsock.go`).
    pub fn close(&self) -> io::Result<()> {
        self.0.unlink_once();
        self.0.fd.close().map_err(|err| self.0.fail("close", err))
    }

    /// Whether closing removes the file; on for a listener that made it.
    ///
    /// Go: `UnixListener.SetUnlinkOnClose` (`net/unixsock_posix.go`).
    pub fn set_unlink_on_close(&self, on: bool) {
        // What is closed has nothing to remove any more.
        if !on || !self.0.fd.is_closing() {
            self.0.unlink.store(on, Relaxed);
        }
    }

    /// Sets the moment after which accepts fail; `None` is never. It reaches accepts that wait, stays
    /// until it is set again, and has nothing to do with the connections.
    ///
    /// ```
    /// use gopark::net::{NetError, UnixListener};
    /// use std::time::{Duration, Instant};
    /// let listener = UnixListener::bind("")?;
    /// listener.set_deadline(Some(Instant::now() + Duration::from_millis(2)))?;
    /// assert!(listener.accept().unwrap_err().is_timeout());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `use of closed network connection`, without operation and address.
    ///
    /// Go: `UnixListener.SetDeadline` (`net/unixsock.go`).
    pub fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        let done = self.0.fd.set_deadline(&[Mode::Read], deadline);
        done.map_err(|err| fail::cause(err).into())
    }

    /// The same listener, as std's.
    ///
    /// # Errors
    /// Never; the result is std's.
    pub fn try_clone(&self) -> io::Result<UnixListener> {
        Ok(self.clone())
    }
}

descriptor_methods!(
    UnixListener,
    "unix",
    "UnixListener",
    "listener",
    r#"# let listener = gopark::net::UnixListener::bind("")?;"#,
    "file_listener"
);

impl HasFd for Shared {
    fn fd(&self) -> &Fd {
        &self.fd
    }
}

impl Raw for Shared {
    /// The file stays.
    fn leave(&self) -> Result<(), Error> {
        self.unlink.store(false, Relaxed);
        self.fd.close()
    }

    fn raw_error(&self, op: &'static str, cause: Cause) -> io::Error {
        self.fail_for(op, cause)
    }
}

impl Shared {
    /// Makes a connection of what the kernel has accepted.
    fn connection(&self, fd: OwnedFd, peer: &SockAddr) -> (UnixConn, UnixAddr) {
        let net = self.local.net;
        let peer = names::from_kernel(peer, net);
        let inner = Inner::new(fd, net, self.local.clone(), Some(peer.clone()));
        (UnixConn::from_inner(inner), peer)
    }

    fn unlink_once(&self) {
        if self.unlink.swap(false, Relaxed)
            && let Some(path) = self.local.path()
        {
            // Somebody else may have removed it; Go asks no more either.
            let _ = fs::remove_file(path);
        }
    }

    #[cold]
    fn fail(&self, op: &'static str, err: Error) -> io::Error {
        self.fail_for(op, fail::cause(err))
    }

    #[cold]
    fn fail_for(&self, op: &'static str, cause: Cause) -> io::Error {
        let err = OpError::new(op, self.local.net.as_str(), cause);
        err.addr(self.local.clone()).into()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.unlink_once();
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener")
            .field("local", &self.0.local)
            .field("closed", &self.0.fd.is_closing())
            .finish()
    }
}
