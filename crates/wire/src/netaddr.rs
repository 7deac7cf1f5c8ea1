//! Socket addresses as text and as bytes, and the text of a service's handle.
//!
//! The sender of a datagram is handed to a service as bytes that it may keep and give back, 7 for IPv4 and 19
//! for IPv6:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 1 | 1 IPv4, 2 IPv6 |
//! | 1 | 2 | port, big-endian |
//! | 3 | 4 or 16 | address |
//!
//! skynet (C) makes the same bytes, and services send them to each other, so they are a contract.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Deref,
};

/// Errors of addresses. `Display` gives the text that a Lua caller sees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An encoded address is not 7 or 19 bytes, or its first byte does not go with its length.
    #[error("Invalid udp address")]
    UdpAddress,
    /// A text has no port, or is not `[host]:port` although it has a bracket.
    #[error("Invalid address {0}.")]
    Address(String),
    /// What a text has in place of the port is not a number from 0 to 65535.
    #[error("Invalid port in address {0}.")]
    Port(String),
    /// A big-endian number is not of 1 to 4 bytes.
    #[error("Invalid read {}", String::from_utf8_lossy(.0))]
    Header(Vec<u8>),
}

/// The address of a UDP peer as bytes.
///
/// ```
/// use skynet_wire::netaddr::{UdpAddress, parse_udp, udp_ip_port};
///
/// let encoded = UdpAddress::from("10.0.0.1:53".parse::<std::net::SocketAddr>().unwrap());
/// assert_eq!(*encoded, *b"\x01\x00\x35\x0a\x00\x00\x01");
/// assert_eq!(parse_udp(&encoded)?.to_string(), "10.0.0.1:53");
/// # Ok::<(), skynet_wire::netaddr::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpAddress {
    bytes: [u8; Self::V6],
    len: u8,
}

impl UdpAddress {
    /// Length of an encoded IPv4 address, in bytes.
    pub const V4: usize = 7;
    /// Length of an encoded IPv6 address, in bytes.
    pub const V6: usize = 19;

    fn new(family: u8, port: u16, ip: &[u8]) -> Self {
        let mut bytes = [0; Self::V6];
        let len = 3 + ip.len();
        bytes[0] = family;
        bytes[1..3].copy_from_slice(&port.to_be_bytes());
        bytes[3..len].copy_from_slice(ip);
        Self {
            bytes,
            len: len as u8,
        }
    }
}

impl From<SocketAddr> for UdpAddress {
    fn from(address: SocketAddr) -> Self {
        match address.ip() {
            IpAddr::V4(ip) => Self::new(1, address.port(), &ip.octets()),
            IpAddr::V6(ip) => Self::new(2, address.port(), &ip.octets()),
        }
    }
}

impl Deref for UdpAddress {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The address that `bytes` stand for, to send to.
///
/// # Errors
/// [`Error::UdpAddress`] if the first byte is neither 1 nor 2, or does not go with the length.
pub fn parse_udp(bytes: &[u8]) -> Result<SocketAddr, Error> {
    let (ip, port) = udp_ip_port(bytes)?;
    match (bytes[0], ip) {
        (1, IpAddr::V4(_)) | (2, IpAddr::V6(_)) => Ok(SocketAddr::new(ip, port)),
        _ => Err(Error::UdpAddress),
    }
}

/// The address and port that `bytes` stand for, as `socket.udp_address` shows them ([`ip_text`]).
///
/// Only the length decides the family; like skynet (C) this does not look at the first byte.
///
/// # Errors
/// [`Error::UdpAddress`] if there are not 7 or 19 bytes.
pub fn udp_ip_port(bytes: &[u8]) -> Result<(IpAddr, u16), Error> {
    let [_, p0, p1, ip @ ..] = bytes else {
        return Err(Error::UdpAddress);
    };
    let ip = if let Ok(ip) = <[u8; 4]>::try_from(ip) {
        Ipv4Addr::from(ip).into()
    } else if let Ok(ip) = <[u8; 16]>::try_from(ip) {
        Ipv6Addr::from(ip).into()
    } else {
        return Err(Error::UdpAddress);
    };
    Ok((ip, u16::from_be_bytes([*p0, *p1])))
}

/// An address as skynet writes it, which is how the C library does.
///
/// It is the `Display` of [`IpAddr`] but for the old "IPv4-compatible" IPv6 addresses, which end in four
/// decimal numbers.
///
/// ```
/// use skynet_wire::netaddr::ip_text;
///
/// assert_eq!(ip_text("::7f00:1".parse().unwrap()).to_string(), "::127.0.0.1");
/// assert_eq!(ip_text("2001:db8::1".parse().unwrap()).to_string(), "2001:db8::1");
/// ```
pub fn ip_text(ip: IpAddr) -> impl fmt::Display {
    IpText(ip)
}

/// `ip:port`, as skynet names the peer of a connection: an IPv6 address has no brackets.
///
/// ```
/// use skynet_wire::netaddr::peer_text;
///
/// assert_eq!(peer_text("[::1]:80".parse().unwrap()).to_string(), "::1:80");
/// ```
pub fn peer_text(peer: SocketAddr) -> impl fmt::Display {
    PeerText(peer)
}

struct IpText(IpAddr);

impl fmt::Display for IpText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            // With the next group zero too, the C library writes groups: `::1`.
            IpAddr::V6(ip) if ip.segments()[..6] == [0; 6] && ip.segments()[6] != 0 => {
                let [.., a, b, c, d] = ip.octets();
                write!(f, "::{a}.{b}.{c}.{d}")
            }
            ip => ip.fmt(f),
        }
    }
}

