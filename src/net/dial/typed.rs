//! Dialing addresses that are known already, with the settings of a dialer, over UDP and Unix.
//!
//! Go: `Dialer.DialUDP` (`net/udpsock.go`) and `Dialer.DialUnix` (`net/unixsock.go`).

#![forbid(unsafe_code)]

use super::{Dialer, between, udp, unix, unknown};
use crate::net::{
    Addr, AddrError, Cause, Network, UdpAddr, UdpConn, UnixAddr, UnixConn, UnixDatagram, UnixNet,
};
use std::io;

impl Dialer {
    /// A socket that talks to `remote` on `network` (`udp`, `udp4`, `udp6`) only. The peer is not asked.
    ///
    /// ```
    /// use gopark::net::{Dialer, UdpConn};
    /// let peer = UdpConn::bind("127.0.0.1:0")?;
    /// let conn = Dialer::new().dial_udp("udp", &peer.local_addr()?.into())?;
    /// assert_eq!(conn.peer_addr()?, peer.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Dialer::dial`].
    ///
    /// Go: `Dialer.DialUDP` (`net/udpsock.go`).
    pub fn dial_udp(&self, network: &str, remote: &UdpAddr) -> io::Result<UdpConn> {
        self.typed(network, Some(remote.clone().into()), || {
            let Ok(Network::Udp(version)) = Network::parse(network) else {
                return Err(unknown(network));
            };
            let local = self.local_as(|local| match local {
                Addr::Udp(local) => Some(local),
                _ => None,
            })?;
            udp::dial(version, local, remote, &self.control)
        })
    }

    /// Connects to `remote` on `network` (`unix`, `unixpacket`).
    ///
    /// ```
    /// use gopark::net::{Dialer, UnixAddr, UnixNet, listen_unix};
    /// let listener = listen_unix("unix", &UnixAddr::new("", UnixNet::Stream))?;
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
        self.typed(network, Some(remote.clone().into()), || {
            let net = match Network::parse(network) {
                Ok(Network::Unix(net @ (UnixNet::Stream | UnixNet::Packet))) => net,
                _ => return Err(unknown(network)),
            };
            unix::dial(
                net,
                self.local_unix()?,
                remote,
                &self.limits(),
                &self.control,
            )
        })
    }

    /// A socket of datagrams on `unixgram` that talks to `remote` only; without it, one at the dialer's
    /// local address that talks to anybody.
    ///
    /// # Errors
    /// Those of [`Dialer::dial`]; `missing address` with neither.
    ///
    /// Go: `Dialer.DialUnix` (`net/unixsock.go`) on `unixgram`.
    pub fn dial_unixgram(&self, remote: Option<&UnixAddr>) -> io::Result<UnixDatagram> {
        self.typed("unixgram", remote.cloned().map(Addr::from), || {
            let local = self.local_unix()?;
            unix::dial_gram(local, remote, &self.limits(), &self.control)
        })
    }

    /// Dials, unless the time for it is over; what fails is the error of this dial.
    fn typed<T>(
        &self,
        network: &str,
        remote: Option<Addr>,
        dial: impl FnOnce() -> Result<T, Cause>,
    ) -> io::Result<T> {
        let dialed = self.limits().check().and_then(|()| dial());
        dialed.map_err(|cause| between(network, cause, self.local.clone(), remote))
    }

    fn local_unix(&self) -> Result<Option<&UnixAddr>, Cause> {
        self.local_as(|local| match local {
            Addr::Unix(local) => Some(local),
            _ => None,
        })
    }

    /// The local address, which must be of the kind that `pick` takes.
    fn local_as<A>(&self, pick: impl FnOnce(&Addr) -> Option<&A>) -> Result<Option<&A>, Cause> {
        let Some(local) = &self.local else {
            return Ok(None);
        };
        let mismatch = || AddrError::new(AddrError::MISMATCHED_LOCAL_TYPE, local.to_string());
        Ok(Some(pick(local).ok_or_else(mismatch)?))
    }
}
