//! What a connection is to have.

use std::path::PathBuf;

/// Whether a server wants certificates of its clients.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ClientCert {
    /// It does not ask for them.
    #[default]
    None,
    /// A client may have one; if it has, it is verified.
    Optional,
    /// A client without one is refused.
    Required,
}

/// Settings of connections of one kind. Files are PEM.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Options {
    /// The own certificate, followed by those of intermediate authorities. A server needs one.
    pub cert: Option<PathBuf>,
    /// Its private key. `None`: it is in the file of the certificate.
    pub key: Option<PathBuf>,
    /// Certificates of the authorities that the peer's has to come from. `None`: those of the system, for a client.
    /// A server that asks for certificates needs it.
    pub ca: Option<PathBuf>,
    /// Does a client verify the server's certificate, and its name?
    pub verify: bool,
    /// Does a server want certificates?
    pub client_cert: ClientCert,
    /// Protocols for ALPN, the preferred one first.
    pub alpn: Vec<Vec<u8>>,
    /// Certificates of the authorities that count no more (lists of revoked ones, CRLs). With it a peer's certificate,
    /// but none of the authorities above it, is looked for there. Whether the list itself is too old does not matter.
    pub crl: Option<PathBuf>,
    /// TLS 1.3 only, without tickets: each connection is a handshake of its own, and each certificate is looked at.
    pub strict: bool,
    /// The own certificate is one that is made at the start of the process and says nothing about anybody: who the peers
    /// are is found out in some other way, over the connection ([`Session::binding`](crate::Session::binding)).
    pub nameless: bool,
}

impl Default for Options {
    /// A client that verifies with the authorities of the system.
    fn default() -> Options {
        Options {
            cert: None,
            key: None,
            ca: None,
            verify: true,
            client_cert: ClientCert::None,
            alpn: Vec::new(),
            crl: None,
            strict: false,
            nameless: false,
        }
    }
}

impl Options {
    /// The files that matter.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let files = [&self.cert, &self.key, &self.ca, &self.crl];
        files.into_iter().flatten().cloned().collect()
    }
}
