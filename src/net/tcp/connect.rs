//! Connecting to one address.

use super::{KeepAliveConfig, TcpConn, inner::Inner, multipath};
use crate::net::{
    Addr, Cause, ControlHook, Errno, IpVersion, Limits, Network, SocketFamily, TcpAddr,
    connect::connect,
    fail,
    socket::{self, bind},
};
use netpoll::{Fd, Kind, SockAddr};
use socket2::Protocol;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// How often a socket is made when what came of it was the kernel's accident.
const TRIES: u32 = 3;

/// What every attempt of one dial has in common.
#[derive(Debug)]
pub(in crate::net) struct Attempt<'a> {
    pub version: IpVersion,
    pub local: Option<&'a TcpAddr>,
    pub keep_alive: KeepAliveConfig,
    pub control: ControlHook,
    /// Whether to try multipath TCP first.
    pub multipath: bool,
}

impl Attempt<'_> {
    /// Connects to `remote` within `limits`; when multipath TCP is wanted and fails, by plain TCP.
    ///
    /// Go: `sysDialer.dialMPTCP` (`net/mptcpsock_linux.go`).
    pub fn connect(&self, remote: &TcpAddr, limits: &Limits) -> Result<TcpConn, Cause> {
        multipath::or_plain(self.multipath, |protocol| {
            self.connect_by(protocol, remote, limits)
        })
    }

    /// Two accidents are met by trying again, unless the caller chose the local port: a connection to
    /// itself (the kernel chose the very port that is being dialed), and a local address that was in
    /// use only for a moment.
    ///
    /// Go: `sysDialer.doDialTCPProto` (`net/tcpsock_posix.go`).
    fn connect_by(
        &self,
        protocol: Option<Protocol>,
        remote: &TcpAddr,
        limits: &Limits,
    ) -> Result<TcpConn, Cause> {
        let port_chosen = self.local.is_some_and(|local| local.port != 0);
        retry(
            port_chosen,
            || self.connect_once(protocol, remote, limits),
            |result| match result {
                Ok(conn) => conn.0.local() == Some(conn.0.peer),
                Err(cause) => is_spurious_unavailable(cause),
            },
        )
    }

    fn connect_once(
        &self,
        protocol: Option<Protocol>,
        remote: &TcpAddr,
        limits: &Limits,
    ) -> Result<TcpConn, Cause> {
        let network = Network::Tcp(self.version);
        let (local_addr, remote_addr) = (
            self.local.map(|local| Addr::Tcp(local.clone())),
            Addr::Tcp(remote.clone()),
        );
        // Only listening asks whether IPv6 sockets serve IPv4.
        let local = local_addr.as_ref();
        let family = SocketFamily::choose(network, local, Some(&remote_addr), false, false);
        let socket = socket::stream(family, protocol)?;
        self.control
            .call(network, family.family, &remote_addr, socket.as_fd())?;
        if let Some(local) = self.local {
            bind(&socket, local.to_socket_addr(family.family)?)?;
        }
        let target = remote.to_socket_addr(family.family)?;
        let kind = match protocol {
            None => Kind::TCP,
            Some(_) => multipath::kind(socket.as_fd()),
        };
        let fd = Fd::from_nonblocking(OwnedFd::from(socket), kind);
        let fd = connect(fd, &SockAddr::from(target), limits)?;
        let (local, peer) = fd
            .with(|fd| {
                let local = socket::local_addr(fd)?;
                // The kernel takes a wildcard for the loopback address.
                let peer = if remote.is_wildcard() {
                    socket::peer_addr(fd)?
                } else {
                    socket::canonical(target)
                };
                Ok::<_, Cause>((local, peer))
            })
            .map_err(fail::cause)??;
        let inner = Inner::new(fd, self.version, peer, Some(Arc::new(local)));
        inner.set_defaults(&self.keep_alive);
        Ok(TcpConn::from_inner(inner))
    }
}

/// Does `attempt` again while it ends in an accident, a few times, and not if only `once` is wanted.
fn retry<T>(once: bool, mut attempt: impl FnMut() -> T, is_accident: impl Fn(&T) -> bool) -> T {
    for _ in 1..TRIES {
        let result = attempt();
        if once || !is_accident(&result) {
            return result;
        }
    }
    attempt()
}

/// Go: `spuriousENOTAVAIL` (`net/tcpsock_posix.go`).
fn is_spurious_unavailable(cause: &Cause) -> bool {
    cause.errno() == Some(Errno::EADDRNOTAVAIL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::OpError;

    /// Follows the Go programs `dial_self_connect` and `dial_local_addr`: "sockets tried".
    #[test]
    fn an_accident_is_met_by_two_more_tries_unless_the_caller_chose_the_port() {
        for (once, accidents, tried, ended_well) in [
            (false, 0, 1, true),
            (false, 1, 2, true),
            (false, 2, 3, true),
            (false, 3, 3, false),
            (true, 1, 1, false),
        ] {
            let mut tries = 0;
            let attempt = || {
                tries += 1;
                tries > accidents
            };
            assert_eq!(retry(once, attempt, |good| !good), ended_well);
            assert_eq!(tries, tried);
        }
    }

    /// Follows Go's TestSpuriousENOTAVAIL.
    #[test]
    fn an_address_not_available_is_recognised_bare_named_and_nested() {
        let bare = Cause::Errno(Errno::EADDRNOTAVAIL);
        let named = Cause::syscall("connect", Errno::EADDRNOTAVAIL);
        let nested = Cause::from(OpError::new("dial", "tcp", named.clone()));
        for cause in [bare, named, nested] {
            assert!(is_spurious_unavailable(&cause), "{cause:?}");
        }
        let other = Cause::syscall("connect", Errno::ECONNREFUSED);
        assert!(!is_spurious_unavailable(&other) && !is_spurious_unavailable(&Cause::Closed));
    }
}
