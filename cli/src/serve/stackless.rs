//! Echo without waiting: a task lives from the moment there is something to read until it has been
//! answered, so an idle connection has no stack.

use std::io;

use gopark::net::TcpConn;

/// Answers whatever comes, until the end.
pub fn serve(conn: TcpConn, buffer: u32) -> io::Result<()> {
    conn.on_readable(move |conn, readable| {
        // The connection's end, in whatever way, is its last task's end.
        let _ = readable.and_then(|()| answer(conn, buffer));
    })
}

fn answer(conn: TcpConn, buffer: u32) -> io::Result<()> {
    let input = conn.read_lease_of(buffer as usize)?;
    if input.is_empty() {
        return Ok(());
    }
    conn.write(&input)?;
    drop(input);
    serve(conn, buffer)
}
