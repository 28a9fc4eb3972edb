//! `gopark peer`: the servers that gopark is compared with.
//!
//! Each waits for its connections as its own documentation recommends. What they have in common
//! is everything else: the sessions (so the bytes of their answers), TCP_NODELAY, the size of the
//! read buffer, a listen queue as long as the system allows.

pub mod announce;
#[cfg(feature = "peers")]
mod may;
#[cfg(feature = "peers")]
mod monoio;
pub mod raw_epoll;
#[cfg(feature = "peers")]
mod smol;
pub mod threads;
pub mod tokio;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::args::{PeerArgs, PeerKind, ServiceKind};
use crate::failure::Failure;
use crate::serve::http::Limits;
use crate::serve::http::session::Http;
use crate::serve::http::site::Site;
use crate::serve::session::{Discard, Echo, Session, Work};
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
    /// Set anew before every read.
    pub deadline: Option<Duration>,
    /// Computing is handed to a thread for blocking work, where the peer has such threads.
    pub offload: bool,
}

/// Runs `gopark peer`. It ends with the process.
pub fn command(args: PeerArgs) -> Result<(), Failure> {
    // Without the room a peer still serves as many as it can.
    let _ = limits::raise_open_files();
    let setup = Setup {
        addr: args.addr,
        workers: args.workers,
        buffer: args.buffer,
        deadline: args.deadline,
        offload: args.offload,
    };
    let site = Site::new(|| "{}\n".into());
    let http = move || Http::new(site.clone(), Limits::default());
    let done = match args.service {
        ServiceKind::Echo => serve(args.kind, setup, || Echo),
        ServiceKind::Http => serve(args.kind, setup, http),
        ServiceKind::Discard => serve(args.kind, setup, || Discard),
        ServiceKind::Work => serve(args.kind, setup, Work::default),
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
        #[cfg(feature = "peers")]
        PeerKind::May => may::serve(setup, session),
        #[cfg(feature = "peers")]
        PeerKind::Monoio => monoio::serve_epoll(setup, session),
        #[cfg(feature = "peers")]
        PeerKind::MonoioUring => monoio::serve_uring(setup, session),
        #[cfg(feature = "peers")]
        PeerKind::Smol => smol::serve(setup, session),
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
