//! What can go wrong, and what to set.

use std::path::PathBuf;

use rustls::{AlertDescription, CertificateError, InvalidMessage, OtherError, PeerIncompatible};

use crate::date;

/// Why there is no connection, or no setup for one. The text names what is wrong and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("TLS: cannot read {}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's text.
        why: String,
    },
    /// A file is not what it should be.
    #[error("TLS: {}: {why} (PEM is expected: text with BEGIN and END lines)", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file has no certificate.
    #[error("TLS: {} has no certificate in it (a block BEGIN CERTIFICATE is expected)", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// A file has no private key.
    #[error("TLS: {} has no private key in it (a block BEGIN PRIVATE KEY is expected)", path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// A key with a passphrase.
    #[error(
        "TLS: the private key in {} is encrypted: write it without its passphrase (openssl pkey)",
        path.display()
    )]
    EncryptedKey {
        /// Which file.
        path: PathBuf,
    },
    /// A key that cannot be used.
    #[error(
        "TLS: the private key in {} cannot be used: {why} (RSA from 2048 bits, ECDSA P-256, P-384 and Ed25519 can)",
        path.display()
    )]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key is that of another certificate.
    #[error("TLS: the key in {} does not belong to the certificate in {}", key.display(), cert.display())]
    KeyMismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// A key, but no certificate.
    #[error("TLS: there is a key ({}) without a certificate: set cert, too", path.display())]
    KeyWithoutCertificate {
        /// The key's file.
        path: PathBuf,
    },
    /// A server without a certificate.
    #[error("TLS: a server needs a certificate and its key: set cert and key")]
    CertificateMissing,
    /// A server that asks for certificates, and knows no authority.
    #[error(
        "TLS: a server that asks clients for certificates needs the authorities that these come from: set ca"
    )]
    AuthoritiesMissing,
    /// The system has no list of authorities.
    #[error(
        "TLS: this system has no certificates of authorities ({0}): install ca-certificates, or set ca to a file"
    )]
    SystemRoots(String),
    /// What was given as the name of the server is none.
    #[error("TLS: {0:?} is neither a host name nor an address")]
    InvalidName(String),
    /// A server is to be verified, and nobody has said who it is.
    #[error(
        "TLS: the server cannot be verified without a name: set name to the one in its certificate, or verify = false"
    )]
    NameMissing,
    /// The peer's certificate is refused.
    #[error("TLS: {}", .0.text())]
    Certificate(Reason),
    /// The peer does not speak TLS.
    #[error("TLS: the peer does not speak TLS: {0}")]
    NotTls(String),
    /// The peer has refused.
    #[error("TLS: the peer refuses: {0}")]
    Refused(String),
    /// There is nothing that both sides can.
    #[error("TLS: the two sides have nothing in common: {0}")]
    Incompatible(String),
    /// The connection has ended during the handshake.
    #[error("TLS: the peer ended the connection during the handshake")]
    EndedInHandshake,
    /// The connection has ended without close_notify.
    #[error("TLS: the connection ended without close_notify: what came may be cut off")]
    Truncated,
    /// The session has failed before.
    #[error("TLS: the session is over")]
    Over,
    /// Something else.
    #[error("TLS: {0}")]
    Protocol(String),
}

/// Why a certificate is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Reason {
    /// What is wrong.
    pub fault: Fault,
    about: About,
}

/// What can be wrong with a certificate. Times are seconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// It is too old.
    Expired {
        /// Its last second, if that is known.
        not_after: Option<u64>,
    },
    /// It is not valid yet, or the clock is wrong.
    NotYetValid {
        /// Its first second, if that is known.
        not_before: Option<u64>,
    },
    /// It does not come from an authority that is trusted.
    UnknownIssuer,
    /// It is made out to others.
    WrongName {
        /// To whom.
        has: Vec<String>,
    },
    /// It is an authority's own.
    Authority,
    /// It may not be used for this.
    Purpose,
    /// There is none.
    Missing,
    /// Anything else.
    Other(String),
}

