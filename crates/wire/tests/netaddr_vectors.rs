//! Addresses against what was recorded from skynet (C).

mod recorded;

use std::net::{IpAddr, SocketAddr};

use recorded::{assert_bytes, cases, int, recorded, run_all};
use serde_json::Value as Json;
use skynet_wire::netaddr::{
    Error, UdpAddress, handle_text, header, host_port, ip_text, parse_handle, parse_udp, peer_text,
    udp_ip_port,
};

/// `skynet.address` gives a name back as it is.
fn needs_lua(case: &Json) -> bool {
    case["op"] == "address_name"
}

#[test]
fn every_recorded_case() {
    run_all(&cases("netaddr", 42), needs_lua, |case| {
        match case["op"].as_str().unwrap() {
            "udp_address" => udp_address(case),
            "udp_from" => udp_from(case),
            "header" => read_header(case),
            "address" => address(case),
            "accept_address" => accept_address(case),
            "address_name" => return false,
            op => panic!("unknown op {op}"),
        }
        true
    });
}

fn udp_address(case: &Json) {
    let input = recorded(&case["input"]).unwrap();
    match udp_ip_port(&input) {
        Ok((ip, port)) => {
            assert_formatted(ip, port, &case["results"]);
            // Sending looks at the first byte, too.
            let family = if ip.is_ipv4() { 1 } else { 2 };
            match parse_udp(&input) {
                Ok(address) => {
                    assert_eq!(address, SocketAddr::new(ip, port));
                    assert_eq!(*UdpAddress::from(address), *input);
                    assert_eq!(input[0], family);
                }
                Err(e) => assert_eq!((e, input[0] == family), (Error::UdpAddress, false)),
            }
        }
        Err(e) => {
            assert_eq!(e.to_string(), case["error"].as_str().unwrap());
            assert_eq!(parse_udp(&input), Err(Error::UdpAddress));
        }
    }
}

fn udp_from(case: &Json) {
    let host: IpAddr = case["host"].as_str().unwrap().parse().unwrap();
    for (bytes, port) in [("from", "client_port"), ("reply_from", "server_port")] {
        let address = SocketAddr::new(host, case[port].as_u64().unwrap() as u16);
        assert_bytes(&UdpAddress::from(address), &case[bytes]);
        assert_eq!(parse_udp(&recorded(&case[bytes]).unwrap()), Ok(address));
    }
    let (ip, port) = udp_ip_port(&recorded(&case["from"]).unwrap()).unwrap();
    assert_formatted(ip, port, &case["formatted"]);
}

fn assert_formatted(ip: IpAddr, port: u16, want: &Json) {
    assert_bytes(ip_text(ip).to_string().as_bytes(), &want[0]);
    assert_eq!(i64::from(port), int(&want[1]));
}

fn read_header(case: &Json) {
    match header(&recorded(&case["input"]).unwrap()) {
        Ok(n) => assert_eq!(i64::from(n), int(&case["results"][0])),
        // What comes after these words is the input, whatever its bytes are.
        Err(e) => assert!(
            e.to_string()
                .starts_with(&format!("{} ", case["error"].as_str().unwrap()))
        ),
    }
}

fn address(case: &Json) {
    let handle = int(&case["input"]) as u32;
    let text = case["result"].as_str().unwrap();
    assert_eq!(handle_text(handle).to_string(), text);
    assert_eq!(parse_handle(text), Some(handle));
}

fn accept_address(case: &Json) {
    assert_eq!(case["pattern"], r"^127\.0\.0\.1:[0-9]+$");
    let peer = SocketAddr::new([127, 0, 0, 1].into(), int(&case["listen"][1]) as u16);
    assert_eq!(peer_text(peer).to_string(), "127.0.0.1:41510");
}

#[test]
fn hosts_with_ports() {
    for (text, host, port) in [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("localhost:65535", "localhost", 65535),
        ("localhost:00080", "localhost", 80),
        (":80", "", 80),
        ("[::1]:80", "::1", 80),
        ("[]:80", "", 80),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
    ] {
        assert_eq!(host_port(text), Ok((host, port)));
    }
    for text in [
        "",
        "host",
        "[::1]",
        "[::1",
        "::1]:80[",
        "[::1]80",
        "a[::1]:80",
    ] {
        let e = host_port(text).unwrap_err();
        assert_eq!(e.to_string(), format!("Invalid address {text}."));
    }
    for text in [
        "host:",
        "host:x",
        "host:80x",
        "host:80:80",
        "host: 80",
        "host:+80",
        "host:-1",
        "host:65536",
        "host:0x50",
        "host:99999999999999999999",
        "[::1]:",
        "[::1]:80 ",
        "::1",
    ] {
        let e = host_port(text).unwrap_err();
        assert_eq!(e.to_string(), format!("Invalid port in address {text}."));
    }
}

#[test]
fn peers_of_ipv6_have_no_brackets() {
    let text = |peer: &str| peer_text(peer.parse().unwrap()).to_string();
    assert_eq!(text("[2001:db8::1]:80"), "2001:db8::1:80");
    assert_eq!(text("[::ffff:10.0.0.1]:80"), "::ffff:10.0.0.1:80");
    assert_eq!(text("[::]:80"), ":::80");
}

#[test]
fn handles_of_any_case_and_length() {
    assert_eq!(parse_handle(":A"), Some(10));
    assert_eq!(parse_handle(":0100000a"), Some(0x0100_000a));
    for text in ["", ":", "a", ":g", ":+a", ": a", ":100000000", "::a", ":a "] {
        assert_eq!(parse_handle(text), None, "{text}");
    }
}
