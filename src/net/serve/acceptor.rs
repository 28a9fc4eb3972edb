//! What can be served.

use crate::net::{Addr, Conn, Listener, TcpConn, TcpListener, UnixConn, UnixListener};
use std::{io, sync::Arc};

/// Somewhere connections come from, with their type: what [`Server::serve`](super::Server::serve)
/// takes. Every listener of this crate is one, and so is a boxed [`Listener`], whose connections are
/// `dyn Conn`.
///
/// A listener of one's own becomes one with four short methods:
///
/// ```
/// use gopark::net::{Acceptor, Addr, Listener, Server, TcpConn, TcpListener};
/// use std::{io, sync::Arc};
/// /// Its connections gather small writes.
/// struct Gathering(TcpListener);
/// impl Acceptor for Gathering {
///     type Conn = TcpConn;
///     fn accept_conn(&self) -> io::Result<Arc<TcpConn>> {
///         let conn = self.0.accept_conn()?;
///         conn.set_nodelay(false)?;
///         Ok(conn)
///     }
///     fn try_accept_conn(&self) -> io::Result<Option<Arc<TcpConn>>> { self.0.try_accept_conn() }
///     fn close_listener(&self) -> io::Result<()> { self.0.close_listener() }
///     fn listens_on(&self) -> Addr { self.0.listens_on() }
/// }
/// let (server, listener) = (Server::new(), TcpListener::bind("127.0.0.1:0")?);
/// server.handle().shutdown();
/// server.serve(Gathering(listener), |_: &TcpConn| {})?;
/// # io::Result::Ok(())
/// ```
pub trait Acceptor: Send + Sync + 'static {
    /// What a handler gets by reference.
    type Conn: Conn + ?Sized;

    /// Waits for the next connection; see [`Listener::accept`].
    ///
    /// # Errors
    /// Those of [`Listener::accept`].
    fn accept_conn(&self) -> io::Result<Arc<Self::Conn>>;

    /// A connection that waits already, if there is one; see [`Listener::try_accept`].
    ///
    /// # Errors
    /// Those of [`Listener::try_accept`].
    fn try_accept_conn(&self) -> io::Result<Option<Arc<Self::Conn>>>;

    /// Closes it.
    ///
    /// # Errors
    /// Those of [`Listener::close`].
    fn close_listener(&self) -> io::Result<()>;

    /// The address it listens on.
    fn listens_on(&self) -> Addr;
}

/// The listeners whose connections have a type of their own.
macro_rules! acceptor {
    ($($listener:ty => $conn:ty),* $(,)?) => {
        $(impl Acceptor for $listener {
            type Conn = $conn;

            fn accept_conn(&self) -> io::Result<Arc<$conn>> {
                Ok(Arc::new(self.accept()?.0))
            }

            fn try_accept_conn(&self) -> io::Result<Option<Arc<$conn>>> {
                Ok(self.try_accept()?.map(|(conn, _)| Arc::new(conn)))
            }

            fn close_listener(&self) -> io::Result<()> {
                self.close()
            }

            fn listens_on(&self) -> Addr {
                Listener::addr(self)
            }
        })*
    };
}

acceptor!(TcpListener => TcpConn, UnixListener => UnixConn);

/// Pointers to listeners of any network.
macro_rules! dyn_acceptor {
    ($($pointer:ident),*) => {
        $(impl Acceptor for $pointer<dyn Listener> {
            type Conn = dyn Conn;

            fn accept_conn(&self) -> io::Result<Arc<dyn Conn>> {
                Ok(self.accept()?.into())
            }

            fn try_accept_conn(&self) -> io::Result<Option<Arc<dyn Conn>>> {
                Ok(self.try_accept()?.map(Arc::from))
            }

            fn close_listener(&self) -> io::Result<()> {
                self.close()
            }

            fn listens_on(&self) -> Addr {
                self.addr()
            }
        })*
    };
}

dyn_acceptor!(Box, Arc);
