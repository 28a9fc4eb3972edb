//! `gopark serve`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::accepting::accept;
use super::connection::{self, Manner, Patience};
use super::drain::Connections;
use super::http::Limits;
use super::http::session::Http;
use super::http::site::Site;
use super::session::{Discard, Echo, Session, Work};
use super::{crowd, datagrams, fanout, rules, shared, stackless, stats};
use crate::args::{ServeArgs, ServiceKind};
use crate::failure::Failure;
use crate::peer::announce;
use crate::sys::{limits, stop};
use crate::units;
use gopark::net::{NetError, TcpConn, TcpListener, UdpConn};
use gopark::{Descriptor, Handle, Runtime};

/// Runs `gopark serve`.
pub fn command(args: ServeArgs) -> Result<(), Failure> {
    check(&args)?;
    // Without the room the server still serves as many as it can.
    let _ = limits::raise_open_files();
    let connections = Arc::new(Connections::default());
    let stop = stop::event()
        .and_then(Descriptor::new)
        .map_err(|error| Failure::io("watch for signals", &error))?;
    let stopping = Arc::clone(&connections);
    match args.service {
        ServiceKind::Udp => {
            let conn = UdpConn::bind(args.addr).map_err(cannot(&args))?;
            let closing = conn.clone();
            let addr = conn.local_addr().map_err(cannot(&args))?;
            run(&args, || {
                obey(stop, stopping, move || drop(closing.close()));
                announce(addr, &args)?;
                datagrams::serve(&conn, args.tasks, args.buffer).map_err(cannot(&args))
            })?
        }
        _ => {
            let listener = TcpListener::bind(args.addr).map_err(cannot(&args))?;
            let closing = listener.clone();
            run(&args, || {
                // The accept loop ends with the error that says so; there is nothing else to fail.
                obey(stop, stopping, move || drop(closing.close()));
                streams(&args, &listener, &connections)
            })?
        }
    }
}

fn check(args: &ServeArgs) -> Result<(), Failure> {
    if args.service == ServiceKind::Fanout {
        rules::upstream(args.upstream)?;
    }
    if args.on_readable && !matches!(args.service, ServiceKind::Echo | ServiceKind::Http) {
        return Err(Failure::usage("--on-readable is for echo and http only"));
    }
    Ok(())
}

fn cannot(args: &ServeArgs) -> impl Fn(io::Error) -> Failure + use<> {
    let addr = args.addr;
    move |error| Failure::io(format_args!("serve on {addr}"), &error)
}

fn announce(addr: SocketAddr, args: &ServeArgs) -> Result<(), Failure> {
    announce::listening(
        addr,
        &format!("{:?} on gopark", args.service).to_lowercase(),
    )
}

/// A signal to stop makes the connections hurry, and calls `close`. The end of the runtime ends the wait.
fn obey(stop: Descriptor, connections: Arc<Connections>, close: impl FnOnce() + Send + 'static) {
    drop(gopark::spawn(move || match stop.readable() {
        Ok(()) => {
            connections.stop();
            close();
        }
        Err(error) if error.is_shutdown() => {}
        Err(error) => eprintln!(
            "gopark: no signal can be waited for, so only a second one stops the server: {error}"
        ),
    }));
}

/// Whether there is one worker and will be no more.
fn is_alone(args: &ServeArgs) -> bool {
    args.workers == Some(1) && args.spare_workers.is_none_or(|most| most == 0)
}

/// Runs the server. One worker needs no thread but this one: then the kernel does not count who uses a
/// descriptor, which in a process of several threads it must.
fn run<T: Send>(args: &ServeArgs, main: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    let mut builder = Runtime::builder();
    if let Some(workers) = args.workers {
        builder = builder.workers(workers);
    }
    if let Some(most) = args.spare_workers {
        builder = builder.spare_workers(most.into());
    }
    // What is handed to the pool computes.
    builder = builder.workers_first(args.offload);
    let result = if is_alone(args) {
        builder.run_here(main)
    } else {
        builder.build().map(|runtime| runtime.run(main))
    };
    result.map_err(|error| Failure::io("start", &error))
}

fn streams(
    args: &ServeArgs,
    listener: &TcpListener,
    connections: &Arc<Connections>,
) -> Result<(), Failure> {
    announce(listener.local_addr().map_err(cannot(args))?, args)?;
    // A server that fails has stopped, too, for tasks that look.
    serve(args, listener, connections)
        .inspect_err(|_| connections.stop())
        .map_err(cannot(args))?;
    match connections.drain(args.drain) {
        0 => Ok(()),
        left => {
            let left = units::connections(left);
            eprintln!("gopark: {left} still open after {:?}", args.drain);
            Ok(())
        }
    }
}