/// What the texts need to know about a session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct About {
    pub(crate) client: bool,
    pub(crate) name: String,
    pub(crate) trusted: String,
}

impl Reason {
    fn text(&self) -> String {
        let whose = match (self.about.client, self.about.name.as_str()) {
            (true, "") => "the server's certificate".to_owned(),
            (true, name) => format!("the certificate of {name}"),
            (false, _) => "the client's certificate".to_owned(),
        };
        let at = |time: &Option<u64>| {
            time.map_or_else(String::new, |time| format!(" ({})", date::text(time)))
        };
        let (what, todo) = match &self.fault {
            Fault::Expired { not_after } => (
                format!("{whose} has expired{}", at(not_after)),
                "it has to be renewed, unless the clock here is wrong",
            ),
            Fault::NotYetValid { not_before } => (
                format!("{whose} is not valid yet{}", at(not_before)),
                "look at the clocks of both machines",
            ),
            Fault::UnknownIssuer => (
                format!(
                    "{whose} is signed by nobody who is trusted here (trusted are {})",
                    self.about.trusted
                ),
                "set ca to the file of its authority; if it needs an intermediate certificate, the peer has to send it",
            ),
            Fault::WrongName { has } if has.is_empty() => (
                format!("{whose} has no names in it (a common name is not looked at)"),
                "it needs a subject alternative name",
            ),
            Fault::WrongName { has } => (
                format!("{whose} is made out to others: {}", shortened(has)),
                "connect to one of these names, or set name",
            ),
            Fault::Authority => (
                format!("{whose} is that of an authority (CA:TRUE), which is not a server's own"),
                "make one without CA:TRUE, or put it into the file of ca",
            ),
            Fault::Purpose => (
                format!("{whose} may not be used for this (its extended key usage)"),
                "it needs serverAuth for a server, and clientAuth for a client",
            ),
            Fault::Missing => (
                "the client has shown no certificate".to_owned(),
                "set cert and key there",
            ),
            Fault::Other(what) => (format!("{whose} is refused: {what}"), ""),
        };
        let off = if self.about.client {
            "verify = false does without any check"
        } else {
            ""
        };
        let todo: Vec<_> = [todo, off]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        if todo.is_empty() {
            what
        } else {
            format!("{what}; {}", todo.join("; "))
        }
    }
}

/// A certificate can have a thousand names.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(|name| presented(name))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}

/// A name as it is, instead of as rustls shows it: `DnsName("a.example")`. It comes from a stranger.
fn presented(name: &str) -> String {
    let own = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(name)
        .trim_matches('"');
    own.chars().take(100).filter(|c| !c.is_control()).collect()
}

impl Error {
    /// What rustls says, with what is known about the session.
    pub(crate) fn of(error: rustls::Error, about: &About, beginning: &[u8]) -> Error {
        match error {
            rustls::Error::InvalidCertificate(error) => Error::Certificate(Reason {
                fault: fault(error),
                about: about.clone(),
            }),
            rustls::Error::NoCertificatesPresented => Error::Certificate(Reason {
                fault: Fault::Missing,
                about: about.clone(),
            }),
            rustls::Error::AlertReceived(alert) => Error::Refused(refusal(alert)),
            rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) if !looks_like_tls(beginning) => Error::NotTls(said(beginning)),
            rustls::Error::InvalidMessage(_) if !looks_like_tls(beginning) => {
                Error::NotTls(said(beginning))
            }
            rustls::Error::PeerIncompatible(why) => Error::Incompatible(in_common(&why)),
            rustls::Error::NoApplicationProtocol => Error::Incompatible(
                "the client wants other protocols by ALPN than the server has: look at alpn on both sides".to_owned(),
            ),
            other => Error::Protocol(other.to_string()),
        }
    }
}

