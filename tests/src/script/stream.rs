//! Connections of scripts: as they are, or with TLS. Nobody looks at certificates.

use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned, SupportedProtocolVersion,
};
use serde_json::Value;

use super::Check;

/// A connection.
pub enum Stream {
    Plain(TcpStream),
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    /// What lies below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(tcp) => tcp,
            Stream::Client(tls) => &tls.sock,
            Stream::Server(tls) => &tls.sock,
        }
    }

    /// Accepts the client of a connection, as `tls` of a recorded server says.
    pub fn accept(mut tcp: TcpStream, tls: Option<&Value>) -> Check<Stream> {
        let Some(tls) = tls else {
            return Ok(Stream::Plain(tcp));
        };
        let key = KeyPair::generate().map_err(|e| e.to_string())?;
        let params = CertificateParams::new(vec!["localhost".to_owned()]);
        let cert = params.and_then(|params| params.self_signed(&key));
        let cert = cert.map_err(|e| e.to_string())?.der().clone();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(default_provider().into())
            .with_protocol_versions(versions(tls))
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![cert], key)
            })
            .and_then(|config| ServerConnection::new(config.into()));
        let mut session = config.map_err(|e| e.to_string())?;
        while session.is_handshaking() {
            session
                .complete_io(&mut tcp)
                .map_err(|e| format!("handshake: {e}"))?;
        }
        let name = session.server_name().map(str::to_owned);
        if let Some(wanted) = tls.get("sni")
            && wanted.as_str() != name.as_deref()
        {
            return Err(format!(
                "the client names the server {name:?}, recorded is {wanted}"
            ));
        }
        Ok(Stream::Server(Box::new(StreamOwned::new(session, tcp))))
    }

    /// Makes a connection one of a client, as `tls` of a recorded step says.
    pub fn connect(mut tcp: TcpStream, tls: Option<&Value>) -> Check<Stream> {
        let Some(tls) = tls else {
            return Ok(Stream::Plain(tcp));
        };
        let host = tls["host"].as_str().unwrap_or("127.0.0.1").to_owned();
        let name = ServerName::try_from(host).map_err(|e| e.to_string())?;
        let session = ClientConfig::builder_with_provider(default_provider().into())
            .with_protocol_versions(versions(tls))
            .map(|builder| {
                let builder = builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Nobody));
                builder.with_no_client_auth()
            })
            .and_then(|config| ClientConnection::new(config.into(), name));
        let mut session = session.map_err(|e| e.to_string())?;
        while session.is_handshaking() {
            session
                .complete_io(&mut tcp)
                .map_err(|e| format!("handshake: {e}"))?;
        }
        Ok(Stream::Client(Box::new(StreamOwned::new(session, tcp))))
    }

    /// Ends a TLS session in order.
    pub fn close_notify(&mut self) -> Result<()> {
        match self {
            Stream::Plain(_) => {}
            Stream::Client(tls) => tls.conn.send_close_notify(),
            Stream::Server(tls) => tls.conn.send_close_notify(),
        }
        self.flush()
    }
}

fn versions(tls: &Value) -> &'static [&'static SupportedProtocolVersion] {
    static OLD: [&SupportedProtocolVersion; 1] = [&TLS12];
    static NEW: [&SupportedProtocolVersion; 1] = [&TLS13];
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
    match tls["version"].as_str() {
        Some("1.2") => &OLD,
        Some("1.3") => &NEW,
        _ => &BOTH,
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.read(buffer),
            Stream::Client(tls) => tls.read(buffer),
            Stream::Server(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.write(bytes),
            Stream::Client(tls) => tls.write(bytes),
            Stream::Server(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Stream::Plain(tcp) => tcp.flush(),
            Stream::Client(tls) => tls.flush(),
            Stream::Server(tls) => tls.flush(),
        }
    }
}

/// Takes any certificate.
#[derive(Debug)]
struct Nobody;

impl ServerCertVerifier for Nobody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
