//! `gopark serve`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::connection::{self, Manner, Patience};
use super::drain::Connections;
use super::http::Limits;
use super::http::session::Http;
use super::http::site::Site;
use super::session::{Discard, Echo, Session, Work};
use super::stats;
use crate::args::{ServeArgs, ServiceKind};
use crate::failure::{Failure, reason};
use crate::peer::announce;
use crate::sys::{limits, signals};
use gopark::net::{NetError, TcpListener};

/// Runs `gopark serve`.
pub fn command(args: ServeArgs) -> Result<(), Failure> {
    // Without the room the server still serves as many as it can.
    let _ = limits::raise_open_files();
    let cannot = |error: io::Error| Failure::io(format_args!("serve on {}", args.addr), &error);
    let mut builder = gopark::Runtime::builder();
    if let Some(workers) = args.workers {
        builder = builder.workers(workers);
    }
    if let Some(most) = args.spare_workers {
        builder = builder.spare_workers(most.into());
    }
    // What is handed to the pool computes.
    builder = builder.workers_first(args.offload);
    let connections = Arc::new(Connections::default());
    let listener = TcpListener::bind(args.addr).map_err(cannot)?;
    let (stopping, closing) = (Arc::clone(&connections), listener.clone());
    signals::on_stop(move |_| {
        stopping.stop();
        // The accept loop ends with the error that says so; there is nothing else to fail.
        let _ = closing.close();
    })
    .map_err(|error| Failure::io("watch for signals", &error))?;

    // Threads started from here on leave the signals to the one above.
    let runtime = Arc::new(
        builder
            .build()
            .map_err(|error| Failure::io("start", &error))?,
    );
    let runtime_metrics = Arc::clone(&runtime);
    runtime.run(|| {
        let addr = listener.local_addr().map_err(cannot)?;
        announce::listening(
            addr,
            &format!("{:?} on gopark", args.service).to_lowercase(),
        )?;
        match args.service {
            ServiceKind::Echo => accept(&listener, &args, &connections, || Echo),
            ServiceKind::Discard => accept(&listener, &args, &connections, || Discard),
            ServiceKind::Work => accept(&listener, &args, &connections, Work::default),
            ServiceKind::Http => {
                let site =
                    Site::new(move || format!("{:#}\n", stats::json(&runtime_metrics.metrics())));
                let session = move || Http::new(site.clone(), Limits::default());
                accept(&listener, &args, &connections, session)
            }
        }
        .map_err(cannot)?;
        match connections.drain(args.drain) {
            0 => Ok(()),
            left => {
                eprintln!(
                    "gopark: {left} connections were still open after {:?}",
                    args.drain
                );
                Ok(())
            }
        }
    })
}

/// Accepts until the listener is closed, a task for each connection.
fn accept<S: Session>(
    listener: &TcpListener,
    args: &ServeArgs,
    connections: &Arc<Connections>,
    session: impl Fn() -> S,
) -> io::Result<()> {
    let timed = args.service == ServiceKind::Http;
    let manner = Manner {
        buffer: args.buffer,
        offload: args.offload,
        patience: Patience {
            request: timed.then_some(args.request_timeout),
            idle: timed.then_some(args.idle_timeout),
            read: args.deadline.filter(|_| !timed),
        },
    };
    let mut complained = false;
    loop {
        match listener.accept() {
            Ok((conn, _)) => {
                complained = false;
                let (session, connections) = (session(), Arc::clone(connections));
                drop(gopark::spawn(move || {
                    let number = connections.enter(&conn);
                    // The connection's end, in whatever way, is the task's end.
                    let _ = connection::serve(&conn, session, manner, &connections);
                    connections.leave(number);
                }));
            }
            Err(error) if error.is_closed() => return Ok(()),
            Err(error) if passing(&error) => {
                if !std::mem::replace(&mut complained, true) {
                    eprintln!("gopark: cannot accept for now: {}", reason(&error));
                }
                gopark::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Failures of accept that concern one connection, or pass when others close.
fn passing(error: &io::Error) -> bool {
    matches!(
        error.errno(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::ECONNABORTED)
    )
}
