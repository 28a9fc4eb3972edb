//! `gopark peer`: the servers that gopark is compared with.
//!
//! Each waits for its connections as its own documentation recommends. What they have in common
//! is everything else: the sessions (so the bytes of their answers), TCP_NODELAY, the size of the
//! read buffer, a listen queue as long as the system allows.

pub mod announce;
pub mod raw_epoll;
pub mod threads;
pub mod tokio;

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::args::{PeerArgs, PeerKind};
use crate::failure::Failure;
use crate::serve::http::Limits;
use crate::serve::http::session::Http;
use crate::serve::http::site::Site;
use crate::serve::session::{Echo, Session};
use crate::sys::limits;

/// How a peer runs.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Threads that serve, where the peer lets one choose.
    pub workers: usize,
    /// Bytes of its read buffers.
    pub buffer: usize,
}

/// Runs `gopark peer`. It ends with the process.
pub fn command(args: PeerArgs) -> Result<(), Failure> {
    // Without the room a peer still serves as many as it can.
    let _ = limits::raise_open_files();
    let setup = Setup {
        addr: args.addr,
        workers: args.workers,
        buffer: args.buffer,
    };
    let done = if args.http {
        let site = Site::new(|| "{}\n".into());
        serve(args.kind, setup, move || {
            Http::new(site.clone(), Limits::default())
        })
    } else {
        serve(args.kind, setup, || Echo)
    };
    done.map_err(|error| Failure::io(format_args!("serve on {}", args.addr), &error))
}

fn serve<S: Session>(
    kind: PeerKind,
    setup: Setup,
    session: impl Fn() -> S + Clone + Send + Sync + 'static,
) -> io::Result<()> {
    match kind {
        PeerKind::RawEpoll => raw_epoll::serve(setup, session),
        PeerKind::TokioMt => tokio::serve_multi_thread(setup, session),
        PeerKind::TokioCt => tokio::serve_current_thread(setup, session),
        PeerKind::Threads => threads::serve(setup, session),
    }
}

/// A listener with SO_REUSEADDR and the longest queue that the system allows; with SO_REUSEPORT
/// as well if several are to share the port.
fn listen(addr: SocketAddr, share_port: bool) -> io::Result<TcpListener> {
    let kind = Type::STREAM.cloexec();
    let socket = Socket::new(Domain::for_address(addr), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if share_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(i32::MAX)?;
    Ok(socket.into())
}

/// Failures of accept that concern one connection, or pass by themselves.
fn passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ECONNABORTED | libc::EINTR | libc::EAGAIN)
    )
}
