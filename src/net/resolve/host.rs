//! Host names to addresses, through the system's resolver.

use super::domain_name::{is_domain_name, is_onion};
use crate::net::{
    IpVersion,
    addr::{Family, ZonedIp},
    error::DnsError,
    sys::{self, LookupFailure},
};
use std::fs;

/// What is known of a name without asking anybody.
pub(crate) enum Known {
    /// All there is to know.
    Answer(Result<Vec<ZonedIp>, DnsError>),
    /// Nothing.
    No,
}

/// What is known of `name` without asking: an address literal is its own answer, a name that cannot
/// be a host's does not exist, and onion names have no addresses and must never be asked about.
pub(crate) fn known(name: &str) -> Known {
    if let Some(literal) = ZonedIp::parse(name) {
        Known::Answer(Ok(vec![literal]))
    } else if !is_domain_name(name) {
        Known::Answer(Err(DnsError::no_such_host(name)))
    } else if is_onion(name) {
        Known::Answer(Ok(Vec::new()))
    } else {
        Known::No
    }
}

/// Asks the system for the addresses of `name`. **Blocks** its thread for as long as that takes.
/// `version` keeps it from asking name servers for addresses that could not be used; the answer may
/// still hold others.
///
/// Go: `cgoLookupIP` (`net/cgo_unix.go`).
pub(crate) fn ask_system(name: &str, version: IpVersion) -> Result<Vec<ZonedIp>, DnsError> {
    let family = match version {
        IpVersion::Any => None,
        // A name in the hosts file is answered from there, whichever addresses it has: asking
        // for one family only would send the name on to the name servers when the file has
        // the other, and hide from the caller that the name exists.
        _ if in_hosts_file(name) => None,
        IpVersion::V4 => Some(Family::V4),
        IpVersion::V6 => Some(Family::V6),
    };
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
