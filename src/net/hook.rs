//! The control hook: a look at a socket between its making and its first use.

#![forbid(unsafe_code)]

use super::{Addr, Cause, Family, Network};
use std::{fmt, io, os::fd::BorrowedFd, sync::Arc};

type Hook = dyn Fn(&str, &str, BorrowedFd<'_>) -> io::Result<()> + Send + Sync;

/// What a dialer or a listener calls on each new socket, if anything.
///
/// Go: `Dialer.Control`, `ListenConfig.Control` (`net/dial.go`).
#[derive(Clone, Default)]
pub(crate) struct ControlHook(Option<Arc<Hook>>);

impl ControlHook {
    pub fn new(
        hook: impl Fn(&str, &str, BorrowedFd<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> ControlHook {
        ControlHook(Some(Arc::new(hook)))
    }

    /// Calls the hook on `socket`, which is of `family` (none for Unix sockets) and will be connected
    /// or bound to `addr`.
    ///
    /// # Errors
    /// The hook's own.
    ///
    /// Go: `netFD.ctrlNetwork` (`net/sock_posix.go`).
    pub fn call(
        &self,
        network: Network,
        family: impl Into<Option<Family>>,
        addr: &Addr,
        socket: BorrowedFd<'_>,
    ) -> Result<(), Cause> {
        let Some(hook) = &self.0 else {
            return Ok(());
        };
        let name = match (network, family.into()) {
            (Network::Tcp(_), Some(Family::V4)) => "tcp4",
            (Network::Tcp(_), Some(Family::V6)) => "tcp6",
            (Network::Udp(_), Some(Family::V4)) => "udp4",
            (Network::Udp(_), Some(Family::V6)) => "udp6",
            _ => network.as_str(),
        };
        hook(name, &addr.to_string(), socket).map_err(Cause::from)
    }
}

impl fmt::Debug for ControlHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "set" } else { "none" })
    }
}
