//! One request, many requests to another server: a task for each of them, and an answer when all
//! have theirs.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use gopark::net::TcpConn;

use super::rules::{CALL, CALLS, FRAME};

/// Serves a connection to its end. The connections to the other server are opened once.
pub fn serve(conn: &TcpConn, upstream: SocketAddr) -> io::Result<()> {
    let others = (0..CALLS)
        .map(|_| TcpConn::connect(upstream))
        .collect::<io::Result<Vec<_>>>()?;
    loop {
        let request = conn.read_lease()?;
        if request.is_empty() {
            return Ok(());
        }
        let failed = gopark::scope(|scope| {
            let calls: Vec<_> = others
                .iter()
                .map(|other| scope.spawn(|| call(other)))
                .collect();
            let results = calls.into_iter().map(|call| {
                call.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            results.fold(Ok(()), io::Result::and)
        });
        failed?;
        conn.write(&request)?;
    }
}

fn call(other: &TcpConn) -> io::Result<()> {
    other.write(&CALL)?;
    let mut got = 0;
    while got < FRAME {
        // A buffer with room to spare: a read that does not fill it has emptied the socket, so the
        // next one parks at once.
        match other.read_lease()?.len() {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => got += count,
        }
    }
    Ok(())
}
