//! Looking names up without holding up the worker.

#![forbid(unsafe_code)]

use super::{AddrList, Cause, DnsError, Limits, Purpose, Resolution, Resolver, resolve};
use std::time::Instant;

/// Runs a call that blocks its thread for a short time, such as reading a file.
pub(crate) fn blocking<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    crate::blocking(f)
}

/// The end points `address` stands for on `network`. Only a host name is asked about, the system, and
/// no longer than until `deadline`.
///
/// # Errors
/// Those of [`resolve`], and `lookup HOST: i/o timeout`.
pub(crate) fn addresses(
    network: &str,
    address: &str,
    purpose: Purpose<'_>,
    deadline: Option<Instant>,
) -> Result<AddrList, Cause> {
    let limits = Limits::until(deadline);
    addresses_by(&Resolver::system(), network, address, purpose, &limits)
}

/// [`addresses`], as `resolver` knows them, within `limits`.
///
/// # Errors
/// Those of [`addresses`], and `lookup HOST: operation was canceled`.
pub(crate) fn addresses_by(
    resolver: &Resolver,
    network: &str,
    address: &str,
    purpose: Purpose<'_>,
    limits: &Limits,
) -> Result<AddrList, Cause> {
    match resolve(network, address, purpose)? {
        Resolution::Done(list) => Ok(list),
        Resolution::Lookup(query) => {
            let ips = resolver.lookup_within(query.host(), query.ip_version(), limits)?;
            // As Go, which looks again when the answer is there.
            limits
                .check()
                .map_err(|cause| DnsError::given_up(query.host(), cause))?;
            query.finish(ips)
        }
    }
}
