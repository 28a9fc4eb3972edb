//! Host names to addresses, through the system's resolver.

use super::domain_name::{is_domain_name, is_onion};
use crate::net::{
    IpVersion,
    addr::{Family, ZonedIp},
    error::DnsError,
    sys::{self, LookupFailure},
};
use std::fs;

/// The addresses of `name`, in the order in which to try them. **Blocks** its thread for as long as
/// the system's resolver takes, so tasks ask through a pool thread.
///
/// An address literal is its own answer. A name that cannot be a host's fails without a question,
/// and onion names have no addresses and are never asked about. `version` keeps the resolver from
/// asking name servers for addresses that could not be used; the answer may still hold others.
///
/// # Errors
/// `lookup NAME: no such host`, or what the system's resolver says; [`DnsError::is_temporary`] where
/// asking again may help. The system does not tell which server it asked, so no text has one.
///
/// ```
/// use gopark::net::{lookup_host, IpVersion};
/// assert_eq!(lookup_host("::1", IpVersion::Any).unwrap()[0].to_string(), "::1");
/// let err = lookup_host("a..b", IpVersion::Any).unwrap_err();
/// assert_eq!(err.to_string(), "lookup a..b: no such host");
/// ```
///
/// Go: `Resolver.LookupIPAddr` (`net/lookup.go`) with `cgoLookupIP` (`net/cgo_unix.go`).
pub fn lookup_host(name: &str, version: IpVersion) -> Result<Vec<ZonedIp>, DnsError> {
    if let Some(literal) = ZonedIp::parse(name) {
        return Ok(vec![literal]);
    }
    if !is_domain_name(name) {
        return Err(DnsError::no_such_host(name));
    }
    if is_onion(name) {
        return Ok(Vec::new());
    }
    ask(
        name,
        match version {
            IpVersion::Any => None,
            // A name in the hosts file is answered from there, whichever addresses it has: asking
            // for one family only would send the name on to the name servers when the file has
            // the other, and hide from the caller that the name exists.
            _ if in_hosts_file(name) => None,
            IpVersion::V4 => Some(Family::V4),
            IpVersion::V6 => Some(Family::V6),
        },
    )
}

fn ask(name: &str, family: Option<Family>) -> Result<Vec<ZonedIp>, DnsError> {
    match sys::getaddrinfo(name, family) {
        Ok(found) => Ok(found
            .into_iter()
            .map(|(ip, scope)| ZonedIp::from_scoped(ip, scope))
            .collect()),
        Err(LookupFailure::NotFound) => Err(DnsError::no_such_host(name)),
        Err(LookupFailure::System(errno)) => Err(DnsError::new(errno.to_string(), name)),
        Err(LookupFailure::Other { text, temporary }) => Err(DnsError {
            is_temporary: temporary,
            ..DnsError::new(text, name)
        }),
    }
}

fn in_hosts_file(name: &str) -> bool {
    fs::read_to_string("/etc/hosts").is_ok_and(|text| hosts_file_has(&text, name))
}

fn hosts_file_has(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default();
        line.split_ascii_whitespace()
            .skip(1)
            .any(|host| host.eq_ignore_ascii_case(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_file_is_read_by_field_without_comments_and_case() {
        let text = "127.0.0.1 localhost lo # not.this\n# 1.2.3.4 nor.this\n";
        assert!(hosts_file_has(text, "LOCALHOST") && hosts_file_has(text, "lo"));
        for absent in ["127.0.0.1", "not.this", "nor.this", "local"] {
            assert!(!hosts_file_has(text, absent), "{absent}");
        }
    }
}
