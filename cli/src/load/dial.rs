//! Starting connections, from as many local addresses as their number needs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Connections per local address. The system hands out about 28,000 ports for each, and some are
/// in use or not yet free again.
const PER_SOURCE: usize = 20_000;

/// What connections are made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// A stream, which the server accepts.
    Tcp,
    /// A socket that sends to the server and hears it only. It is open at once.
    Udp,
}

/// Starts connections to one server.
#[derive(Clone, Debug)]
pub struct Dialer {
    server: SockAddr,
    domain: Domain,
    transport: Transport,
    sources: usize,
    next: usize,
}

impl Dialer {
    /// A dialer for `conns` connections. They start from 127.0.0.1, 127.0.0.2 and so on when the
    /// server is on 127.x.x.x and one address has too few ports; `churn` says that many more will
    /// follow.
    pub fn new(server: SocketAddr, transport: Transport, conns: usize, churn: bool) -> Dialer {
        let loopback = matches!(server.ip(), IpAddr::V4(ip) if ip.is_loopback());
        let wanted = conns.div_ceil(PER_SOURCE).max(if churn { 4 } else { 1 });
        let sources = if loopback { wanted.min(250) } else { 1 };
        Dialer {
            server: server.into(),
            domain: Domain::for_address(server),
            transport,
            sources,
            next: 0,
        }
    }

    /// Starts a connection. It is non-blocking, and not open until it is writable without error.
    pub fn start(&mut self) -> io::Result<Socket> {
        let (kind, protocol) = match self.transport {
            Transport::Tcp => (Type::STREAM, Protocol::TCP),
            Transport::Udp => (Type::DGRAM, Protocol::UDP),
        };
        let socket = Socket::new(self.domain, kind.nonblocking().cloexec(), Some(protocol))?;
        if self.transport == Transport::Tcp {
            socket.set_tcp_nodelay(true)?;
        }
        if self.sources > 1 {
            let last = (self.next % self.sources) as u8 + 1;
            self.next = self.next.wrapping_add(1);
            // The port is chosen when connecting, where only the pair of ends must be unique.
            crate::sys::socket::bind_address_no_port(&socket)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into())?;
        }
        match socket.connect(&self.server) {
            Ok(()) => Ok(socket),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(socket),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn many_connections_start_from_several_addresses_and_few_from_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let mut few = Dialer::new(server, Transport::Tcp, 100, false);
        let mut many = Dialer::new(server, Transport::Tcp, 50_000, false);
        for (dialer, expected) in [(&mut few, [1, 1, 1]), (&mut many, [1, 2, 3])] {
            let found = expected.map(|_| {
                let _conn = dialer.start().unwrap();
                match listener.accept().unwrap().1.ip() {
                    IpAddr::V4(ip) => ip.octets()[3],
                    IpAddr::V6(_) => unreachable!("bound to 127.0.0.1"),
                }
            });
            assert_eq!(found, expected);
        }
    }
}
