//! Addresses of UDP peers as applications carry them about: byte 0 is 1 (IPv4) or 2 (IPv6), bytes 1
//! and 2 the port in network order, then 4 or 16 bytes of address. 7 or 19 bytes. The format lives in
//! [`skynet_wire::netaddr`].

use std::net::SocketAddr;

use skynet_wire::netaddr;
pub use skynet_wire::netaddr::UdpAddress as Encoded;

/// Writes an address.
pub fn encode(address: SocketAddr) -> Encoded {
    address.into()
}

/// Reads an address. `None` for a wrong type or length.
pub fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    netaddr::parse_udp(bytes).ok()
}

/// `ip:port`, without brackets around an IPv6 address, as events and `netstat` have it.
pub(crate) fn text(address: SocketAddr) -> String {
    netaddr::peer_text(address).to_string()
}

/// An IP address as events have it.
pub(crate) fn ip_text(ip: std::net::IpAddr) -> String {
    netaddr::ip_text(ip).to_string()
}
