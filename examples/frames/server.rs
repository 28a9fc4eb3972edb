//! The frame server. Try it: `cargo run --release --example frames_server`, then, elsewhere,
//! `cargo run --release --example frames_client`. Ctrl-C stops it gracefully.
//!
//! | file           | what it is                                            |
//! |----------------|-------------------------------------------------------|
//! | `protocol.rs`  | frames, and their bytes                               |
//! | `service.rs`   | the server: connections, deadlines, stopping          |
//! | `answers.rs`   | the answers of a connection, many to a write          |
//! | `window.rs`    | how many requests may be under way                    |
//! | `metrics.rs`   | what is counted                                       |
//! | `interrupt.rs` | Ctrl-C                                                |
//! | `requests.rs`  | the client: many requests under way on one connection |

pub mod answers;
mod interrupt;
pub mod metrics;
pub mod protocol;
pub mod service;
pub mod window;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gopark::net::TcpListener;
use protocol::Id;
use service::{End, Limits, Server, Service};

/// Stores nothing: an empty payload is refused, everything else is well.
struct Store;

impl Service for Store {
    fn submit(&self, _id: Id, payload: &[u8]) -> u8 {
        u8::from(payload.is_empty())
    }

    fn ended(&self, client: SocketAddr, end: &End) {
        if !matches!(end, End::Normal | End::Drained) {
            println!("{client}: {end}");
        }
    }
}

/// The program: `frames_server [ADDRESS]`.
pub fn main() -> io::Result<()> {
    let addr = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:7001".into());
    serve(&addr)
}

/// Serves on `addr` until it is interrupted.
pub fn serve(addr: &str) -> io::Result<()> {
    let listener = TcpListener::bind(addr)?;
    println!("frames on {}", listener.local_addr()?);
    let server = Arc::new(Server::new(listener, Limits::default(), Store));
    let interrupted = Arc::clone(&server);
    interrupt::on_interrupt(move || interrupted.drain())?;
    gopark::run(|| {
        let watched = Arc::clone(&server);
        drop(gopark::spawn(move || print_metrics(&watched)));
        server.run()
    })?;
    println!("stopped: {}", server.metrics);
    Ok(())
}

/// Every second in which something happened, until the server stops.
fn print_metrics(server: &Server<Store>) {
    let mut last = String::new();
    while !server.is_draining() {
        gopark::sleep(Duration::from_secs(1));
        let now = server.metrics.to_string();
        if now != last {
            println!("{now}");
            last = now;
        }
    }
}
