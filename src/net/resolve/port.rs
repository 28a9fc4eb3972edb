//! Ports, by number or by service name.

use super::tables::{Transport, service_port};
use crate::net::error::{AddrError, Cause, DnsError};

/// Numbers of this size and more are no ports for certain; reading stops at them.
const CUTOFF: u32 = 1 << 30;

/// The number in `service`, which may have one sign, saturated to 2^30; `None` if it is a name.
///
/// Go: `parsePort` (`net/port.go`).
fn parse_port(service: &str) -> Option<i32> {
    let (negative, digits) = match service.as_bytes() {
        [] => return Some(0),
        [b'-', ..] => (true, &service[1..]),
        [b'+', ..] => (false, &service[1..]),
        _ => (false, service),
    };
    let mut number: u32 = 0;
    for c in digits.chars() {
        let digit = c.to_digit(10)?;
        if number >= CUTOFF {
            number = u32::MAX;
            break;
        }
        number = number
            .checked_mul(10)
            .and_then(|n| n.checked_add(digit))
            .unwrap_or(u32::MAX);
    }
    // Both arms stay within i32: 2^30 - 1 and -2^30 at most.
    Some(if negative {
        -(number.min(CUTOFF) as i32)
    } else {
        number.min(CUTOFF - 1) as i32
    })
}

/// The port of `service` on `network`: a number as it is, otherwise a name from `/etc/services` or
/// the few built in, whatever its case. Nothing is 0. The network counts only for names; the empty
/// one and `ip` look among TCP services first, then UDP.
///
/// # Errors
/// `address P: invalid port` outside 0 to 65535; `lookup NET/NAME: unknown port`;
/// `address NET: unknown network`.
///
/// ```
/// use gopark::net::lookup_port;
/// assert_eq!(lookup_port("tcp", "HTTP").unwrap(), 80);
/// assert_eq!(lookup_port("tcp", "+00080").unwrap(), 80);
/// assert_eq!(lookup_port("udp", "nosuch").unwrap_err().to_string(), "lookup udp/nosuch: unknown port");
/// ```
///
/// Go: `net.LookupPort` (`net/lookup.go`).
pub fn lookup_port(network: &str, service: &str) -> Result<u16, Cause> {
    let port = match parse_port(service) {
        Some(port) => port.into(),
        None => i64::from(lookup_service(network, service)?),
    };
    u16::try_from(port).map_err(|_| AddrError::new("invalid port", service).into())
}

fn lookup_service(network: &str, service: &str) -> Result<u32, Cause> {
    let (found, shown) = match network {
        "tcp" | "tcp4" | "tcp6" => (service_port(Transport::Tcp, service), "tcp"),
        "udp" | "udp4" | "udp6" => (service_port(Transport::Udp, service), "udp"),
        "ip" | "" => {
            let tcp = service_port(Transport::Tcp, service);
            (tcp.or_else(|| service_port(Transport::Udp, service)), "ip")
        }
        _ => return Err(AddrError::new("unknown network", network).into()),
    };
    found.ok_or_else(|| DnsError::unknown_port(shown, service).into())
}

#[cfg(test)]
mod tests {
    use super::parse_port;

    /// Follows Go's TestParsePort.
    #[test]
    fn a_port_has_one_sign_saturates_and_is_a_name_with_any_other_character() {
        const BIG: i32 = 1 << 30;
        for (text, want) in [
            ("", Some(0)),
            ("-1073741825", Some(-BIG)),
            ("-1073741824", Some(-BIG)),
            ("-1073741823", Some(-(BIG - 1))),
            ("-123456789", Some(-123456789)),
            ("-1", Some(-1)),
            ("-0", Some(0)),
            ("0", Some(0)),
            ("+0", Some(0)),
            ("+1", Some(1)),
            ("65535", Some(65535)),
            ("65536", Some(65536)),
            ("123456789", Some(123456789)),
            ("1073741822", Some(BIG - 2)),
            ("1073741823", Some(BIG - 1)),
            ("1073741824", Some(BIG - 1)),
            ("1073741825", Some(BIG - 1)),
            ("99999999999999999999", Some(BIG - 1)),
            ("abc", None),
            ("9pfs", None),
            ("123badport", None),
            ("bad123port", None),
            ("badport123", None),
            ("123456789badport", None),
            ("-2147483649badport", None),
            ("2147483649badport", None),
            ("--1", None),
            ("８０", None),
        ] {
            assert_eq!(parse_port(text), want, "{text:?}");
        }
    }
}
