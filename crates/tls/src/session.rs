//! One connection. It does no I/O: whoever owns the socket feeds it what has come, and sends what it puts out.

use std::fmt;
use std::io::{BufRead, IoSlice, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Connection, ProtocolVersion, ServerConfig, ServerConnection,
};

use crate::error::{About, Error};

/// What client sessions with the same options share. See [`Configs::client`](crate::Configs::client).
pub struct ClientSetup {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) verifies: bool,
    /// Which authorities are trusted, for errors.
    pub(crate) trusted: String,
}

impl ClientSetup {
    /// Is the server's certificate verified?
    pub fn verifies(&self) -> bool {
        self.verifies
    }
}

/// What server sessions with the same options share. See [`Configs::server`](crate::Configs::server).
pub struct ServerSetup {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) trusted: String,
}

impl fmt::Debug for ClientSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSetup")
            .field("verifies", &self.verifies)
            .field("trusted", &self.trusted)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSetup")
            .field("trusted", &self.trusted)
            .finish_non_exhaustive()
    }
}

/// What is known about a connection when its handshake has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Info {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, such as `TLS13_AES_128_GCM_SHA256`.
    pub cipher: String,
    /// What ALPN has settled on.
    pub alpn: Option<Vec<u8>>,
    /// The name that the client has asked for (SNI). Servers only.
    pub server_name: Option<String>,
    /// DNS names in the peer's certificate, if it has shown one.
    pub peer_names: Vec<String>,
    /// Has the peer shown a certificate?
    pub peer_certificate: bool,
    /// Was the peer's certificate verified?
    pub verified: bool,
}

/// A connection.
pub struct Session {
    connection: Connection,
    about: About,
    verified: bool,
    /// Bytes of the peer so far, up to a few: what a peer that does not speak TLS has said.
    beginning: Vec<u8>,
    /// The peer has said that nothing more comes.
    ended: bool,
    failed: bool,
}

/// Bytes of the peer that are kept for the error of one that does not speak TLS.
const BEGINNING: usize = 16;

