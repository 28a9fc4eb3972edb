//! Many tasks on one connection: each reads a frame and writes it back, whoever comes first. The
//! descriptor's lock lets one read at a time and one write at a time, so frames stay whole.

use std::io;

use gopark::net::TcpConn;

use super::rules::{FRAME, SHARERS};

/// Serves a connection to its end.
pub fn serve(conn: &TcpConn) -> io::Result<()> {
    gopark::scope(|scope| {
        for _ in 1..SHARERS {
            // They all meet the same end, and one of them tells of it.
            drop(scope.spawn(|| answer(conn)));
        }
        answer(conn)
    })
}

fn answer(conn: &TcpConn) -> io::Result<()> {
    let mut frame = [0; FRAME];
    loop {
        match conn.read(&mut frame)? {
            0 => return Ok(()),
            count => conn.write(&frame[..count])?,
        };
    }
}