fn fault(error: CertificateError) -> Fault {
    match error {
        CertificateError::Expired => Fault::Expired { not_after: None },
        CertificateError::ExpiredContext { not_after, .. } => Fault::Expired {
            not_after: Some(not_after.as_secs()),
        },
        CertificateError::NotValidYet => Fault::NotYetValid { not_before: None },
        CertificateError::NotValidYetContext { not_before, .. } => Fault::NotYetValid {
            not_before: Some(not_before.as_secs()),
        },
        // A bad signature: an authority of that name is known, but its key is another one, as after it was made anew.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Fault::UnknownIssuer,
        CertificateError::NotValidForName => Fault::WrongName { has: Vec::new() },
        CertificateError::NotValidForNameContext { presented, .. } => {
            Fault::WrongName { has: presented }
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Fault::Purpose
        }
        CertificateError::Other(other) if is_authority(&other) => Fault::Authority,
        other => Fault::Other(other.to_string()),
    }
}

/// A certificate of an authority where one of a server is expected. rustls has no name for it.
pub(crate) fn is_authority(other: &OtherError) -> bool {
    other.0.to_string() == "CaUsedAsEndEntity"
}

/// A record begins with its type, 20 to 24, and the version 3.
fn looks_like_tls(beginning: &[u8]) -> bool {
    match beginning {
        [kind, 3, ..] => (20..=24).contains(kind),
        [kind] => (20..=24).contains(kind),
        _ => false,
    }
}

fn said(beginning: &[u8]) -> String {
    let text: String = beginning
        .iter()
        .map(|byte| byte.escape_ascii().to_string())
        .collect();
    let http = [
        &b"GET "[..],
        b"POST",
        b"HEAD",
        b"PUT ",
        b"HTTP",
        b"OPTI",
        b"PRI ",
    ];
    if http.iter().any(|word| beginning.starts_with(word)) {
        format!("it speaks HTTP in the clear (\"{text}\"): use https:// there, or no TLS here")
    } else {
        format!("it has sent \"{text}\"")
    }
}

fn refusal(alert: AlertDescription) -> String {
    let (what, todo) = match alert {
        AlertDescription::UnknownCA => (
            "it does not know the authority of the certificate here",
            "its ca has to have it",
        ),
        AlertDescription::CertificateRequired => {
            ("it wants a certificate of this side", "set cert and key")
        }
        AlertDescription::CertificateExpired => ("the certificate here has expired", "renew it"),
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => (
            "it does not accept the certificate here",
            "its own log says why; often the name, or a missing intermediate certificate in cert",
        ),
        AlertDescription::UnrecognisedName => (
            "it does not serve this name",
            "look at the name that was asked for",
        ),
        AlertDescription::NoApplicationProtocol => (
            "it has none of the protocols of alpn",
            "look at alpn on both sides",
        ),
        AlertDescription::ProtocolVersion => (
            "it has none of the versions of TLS here, which are 1.2 and 1.3",
            "",
        ),
        AlertDescription::HandshakeFailure => (
            "there is no cipher that both sides have, or it wants a certificate of this side",
            "set cert and key in that case",
        ),
        AlertDescription::DecryptError => (
            "the certificate here is not signed by the authority whose name it has",
            "its ca has to have the authority's present certificate",
        ),
        other => return format!("{other:?}"),
    };
    if todo.is_empty() {
        what.to_owned()
    } else {
        format!("{what}; {todo}")
    }
}

fn in_common(why: &PeerIncompatible) -> String {
    use PeerIncompatible::*;
    match why {
        ServerDoesNotSupportTls12Or13
        | SupportedVersionsExtensionRequired
        | Tls12NotOffered
        | Tls12NotOfferedOrEnabled
        | ServerTlsVersionIsDisabledByOurConfig => {
            "the peer has neither TLS 1.2 nor TLS 1.3".to_owned()
        }
        NoCipherSuitesInCommon => {
            "no cipher suite: here are those with ECDHE and AES-GCM or ChaCha20 only".to_owned()
        }
        other => format!("{other:?}"),
    }
}