struct PeerText(SocketAddr);

impl fmt::Display for PeerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", IpText(self.0.ip()), self.0.port())
    }
}

/// Splits `host:port` at the first colon, or `[host]:port` where there is a bracket.
///
/// The host may be a name or empty; nothing is looked up.
///
/// # Errors
/// [`Error::Address`] without a port, [`Error::Port`] if it is not a decimal number up to 65535.
///
/// ```
/// use skynet_wire::netaddr::host_port;
///
/// assert_eq!(host_port("example.org:80"), Ok(("example.org", 80)));
/// assert_eq!(host_port("[::1]:80"), Ok(("::1", 80)));
/// assert_eq!(host_port("::1").unwrap_err().to_string(), "Invalid port in address ::1.");
/// assert_eq!(host_port("80").unwrap_err().to_string(), "Invalid address 80.");
/// ```
pub fn host_port(text: &str) -> Result<(&str, u16), Error> {
    let split = if text.contains('[') {
        text.strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .and_then(|(host, rest)| Some((host, rest.strip_prefix(':')?)))
    } else {
        text.split_once(':')
    };
    let (host, port) = split.ok_or_else(|| Error::Address(text.into()))?;
    // `u16::from_str` takes a sign, too.
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::Port(text.into()));
    }
    match port.parse() {
        Ok(port) => Ok((host, port)),
        Err(_) => Err(Error::Port(text.into())),
    }
}

/// The big-endian number that 1 to 4 bytes stand for: `socket.header`.
///
/// # Errors
/// [`Error::Header`] if there are no bytes, or more than 4.
///
/// ```
/// assert_eq!(skynet_wire::netaddr::header(b"\x01\x00"), Ok(256));
/// ```
pub fn header(bytes: &[u8]) -> Result<u32, Error> {
    if !(1..=4).contains(&bytes.len()) {
        return Err(Error::Header(bytes.into()));
    }
    Ok(bytes.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
}

/// A service's handle as text: a colon and eight hexadecimal digits.
///
/// ```
/// assert_eq!(skynet_wire::netaddr::handle_text(0x0100000a).to_string(), ":0100000a");
/// ```
pub fn handle_text(handle: u32) -> impl fmt::Display {
    HandleText(handle)
}

struct HandleText(u32);

impl fmt::Display for HandleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{:08x}", self.0)
    }
}

/// The handle that a text stands for: a colon and up to eight hexadecimal digits of either case.
///
/// ```
/// use skynet_wire::netaddr::parse_handle;
///
/// assert_eq!(parse_handle(":0000000A"), Some(10));
/// assert_eq!(parse_handle(".launcher"), None);
/// ```
pub fn parse_handle(text: &str) -> Option<u32> {
    let digits = text.strip_prefix(':')?;
    let all_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    (all_hex && digits.len() <= 8)
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
}
