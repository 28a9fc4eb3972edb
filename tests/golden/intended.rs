//! Lines of the recorded programs that gopark does not print, on purpose, and why.

/// (program, beginning of the lines, reason)
const INTENDED: &[(&str, &str, &str)] = &[
    (
        "dial_bad_network",
        "DialTCP nil raddr",
        "an address cannot be left out",
    ),
    (
        "dial_bad_network",
        "DialUDP nil raddr",
        "an address cannot be left out",
    ),
    (
        "dial_bad_network",
        "ListenTCP udp",
        "an address cannot be left out: the error names the one given",
    ),
    (
        "dial_bad_network",
        "ListenUDP tcp",
        "an address cannot be left out: the error names the one given",
    ),
    (
        "dial_bad_network",
        "ListenUnix nil",
        "an address cannot be left out",
    ),
    (
        "dial_bad_network",
        "ListenUnixgram unix",
        "listen_unixgram has no network that could be wrong",
    ),
    (
        "dial_bad_network",
        "Resolve",
        "held by the tests of resolution",
    ),
    (
        "dial_control",
        "ControlContext wins",
        "there is one hook: a closure brings along what it needs",
    ),
    (
        "resolver_errors",
        "queries so far",
        "a resolver is asked once for both families, and never of names it need not know",
    ),
    (
        "resolver_errors",
        "LookupIPAddr foo.onion",
        "LookupHost and LookupIPAddr are one function",
    ),
    (
        "resolver_errors",
        "Resolver.Dial",
        "a resolver is a function, which says itself what failed",
    ),
    (
        "resolver_errors",
        "Dial with it",
        "a resolver is a function, which says itself what failed",
    ),
];

/// The lines of `program` without a counterpart here.
pub fn differences(program: &str) -> Vec<(&'static str, &'static str)> {
    INTENDED
        .iter()
        .filter(|(of, ..)| *of == program)
        .map(|&(_, start, why)| (start, why))
        .collect()
}
