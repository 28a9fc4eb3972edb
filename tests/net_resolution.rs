//! Promises about names: which addresses they stand for, and which of several are taken.

use gopark::net::{
    Addr, AddrError, AddrList, Family, IpVersion, Network, OpError, Purpose, Resolution,
    SocketFamily, TcpAddr, UdpAddr, UnixAddr, UnixNet, ZonedIp, lookup_host, resolve,
    resolve_tcp_addr,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Follows Go's TestAddrList.
#[test]
fn a_list_is_filtered_by_family_prefers_ipv4_and_splits_after_the_family_of_its_first() {
    let any = Network::Tcp(IpVersion::Any);
    let (v4, v6) = (Network::Tcp(IpVersion::V4), Network::Tcp(IpVersion::V6));
    let (a, b, c, d) = ("127.0.0.1", "192.168.0.1", "::1", "fe80::1");
    type Case<'a> = (
        Network,
        &'a [&'a str],
        Option<(&'a str, &'a [&'a str], &'a [&'a str])>,
    );
    let cases: &[Case<'_>] = &[
        (any, &[a, c], Some((a, &[a], &[c]))),
        (any, &[c, a], Some((a, &[c], &[a]))),
        (any, &[a, b], Some((a, &[a, b], &[]))),
        (any, &[c, d], Some((c, &[c, d], &[]))),
        (any, &[a, b, c, d], Some((a, &[a, b], &[c, d]))),
        (any, &[c, d, a, b], Some((a, &[c, d], &[a, b]))),
        (any, &[a, c, b, d], Some((a, &[a, b], &[c, d]))),
        (any, &[c, a, d, b], Some((a, &[c, d], &[a, b]))),
        (v4, &[a, c], Some((a, &[a], &[]))),
        (v4, &[c, a], Some((a, &[a], &[]))),
        (v6, &[a, c], Some((c, &[c], &[]))),
        (v6, &[c, a], Some((c, &[c], &[]))),
        (any, &[], None),
        (v4, &[], None),
        (v4, &[c], None),
        (v6, &[], None),
        (v6, &[a], None),
        (v6, &["::ffff:1.2.3.4"], None),
    ];
    let at = |text: &&str| Addr::from(TcpAddr::new(ip(text), 5682));
    for (network, ips, want) in cases {
        let ips = ips.iter().map(|text| ZonedIp::from(ip(text)));
        let Some((first, primaries, fallbacks)) = want else {
            let err = AddrList::filter(*network, ips, 5682, "ADDR").unwrap_err();
            assert_eq!(err, AddrError::new("no suitable address found", "ADDR"));
            continue;
        };
        let list = AddrList::filter(*network, ips, 5682, "ADDR").unwrap();
        assert_eq!(list.first_ipv4(), &at(first), "{list:?}");
        let (front, back) = list.partition();
        assert_eq!(front.to_vec(), primaries.iter().map(at).collect::<Vec<_>>());
        let back = back.map_or(vec![], |list| list.to_vec());
        assert_eq!(back, fallbacks.iter().map(at).collect::<Vec<_>>());
    }
}

/// Follows the Go program `dial_local_addr`.
#[test]
fn a_local_address_must_be_of_the_dialed_network_and_family_unless_it_is_the_wildcard() {
    let from =
        |local: &Addr| match resolve("tcp", "127.0.0.1:1", Purpose::Dial { local: Some(local) }) {
            Ok(_) => "ok".to_owned(),
            Err(cause) => OpError::new("dial", "tcp", cause).to_string(),
        };
    let v6 = |port| TcpAddr::new(Ipv6Addr::LOCALHOST, port).into();
    assert_eq!(
        from(&UdpAddr::default().into()),
        "dial tcp: address :0: mismatched local address type"
    );
    assert_eq!(
        from(&v6(0)),
        "dial tcp: address [::1]:0: no suitable address found"
    );
    for local in [v6(0), TcpAddr::new([127, 0, 0, 9], 0).into()] {
        let to_wildcard = resolve(
            "tcp",
            ":1",
            Purpose::Dial {
                local: Some(&local),
            },
        )
        .unwrap();
        assert!(matches!(to_wildcard, Resolution::Done(list) if list[0].is_wildcard()));
    }
    let unix = UnixAddr::new("x", UnixNet::Stream).into();
    assert_eq!(
        from(&unix),
        "dial tcp: address x: mismatched local address type"
    );
    assert_eq!(from(&TcpAddr::new(Ipv6Addr::UNSPECIFIED, 0).into()), "ok");
    assert_eq!(from(&TcpAddr::new([127, 0, 0, 9], 0).into()), "ok");
    let gram = UnixAddr::new("x", UnixNet::Datagram).into();
    let to_unix = resolve("unix", "/s", Purpose::Dial { local: Some(&gram) }).unwrap_err();
    assert_eq!(
        to_unix.to_string(),
        "address x: mismatched local address type"
    );
    let same_kind = resolve("unix", "/s", Purpose::Dial { local: Some(&unix) }).unwrap();
    assert!(matches!(same_kind, Resolution::Done(list) if list.len() == 1));
}

/// Follows the Go program `resolver_errors`, as far as no server is asked.
#[test]
fn names_that_cannot_be_hosts_fail_at_once_and_onion_names_have_no_addresses() {
    for name in [
        "",
        "..",
        "a..b",
        "-",
        "a b",
        "host\0name",
        "[::1]",
        "::1%",
        "fe80::1%",
    ] {
        let err = lookup_host(name, IpVersion::Any).unwrap_err();
        assert_eq!(err.to_string(), format!("lookup {name}: no such host"));
        assert!(err.is_not_found && !err.is_temporary() && !err.is_timeout());
    }
    for name in ["foo.onion", "foo.onion.", "under_score.onion"] {
        assert_eq!(lookup_host(name, IpVersion::Any).unwrap(), [], "{name}");
    }
    let onion = resolve_tcp_addr("tcp", "foo.onion:80").unwrap_err();
    assert_eq!(
        onion.to_string(),
        "address foo.onion: no suitable address found"
    );
}

/// Follows the Go program `dial_localhost`, whatever the hosts file of this machine says.
#[test]
fn the_local_host_resolves_and_without_an_ipv6_address_still_exists() {
    let found = lookup_host("localhost", IpVersion::Any).unwrap();
    assert!(
        found.iter().any(|addr| addr.ip == Ipv4Addr::LOCALHOST),
        "{found:?}"
    );
    let web = TcpAddr::new(Ipv4Addr::LOCALHOST, 80);
    assert_eq!(resolve_tcp_addr("tcp", "LOCALHOST:http").unwrap(), web);
    assert_eq!(resolve_tcp_addr("tcp4", "localhost:http").unwrap(), web);
    match resolve_tcp_addr("tcp6", "localhost:http") {
        Ok(addr) => assert!(
            found.iter().any(|found| Some(found.ip) == addr.ip),
            "{addr}"
        ),
        Err(cause) => {
            assert!(found.iter().all(|addr| addr.ip.is_ipv4()), "{found:?}");
            assert_eq!(
                cause.to_string(),
                "address localhost: no suitable address found"
            );
        }
    }
}

/// Follows Go's rules in favoriteAddrFamily, observed in the Go program `listen_addrs`.
#[test]
fn the_family_of_a_socket_follows_the_network_then_the_addresses() {
    let both = |family| SocketFamily {
        family,
        v6_only: false,
    };
    let v6_only = SocketFamily {
        family: Family::V6,
        v6_only: true,
    };
    let tcp = Network::Tcp;
    let v4: Addr = TcpAddr::new([127, 0, 0, 1], 1).into();
    let v6: Addr = TcpAddr::new(Ipv6Addr::LOCALHOST, 1).into();
    let any: Addr = TcpAddr::wildcard(1).into();
    let any4: Addr = TcpAddr::new(Ipv4Addr::UNSPECIFIED, 1).into();
    let any6: Addr = TcpAddr::new(Ipv6Addr::UNSPECIFIED, 1).into();
    let choose = SocketFamily::choose;
    assert_eq!(
        choose(tcp(IpVersion::V4), Some(&any), None, true, true),
        both(Family::V4)
    );
    assert_eq!(
        choose(tcp(IpVersion::V6), Some(&any), None, true, true),
        v6_only
    );
    for wildcard in [None, Some(&any), Some(&any4), Some(&any6)] {
        assert_eq!(
            choose(tcp(IpVersion::Any), wildcard, None, true, true),
            both(Family::V6)
        );
    }
    assert_eq!(
        choose(tcp(IpVersion::Any), Some(&any4), None, true, false),
        both(Family::V4)
    );
    assert_eq!(
        choose(tcp(IpVersion::Any), Some(&any6), None, true, false),
        both(Family::V6)
    );
    assert_eq!(
        choose(tcp(IpVersion::Any), Some(&v4), None, true, true),
        both(Family::V4)
    );
    assert_eq!(
        choose(tcp(IpVersion::Any), Some(&v6), None, true, true),
        both(Family::V6)
    );
    assert_eq!(
        choose(tcp(IpVersion::Any), None, Some(&v4), false, true),
        both(Family::V4)
    );
    assert_eq!(
        choose(tcp(IpVersion::Any), None, Some(&any), false, true),
        both(Family::V4)
    );
    assert_eq!(
        choose(tcp(IpVersion::Any), Some(&any), Some(&v6), false, true),
        both(Family::V6)
    );
}

/// Follows Go's internetAddrList: a machine may listen on `::` without being able to connect to it.
#[test]
fn a_dial_of_the_ipv6_wildcard_falls_back_to_the_ipv4_one() {
    let addresses = |network| match resolve(network, "[::]:1", Purpose::Dial { local: None }) {
        Ok(Resolution::Done(list)) => list.iter().map(Addr::to_string).collect::<Vec<_>>(),
        other => panic!("a literal needs no look-up: {other:?}"),
    };
    assert_eq!(addresses("tcp"), ["[::]:1", "0.0.0.0:1"]);
    assert_eq!(addresses("tcp6"), ["[::]:1"]);
    assert_eq!(addresses("udp4"), ["0.0.0.0:1"]);
}
