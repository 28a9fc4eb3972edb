//! Promises about ports: numbers, service names, and what is neither.

mod golden;

use gopark::net::lookup_port;

/// Follows the Go program `lookup_port` and Go's TestLookupPortNotFound, TestLookupPortDifferentNetwork,
/// TestLookupPortEmptyNetworkString and TestLookupPortIPNetworkString.
#[test]
fn ports_are_looked_up_as_by_the_recorded_go_program() {
    let ours: Vec<String> = [
        ("tcp", "http"),
        ("tcp", "HTTP"),
        ("tcp", "https"),
        ("tcp4", "ssh"),
        ("tcp6", "smtp"),
        ("udp", "domain"),
        ("udp", "http"),
        ("udp", "nosuchsvc"),
        ("tcp", "nosuchsvc"),
        ("ip", "http"),
        ("", "domain"),
        ("tcp", ""),
        ("tcp", "0"),
        ("tcp", "65535"),
        ("tcp", "65536"),
        ("tcp", "-1"),
        ("tcp", "-0"),
        ("tcp", "+1"),
        ("tcp", "1073741824"),
        ("tcp", "99999999999999999999"),
        ("foo", "http"),
        ("foo", "80"),
        ("unix", "http"),
        ("tcp", " 80"),
        ("tcp", "80 "),
        ("tcp", "８０"),
        ("tcp", "--1"),
        ("tcp", "+"),
    ]
    .into_iter()
    .map(|(network, service)| {
        let found = lookup_port(network, service);
        let err = found
            .as_ref()
            .err()
            .map_or("nil".into(), |err| golden::describe(err.clone()));
        let port = found.unwrap_or_default();
        format!("LookupPort({network:?}, {service:?}) = {port} err={err}")
    })
    .collect();
    golden::compare("lookup_port", &ours);
}

/// Follows Go's TestLookupPort, with the services that no system lacks.
#[test]
fn well_known_services_have_their_ports_and_unknown_ones_fail() {
    for (network, name, port) in [
        ("tcp", "ftp", Some(21)),
        ("tcp", "telnet", Some(23)),
        ("tcp", "smtp", Some(25)),
        ("tcp", "domain", Some(53)),
        ("udp", "domain", Some(53)),
        ("--badnet--", "zzz", None),
        ("tcp", "--badport--", None),
    ] {
        assert_eq!(lookup_port(network, name).ok(), port, "{network} {name}");
    }
}

/// Follows Go's TestLookupPortEmptyNetworkString and TestLookupPortIPNetworkString.
#[test]
fn without_a_transport_a_service_is_looked_for_under_tcp_first_and_then_under_udp() {
    for service in ["http", "domain", "tftp", "ntp", "nosuchsvc"] {
        let tcp = lookup_port("tcp", service).ok();
        let want = tcp.or_else(|| lookup_port("udp", service).ok());
        for network in ["ip", ""] {
            match lookup_port(network, service) {
                Ok(port) => assert_eq!(Some(port), want, "{service}"),
                Err(cause) => {
                    assert_eq!(want, None, "{service}");
                    assert_eq!(
                        cause.to_string(),
                        format!("lookup ip/{service}: unknown port")
                    );
                }
            }
        }
    }
}
