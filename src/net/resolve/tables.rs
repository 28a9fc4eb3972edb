//! The system's tables of services and protocols, over a few built in.
//!
//! Read once, at the first question, as Go reads them. A file that is missing or cannot be read
//! leaves the built-in entries: a container without `/etc/services` still dials `:http`.

use crate::net::{error::AddrError, lookup::blocking, network::leading_number};
use std::{collections::HashMap, fs, sync::OnceLock};

/// A transport protocol of the services table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

#[derive(Debug, Default)]
struct Services {
    tcp: HashMap<String, u32>,
    udp: HashMap<String, u32>,
}

const TCP: [(&str, u32); 15] = [
    ("ftp", 21),
    ("ftps", 990),
    ("gopher", 70),
    ("http", 80),
    ("https", 443),
    ("imap2", 143),
    ("imap3", 220),
    ("imaps", 993),
    ("pop3", 110),
    ("pop3s", 995),
    ("smtp", 25),
    ("submissions", 465),
    ("ssh", 22),
    ("telnet", 23),
    ("domain", 53),
];
const UDP: [(&str, u32); 1] = [("domain", 53)];
const PROTOCOLS: [(&str, u32); 5] = [
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("udp", 17),
    ("ipv6-icmp", 58),
];

/// The fields of each line that has any, without comments.
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.len() >= 2)
}

fn owned(entries: &[(&str, u32)]) -> HashMap<String, u32> {
    entries
        .iter()
        .map(|&(name, number)| (name.to_owned(), number))
        .collect()
}

impl Services {
    /// Lines are `name port/protocol alias...`; the file wins over what is built in.
    fn read(text: &str) -> Services {
        let mut services = Services {
            tcp: owned(&TCP),
            udp: owned(&UDP),
        };
        for fields in lines(text) {
            let Some((port, rest)) = leading_number(fields[1]) else {
                continue;
            };
            let names = match rest {
                "/tcp" => &mut services.tcp,
                "/udp" => &mut services.udp,
                _ => continue,
            };
            if port == 0 {
                continue;
            }
            for name in fields[..1].iter().chain(&fields[2..]) {
                names.insert((*name).to_owned(), port);
            }
        }
        services
    }
}

/// The port of `service`, whatever its case. Not necessarily one that fits 16 bits: the file may say
/// anything.
pub(super) fn service_port(transport: Transport, service: &str) -> Option<u32> {
    static SERVICES: OnceLock<Services> = OnceLock::new();
    let read = || {
        SERVICES.get_or_init(|| {
            Services::read(&fs::read_to_string("/etc/services").unwrap_or_default())
        })
    };
    // Only the first question reads the file, and holds no worker meanwhile.
    let services = SERVICES.get().unwrap_or_else(|| blocking(read));
    let names = match transport {
        Transport::Tcp => &services.tcp,
        Transport::Udp => &services.udp,
    };
    names.get(&service.to_ascii_lowercase()).copied()
}

/// Lines are `name number alias...`; what is built in wins over the file.
fn read_protocols(text: &str) -> HashMap<String, u32> {
    let mut protocols = owned(&PROTOCOLS);
    for fields in lines(text) {
        let Some((number, _)) = leading_number(fields[1]) else {
            continue;
        };
        for name in fields[..1].iter().chain(&fields[2..]) {
            protocols.entry((*name).to_owned()).or_insert(number);
        }
    }
    protocols
}

/// The number of the IP protocol called `name`, whatever its case.
///
/// # Errors
/// `address NAME: unknown IP protocol specified`.
///
/// Go: `lookupProtocol` (`net/lookup_unix.go`).
pub(crate) fn lookup_protocol(name: &str) -> Result<u32, AddrError> {
    static TABLE: OnceLock<HashMap<String, u32>> = OnceLock::new();
    TABLE
        .get_or_init(|| read_protocols(&fs::read_to_string("/etc/protocols").unwrap_or_default()))
        .get(&name.to_ascii_lowercase())
        .copied()
        .ok_or_else(|| AddrError::new("unknown IP protocol specified", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows Go's TestLookupPort_Minimal.
    #[test]
    fn without_a_services_file_the_built_in_services_are_known() {
        let services = Services::read("");
        assert_eq!(services.tcp["http"], 80);
        assert_eq!(services.tcp["https"], 443);
        assert_eq!(services.udp["domain"], 53);
        assert!(!services.udp.contains_key("http"));
    }

    #[test]
    fn the_services_file_wins_over_the_built_in_ones_and_knows_aliases() {
        let services = Services::read(
            "# comment\nhttp 8080/tcp www # the web\nbad x/tcp\nnone 0/tcp\nother 9/sctp\nlonely\n",
        );
        assert_eq!(services.tcp["http"], 8080);
        assert_eq!(services.tcp["www"], 8080);
        assert_eq!(services.tcp.len(), TCP.len() + 1);
        assert_eq!(services.udp.len(), UDP.len());
    }

    #[test]
    fn built_in_protocols_win_over_the_file() {
        let protocols = read_protocols("tcp 99 TCP\nospf 89 OSPFIGP\n");
        assert_eq!((protocols["tcp"], protocols["ospf"]), (6, 89));
    }
}
