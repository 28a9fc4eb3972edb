//! Datagrams on gopark: some tasks receive from one socket at once, and each answers itself.

use std::io;

use gopark::net::{NetError, UdpConn};

/// Sends every datagram back until the socket is closed.
pub fn serve(conn: &UdpConn, tasks: usize, buffer: usize) -> io::Result<()> {
    gopark::scope(|scope| {
        let receivers: Vec<_> = (1..tasks)
            .map(|_| scope.spawn(|| receive(conn, buffer)))
            .collect();
        let mut done = receive(conn, buffer);
        for receiver in receivers {
            let ended = receiver
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            done = done.and(ended);
        }
        done
    })
}

fn receive(conn: &UdpConn, buffer: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    loop {
        let sent = conn
            .recv_from(&mut buffer)
            .and_then(|(count, from)| conn.send_to(&buffer[..count], from));
        match sent {
            Err(error) if error.is_closed() => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
}
