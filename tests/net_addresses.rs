//! Promises about addresses: how they print, and how text becomes one.

mod golden;

use gopark::net::{
    Addr, Cause, Family, IpEndpoint, IpNet, OpError, Purpose, Resolution, TcpAddr, UdpAddr,
    UnixAddr, UnixNet, ZonedIp, join_host_port, parse_cidr, parse_ip, resolve, resolve_ip_addr,
    resolve_tcp_addr, resolve_udp_addr, resolve_unix_addr, split_host_port,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What the golden programs print for the error of a call, `nil` without one.
fn describe_result<T>(result: &Result<T, Cause>) -> String {
    result
        .as_ref()
        .err()
        .map_or("nil".into(), |cause| golden::describe(cause.clone()))
}

/// What a dial of `address` fails with before it has a socket.
fn dial(network: &'static str, address: &str) -> String {
    let failed = match resolve(network, address, Purpose::Dial { local: None }) {
        Ok(Resolution::Done(list)) => panic!("{address} is {list:?}"),
        Ok(Resolution::Lookup(query)) => query.run().unwrap_err(),
        Err(cause) => cause,
    };
    golden::describe(OpError::new("dial", network, failed).into())
}

/// Follows the Go program `addr_parse_errors` and Go's TestSplitHostPort, TestJoinHostPort,
/// TestParseIP and TestParseCIDR.
#[test]
fn texts_are_taken_apart_as_by_the_recorded_go_program() {
    let mut ours = Vec::new();
    for text in [
        "",
        ":",
        ":80",
        "host",
        "host:80",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:",
        "a:b:c",
        "::1",
        "::1:80",
        "[::1]",
        "[::1]:",
        "[::1]:80",
        "[::1]80",
        "[::1]:80:90",
        "[::1]]:80",
        "[[::1]:80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[:80",
        "]:80",
        "host]:80",
        "ho[st:80",
        "host:8[0",
        "host:80]",
        "[host]:http",
        "[::1%lo]:80",
        "[fe80::1%25en0]:80",
        ":http",
        "[a:b]",
        "[a]b:80",
        "[a]:b]:80",
        "[a]:[b]",
    ] {
        let split = split_host_port(text).map_err(Cause::from);
        let err = describe_result(&split);
        let (host, port) = split.unwrap_or_default();
        ours.push(format!(
            "SplitHostPort({text:?}) = {host:?} {port:?} err={err}"
        ));
    }
    for (host, port) in [
        ("127.0.0.1", "80"),
        ("::1", "http"),
        ("", "0"),
        ("fe80::1%lo", "1"),
        ("[::1]", "80"),
        ("host", ""),
    ] {
        let joined = join_host_port(host, port);
        ours.push(format!("JoinHostPort({host:?}, {port:?}) = {joined:?}"));
    }
    for address in [
        "127.0.0.1",
        "127.0.0.1:http2",
        "127.0.0.1:foo",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:99999999999",
        "127.0.0.1: 80",
        "127.0.0.1:80x",
        "127.0.0.1:0x50",
        "::1:80",
        "[::1]",
        "[::1",
        "a.b..c:80",
        "-:80",
        "256.256.256.256.:x",
    ] {
        ours.push(format!("Dial tcp {address}: err={}", dial("tcp", address)));
    }
    ours.push(format!(
        "Dial udp 127.0.0.1:foo: err={}",
        dial("udp", "127.0.0.1:foo")
    ));
    ours.push(format!(
        "Dial udp4 127.0.0.1:http2: err={}",
        dial("udp4", "127.0.0.1:http2")
    ));
    for text in [
        "127.0.0.1",
        "::1",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "::g",
        "1.2.3.256",
        "fe80::1%lo",
        "::ffff:1.2.3.4",
        "0.0.0.0",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8:9",
        "2001:db8:0:0:1:0:0:1",
        "::1.2.3.4",
        "",
    ] {
        // Go's length is that of its one form for both versions.
        let shown = parse_ip(text).map_or("<nil> len=0".into(), |ip| format!("{ip} len=16"));
        ours.push(format!("ParseIP({text:?}) = {shown}"));
    }
    for text in [
        "10.0.0.1/8",
        "10.0.0.1",
        "10.0.0.1/33",
        "::1/128",
        "::1/129",
        "x/8",
        "1.2.3.4/-1",
    ] {
        let parsed = parse_cidr(text).map_err(Cause::from);
        let err = describe_result(&parsed);
        let shown = parsed.map_or("<nil> <nil>".into(), |(ip, net)| format!("{ip} {net}"));
        ours.push(format!("ParseCIDR({text:?}) = {shown} err={err}"));
    }
    golden::compare("addr_parse_errors", &ours);
}

/// Follows the Go program `addr_strings`.
#[test]
fn addresses_print_as_by_the_recorded_go_program() {
    let (v4, v6) = (ip("10.1.2.3"), ip("fe80::1"));
    let tcp = |ip, port, zone: &str| -> (&str, Addr) {
        (
            "TCPAddr",
            TcpAddr {
                ip,
                port,
                zone: None,
            }
            .with_zone(zone)
            .into(),
        )
    };
    let unix = |name: &str, net| ("UnixAddr", UnixAddr::new(name, net).into());
    let mut ours = Vec::new();
    for (kind, addr) in [
        tcp(None, 0, ""),
        tcp(None, 80, ""),
        tcp(Some(v4), 80, ""),
        tcp(Some(v6), 80, "lo"),
        tcp(Some(v6), 80, ""),
        tcp(None, 80, "lo"),
        tcp(Some(Ipv4Addr::UNSPECIFIED.into()), 1, ""),
        tcp(Some(Ipv6Addr::UNSPECIFIED.into()), 1, ""),
        tcp(Some(ip("::ffff:1.2.3.4")), 1, ""),
        tcp(Some(v4), 5, "z"),
        ("UDPAddr", UdpAddr::new(v4, 53).into()),
        ("UDPAddr", UdpAddr::new(v6, 5).with_zone("lo").into()),
        (
            "IPAddr",
            IpEndpoint {
                ip: Some(v4),
                zone: None,
            }
            .into(),
        ),
        (
            "IPAddr",
            IpEndpoint {
                ip: Some(v6),
                zone: Some("lo".into()),
            }
            .into(),
        ),
        ("IPAddr", IpEndpoint::default().into()),
        unix("/tmp/s", UnixNet::Stream),
        unix("@abstract", UnixNet::Datagram),
    ] {
        let (text, network) = (addr.to_string(), addr.network());
        ours.push(format!("*net.{kind}: {text:?} network={network:?}"));
    }
    for net in [IpNet::new(ip("10.0.0.0"), 8), IpNet::new(v6, 64)] {
        ours.push(format!(
            "*net.IPNet: {:?} network=\"ip+net\"",
            net.to_string()
        ));
    }
    for text in [
        "2001:db8:0:0:0:0:0:1",
        "2001:0:0:1:0:0:0:1",
        "::",
        "::1",
        "1::",
        "::ffff:255.255.255.255",
        "64:ff9b::1.2.3.4",
        "1:0:0:2:0:0:3:4",
        "0:0:1::",
    ] {
        ours.push(format!(
            "IP {text} prints {}",
            ZonedIp::parse(text).unwrap()
        ));
    }
    let lo = resolve_tcp_addr("tcp", "[fe80::1%lo]:80").unwrap();
    ours.push(format!("TCPAddrFromAddrPort {lo}"));
    golden::compare("addr_strings", &ours);
}

/// Follows the Go program `resolve_addrs` and Go's TestResolveTCPAddr, TestResolveUDPAddr and
/// TestResolveIPAddr.
#[test]
fn addresses_resolve_as_by_the_recorded_go_program() {
    let mut ours = Vec::new();
    for (network, address) in [
        ("", "127.0.0.1"),
        ("ip", "::1"),
        ("ip4", "::1"),
        ("ip6", "127.0.0.1"),
        ("ip6", "fe80::1%lo"),
        ("ip4:icmp", "127.0.0.1"),
        ("", ""),
        ("ip", "::ffff:1.2.3.4"),
    ] {
        let found = resolve_ip_addr(network, address);
        let err = describe_result(&found);
        let shown = found.map_or("<nil>".into(), |addr| addr.to_string());
        ours.push(format!(
            "ResolveIPAddr({network:?}, {address:?}) = {shown} err={err}"
        ));
    }
    for (network, address) in [
        ("", ":20003"),
        ("tcp", "127.0.0.1:80"),
        ("tcp", "127.0.0.1:http"),
        ("tcp4", ":0"),
        ("tcp6", ":0"),
        ("tcp", "[::1]:443"),
        ("tcp", "[fe80::1%lo]:1"),
        ("tcp", ""),
        ("tcp", ":"),
        ("tcp", "127.0.0.1:"),
        ("tcp", "127.0.0.1:00080"),
        ("tcp", "127.0.0.1:+80"),
        ("tcp", "[::ffff:1.2.3.4]:5"),
        ("tcp4", "[::1]:5"),
        ("tcp6", "1.2.3.4:5"),
        ("tcp", "[::1%]:80"),
        ("tcp", "0.0.0.0:1"),
        ("tcp", "[::]:1"),
        ("tcp4", "[::ffff:1.2.3.4]:5"),
        ("tcp6", "[::ffff:1.2.3.4]:5"),
    ] {
        let start = format!("ResolveTCPAddr({network:?}, {address:?})");
        ours.push(match resolve_tcp_addr(network, address) {
            Err(cause) => format!("{start} err={}", golden::describe(cause)),
            Ok(addr) => {
                // Go's length is that of its one form for both versions.
                let len = if addr.ip.is_some() { 16 } else { 0 };
                let (port, zone) = (addr.port, addr.zone.as_deref().unwrap_or_default());
                format!("{start} = {addr} ip-len={len} port={port} zone={zone:?} network=tcp")
            }
        });
    }
    for (network, address) in [
        ("", ":53"),
        ("udp", "127.0.0.1:domain"),
        ("udp4", "127.0.0.1:1"),
    ] {
        let found = resolve_udp_addr(network, address);
        let err = describe_result(&found);
        let shown = found.unwrap();
        ours.push(format!(
            "ResolveUDPAddr({network:?}, {address:?}) = {shown} err={err}"
        ));
    }
    for (network, address) in [("unix", "/tmp/x"), ("unixgram", ""), ("unixpacket", "@a")] {
        let addr = resolve_unix_addr(network, address).unwrap();
        let net = addr.net.as_str();
        ours.push(format!(
            "ResolveUnixAddr({network:?}, {address:?}) = {addr} net={net} err=nil"
        ));
    }
    golden::compare("resolve_addrs", &ours);
}

/// Follows the Go program `dial_bad_network`, its part about resolving.
#[test]
fn resolving_for_a_network_of_another_kind_fails_as_in_the_recorded_go_program() {
    let mut ours = Vec::new();
    for (call, failed) in [
        (
            "ResolveTCPAddr udp",
            resolve_tcp_addr("udp", ":1").unwrap_err(),
        ),
        (
            "ResolveUDPAddr tcp",
            resolve_udp_addr("tcp", ":1").unwrap_err(),
        ),
        (
            "ResolveUnixAddr tcp",
            resolve_unix_addr("tcp", "x").unwrap_err(),
        ),
        (
            "ResolveIPAddr tcp",
            resolve_ip_addr("tcp", "127.0.0.1").unwrap_err(),
        ),
    ] {
        ours.push(format!("{call}: err={}", golden::describe(failed)));
    }
    golden::compare_part("dial_bad_network", "resolve", &ours);
}

/// The zone is a name in text and a number in the kernel; the loopback interface has both.
#[test]
fn a_zone_becomes_the_number_of_its_interface_and_back() {
    let addr = resolve_tcp_addr("tcp", "[fe80::1%lo]:1").unwrap();
    let SocketAddr::V6(v6) = addr.to_socket_addr(Family::V6).unwrap() else {
        panic!("an IPv6 address has an IPv6 socket address");
    };
    assert_ne!(v6.scope_id(), 0);
    assert_eq!(
        TcpAddr::from(SocketAddr::V6(v6)).to_string(),
        "[fe80::1%lo]:1"
    );
    let nobody = SocketAddrV6::new("fe80::1".parse().unwrap(), 1, 0, 1 << 30);
    assert_eq!(
        UdpAddr::from(SocketAddr::V6(nobody)).to_string(),
        "[fe80::1%1073741824]:1"
    );
    let by_number = TcpAddr::new(*nobody.ip(), 1).with_zone("7");
    assert!(matches!(SocketAddr::from(&by_number), SocketAddr::V6(v6) if v6.scope_id() == 7));
}

#[test]
fn an_address_takes_the_form_of_the_socket_it_is_used_on() {
    let on = |addr: &TcpAddr, family| addr.to_socket_addr(family).unwrap().to_string();
    let any = TcpAddr::wildcard(1);
    assert_eq!(
        (on(&any, Family::V4), on(&any, Family::V6)),
        ("0.0.0.0:1".into(), "[::]:1".into())
    );
    let zero = TcpAddr::new(Ipv4Addr::UNSPECIFIED, 1);
    assert_eq!(on(&zero, Family::V6), "[::]:1");
    let v4 = TcpAddr::new([1, 2, 3, 4], 1);
    assert_eq!(on(&v4, Family::V6), "[::ffff:1.2.3.4]:1");
    let mapped = TcpAddr::new(Ipv4Addr::new(1, 2, 3, 4).to_ipv6_mapped(), 1);
    assert_eq!(on(&mapped, Family::V4), "1.2.3.4:1");
    let v6 = TcpAddr::new(Ipv6Addr::LOCALHOST, 1);
    assert_eq!(
        v6.to_socket_addr(Family::V4).unwrap_err().to_string(),
        "address ::1: non-IPv4 address"
    );
}

#[test]
fn unix_names_go_to_the_kernel_and_back_and_too_long_ones_are_refused() {
    use std::os::unix::net::SocketAddr;
    for name in ["/tmp/s", "@abstract"] {
        let addr = UnixAddr::new(name, UnixNet::Packet);
        assert_eq!(
            UnixAddr::from_std(&addr.to_std().unwrap(), UnixNet::Packet),
            addr
        );
    }
    assert_eq!(UnixAddr::new("@a", UnixNet::Stream).path(), None);
    assert!(UnixAddr::new("/s", UnixNet::Stream).path().is_some());
    let unnamed = UnixAddr::default().to_std().unwrap();
    assert!(SocketAddr::is_unnamed(&unnamed));
    assert_eq!(
        UnixAddr::from_std(&unnamed, UnixNet::Stream).to_string(),
        "@"
    );
    let fits = |name: String| UnixAddr::new(name, UnixNet::Stream).to_std();
    assert!(fits("p".repeat(107)).is_ok() && fits(format!("@{}", "a".repeat(107))).is_ok());
    for long in [
        "p".repeat(108),
        format!("@{}", "a".repeat(108)),
        "nul\0".into(),
    ] {
        assert_eq!(fits(long).unwrap_err().to_string(), "invalid argument");
    }
}

#[test]
fn a_network_contains_the_addresses_that_share_its_prefix() {
    let (address, net) = parse_cidr("10.1.2.3/8").unwrap();
    assert!(net.contains(address) && net.contains(ip("10.255.0.1")));
    assert!(!net.contains(ip("11.0.0.1")) && !net.contains(ip("::1")));
    assert!(net.contains(ip("::ffff:10.0.0.1")));
    let (_, everything) = parse_cidr("0.0.0.0/0").unwrap();
    assert!(everything.contains(ip("255.255.255.255")) && !everything.contains(ip("::")));
    assert_eq!(
        parse_cidr("::ffff:1.2.3.4/120").unwrap().1.to_string(),
        "1.2.3.0/24"
    );
    assert_eq!(
        parse_cidr("fe80::1%lo/64").unwrap_err().to_string(),
        "invalid CIDR address: fe80::1%lo/64"
    );
}
