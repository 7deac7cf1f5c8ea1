//! Certificates for tests, and authorities that issue them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::Node;

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Authority {
    /// A new one.
    pub fn new() -> Authority {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {}", NUMBER.fetch_add(1, Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("certificate"))
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, followed by its key.
    pub fn issue(&self, names: &[&str]) -> String {
        self.issue_with(names, |_| {})
    }

    /// One of which the year it ends in is given.
    pub fn issue_until(&self, names: &[&str], year: i32) -> String {
        self.issue_with(names, |params| {
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
        })
    }

    fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> String {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        change(&mut params);
        let key = KeyPair::generate().expect("key");
        let cert = params.signed_by(&key, &self.0).expect("certificate");
        cert.pem() + &key.serialize_pem()
    }
}

/// Puts these files into the folder of a node: `ca.pem`, an authority; of it `server.pem` (for `localhost`, `a.example`
/// and 127.0.0.1), `other.pem` (for `other.example`), `expired.pem`, `client.pem`; `stranger.pem`, a client of an
/// authority that nobody knows. Each has its key in it, but for `server.pem`, whose key is also in `server.key`.
pub fn node(node: Node) -> (Node, Authority) {
    let authority = Authority::new();
    let server = authority.issue(&["localhost", "a.example", "127.0.0.1"]);
    let key = &server[server.find("-----BEGIN PRIVATE").expect("a key")..];
    let node = node
        .file("ca.pem", authority.pem())
        .file("server.pem", &server)
        .file("server.key", key)
        .file("other.pem", authority.issue(&["other.example"]))
        .file("expired.pem", authority.issue_until(&["localhost"], 2020))
        .file("client.pem", authority.issue(&["client.example"]))
        .file("stranger.pem", Authority::new().issue(&["client.example"]));
    (node, authority)
}

/// Writes a file as those do that renew certificates: another one takes its name.
pub fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, text).expect("write");
    fs::rename(fresh, path).expect("rename");
}
