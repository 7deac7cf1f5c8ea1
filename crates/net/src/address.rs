//! Addresses of UDP peers as applications carry them about: byte 0 is 1 (IPv4) or 2 (IPv6), bytes 1
//! and 2 the port in network order, then 4 or 16 bytes of address. 7 or 19 bytes.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

/// An encoded address; dereferences to its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Encoded {
    bytes: [u8; 19],
    len: u8,
}

impl Deref for Encoded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }
}

/// Writes an address.
pub fn encode(address: SocketAddr) -> Encoded {
    let mut bytes = [0; 19];
    bytes[1..3].copy_from_slice(&address.port().to_be_bytes());
    let len = match address.ip() {
        IpAddr::V4(ip) => {
            bytes[0] = 1;
            bytes[3..7].copy_from_slice(&ip.octets());
            7
        }
        IpAddr::V6(ip) => {
            bytes[0] = 2;
            bytes[3..19].copy_from_slice(&ip.octets());
            19
        }
    };
    Encoded { bytes, len }
}

/// Reads an address. `None` for a wrong type or length.
pub fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let (&[family, high, low], ip) = bytes.split_first_chunk::<3>()?;
    let ip = match family {
        1 => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([high, low])))
}

/// `ip:port`, without brackets around an IPv6 address, as events and `netstat` have it.
pub(crate) fn text(address: SocketAddr) -> String {
    format!("{}:{}", address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_survive() {
        for (text, bytes) in [
            ("1.2.3.4:258", &[1, 1, 2, 1, 2, 3, 4][..]),
            (
                "[::1]:65535",
                &[2, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            ),
        ] {
            let address = text.parse().unwrap();
            assert_eq!(&*encode(address), bytes);
            assert_eq!(decode(bytes), Some(address));
            assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(decode(&[3, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(decode(&[]), None);
    }
}
