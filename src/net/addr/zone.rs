//! Zones of scoped IPv6 addresses: a name in text, a number in the kernel.

#![forbid(unsafe_code)]

use crate::net::sys;

/// The zone's number for a socket address: the interface of that name, or the number itself.
/// Unknown names are 0, which the kernel takes for "no zone".
pub(crate) fn to_scope_id(zone: &str) -> u32 {
    if zone.is_empty() {
        return 0;
    }
    sys::interface_index(zone)
        .or_else(|| zone.parse().ok())
        .unwrap_or(0)
}

/// The zone's name for a number from the kernel; the number in digits when no interface has it.
pub(crate) fn from_scope_id(scope_id: u32) -> Option<Box<str>> {
    if scope_id == 0 {
        return None;
    }
    let name = sys::interface_name(scope_id).unwrap_or_else(|| scope_id.to_string());
    Some(name.into_boxed_str())
}
