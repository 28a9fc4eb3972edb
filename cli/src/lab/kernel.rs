//! What the kernel knows about a connection, from outside: `/proc/net/tcp`.
//!
//! It shows a socket's state also after the program has closed it, which no call on the connection can.

use std::fs;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};

/// By number, from 1.
const STATES: [&str; 12] = [
    "?",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
];

/// How often a socket must be missing from the table to count as gone. The kernel hands out the
/// table in pieces, and what moves meanwhile can be left out.
const MISSES: usize = 3;

/// One end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Socket {
    /// `ESTABLISHED` and so on; `CLOSE` when the table does not have it.
    pub state: &'static str,
    /// Bytes written here which the other end has not confirmed.
    pub sending: usize,
    /// Bytes that have come and were not read.
    pub waiting: usize,
}

/// The end at `local` of the connection with `peer`. Only IPv4, as all labs are.
pub fn socket(local: SocketAddr, peer: SocketAddr) -> io::Result<Socket> {
    let (SocketAddr::V4(local), SocketAddr::V4(peer)) = (local, peer) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not IPv4"));
    };
    for _ in 0..MISSES {
        if let Some(socket) = find(&fs::read_to_string("/proc/net/tcp")?, local, peer) {
            return Ok(socket);
        }
    }
    Ok(Socket {
        state: "CLOSE",
        sending: 0,
        waiting: 0,
    })
}

fn find(table: &str, local: SocketAddrV4, peer: SocketAddrV4) -> Option<Socket> {
    let (local, peer) = (end(local), end(peer));
    table.lines().find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        if columns.next() != Some(&local) || columns.next() != Some(&peer) {
            return None;
        }
        let state = usize::from_str_radix(columns.next()?, 16).ok()?;
        let (sending, waiting) = columns.next()?.split_once(':')?;
        Some(Socket {
            state: STATES.get(state)?,
            sending: usize::from_str_radix(sending, 16).ok()?,
            waiting: usize::from_str_radix(waiting, 16).ok()?,
        })
    })
}

/// An address as the table has it: the kernel prints the word it keeps in network order.
fn end(addr: SocketAddrV4) -> String {
    let word = u32::from_ne_bytes(addr.ip().octets());
    format!("{word:08X}:{:04X}", addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_of_a_connection_is_found_by_both_its_ends() {
        let local: SocketAddrV4 = "127.0.0.1:8080".parse().unwrap();
        let peer: SocketAddrV4 = "127.0.0.1:258".parse().unwrap();
        let table = format!(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n\
             \x20  0: {} 00000000:0000 0A 00000000:00000000 00:00000000\n\
             \x20  1: {} {} 08 0000001F:00000100 00:00000000\n",
            end(local),
            end(local),
            end(peer)
        );
        let found = find(&table, local, peer).unwrap();
        assert_eq!(
            found,
            Socket {
                state: "CLOSE_WAIT",
                sending: 31,
                waiting: 256
            }
        );
        assert_eq!(find(&table, peer, local), None);
    }
}