impl Session {
    /// A client. `name` is what the server has to be, a DNS name or an IP address: the certificate has to have it. A
    /// DNS name is also told to the server.
    ///
    /// # Errors
    /// The name is no name, or there is none where the server is to be verified.
    pub fn client(setup: &ClientSetup, name: Option<&str>) -> Result<Session, Error> {
        let server = match name {
            Some(name) => ServerName::try_from(name.to_owned())
                .map_err(|_| Error::InvalidName(name.to_owned()))?,
            None if setup.verifies => return Err(Error::NameMissing),
            // An address is not told to the server.
            None => ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        let connection = ClientConnection::new(Arc::clone(&setup.config), server)
            .map_err(|error| Error::Protocol(error.to_string()))?;
        let about = About {
            client: true,
            name: name.unwrap_or_default().to_owned(),
            trusted: setup.trusted.clone(),
        };
        Ok(Session::new(connection.into(), about, setup.verifies))
    }

    /// A server.
    ///
    /// # Errors
    /// Options that do not go together.
    pub fn server(setup: &ServerSetup) -> Result<Session, Error> {
        let connection = ServerConnection::new(Arc::clone(&setup.config))
            .map_err(|error| Error::Protocol(error.to_string()))?;
        let about = About {
            client: false,
            name: String::new(),
            trusted: setup.trusted.clone(),
        };
        Ok(Session::new(connection.into(), about, true))
    }

    fn new(connection: Connection, about: About, verified: bool) -> Session {
        Session {
            connection,
            about,
            verified,
            beginning: Vec::new(),
            ended: false,
            failed: false,
        }
    }

    /// Takes all of what has come, and appends the plaintext, which is never more. There may be [output](Self::output)
    /// after that, also if this fails: it tells the peer why.
    ///
    /// # Errors
    /// The handshake has failed, or what has come cannot be what the peer has sent. The session is over then.
    pub fn feed(&mut self, mut cipher: &[u8], plain: &mut Vec<u8>) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Over);
        }
        let room = BEGINNING.saturating_sub(self.beginning.len());
        let first = &cipher[..cipher.len().min(room)];
        self.beginning.extend_from_slice(first);
        while !cipher.is_empty() && !self.ended {
            if self.connection.read_tls(&mut cipher).is_err() {
                // Its buffers are emptied after each piece, so they cannot be full.
                self.failed = true;
                return Err(Error::Over);
            }
            let state = match self.connection.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    self.take_plain(plain);
                    self.failed = true;
                    return Err(Error::of(error, &self.about, &self.beginning));
                }
            };
            if state.plaintext_bytes_to_read() > 0 {
                self.take_plain(plain);
            }
            self.ended = state.peer_has_closed();
        }
        Ok(())
    }

    fn take_plain(&mut self, plain: &mut Vec<u8>) {
        let mut reader = self.connection.reader();
        while let Ok(chunk) = reader.fill_buf() {
            if chunk.is_empty() {
                return;
            }
            plain.extend_from_slice(chunk);
            let taken = chunk.len();
            reader.consume(taken);
        }
    }

    /// Encrypts as much of `plain` as there is room for (some ten KiB at least, if [`output`](Self::output) was taken
    /// before), and returns how much that was. Nothing, before the handshake has ended.
    pub fn seal(&mut self, plain: &[IoSlice<'_>]) -> usize {
        if self.is_handshaking() || self.failed {
            return 0;
        }
        self.connection.writer().write_vectored(plain).unwrap_or(0)
    }

    /// Appends what is to be sent to the peer now; returns how many bytes that are.
    pub fn output(&mut self, into: &mut Vec<u8>) -> usize {
        let before = into.len();
        while self.connection.wants_write() {
            match self.connection.write_tls(into) {
                Ok(1..) => {}
                // Writing to a vector does not fail.
                _ => break,
            }
        }
        into.len() - before
    }

    /// Is there something to be sent to the peer?
    pub fn has_output(&self) -> bool {
        self.connection.wants_write()
    }

    /// Has the handshake not ended yet?
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Has the peer said that nothing more comes (close_notify)? If not, and the connection ends, then what came may be
    /// cut off.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Tells the peer that nothing more comes. There is output then.
    pub fn close(&mut self) {
        if !self.failed {
            self.connection.send_close_notify();
        }
    }

    /// The connection has ended without [`has_ended`](Self::has_ended): the error that this is.
    pub fn cut_off(&self) -> Error {
        if self.is_handshaking() {
            Error::EndedInHandshake
        } else {
            Error::Truncated
        }
    }

    /// Name of the server that a client wants, empty if it has none.
    pub fn name(&self) -> &str {
        &self.about.name
    }

    /// Is this the client's side?
    pub fn is_client(&self) -> bool {
        self.about.client
    }

    /// Is the server's certificate verified? True for servers, which verify what they ask for.
    pub fn verifies(&self) -> bool {
        self.verified
    }

    /// 32 bytes that both sides of this connection know, and that no other connection has: the channel binding
    /// `tls-exporter` of RFC 9266. Who stands between two peers has a connection with each, and two of these. `None`
    /// before the handshake has ended.
    pub fn binding(&self) -> Option<[u8; 32]> {
        const LABEL: &[u8] = b"EXPORTER-Channel-Binding";
        let made = self
            .connection
            .export_keying_material([0; 32], LABEL, Some(&[]));
        made.ok()
    }

    /// What is known about the connection. `None` before the handshake has ended.
    pub fn info(&self) -> Option<Info> {
        if self.is_handshaking() {
            return None;
        }
        let version = match self.connection.protocol_version()? {
            ProtocolVersion::TLSv1_2 => "TLSv1.2",
            _ => "TLSv1.3",
        };
        let suite = self.connection.negotiated_cipher_suite()?;
        let shown = self
            .connection
            .peer_certificates()
            .and_then(|chain| chain.first());
        let server_name = match &self.connection {
            Connection::Client(_) => None,
            Connection::Server(server) => server.server_name().map(str::to_owned),
        };
        Some(Info {
            version,
            cipher: format!("{:?}", suite.suite()),
            alpn: self.connection.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
            peer_names: shown.map(names).unwrap_or_default(),
            peer_certificate: shown.is_some(),
            verified: self.verified && shown.is_some(),
        })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("client", &self.about.client)
            .field("handshaking", &self.is_handshaking())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// DNS names of a certificate.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate);
    certificate.map_or_else(
        |_| Vec::new(),
        |certificate| certificate.valid_dns_names().map(str::to_owned).collect(),
    )
}
