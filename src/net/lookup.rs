//! Looking names up without holding up the worker.

#![forbid(unsafe_code)]

use super::{AddrList, Cause, DnsError, Purpose, Resolution, resolve};
use std::time::Instant;

/// Runs a call that blocks its thread. Everything in `net` that blocks comes through here.
pub(crate) fn blocking<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    crate::blocking(f)
}

/// The end points `address` stands for on `network`. Only a host name is asked about; that can take
/// longer than `deadline`, and then fails as if it had been interrupted.
///
/// # Errors
/// Those of [`resolve`], and `lookup HOST: i/o timeout`.
pub(crate) fn addresses(
    network: &str,
    address: &str,
    purpose: Purpose<'_>,
    deadline: Option<Instant>,
) -> Result<AddrList, Cause> {
    match resolve(network, address, purpose)? {
        Resolution::Done(list) => Ok(list),
        Resolution::Lookup(query) => {
            let late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
            let timed_out = DnsError::timed_out(query.host());
            if late() {
                return Err(timed_out.into());
            }
            let found = blocking(|| query.run());
            if late() {
                return Err(timed_out.into());
            }
            found
        }
    }
}