fn serve(
    args: &ServeArgs,
    listener: &TcpListener,
    connections: &Arc<Connections>,
) -> io::Result<()> {
    let runtime = Handle::current().expect("this is a task");
    let sessions = Sessions {
        listener,
        connections,
        manner: manner(args),
        on_readable: args.on_readable,
        spread: !is_alone(args),
    };
    match args.service {
        ServiceKind::Echo if args.on_readable && args.deadline.is_none() => {
            let buffer = u32::try_from(args.buffer).unwrap_or(u32::MAX);
            accept(listener, |conn| {
                // A connection that cannot be waited for is closed, and that is its answer.
                stackless::begin(sessions.spread, move || drop(stackless::echo(conn, buffer)));
            })
        }
        ServiceKind::Echo => sessions.serve(|| Echo),
        ServiceKind::Discard => sessions.serve(|| Discard),
        ServiceKind::Work => sessions.serve(Work::default),
        ServiceKind::Http => {
            let stats = move || format!("{:#}\n", stats::json(&runtime.metrics()));
            let site = Site::new(Limits::default(), stats);
            sessions.serve(move || Http::new(site.clone()))
        }
        ServiceKind::Crowd => {
            crowd::start(runtime.metrics().workers.len(), connections);
            sessions.serve(|| Echo)
        }
        ServiceKind::Shared => each(listener, connections, shared::serve),
        ServiceKind::Fanout => {
            let upstream = args.upstream.ok_or(io::ErrorKind::InvalidInput)?;
            each(listener, connections, move |conn: &TcpConn| {
                fanout::serve(conn, upstream)
            })
        }
        ServiceKind::Udp => Ok(()),
    }
}

fn manner(args: &ServeArgs) -> Manner {
    let timed = args.service == ServiceKind::Http;
    Manner {
        buffer: args.buffer,
        offload: args.offload,
        patience: Patience {
            request: timed.then_some(args.request_timeout),
            idle: timed.then_some(args.idle_timeout),
            read: args.deadline.filter(|_| !timed),
        },
    }
}

/// Where connections become tasks that serve sessions.
struct Sessions<'a> {
    listener: &'a TcpListener,
    connections: &'a Arc<Connections>,
    manner: Manner,
    on_readable: bool,
    /// There may be several workers.
    spread: bool,
}

impl Sessions<'_> {
    /// Accepts until the listener is closed, with a session of its own for each connection.
    fn serve<S: Session>(&self, session: impl Fn() -> S) -> io::Result<()> {
        if self.on_readable {
            self.serve_without_tasks(session)
        } else {
            self.serve_in_tasks(session)
        }
    }

    fn serve_without_tasks<S: Session>(&self, session: impl Fn() -> S) -> io::Result<()> {
        // There is one server in a process, and it goes with it.
        let manner: &'static Manner = Box::leak(Box::new(self.manner));
        accept(self.listener, |conn| {
            let (session, connections) = (session(), Arc::clone(self.connections));
            stackless::begin(self.spread, move || {
                // The connection's end, in whatever way, is the wait's end.
                let _ = stackless::serve(conn, session, manner, connections);
            });
        })
    }

    fn serve_in_tasks<S: Session>(&self, session: impl Fn() -> S) -> io::Result<()> {
        let manner = self.manner;
        accept(self.listener, |conn| {
            let (session, connections) = (session(), Arc::clone(self.connections));
            drop(gopark::spawn(move || {
                let number = connections.enter(&conn);
                // The connection's end, in whatever way, is the task's end.
                let _ = connection::serve(conn, session, &manner, &connections);
                connections.leave(number);
            }));
        })
    }
}

/// Accepts until the listener is closed, a task that calls `serve` for each connection.
fn each(
    listener: &TcpListener,
    connections: &Arc<Connections>,
    serve: impl Fn(&TcpConn) -> io::Result<()> + Clone + Send + 'static,
) -> io::Result<()> {
    accept(listener, |conn| {
        let (serve, connections) = (serve.clone(), Arc::clone(connections));
        drop(gopark::spawn(move || {
            let number = connections.enter(&conn);
            // The connection's end, in whatever way, is the task's end.
            let _ = serve(&conn);
            connections.leave(number);
        }));
    })
}
