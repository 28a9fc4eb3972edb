//! The frame client: connections that each keep many requests under way. Try it against
//! `frames_server`: `cargo run --release --example frames_client -- 127.0.0.1:7001 8 100000`.

mod protocol;
mod requests;
mod window;

use std::io;
use std::str::FromStr;
use std::time::Instant;

use gopark::net::TcpConn;
use requests::{Outcome, Requests};

/// The program: `frames_client [ADDRESS [CONNECTIONS [REQUESTS]]]`, the requests being those of one
/// connection.
fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let addr = args.next().unwrap_or_else(|| "127.0.0.1:7001".into());
    let connections: usize = number(args.next(), 4)?;
    let requests = Requests {
        count: number(args.next(), 10_000)?,
        in_flight: 64,
        payload: vec![b'x'; 100],
    };
    let start = Instant::now();
    let total = gopark::run(|| {
        gopark::scope(|s| {
            let clients: Vec<_> = (0..connections)
                .map(|number| {
                    let (addr, requests) = (&addr, &requests);
                    s.spawn(move || client(addr, number, requests))
                })
                .collect();
            let mut total = Outcome::default();
            for client in clients {
                let outcome = match client.join() {
                    Ok(outcome) => outcome?,
                    Err(panic) => std::panic::resume_unwind(panic),
                };
                total.well += outcome.well;
                total.refused += outcome.refused;
                total.unanswered += outcome.unanswered;
            }
            io::Result::Ok(total)
        })
    })?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} well, {} refused, {} unanswered, in {seconds:.2} s: {:.0} requests/s",
        total.well,
        total.refused,
        total.unanswered,
        (total.well + total.refused) as f64 / seconds
    );
    Ok(())
}

fn client(addr: &str, number: usize, requests: &Requests) -> io::Result<Outcome> {
    let conn = TcpConn::connect(addr)?;
    let done = requests::connect(&conn, &format!("client {number}"))
        .and_then(|()| requests::send_all(&conn, requests));
    done.map_err(io::Error::other)
}

fn number<T: FromStr>(text: Option<String>, default: T) -> io::Result<T> {
    let Some(text) = text else {
        return Ok(default);
    };
    let invalid = |_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{text:?} is no number"),
        )
    };
    text.parse().map_err(invalid)
}
