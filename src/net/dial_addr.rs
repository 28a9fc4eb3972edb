//! Dialing addresses that are known already: nothing is looked up, and the connection is of its own
//! type.
//!
//! Go: `net/tcpsock.go`, `net/udpsock.go`, `net/unixsock.go`.

#![forbid(unsafe_code)]

use super::{
    Addr, AddrError, Cause, Dialer, Network, OpError, TcpAddr, TcpConn, UdpAddr, UdpConn, UnixAddr,
    UnixConn, UnixDatagram, UnixNet, network::unknown, tcp::Attempt, udp, unix,
};
use std::io;

/// Connects to `remote` on `network` (`tcp`, `tcp4`, `tcp6`), from `local` if that is given.
///
/// ```
/// use gopark::net::{dial_tcp, TcpAddr, TcpListener};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let from = TcpAddr::new([127, 0, 0, 2], 0); // another address of this machine
/// let conn = dial_tcp("tcp4", Some(&from), &listener.local_addr()?.into())?;
/// assert_eq!(conn.local_addr()?.ip().to_string(), "127.0.0.2");
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`dial`](super::dial).
///
/// Go: `net.DialTCP` (`net/tcpsock.go`).
pub fn dial_tcp(network: &str, local: Option<&TcpAddr>, remote: &TcpAddr) -> io::Result<TcpConn> {
    from(local).dial_tcp(network, remote)
}

/// A socket that talks to `remote` on `network` (`udp`, `udp4`, `udp6`) only, from `local` if that is
/// given. The peer is not asked.
///
/// ```
/// use gopark::net::{dial_udp, UdpConn};
/// let server = UdpConn::bind("127.0.0.1:0")?;
/// let conn = dial_udp("udp", None, &server.local_addr()?.into())?;
/// conn.send(b"ping")?;
/// assert_eq!(server.recv_from(&mut [0; 8])?, (4, conn.local_addr()?));
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`dial`](super::dial).
///
/// Go: `net.DialUDP` (`net/udpsock.go`).
pub fn dial_udp(network: &str, local: Option<&UdpAddr>, remote: &UdpAddr) -> io::Result<UdpConn> {
    from(local).dial_udp(network, remote)
}

/// Connects to `remote` on `network` (`unix`, `unixpacket`), from `local` if that is given.
///
/// ```
/// use gopark::net::{dial_unix, listen_unix, UnixAddr, UnixNet};
/// let listener = listen_unix("unixpacket", &UnixAddr::new("", UnixNet::Packet))?;
/// let conn = dial_unix("unixpacket", None, listener.local_addr())?;
/// assert_eq!(conn.peer_addr(), listener.local_addr());
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`dial`](super::dial).
///
/// Go: `net.DialUnix` (`net/unixsock.go`).
pub fn dial_unix(
    network: &str,
    local: Option<&UnixAddr>,
    remote: &UnixAddr,
) -> io::Result<UnixConn> {
    from(local).dial_unix(network, remote)
}

/// A socket of datagrams on `unixgram`. With `remote` it talks to that one only; with `local` alone it
/// is bound to it and talks to anybody.
///
/// ```
/// use gopark::net::{dial_unixgram, listen_unixgram, UnixAddr, UnixNet};
/// let log = listen_unixgram(&UnixAddr::new("", UnixNet::Datagram))?;
/// let conn = dial_unixgram(None, Some(log.local_addr()))?;
/// conn.send(b"started")?;
/// assert_eq!(log.recv(&mut [0; 16])?, 7);
/// let err = dial_unixgram(None, None).unwrap_err();
/// assert_eq!(err.to_string(), "dial unixgram: missing address");
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// Those of [`dial`](super::dial); `missing address` with neither.
///
/// Go: `net.DialUnix` (`net/unixsock.go`) on `unixgram`.
pub fn dial_unixgram(
    local: Option<&UnixAddr>,
    remote: Option<&UnixAddr>,
) -> io::Result<UnixDatagram> {
    from(local).dial_unixgram(remote)
}

/// A dialer from `local`, if that is given.
fn from<A: Clone + Into<Addr>>(local: Option<&A>) -> Dialer {
    match local {
        Some(local) => Dialer::new().local_addr(local.clone()),
        None => Dialer::new(),
    }
}

impl Dialer {
    /// Connects to `remote` on `network` (`tcp`, `tcp4`, `tcp6`).
    ///
    /// ```
    /// use gopark::net::{Dialer, TcpAddr, TcpListener};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let conn = Dialer::new().dial_tcp("tcp", &listener.local_addr()?.into())?;
    /// assert_eq!(conn.peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Dialer::dial`].
    ///
    /// Go: `Dialer.DialTCP` (`net/tcpsock.go`).
    pub fn dial_tcp(&self, network: &str, remote: &TcpAddr) -> io::Result<TcpConn> {
        let dial = || {
            let Ok(Network::Tcp(version)) = Network::parse(network) else {
                return Err(unknown(network));
            };
            let limits = self.limits();
            let attempt = Attempt {
                version,
                local: self.local_of(|addr| match addr {
                    Addr::Tcp(local) => Some(local),
                    _ => None,
                })?,
                keep_alive: self.keep_alive,
                control: self.control.clone(),
                multipath: self.multipath,
            };
            limits.check()?;
            attempt.connect(remote, &limits)
        };
        dial().map_err(|cause| self.failed(network, cause, Some(remote)))
    }

