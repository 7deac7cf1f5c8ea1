//! Resolving names without keeping anybody else waiting.
//!
//! `getaddrinfo` blocks, for as long as a name server likes. Connecting to a name therefore goes
//! through a few threads that do nothing else.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use crate::error::{self, Error};

/// Resolves a name, or reads an address. Blocks. Every address is given once, in the resolver's order.
pub fn resolve(host: &str) -> Result<Vec<IpAddr>, Error> {
    let mut found = Vec::new();
    for address in addresses(host, 0)? {
        if !found.contains(&address.ip()) {
            found.push(address.ip());
        }
    }
    Ok(found)
}

/// The addresses of a host, with a port. Blocks unless the host is an address.
pub(crate) fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    if let Some(ip) = literal(host) {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(Error::Resolve(reason(&error))),
    }
}

/// The first address of a host, where only one is tried.
pub(crate) fn first(host: &str, port: u16) -> Result<SocketAddr, Error> {
    let found = addresses(host, port)?;
    let none = || Error::Resolve("Name or service not known".to_owned());
    found.first().copied().ok_or_else(none)
}

/// An address that needs no resolving.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

/// The resolver's own text: std puts a sentence in front of it.
fn reason(error: &io::Error) -> String {
    let text = error::text(error);
    let (_, own) = text
        .split_once("failed to lookup address information: ")
        .unwrap_or(("", &text));
    own.to_owned()
}
