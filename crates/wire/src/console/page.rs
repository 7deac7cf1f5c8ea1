//! What tells a request of a browser from one of an operator's program.
//!
//! A browser says where a request comes from (`Origin`, `Referer`, `Sec-Fetch-…`), and who it is; a web page can keep
//! some of these back, but not all. A page whose host's name leads to this machine (DNS rebinding) is told by `Host`:
//! it has that name.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Why a request with this header is not answered.
pub(super) fn refusal(name: &[u8], value: &[u8]) -> Option<&'static str> {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    let starts = |bytes: &[u8], other: &str| {
        let front = bytes.get(..other.len());
        front.is_some_and(|front| front.eq_ignore_ascii_case(other.as_bytes()))
    };
    if is("origin") {
        Some("this one has an Origin")
    } else if is("referer") {
        Some("this one has a Referer")
    } else if starts(name, "sec-fetch-") {
        Some("this one has a Sec-Fetch header")
    } else if is("host") && !address(value) {
        Some("its Host is neither an address nor localhost")
    } else if is("user-agent") && starts(value, "mozilla/") {
        Some("its User-Agent is a browser")
    } else if is("transfer-encoding") {
        Some("its body comes in pieces")
    } else {
        None
    }
}

/// `localhost`, or an address, with or without a port.
fn address(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let port = |rest: &str| rest.is_empty() || rest.starts_with(':');
    if let Some(rest) = host.strip_prefix('[') {
        return rest
            .split_once(']')
            .is_some_and(|(ip, rest)| ip.parse::<Ipv6Addr>().is_ok() && port(rest));
    }
    let name = host.split(':').next().unwrap_or_default();
    name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1",
            "10.0.0.5:8000",
            "[::1]",
            "[::1]:80",
        ] {
            assert!(address(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":80",
            "::1",
            "[::1",
            "[::1]x",
            "[x]:1",
            "a.b",
            "localhost.",
            "127.1",
            "1.2.3.4.5",
            "0x7f.1",
        ] {
            assert!(!address(host.as_bytes()), "{host}");
        }
    }
}
