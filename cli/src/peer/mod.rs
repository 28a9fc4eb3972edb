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
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

#[cfg(feature = "peers")]
use self::monoio::Driver;
use self::tokio::Flavour;
use crate::args::{PeerArgs, PeerKind, ServiceKind};
use crate::failure::Failure;
use crate::serve::http::Limits;
use crate::serve::http::session::Http;
use crate::serve::http::site::Site;
use crate::serve::rules::{self, CROWD, FRAME};
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
    /// Tasks that receive datagrams from the socket at once.
    pub tasks: usize,
    /// Tasks for each worker, beside the connections, that compute and yield and never end.
    pub crowd: usize,
    /// A page of its own for each connection, touched for each request.
    pub own_pages: bool,
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
        tasks: args.tasks,
        crowd: match args.service {
            ServiceKind::Crowd => CROWD,
            _ => 0,
        },
        own_pages: args.own_pages,
    };
    let site = Site::new(Limits::default(), || "{}\n".into());
    let http = move || Http::new(site.clone());
    let kind = args.kind;
    let done = match args.service {
        ServiceKind::Echo | ServiceKind::Crowd => serve(kind, setup, || Echo),
        ServiceKind::Http => serve(kind, setup, http),
        ServiceKind::Discard => serve(kind, setup, || Discard),
        ServiceKind::Work => serve(kind, setup, Work::default),
        ServiceKind::Udp => datagrams(kind, setup),
        ServiceKind::Shared => shared(kind, setup)?,
        ServiceKind::Fanout => fanout(kind, setup, rules::upstream(args.upstream)?),
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
        PeerKind::TokioMt => tokio::serve(Flavour::MultiThread, setup, session),
        PeerKind::TokioCt => tokio::serve(Flavour::CurrentThread, setup, session),
        PeerKind::Threads => threads::serve(setup, session),
        #[cfg(feature = "peers")]
        PeerKind::May => may::serve(setup, session),
        #[cfg(feature = "peers")]
        PeerKind::Monoio => monoio::serve(Driver::Epoll, setup, session),
        #[cfg(feature = "peers")]
        PeerKind::MonoioUring => monoio::serve(Driver::Uring, setup, session),
        #[cfg(feature = "peers")]
        PeerKind::Smol => smol::serve(setup, session),
    }
}

/// Every datagram back.
fn datagrams(kind: PeerKind, setup: Setup) -> io::Result<()> {
    match kind {
        PeerKind::RawEpoll => raw_epoll::udp::serve(setup),
        PeerKind::TokioMt => tokio::udp::serve(Flavour::MultiThread, setup),
        PeerKind::TokioCt => tokio::udp::serve(Flavour::CurrentThread, setup),
        PeerKind::Threads => threads::udp::serve(setup),
        #[cfg(feature = "peers")]
        PeerKind::May => may::udp::serve(setup),
        #[cfg(feature = "peers")]
        PeerKind::Monoio => monoio::udp::serve(Driver::Epoll, setup),
        #[cfg(feature = "peers")]
        PeerKind::MonoioUring => monoio::udp::serve(Driver::Uring, setup),
        #[cfg(feature = "peers")]
        PeerKind::Smol => smol::udp::serve(setup),
    }
}

/// Many tasks on each connection. The floor has no tasks, and answers frame by frame.
fn shared(kind: PeerKind, setup: Setup) -> Result<io::Result<()>, Failure> {
    Ok(match kind {
        PeerKind::RawEpoll => raw_epoll::serve(
            Setup {
                buffer: FRAME,
                ..setup
            },
            || Echo,
        ),
        PeerKind::TokioMt => tokio::shared::serve(Flavour::MultiThread, setup),
        PeerKind::TokioCt => tokio::shared::serve(Flavour::CurrentThread, setup),
        PeerKind::Threads => threads::shared::serve(setup),
        #[cfg(feature = "peers")]
        PeerKind::May => may::shared::serve(setup),
        #[cfg(feature = "peers")]
        PeerKind::Monoio | PeerKind::MonoioUring => {
            return Err(Failure::usage(
                "monoio has no lock that waits, so its tasks cannot share a connection",
            ));
        }
        #[cfg(feature = "peers")]
        PeerKind::Smol => smol::shared::serve(setup),
    })
}

/// Many requests to another server for each request.
fn fanout(kind: PeerKind, setup: Setup, upstream: SocketAddr) -> io::Result<()> {
    match kind {
        PeerKind::RawEpoll => raw_epoll::fanout::serve(setup, upstream),
        PeerKind::TokioMt => tokio::fanout::serve(Flavour::MultiThread, setup, upstream),
        PeerKind::TokioCt => tokio::fanout::serve(Flavour::CurrentThread, setup, upstream),
        PeerKind::Threads => threads::fanout::serve(setup, upstream),
        #[cfg(feature = "peers")]
        PeerKind::May => may::fanout::serve(setup, upstream),
        #[cfg(feature = "peers")]
        PeerKind::Monoio => monoio::fanout::serve(Driver::Epoll, setup, upstream),
        #[cfg(feature = "peers")]
        PeerKind::MonoioUring => monoio::fanout::serve(Driver::Uring, setup, upstream),
        #[cfg(feature = "peers")]
        PeerKind::Smol => smol::fanout::serve(setup, upstream),
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

/// A socket for datagrams, shared as a listener's port is.
fn datagram_socket(addr: SocketAddr, share_port: bool) -> io::Result<UdpSocket> {
    let kind = Type::DGRAM.cloexec();
    let socket = Socket::new(Domain::for_address(addr), kind, Some(Protocol::UDP))?;
    if share_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Failures of accept that concern one connection, or pass by themselves.
fn passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ECONNABORTED | libc::EINTR | libc::EAGAIN)
    )
}