    /// A socket that talks to `remote` on `network` (`udp`, `udp4`, `udp6`) only. The peer is not
    /// asked.
    ///
    /// ```
    /// use gopark::net::{Dialer, UdpConn};
    /// let server = UdpConn::bind("127.0.0.1:0")?;
    /// let conn = Dialer::new().dial_udp("udp", &server.local_addr()?.into())?;
    /// conn.send(b"hi")?;
    /// assert_eq!(server.recv_from(&mut [0; 8])?, (2, conn.local_addr()?));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Dialer::dial`].
    ///
    /// Go: `Dialer.DialUDP` (`net/udpsock.go`).
    pub fn dial_udp(&self, network: &str, remote: &UdpAddr) -> io::Result<UdpConn> {
        let dial = || {
            let Ok(Network::Udp(version)) = Network::parse(network) else {
                return Err(unknown(network));
            };
            let local = self.local_of(|addr| match addr {
                Addr::Udp(local) => Some(local),
                _ => None,
            })?;
            self.limits().check()?;
            udp::dial(version, local, remote, &self.control)
        };
        dial().map_err(|cause| self.failed(network, cause, Some(remote)))
    }

    /// Connects to `remote` on `network` (`unix`, `unixpacket`).
    ///
    /// ```
    /// use gopark::net::{Dialer, UnixListener};
    /// let listener = UnixListener::bind("")?;
    /// let conn = Dialer::new().dial_unix("unix", listener.local_addr())?;
    /// assert_eq!(conn.peer_addr(), listener.local_addr());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Dialer::dial`].
    ///
    /// Go: `Dialer.DialUnix` (`net/unixsock.go`).
    pub fn dial_unix(&self, network: &str, remote: &UnixAddr) -> io::Result<UnixConn> {
        let dial = || {
            let Ok(Network::Unix(net @ (UnixNet::Stream | UnixNet::Packet))) =
                Network::parse(network)
            else {
                return Err(unknown(network));
            };
            let limits = self.limits();
            let local = self.local_of(unix_addr)?;
            limits.check()?;
            unix::dial(net, local, remote, &limits, &self.control)
        };
        dial().map_err(|cause| self.failed(network, cause, Some(remote)))
    }

    /// A socket of datagrams on `unixgram`. With `remote` it talks to that one only; without, it is
    /// bound to the dialer's address and talks to anybody.
    ///
    /// ```
    /// use gopark::net::{Dialer, UnixDatagram};
    /// let server = UnixDatagram::bind("")?;
    /// let conn = Dialer::new().dial_unixgram(Some(server.local_addr()))?;
    /// conn.send(b"hi")?;
    /// assert_eq!(server.recv(&mut [0; 8])?, 2);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Dialer::dial`]; `missing address` with neither.
    ///
    /// Go: `Dialer.DialUnix` (`net/unixsock.go`) on `unixgram`.
    pub fn dial_unixgram(&self, remote: Option<&UnixAddr>) -> io::Result<UnixDatagram> {
        let dial = || {
            let limits = self.limits();
            let local = self.local_of(unix_addr)?;
            limits.check()?;
            unix::dial_gram(local, remote, &limits, &self.control)
        };
        dial().map_err(|cause| self.failed("unixgram", cause, remote))
    }

    /// The address to dial from, which must be of the network's kind.
    fn local_of<'a, A>(
        &'a self,
        of: impl FnOnce(&'a Addr) -> Option<&'a A>,
    ) -> Result<Option<&'a A>, Cause> {
        let Some(addr) = &self.local else {
            return Ok(None);
        };
        let wrong = || AddrError::new(AddrError::MISMATCHED_LOCAL_TYPE, addr.to_string());
        Ok(Some(of(addr).ok_or_else(wrong)?))
    }

    /// The error of a dial whose addresses the caller chose.
    fn failed<A: Clone + Into<Addr>>(
        &self,
        network: &str,
        cause: Cause,
        remote: Option<&A>,
    ) -> io::Error {
        let mut err = OpError::new("dial", network.to_owned(), cause);
        err.source = self.local.clone();
        err.addr = remote.cloned().map(Into::into);
        err.into()
    }
}

fn unix_addr(addr: &Addr) -> Option<&UnixAddr> {
    match addr {
        Addr::Unix(addr) => Some(addr),
        _ => None,
    }
}
