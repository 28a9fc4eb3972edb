//! Names that can be asked about.

/// The longest label and the longest name without a final dot, from the wire format of DNS.
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 253;

/// Whether `name` can be a host's: labels of letters, digits, `-` and `_`, joined by dots, none empty
/// (but for one final dot), none with a `-` at either end, and not digits alone, because a number is
/// a broken IP address and never a host. Nothing else is worth a query.
///
/// Go: `isDomainName` (`net/dnsclient.go`).
pub(super) fn is_domain_name(name: &str) -> bool {
    if name == "." {
        return true;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= MAX_NAME
        && name.split('.').all(is_label)
        && name.bytes().any(|b| !b.is_ascii_digit() && b != b'.')
}

/// Whether the name belongs to a network that must never be asked about through DNS: onion services
/// reveal what their users visit. Go: `avoidDNS` (`net/dnsclient_unix.go`), RFC 7686.
pub(super) fn is_onion(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() >= 6 && name.as_bytes()[name.len() - 6..].eq_ignore_ascii_case(b".onion")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_digits_hyphens_and_underscores_in_whole_labels_make_a_host_name() {
        let long_label = format!("{}.test", "a".repeat(63));
        let long_name = "a.".repeat(126) + "b";
        for good in [
            ".",
            "a",
            "a.",
            "a.b",
            "under_score",
            "_sip._tcp.a",
            "a-b",
            "1a",
            "1.2.3.x",
            "x-1.2",
            &long_label,
            &long_name,
        ] {
            assert!(is_domain_name(good), "{good:?}");
        }
        let long_label = format!("{}.test", "a".repeat(64));
        let long_name = "a.".repeat(130);
        for bad in [
            "",
            "..",
            "a..b",
            ".a",
            "-",
            "-a",
            "a-",
            "a-.b",
            "a.-b",
            "a b",
            "1",
            "256.256.256.256",
            "1.2.",
            "host\0name",
            "[::1]",
            "::1%",
            "ä.de",
            &long_label,
            &long_name,
        ] {
            assert!(!is_domain_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn onion_names_are_recognised_in_any_case_and_with_a_final_dot() {
        assert!(is_onion("foo.onion") && is_onion("foo.ONION."));
        assert!(!is_onion("onion") && !is_onion("foo.onions") && !is_onion("ä.onio"));
    }
}
